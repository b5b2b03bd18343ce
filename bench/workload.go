package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// workload is a kind of request, and the bar for its cost.
type workload struct {
	name, title string
	// bar is how many times the floor's processor time Holdfast may take; 0
	// for none.
	bar float64
	// mark is in every right answer.
	mark string
	// target is the operation, "" for the native API's issue.
	target string
	body   func(s *subject) map[string]any
}

// subject is what a server has for the workloads.
type subject struct {
	*server

	symmetric, p256, rsa, authority string
	csr                             string
}

const (
	payload   = 4096
	nativeCA  = "/holdfast/v1/authorities"
	nativeKey = "bench"
	// made is the workload that only Holdfast has: a certificate for a key that
	// it makes and keeps.
	made = "issue-key"
)

func workloads() []workload {
	digest := base64.StdEncoding.EncodeToString(make([]byte, 32))
	plain := make([]byte, payload)
	_, _ = rand.Read(plain) // it never fails
	sign := func(key func(*subject) string, algorithm string) func(*subject) map[string]any {
		return func(s *subject) map[string]any {
			return map[string]any{"KeyId": key(s), "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": algorithm}
		}
	}
	return []workload{
		{"encrypt", "Encrypt 4 KB", 2.0, "CiphertextBlob", "Encrypt", func(s *subject) map[string]any {
			return map[string]any{"KeyId": s.symmetric, "Plaintext": plain}
		}},
		{"datakey", "GenerateDataKey", 2.2, "CiphertextBlob", "GenerateDataKey", func(s *subject) map[string]any {
			return map[string]any{"KeyId": s.symmetric, "KeySpec": "AES_256"}
		}},
		{"sign-p256", "Sign P-256", 1.35, "Signature", "Sign", sign(func(s *subject) string { return s.p256 }, "ECDSA_SHA_256")},
		{"sign-rsa2048", "Sign RSA-2048", 1.15, "Signature", "Sign", sign(func(s *subject) string { return s.rsa }, "RSASSA_PKCS1_V1_5_SHA_256")},
		{"issue", "Issue P-256 from CSR", 2.0, "BEGIN CERTIFICATE", "", func(s *subject) map[string]any {
			return map[string]any{"authority": s.authority, "profile": "tls-server", "csr": s.csr}
		}},
		{made, "Issue P-256, key made", 0, "BEGIN CERTIFICATE", "", func(s *subject) map[string]any {
			return map[string]any{
				"authority": s.authority, "profile": "tls-server", "new_key": "p-256",
				"names": map[string]any{"dns": []string{"web.example.com"}},
			}
		}},
	}
}

func workloadNames() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

// prepare gives a server what the workloads name. The floor has its own.
func prepare(ctx context.Context, s *server) (*subject, error) {
	sub := &subject{server: s, symmetric: "floor", p256: "floor", rsa: "floor", authority: "floor"}
	var err error
	if sub.csr, err = newCSR(); err != nil || s.name == "floor" {
		return sub, err
	}
	for _, k := range []struct {
		id          *string
		spec, usage string
	}{
		{&sub.symmetric, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"}, {&sub.p256, "ECC_NIST_P256", "SIGN_VERIFY"}, {&sub.rsa, "RSA_2048", "SIGN_VERIFY"},
	} {
		if *k.id, err = s.createKey(ctx, k.spec, k.usage); err != nil {
			return nil, err
		}
	}
	if s.name != "holdfast" {
		return sub, nil
	}
	return sub, sub.makeAuthority(ctx)
}

// makeAuthority makes the certificate authority for the issue workload: a
// root on a P-256 key of its own.
func (s *subject) makeAuthority(ctx context.Context) error {
	id, err := s.createKey(ctx, "ECC_NIST_P256", "SIGN_VERIFY")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"name": nativeKey, "key": id, "subject": map[string]string{"common_name": "Bench Root", "organization": "Bench"},
	})
	if err != nil {
		return err
	}
	c := &conn{addr: s.addr}
	defer c.close()
	answer, err := c.exchange(ctx, s.nativeRequest(nativeCA, body))
	if err != nil {
		return fmt.Errorf("creating an authority: %w", err)
	}
	var authority struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &authority); err != nil {
		return err
	}
	if s.authority = authority.ID; s.authority == "" {
		return errors.New("the new authority has no id")
	}
	return nil
}

// createKey makes a key and returns its id.
func (s *server) createKey(ctx context.Context, spec, usage string) (string, error) {
	var made struct {
		KeyMetadata struct{ KeyId string } //nolint:revive,staticcheck // AWS's own spelling
	}
	err := s.call(ctx, "CreateKey", map[string]any{"KeySpec": spec, "KeyUsage": usage}, &made)
	return made.KeyMetadata.KeyId, err
}

// newCSR returns a certificate request for a P-256 key in PEM.
func newCSR() (string, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"},
	}, k)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), err
}

// call makes one call of the AWS API.
func (s *server) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := s.awsRequest(ctx, operation, body)
	if err != nil {
		return err
	}
	c := &conn{addr: s.addr}
	defer c.close()
	answer, err := c.exchange(ctx, request)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", s.name, operation, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// awsRequest returns the bytes of a request of the AWS API, signed now.
func (s *server) awsRequest(ctx context.Context, operation string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	req.Header.Set("User-Agent", "holdfast-bench")
	sigv4.Sign(req, body, s.creds, region, "kms", time.Now())
	var b bytes.Buffer
	err = req.Write(&b)
	return b.Bytes(), err
}

// nativeRequest returns the bytes of a request of Holdfast's own API.
func (s *server) nativeRequest(path string, body []byte) []byte {
	auth := base64.StdEncoding.EncodeToString([]byte(s.creds.AccessKeyID + ":" + s.creds.Secret))
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: holdfast-bench\r\nAuthorization: Basic %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, s.addr, auth, len(body), body)
}

// load returns the load of a workload, and a function that ends what keeps
// its signatures fresh: all connections send the same bytes, signed anew
// every second, as clients of one account would.
func (s *subject) load(ctx context.Context, w *workload, conns int) (*load, func(), error) {
	body, err := json.Marshal(w.body(s))
	if err != nil {
		return nil, nil, err
	}
	var current atomic.Pointer[[]byte]
	refresh := func() error {
		request := s.nativeRequest("/holdfast/v1/certificates", body)
		if w.target != "" {
			var err error
			if request, err = s.awsRequest(ctx, w.target, body); err != nil {
				return err
			}
		}
		current.Store(&request)
		return nil
	}
	if err := refresh(); err != nil {
		return nil, nil, err
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for t := time.NewTicker(time.Second); ; {
			select {
			case <-t.C:
				_ = refresh() // it worked a second ago
			case <-done:
				t.Stop()
				return
			}
		}
	}()
	stop := func() { close(done); <-ended }
	return &load{addr: s.addr, conns: conns, request: func(int) []byte { return *current.Load() }, mark: []byte(w.mark)}, stop, nil
}
