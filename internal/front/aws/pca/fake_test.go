package pca_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	caID   = "11111111-2222-3333-4444-555555555555"
	caARN  = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + caID
	serial = "0102030405060708090a0b0c0d0e0f10"
)

// door is authorities that note what they are asked and know one authority.
type door struct {
	authority *ca.Authority
	next      string
	err       error
	log       []string
	refused   []error
}

func newDoor() *door {
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	return &door{authority: &ca.Authority{
		ID: caID, Realm: key.DefaultRealm, Region: "us-east-1", Type: ca.Subordinate, Mode: ca.ShortLived, State: ca.Active,
		Spec: alg.P384, Algorithm: alg.ECDSASHA384, Certificate: []byte("own"), Chain: [][]byte{[]byte("issuer"), []byte("root")},
		Revocation: ca.RevocationConfig{
			CRL:  ca.CRLConfig{Enabled: true, ValidityDays: 30, Shards: 8, CustomName: "crl.example.com", Path: "a/b", Bucket: "bucket"},
			OCSP: ca.OCSPConfig{Enabled: true, CustomName: "ocsp.example.com"},
		},
		Tags:      []key.Tag{{Key: "a", Value: "b"}, {Key: "team", Value: "pki"}},
		Policy:    key.Document{Dialect: wire.Dialect, Text: `{"Version":"2012-10-17"}`},
		CreatedAt: at, UpdatedAt: at, StateChangedAt: at, KeyStandard: "FIPS_140_2_LEVEL_2_OR_HIGHER",
		Permissions: []ca.Permission{
			{Principal: "acm.amazonaws.com", Realm: key.DefaultRealm, Actions: []key.Action{key.IssueCertificate, key.GetCertificate}, CreatedAt: at},
			{Principal: "other.example.com", Realm: key.DefaultRealm, Actions: []key.Action{key.ListPermissions}, CreatedAt: at},
		},
	}}
}

// note writes down a call of the door and returns what it fails with.
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

func (d *door) ByID(id string) (*ca.Authority, bool) { return d.authority, id == d.authority.ID }

func (d *door) CreateAuthority(_ context.Context, c *key.Call, req *ca.CreateAuthorityRequest) (*ca.Authority, error) {
	return d.authority, d.note(c, "CreateAuthority", req, "token:"+req.Token)
}

func (d *door) Authority(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "Authority", id)
}

func (d *door) Authorities(_ context.Context, c *key.Call, p kms.Page) ([]*ca.Authority, string, error) {
	elsewhere := *d.authority
	elsewhere.Region = "eu-west-1"
	return []*ca.Authority{d.authority, &elsewhere}, d.next, d.note(c, "Authorities", p)
}

func (d *door) UpdateAuthority(_ context.Context, c *key.Call, id string, u ca.Update) (*ca.Authority, error) {
	return d.authority, d.note(c, "UpdateAuthority", id, u)
}

func (d *door) DeleteAuthority(_ context.Context, c *key.Call, id string, days int) (*ca.Authority, error) {
	return d.authority, d.note(c, "DeleteAuthority", id, days)
}

func (d *door) RestoreAuthority(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "RestoreAuthority", id)
}

func (d *door) AuthorityCSR(_ context.Context, c *key.Call, id string) ([]byte, error) {
	return []byte("request"), d.note(c, "AuthorityCSR", id)
}

func (d *door) AuthorityCertificate(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "AuthorityCertificate", id)
}

func (d *door) ImportAuthorityCertificate(_ context.Context, c *key.Call, id string, own []byte, chain [][]byte) (*ca.Authority, error) {
	return d.authority, d.note(c, "ImportAuthorityCertificate", id, len(own), len(chain))
}

func (d *door) Issue(_ context.Context, c *key.Call, req *ca.IssueRequest) (*ca.Issued, error) {
	asked := fmt.Sprintf("%s %s csr:%d %s token:%s subject:%s validity:%+v", req.Authority, req.Inline.Name, len(req.CSR),
		req.Algorithm, req.Token, req.Subject, req.Validity)
	return &ca.Issued{Certificate: &ca.Certificate{Serial: serial}}, d.note(c, "Issue", asked, req.Extensions)
}

func (d *door) Certificate(_ context.Context, c *key.Call, authority, serial string) (*ca.Certificate, error) {
	return &ca.Certificate{DER: []byte("certificate")}, d.note(c, "Certificate", authority, serial)
}

func (d *door) Revoke(_ context.Context, c *key.Call, authority, serial string, reason ca.Reason) (*ca.Certificate, error) {
	at := c.Time
	return &ca.Certificate{RevokedAt: &at}, d.note(c, "Revoke", authority, serial, reason.String())
}

func (d *door) CreatePermission(_ context.Context, c *key.Call, id string, p ca.Permission) (*ca.Authority, error) {
	return d.authority, d.note(c, "CreatePermission", id, fmt.Sprintf("%s %s %v", p.Principal, p.Realm, p.Actions))
}

func (d *door) DeletePermission(_ context.Context, c *key.Call, id, principal string, realm key.RealmID) (*ca.Authority, error) {
	return d.authority, d.note(c, "DeletePermission", id, principal, string(realm))
}

func (d *door) ListPermissions(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "ListPermissions", id)
}

func (d *door) PutPolicy(_ context.Context, c *key.Call, id string, doc key.Document) (*ca.Authority, error) {
	return d.authority, d.note(c, "PutPolicy", id, doc)
}

func (d *door) Policy(_ context.Context, c *key.Call, id string) (key.Document, error) {
	return d.authority.Policy, d.note(c, "Policy", id)
}

func (d *door) DeletePolicy(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "DeletePolicy", id)
}

func (d *door) Tag(_ context.Context, c *key.Call, id string, tags []key.Tag) (*ca.Authority, error) {
	return d.authority, d.note(c, "Tag", id, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, id string, keys []string) (*ca.Authority, error) {
	return d.authority, d.note(c, "Untag", id, keys)
}

func (d *door) ListTags(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.note(c, "ListTags", id)
}

func (d *door) CreateReport(_ context.Context, c *key.Call, req *inventory.ReportRequest) (*inventory.Report, error) {
	return d.report(), d.note(c, "CreateReport", req)
}

func (d *door) DescribeReport(_ context.Context, c *key.Call, authority, id string) (*inventory.Report, error) {
	return d.report(), d.note(c, "DescribeReport", authority, id)
}

func (d *door) report() *inventory.Report {
	return &inventory.Report{
		ID: reportID, Authority: caID, Bucket: "reports", Name: "audit-report/" + caID + "/" + reportID + ".json",
		State: inventory.ReportDone, CreatedAt: d.authority.CreatedAt,
	}
}

const reportID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

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
	return front.New(front.Config{Services: []front.Service{pca.New(d, d)}, Directory: newDirectory(), Door: d, Now: now})
}

// answer is what a client gets.
type answer struct {
	status  int
	kind    string // __type
	message string
	body    string
	fields  map[string]any
}

// send signs a request for an operation, as a client does, and sends it.
func send(t testing.TB, h http.Handler, operation, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set(wire.HeaderTarget, "ACMPrivateCA."+operation)
	wire.Sign(r, []byte(body), wire.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: secret}, "us-east-1", "acm-pca", time.Now())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, body: w.Body.String()}
	if a.status == http.StatusOK && a.body == "" {
		return a
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a.fields); err != nil {
		t.Fatalf("%s %.200q: the answer is no JSON: %v: %s", operation, body, err, a.body)
	}
	a.kind, _ = a.fields["__type"].(string)
	a.message, _ = a.fields["message"].(string)
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

func golden(t *testing.T, path, got string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
