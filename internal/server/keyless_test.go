package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
	"github.com/holdfast-kms/holdfast/keyless"
)

// keylessWorld is a server with an authority whose certificates clients of the
// key server have.
type keylessWorld struct {
	*running
	client *client.Client
}

func (r *running) forKeyless() *keylessWorld {
	r.t.Helper()
	admin := readAdmin(filepath.Join(r.dir, EnvFile))
	c, err := client.New(client.Config{
		Address: r.url, CACert: certificate.CA(&config.Config{Data: r.dir}), AccessKeyID: admin.ID, SecretAccessKey: admin.Secret,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	w := &keylessWorld{r, c}
	_, err = c.CreateAuthority(r.t.Context(), &client.CreateAuthorityRequest{Name: "clients", NewKey: "ECC_NIST_P256", Subject: client.Subject{CommonName: "Clients"}})
	w.must(err)
	return w
}

func (w *keylessWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// edge makes a user who may do everything with keys, and its certificate, with the
// serial number.
func (w *keylessWorld) edge(name string) (tls.Certificate, string) {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.client.CreateUser(ctx, name)
	w.must(err)
	w.must(w.client.PutUserPolicy(ctx, name, "keys", client.Policy{Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}`}))
	_, err = w.client.PutClientCertificate(ctx, name, &client.PutClientCertificateRequest{Authority: "clients", Subject: "CN=" + name})
	w.must(err)
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, k)
	w.must(err)
	issued, err := w.client.Issue(ctx, &client.IssueRequest{
		Authority: "clients", Profile: "tls-client", CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	})
	w.must(err)
	block, _ := pem.Decode([]byte(issued.Certificate.Certificate))
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: k}, issued.Serial
}

// signer connects to the key server, and returns a key there.
func (w *keylessWorld) signer(address string, public crypto.PublicKey, c *tls.Certificate) *keyless.Key {
	w.t.Helper()
	roots := x509.NewCertPool()
	text, err := os.ReadFile(certificate.CA(&config.Config{Data: w.dir}))
	w.must(err)
	roots.AppendCertsFromPEM(text)
	settings := &tls.Config{RootCAs: roots}
	if c != nil {
		settings.Certificates = []tls.Certificate{*c}
	}
	k, err := keyless.New(keyless.Config{Servers: []string{address}, TLS: settings, Connections: 1, Timeout: 5 * time.Second})
	w.must(err)
	w.t.Cleanup(func() { w.must(k.Close()) })
	key, err := k.Key(public)
	w.must(err)
	return key
}

// address returns where DIR/env says that keys are served.
func (w *keylessWorld) address() string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, EnvFile))
	w.must(err)
	_, rest, _ := strings.Cut(string(text), "HOLDFAST_KEYLESS_ADDR='")
	address, _, ok := strings.Cut(rest, "'")
	if !ok {
		w.t.Fatal("DIR/env does not say where keys are served")
	}
	return address
}

// newKey makes a key with a certificate for a server.
func (w *keylessWorld) newKey(hsm string) crypto.PublicKey {
	w.t.Helper()
	k, err := w.client.CreateKey(w.t.Context(), &client.CreateKeyRequest{Spec: "ECC_NIST_P256", HSM: hsm})
	w.must(err)
	public, err := w.client.PublicKey(w.t.Context(), k.ID)
	w.must(err)
	parsed, err := x509.ParsePKIXPublicKey(public.SPKI)
	w.must(err)
	return parsed
}

// A key server of a server: clients by certificates of its own authorities, keys
// in software and in an HSM, and revocation while a connection is open.
func TestKeyless(t *testing.T) {
	token := softToken(t, "token")
	w := start(t, t.TempDir(), &Dev{}, func(c *config.Config) {
		c.HSM.Tokens = []config.Token{token}
		c.Keyless.Listen = "127.0.0.1:0" // and certificates are required then, as in production
	}).forKeyless()
	edge, serial := w.edge("edge")
	digest := make([]byte, 32)
	sign := func(k *keyless.Key) error {
		signature, err := k.Sign(nil, digest, crypto.SHA256)
		if err == nil && !ecdsa.VerifyASN1(k.Public().(*ecdsa.PublicKey), digest, signature) {
			t.Error("the signature is wrong")
		}
		return err
	}
	k := w.signer(w.address(), w.newKey(""), &edge)
	w.must(sign(k))
	w.must(sign(w.signer(w.address(), w.newKey("token"), &edge)))
	if err := sign(w.signer(w.address(), k.Public(), nil)); err == nil {
		t.Error("a client without a certificate is served")
	}
	stranger := stranger(t)
	if err := sign(w.signer(w.address(), k.Public(), &stranger)); err == nil {
		t.Error("a client of another authority is served")
	}

	w.byName(&edge)
	_, err := w.client.Revoke(t.Context(), "clients", serial, "keyCompromise")
	w.must(err)
	for end := time.Now().Add(10 * time.Second); sign(k) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a certificate that is revoked is served on")
		}
	}
	list, err := w.client.Audit(t.Context(), client.AuditFilter{Principal: "*:user:edge", Action: "key:Sign"})
	w.must(err)
	if len(list.Records) < 3 {
		t.Errorf("%d uses are on record", len(list.Records))
	}
	_, text := w.do("GET", "/metrics", "", "", "", "")
	if !strings.Contains(text, `holdfast_requests_total{api="keyless",code="ok",operation="ecdsa-sign-sha256"}`) || !strings.Contains(text, `holdfast_keyless_handshakes_failed_total{api="keyless"}`) {
		t.Error("the key server is not among the metrics")
	}
}

// byName has the server find keys by certificates: the one of a name, by the name
// and by its id; a managed one by its id.
func (w *keylessWorld) byName(edge *tls.Certificate) {
	w.t.Helper()
	issued, err := w.client.Issue(w.t.Context(), &client.IssueRequest{
		Authority: "clients", Profile: "tls-server", NewKey: "ECC_NIST_P256", Names: client.Names{DNS: []string{"*.example.com"}},
	})
	w.must(err)
	managed, err := w.client.RequestManaged(w.t.Context(), &client.RequestManagedRequest{Authority: "clients", Domain: "managed.example.net", Spec: "ECC_NIST_P256"})
	w.must(err)
	d := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*edge}}}
	conn, err := d.DialContext(w.t.Context(), "tcp", w.address())
	w.must(err)
	defer func() { w.must(conn.Close()) }()
	for name, o := range map[string]*wire.Operation{
		"a wildcard": {SNI: []byte("www.example.com")}, "authority/serial": {CertID: []byte(issued.Authority + "/" + issued.Serial)},
		"a managed certificate's id": {CertID: []byte(managed.ID)}, "its name": {SNI: []byte("managed.example.net")},
	} {
		o.Opcode, o.Payload = wire.OpECDSASignSHA256, make([]byte, 32)
		b, err := o.Append(nil, 1)
		w.must(err)
		_, err = conn.Write(b)
		w.must(err)
		packet := make([]byte, wire.PadTo)
		_, err = io.ReadFull(conn, packet)
		w.must(err)
		var a wire.Operation
		w.must(a.Parse(packet[wire.HeaderSize:]))
		if a.Opcode != wire.OpResponse {
			w.t.Errorf("by %s: %s %x", name, a.Opcode, a.Payload)
		}
	}
}

// stranger is a certificate that nobody here issued.
func stranger(t *testing.T) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}, &x509.Certificate{}, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{template}, PrivateKey: k}
}
