package acm_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/acm"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	id     = "01a204c6-9741-7b2b-a7aa-9d6bd06ea3ca"
	arn    = "arn:aws:acm:us-east-1:123456789012:certificate/" + id
	caID   = "11111111-2222-3333-4444-555555555555"
	caARN  = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + caID
)

// door is managed certificates that note what they are asked and know one.
type door struct {
	certificate *managed.Certificate
	next        string
	err         error
	log         []string
	refused     []error
}

func newDoor(t testing.TB) *door {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "chain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := keystore.ParseCertificates("chain", text)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	return &door{certificate: &managed.Certificate{
		ID: id, Realm: key.DefaultRealm, Region: "us-east-1", Kind: managed.Private, Authority: caID, Domain: "web.example.com",
		Names: []string{"web.example.com", "*.example.com"}, Spec: alg.P256, DER: chain[0], Chain: chain[1:],
		Serial: "0102030405060708090a0b0c0d0e0f10", NotBefore: at, NotAfter: at.AddDate(10, 0, 0), CreatedAt: at, IssuedAt: at,
		Exportable: true, ExportedAt: at, UsedBy: []string{"balancer/1"}, Logged: true,
		Tags:    []key.Tag{{Key: "env", Value: "prod"}, {Key: "team", Value: "pki"}},
		Renewal: &managed.Renewal{Outcome: managed.Refused, At: at, Failure: managed.AccessDenied, Attempts: 2},
	}}
}

// note writes down a call of the door and returns what it fails with. Keys
// are not shown.
func (d *door) note(c *key.Call, name string, args ...any) error {
	var line strings.Builder
	line.WriteString(c.Operation + " " + name)
	for _, a := range args {
		text, ok := a.(string)
		if !ok {
			raw, err := json.Marshal(a)
			if err != nil {
				panic(err)
			}
			text = string(raw)
		}
		line.WriteString(" " + text)
	}
	c.Recorded = true
	d.log = append(d.log, line.String())
	return d.err
}

func (d *door) Refuse(_ context.Context, c *key.Call, _ key.Action, err error) error {
	if !c.Recorded {
		d.refused = append(d.refused, err)
	}
	return err
}

func (d *door) Request(_ context.Context, c *key.Call, req *managed.Request) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Request", req)
}

func (d *door) Import(_ context.Context, c *key.Call, req *managed.Import) (*managed.Certificate, error) {
	shown := *req
	if len(shown.Key) == 0 {
		panic("the key is gone before the door had it")
	}
	shown.Key, shown.Certificate, shown.Chain = nil, shown.Certificate[:4], shown.Chain[:min(1, len(shown.Chain))]
	return d.certificate, d.note(c, "Import", shown.ID, shown.Tags, len(req.Chain))
}

func (d *door) Describe(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Describe", id)
}

func (d *door) Get(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Get", id)
}

func (d *door) Export(_ context.Context, c *key.Call, id string) (*managed.Exported, error) {
	return &managed.Exported{Certificate: d.certificate, PrivateKey: kms.NewSecret([]byte("the private key"))}, d.note(c, "Export", id)
}

func (d *door) List(_ context.Context, c *key.Call, l managed.List) ([]*managed.Certificate, string, error) {
	return []*managed.Certificate{d.certificate}, d.next, d.note(c, "List", l)
}

func (d *door) Renew(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Renew", id)
}

func (d *door) Revoke(_ context.Context, c *key.Call, id string, reason ca.Reason) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Revoke", id, reason.String())
}

func (d *door) Delete(_ context.Context, c *key.Call, id string) error {
	return d.note(c, "Delete", id)
}

func (d *door) SetLogged(_ context.Context, c *key.Call, id string, logged bool) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "SetLogged", id, logged)
}

func (d *door) Tag(_ context.Context, c *key.Call, id string, tags []key.Tag) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Tag", id, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, id string, tags []managed.Untag) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Untag", id, tags)
}

func (d *door) Tags(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.note(c, "Tags", id)
}

func (d *door) Settings(_ context.Context, c *key.Call) (*managed.Settings, error) {
	return &managed.Settings{NoticeDays: 45}, d.note(c, "Settings")
}

func (d *door) PutSettings(_ context.Context, c *key.Call, s managed.Settings) error {
	return d.note(c, "PutSettings", s)
}

// directory knows one access key.
type directory struct{ credential *identity.Credential }

func newDirectory() directory {
	return directory{&identity.Credential{
		ID: "AKIDEXAMPLE", Secret: identity.NewSecret(secret),
		Caller: key.Caller{
			Principal:  key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "alice"},
			Credential: "AKIDEXAMPLE", UserID: "AIDAEXAMPLE",
		},
	}}
}

func (d directory) Credential(id string) (*identity.Credential, error) {
	if id != d.credential.ID {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "no such access key")
	}
	return d.credential, nil
}

func (directory) SessionCredential(string, string) (*identity.Credential, error) {
	return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "no such session")
}

func handler(d *door, now func() time.Time) *front.Handler {
	return front.New(front.Config{Services: []front.Service{acm.New(d)}, Directory: newDirectory(), Door: d, Now: now})
}

// answer is what a client gets.
type answer struct {
	status  int
	kind    string // __type
	message string
	body    string
}

// send signs a request for an operation, as a client does, and sends it.
func send(t testing.TB, h http.Handler, operation, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set(wire.HeaderTarget, "CertificateManager."+operation)
	wire.Sign(r, []byte(body), wire.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: secret}, "us-east-1", "acm", time.Now())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, body: w.Body.String()}
	if a.status == http.StatusOK {
		return a
	}
	var fields struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatalf("%s %.200q: the answer is no JSON: %v: %s", operation, body, err, a.body)
	}
	a.kind, a.message = fields.Type, fields.Message
	return a
}

// recorded reads a request that botocore made.
func recorded(t *testing.T, path string) (*http.Request, time.Time) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(wire.DateFormat, r.Header.Get(wire.HeaderDate))
	if err != nil {
		t.Fatal(err)
	}
	return r.WithContext(t.Context()), at
}
