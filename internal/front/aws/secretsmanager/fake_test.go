package secretsmanager_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/secretsmanager"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

const (
	id    = "prod/db-AbCdEf"
	arn   = "arn:aws:secretsmanager:us-east-1:123456789012:secret:" + id
	first = "01234567-89ab-cdef-0123-456789abcdef"
	other = "11234567-89ab-cdef-0123-456789abcdef"
)

// door is secrets that note what they are asked and know one.
type door struct {
	awstest.Door
	secret *secret.Secret
	flaws  []*fault.Error
}

func newDoor(testing.TB) *door {
	at := time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)
	return &door{secret: &secret.Secret{
		Realm: key.DefaultRealm, Region: "us-east-1", Name: "prod/db", Suffix: "AbCdEf", Description: "the \"database\"",
		Key: kms.Ref{Realm: key.DefaultRealm, Region: "us-east-1", Alias: "alias/secrets"}, KeyText: "alias/secrets",
		Tags: []key.Tag{{Key: "bare"}, {Key: "team", Value: "web"}}, Policy: key.Document{Dialect: "aws", Text: `{"Statement":[]}`},
		Versions: []secret.Version{
			{ID: first, Stages: []secret.Stage{secret.Previous}, CreatedAt: at, AccessedAt: at.Truncate(24 * time.Hour)},
			{ID: "21234567-89ab-cdef-0123-456789abcdef", CreatedAt: at},
			{ID: other, Stages: []secret.Stage{secret.Current, "blue"}, CreatedAt: at, Key: "123456789012/us-east-1/1234abcd-12ab-34cd-56ef-1234567890ab"},
		},
		CreatedAt: at, ChangedAt: at.Add(time.Hour), AccessedAt: at.Truncate(24 * time.Hour), DeletedAt: at, DeleteAt: at.AddDate(0, 0, 7),
	}}
}

// shown is a value as the notes have it: its length and kind. That it comes
// whole, the tests of the service and of official clients see.
func shown(v *secret.Value) string {
	switch {
	case v == nil:
		return "no value"
	case v.Binary:
		return "bytes:" + string(v.Reveal())
	}
	return "text:" + string(v.Reveal())
}

func (d *door) Create(_ context.Context, c *key.Call, req *secret.CreateRequest) (*secret.Result, error) {
	return &secret.Result{Secret: d.secret, Given: req.Version}, d.NoteJSON(c, "Create", req, shown(req.Value))
}

func (d *door) Put(_ context.Context, c *key.Call, req *secret.PutRequest) (*secret.Result, error) {
	return &secret.Result{Secret: d.secret, Given: first}, d.NoteJSON(c, "Put", req, shown(req.Value))
}

func (d *door) Update(_ context.Context, c *key.Call, req *secret.UpdateRequest) (*secret.Result, error) {
	return &secret.Result{Secret: d.secret, Given: req.Version}, d.NoteJSON(c, "Update", req, shown(req.Value))
}

func (d *door) MoveStage(_ context.Context, c *key.Call, req *secret.StageRequest) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "MoveStage", req)
}

func (d *door) revealed() *secret.Revealed {
	return &secret.Revealed{Secret: d.secret, Version: d.secret.Versions[2], Value: secret.NewText([]byte("the \"value\""))}
}

func (d *door) Get(_ context.Context, c *key.Call, choice *secret.Choice) (*secret.Revealed, error) {
	return d.revealed(), d.NoteJSON(c, "Get", choice)
}

func (d *door) Batch(_ context.Context, c *key.Call, req *secret.BatchRequest) ([]secret.Item, string, error) {
	list := []secret.Item{{Name: "prod/db", Revealed: d.revealed()}, {Name: "gone", Err: fault.New(fault.NotFound, "none")}}
	next := d.Next
	if req.List == nil {
		next = ""
	}
	if len(req.Secrets) == 1 {
		list = list[:1]
	}
	return list, next, d.NoteJSON(c, "Batch", req)
}

func (d *door) Describe(_ context.Context, c *key.Call, ref secret.Ref) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Describe", ref)
}

func (d *door) Versions(_ context.Context, c *key.Call, ref secret.Ref) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Versions", ref)
}

func (d *door) List(_ context.Context, c *key.Call, l *secret.List) ([]*secret.Secret, string, error) {
	return []*secret.Secret{d.secret}, d.Next, d.NoteJSON(c, "List", l)
}

func (d *door) Delete(_ context.Context, c *key.Call, req *secret.DeleteRequest) (*secret.Deleted, error) {
	out := &secret.Deleted{Secret: d.secret, At: d.secret.DeleteAt}
	if req.Force {
		out.Secret = nil
	}
	return out, d.NoteJSON(c, "Delete", req)
}

func (d *door) Restore(_ context.Context, c *key.Call, ref secret.Ref) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Restore", ref)
}

func (d *door) Tag(_ context.Context, c *key.Call, ref secret.Ref, tags []key.Tag) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Tag", ref, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, ref secret.Ref, names []string) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Untag", ref, names)
}

func (d *door) PutPolicy(_ context.Context, c *key.Call, ref secret.Ref, doc key.Document, notPublic bool) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "PutPolicy", ref, doc, notPublic)
}

func (d *door) Policy(_ context.Context, c *key.Call, ref secret.Ref) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "Policy", ref)
}

func (d *door) DeletePolicy(_ context.Context, c *key.Call, ref secret.Ref) (*secret.Secret, error) {
	return d.secret, d.NoteJSON(c, "DeletePolicy", ref)
}

func (d *door) ValidatePolicy(_ context.Context, c *key.Call, ref secret.Ref, doc key.Document) ([]*fault.Error, error) {
	return d.flaws, d.NoteJSON(c, "ValidatePolicy", ref, doc)
}

func (d *door) Password(_ context.Context, c *key.Call, req *secret.PasswordRequest) (key.Secret, error) {
	return key.NewSecret([]byte("pass\"word")), d.NoteJSON(c, "Password", req)
}

// fake returns the API over a new door.
func fake(t testing.TB) (front.Service, *awstest.Door) {
	t.Helper()
	d := newDoor(t)
	return secretsmanager.New(d), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(secretsmanager.New(d), d).Send(t, operation, body)
}
