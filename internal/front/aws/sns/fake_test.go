package sns_test

import (
	"context"
	"testing"
	"time"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/sns"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	arn             = "arn:aws:sns:us-east-1:123456789012:orders"
	id              = "28f019d6-e4c1-4953-a2db-28ad86317b5c"
	subscriptionARN = arn + ":" + id
)

// door is topics that note what they are asked and know one.
type door struct {
	awstest.Door
	topic        *topic.Topic
	subscription *topic.Subscription
}

func newDoor() *door {
	at := time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)
	ref := topic.Ref(key.DefaultRealm, "us-east-1", "orders")
	return &door{
		topic: &topic.Topic{
			Resource: ref, CreatedAt: at, Tags: []key.Tag{{Key: "team", Value: "pki"}},
			Settings: topic.Settings{
				DisplayName: "Orders & more", Signature: 2, KeyName: "alias/web", FixedRetry: true,
				Policy: key.Document{Dialect: wire.Dialect, Text: `{"Version":"2008-10-17","Statement":[{"Sid":"own"},{"Sid":"second"}]}`},
				Retry:  &topic.Retry{Retries: 5, MinDelay: time.Second, MaxDelay: time.Minute, Backoff: topic.Linear},
			},
		},
		subscription: &topic.Subscription{
			Topic: ref, ID: id, Protocol: topic.HTTPS, Endpoint: "https://hooks.example.com/", Owner: key.DefaultRealm, CreatedAt: at,
			ConfirmedBy: "token", Wishes: topic.Wishes{Raw: true, Filter: `{"a":["b"]}`, OnBody: true, ContentType: "application/json"},
		},
	}
}

func fake(testing.TB) (front.Service, *awstest.Door) {
	d := newDoor()
	return sns.New(d), &d.Door
}

func (d *door) Create(_ context.Context, c *key.Call, name string, s *topic.Settings, tags []key.Tag) (*topic.Topic, error) {
	return d.topic, d.NoteJSON(c, "Create", name, s, tags)
}

func (d *door) Describe(_ context.Context, c *key.Call, ref key.Resource) (*topic.Topic, topic.Counts, error) {
	return d.topic, topic.Counts{Confirmed: 3, Pending: 2, Deleted: 1}, d.NoteJSON(c, "Describe", ref.String())
}

func (d *door) List(_ context.Context, c *key.Call, page kms.Page) ([]*topic.Topic, string, error) {
	return []*topic.Topic{d.topic}, d.Next, d.NoteJSON(c, "List", page)
}

func (d *door) Change(_ context.Context, c *key.Call, ref key.Resource, edit func(*topic.Settings) error) (*topic.Topic, error) {
	if err := edit(&d.topic.Settings); err != nil {
		return nil, err
	}
	return d.topic, d.NoteJSON(c, "Change", ref.String(), d.topic.Settings)
}

func (d *door) Delete(_ context.Context, c *key.Call, ref key.Resource) error {
	return d.NoteJSON(c, "Delete", ref.String())
}

func (d *door) Tag(_ context.Context, c *key.Call, ref key.Resource, tags []key.Tag) error {
	return d.NoteJSON(c, "Tag", ref.String(), tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, ref key.Resource, keys []string) error {
	return d.NoteJSON(c, "Untag", ref.String(), keys)
}

func (d *door) Tags(_ context.Context, c *key.Call, ref key.Resource) ([]key.Tag, error) {
	return d.topic.Tags, d.NoteJSON(c, "Tags", ref.String())
}

func (d *door) Subscribe(_ context.Context, c *key.Call, ref key.Resource, req *topic.Subscribing) (*topic.Subscription, error) {
	return d.subscription, d.NoteJSON(c, "Subscribe", ref.String(), req)
}

func (d *door) Confirm(_ context.Context, c *key.Call, ref key.Resource, token string, guarded bool) (*topic.Subscription, error) {
	return d.subscription, d.NoteJSON(c, "Confirm", ref.String(), token, guarded)
}

func (d *door) Unsubscribe(_ context.Context, c *key.Call, ref key.Resource) error {
	return d.NoteJSON(c, "Unsubscribe", ref.String())
}

func (d *door) Subscription(_ context.Context, c *key.Call, ref key.Resource) (*topic.Subscription, *topic.Topic, error) {
	return d.subscription, d.topic, d.NoteJSON(c, "Subscription", ref.String())
}

func (d *door) ChangeSubscription(_ context.Context, c *key.Call, ref key.Resource, edit func(*topic.Wishes) error) error {
	if err := edit(&d.subscription.Wishes); err != nil {
		return err
	}
	return d.NoteJSON(c, "ChangeSubscription", ref.String(), d.subscription.Wishes)
}

func (d *door) Subscriptions(_ context.Context, c *key.Call, page kms.Page) ([]*topic.Subscription, string, error) {
	return []*topic.Subscription{d.subscription}, d.Next, d.NoteJSON(c, "Subscriptions", page)
}

func (d *door) TopicSubscriptions(_ context.Context, c *key.Call, ref key.Resource, page kms.Page) ([]*topic.Subscription, string, error) {
	waiting, left := *d.subscription, *d.subscription
	waiting.ConfirmedBy, left.LeftAt = "", d.topic.CreatedAt
	return []*topic.Subscription{&waiting, &left}, d.Next, d.NoteJSON(c, "TopicSubscriptions", ref.String(), page)
}

func (d *door) Publish(_ context.Context, c *key.Call, ref key.Resource, p *topic.Publication) (string, error) {
	return "00000000-0000-4000-8000-000000000001", d.NoteJSON(c, "Publish", ref.String(), p)
}

func (d *door) PublishBatch(_ context.Context, c *key.Call, ref key.Resource, list []*topic.Publication) ([]string, error) {
	ids := []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}
	return ids[:len(list)], d.NoteJSON(c, "PublishBatch", ref.String(), list)
}
