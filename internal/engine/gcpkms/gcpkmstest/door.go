package gcpkmstest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const readHeader = 10 * time.Second

// newCertificate returns a certificate for loopback addresses, and its issuer
// in PEM: itself.
func newCertificate() (tls.Certificate, []byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Cloud KMS on loopback"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Cloud KMS on loopback"}}, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// door gives access tokens and takes them: those of the security token service
// (RFC 8693), and those that a service account signed itself.
type door struct {
	http    *http.Server
	url     string
	subject string
	served  chan struct{}

	mu      sync.Mutex
	valid   []string // guarded by mu
	given   int      // guarded by mu
	account *account // guarded by mu; nil until it is asked for
}

// account is a service account and its key.
type account struct {
	private *rsa.PrivateKey
	kid     string
	since   time.Time // tokens from before are revoked
}

const (
	audience     = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/loopback"
	accountEmail = "holdfast@holdfast-test.iam.gserviceaccount.com"
	tokenLife    = time.Hour
)

func newDoor() (*door, error) {
	d := &door{subject: rand.Text(), served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subject", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(d.subject)) })
	mux.HandleFunc("POST /v1/token", d.exchange)
	server, l, err := httpServer(mux)
	if err != nil {
		return nil, err
	}
	d.http, d.url = server, "http://"+l.Addr().String()
	go func() {
		defer close(d.served)
		_ = server.Serve(l) // ends by Close
	}()
	return d, nil
}

func (d *door) close() {
	_ = d.http.Close()
	<-d.served
}

// issue returns a new access token.
func (d *door) issue() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given++
	token := "ya29." + rand.Text()
	d.valid = append(d.valid, token)
	return token
}

func (d *door) revoke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.valid = nil
	if d.account != nil {
		d.account.since = time.Now()
	}
}

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given
}

// exchange gives an access token for the subject's token.
func (d *door) exchange(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	want := map[string]string{ //nolint:gosec // names of the protocol's, and a token of the test's own
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": audience, "subject_token": d.subject,
		"subject_token_type":   "urn:ietf:params:oauth:token-type:jwt",
		"requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
	}
	for name, value := range want {
		if r.PostFormValue(name) != value {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": "wrong " + name})
			return
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": d.issue(), "issued_token_type": want["requested_token_type"], "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()),
	})
}

func (d *door) external() []byte {
	text, _ := json.Marshal(map[string]any{ //nolint:gosec // texts only, and none of them a secret
		"type": "external_account", "audience": audience, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": d.url + "/v1/token", "credential_source": map[string]any{"url": d.url + "/subject"},
	})
	return text
}

func (d *door) serviceAccount() ([]byte, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.account = &account{private: private, kid: rand.Text()}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": "holdfast-test", "private_key_id": d.account.kid, "client_email": accountEmail,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": d.url + "/v1/token",
	})
}

// admit checks the access token of a request.
func (d *door) admit(ctx context.Context) error {
	m, _ := metadata.FromIncomingContext(ctx)
	header := m.Get("authorization")
	if len(header) != 1 {
		return unauthenticated("CREDENTIALS_MISSING")
	}
	token, ok := strings.CutPrefix(header[0], "Bearer ")
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || !slices.Contains(d.valid, token) && !d.account.signed(token) {
		return unauthenticated("ACCESS_TOKEN_EXPIRED")
	}
	return nil
}

// signed reports whether a token is one that the service account signed (RFC
// 7523, with a scope instead of an audience).
func (a *account) signed(token string) bool {
	parts := strings.Split(token, ".")
	if a == nil || len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&a.private.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope string
		Iat, Exp   int64
	}
	if !decode(parts[0], &head) || !decode(parts[1], &claims) {
		return false
	}
	now := time.Now().Unix()
	return head.Alg == "RS256" && head.Kid == a.kid && claims.Iss == accountEmail && claims.Exp > now &&
		claims.Exp-claims.Iat <= int64(tokenLife.Seconds()) && claims.Iat >= a.since.Unix() &&
		strings.Contains(claims.Scope, "https://www.googleapis.com/auth/cloud")
}

func decode(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}

func unauthenticated(reason string) error {
	return detailed(codes.Unauthenticated, "Request had invalid authentication credentials.",
		&errdetails.ErrorInfo{Reason: reason, Domain: "googleapis.com", Metadata: map[string]string{"service": "cloudkms.googleapis.com"}})
}

// invalid is what the service says of a request that is wrong.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
