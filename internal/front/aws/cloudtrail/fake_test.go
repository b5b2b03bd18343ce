package cloudtrail_test

import (
	"context"
	"testing"
	"time"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudtrail"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/trail"
)

const arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"

// door is trails that note what they are asked and know one.
type door struct {
	awstest.Door
	trail *trail.Trail
}

func newDoor() *door {
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	return &door{trail: &trail.Trail{
		Realm: key.DefaultRealm, Region: "us-east-1", Name: "audit", CreatedAt: at, Bucket: "audit-logs", Prefix: "prod", Global: true,
		AllRegions: true, Logging: true, StartedAt: at, DeliveredAt: at.Add(time.Minute), AttemptedAt: at.Add(2 * time.Minute),
		Failure: "the bucket does not exist", Tags: []key.Tag{{Key: "team", Value: "security"}},
	}}
}

func fake(testing.TB) (front.Service, *awstest.Door) {
	d := newDoor()
	return cloudtrail.New(d), &d.Door
}

func (d *door) Create(_ context.Context, c *key.Call, req *trail.Create) (*trail.Trail, error) {
	return d.trail, d.NoteJSON(c, "Create", req)
}

func (d *door) Update(_ context.Context, c *key.Call, ref trail.Ref, u *trail.Update) (*trail.Trail, error) {
	return d.trail, d.NoteJSON(c, "Update", ref, u)
}

func (d *door) Delete(_ context.Context, c *key.Call, ref trail.Ref) error {
	return d.NoteJSON(c, "Delete", ref)
}

func (d *door) PutSelectors(_ context.Context, c *key.Call, ref trail.Ref, s trail.Selectors) (*trail.Trail, error) {
	d.trail.Selectors = s
	return d.trail, d.NoteJSON(c, "PutSelectors", ref, s)
}

func (d *door) Get(_ context.Context, c *key.Call, action key.Action, ref trail.Ref) (*trail.Trail, error) {
	if len(d.Log) > 0 { // of several tags
		return d.trail, d.Err
	}
	return d.trail, d.NoteJSON(c, "Get", action.String(), ref)
}

func (d *door) Describe(_ context.Context, c *key.Call, refs []trail.Ref, others bool) ([]*trail.Trail, error) {
	return []*trail.Trail{d.trail}, d.NoteJSON(c, "Describe", refs, others)
}

func (d *door) List(_ context.Context, c *key.Call, page kms.Page) ([]*trail.Trail, string, error) {
	return []*trail.Trail{d.trail}, d.Next, d.NoteJSON(c, "List", page)
}

func (d *door) Lookup(_ context.Context, c *key.Call, l *trail.Lookup) ([]trail.Found, trail.Position, error) {
	next := trail.Position(0)
	if d.Next != "" {
		next = 41
	}
	return []trail.Found{
		{
			Event: trail.Event{
				ID: "e1", Time: time.Unix(1795414121, 5e8), Name: "Sign", Source: "kms.amazonaws.com", Username: "alice", AccessKey: "AKIDEXAMPLE",
				Thing: "arn:aws:kms:us-east-1:123456789012:key/1", ThingType: "AWS::KMS::Key", ReadOnly: true,
			},
			Document: []byte(`{"eventName":"Sign"}`), Position: 42,
		},
		{Event: trail.Event{ID: "e2", Time: time.Unix(1795414120, 0), Name: "ListKeys"}, Document: []byte(`{}`), Position: 41},
	}, next, d.NoteJSON(c, "Lookup", l)
}

func (d *door) Start(_ context.Context, c *key.Call, ref trail.Ref) error {
	return d.NoteJSON(c, "Start", ref)
}

func (d *door) Stop(_ context.Context, c *key.Call, ref trail.Ref) error {
	return d.NoteJSON(c, "Stop", ref)
}

func (d *door) Tag(_ context.Context, c *key.Call, ref trail.Ref, tags []key.Tag) error {
	return d.NoteJSON(c, "Tag", ref, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, ref trail.Ref, keys []string) error {
	return d.NoteJSON(c, "Untag", ref, keys)
}
