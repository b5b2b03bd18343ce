package acm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/acm"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

const (
	id    = "01a204c6-9741-7b2b-a7aa-9d6bd06ea3ca"
	arn   = "arn:aws:acm:us-east-1:123456789012:certificate/" + id
	caID  = "11111111-2222-3333-4444-555555555555"
	caARN = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + caID
)

// door is managed certificates that note what they are asked and know one.
type door struct {
	awstest.Door
	certificate *managed.Certificate
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

func (d *door) Request(_ context.Context, c *key.Call, req *managed.Request) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Request", req)
}

func (d *door) Import(_ context.Context, c *key.Call, req *managed.Import) (*managed.Certificate, error) {
	shown := *req // without the key
	if len(shown.Key) == 0 {
		panic("the key is gone before the door had it")
	}
	shown.Key, shown.Certificate, shown.Chain = nil, shown.Certificate[:4], shown.Chain[:min(1, len(shown.Chain))]
	return d.certificate, d.NoteJSON(c, "Import", shown.ID, shown.Tags, len(req.Chain))
}

func (d *door) Describe(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Describe", id)
}

func (d *door) Get(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Get", id)
}

func (d *door) Export(_ context.Context, c *key.Call, id string) (*managed.Exported, error) {
	return &managed.Exported{Certificate: d.certificate, PrivateKey: key.NewSecret([]byte("the private key"))}, d.NoteJSON(c, "Export", id)
}

func (d *door) List(_ context.Context, c *key.Call, l managed.List) ([]*managed.Certificate, string, error) {
	return []*managed.Certificate{d.certificate}, d.Next, d.NoteJSON(c, "List", l)
}

func (d *door) Renew(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Renew", id)
}

func (d *door) Revoke(_ context.Context, c *key.Call, id string, reason ca.Reason) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Revoke", id, reason.String())
}

func (d *door) Delete(_ context.Context, c *key.Call, id string) error {
	return d.NoteJSON(c, "Delete", id)
}

func (d *door) SetLogged(_ context.Context, c *key.Call, id string, logged bool) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "SetLogged", id, logged)
}

func (d *door) Tag(_ context.Context, c *key.Call, id string, tags []key.Tag) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Tag", id, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, id string, tags []managed.Untag) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Untag", id, tags)
}

func (d *door) Tags(_ context.Context, c *key.Call, id string) (*managed.Certificate, error) {
	return d.certificate, d.NoteJSON(c, "Tags", id)
}

func (d *door) Settings(_ context.Context, c *key.Call) (*managed.Settings, error) {
	return &managed.Settings{NoticeDays: 45}, d.NoteJSON(c, "Settings")
}

func (d *door) PutSettings(_ context.Context, c *key.Call, s managed.Settings) error {
	return d.NoteJSON(c, "PutSettings", s)
}

// fake returns the API over a new door.
func fake(t testing.TB) (front.Service, *awstest.Door) {
	t.Helper()
	d := newDoor(t)
	return acm.New(d), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(acm.New(d), d).Send(t, operation, body)
}
