package sns

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/topic"
)

// Topics is what this front end asks of the topics; *topic.Service is it, and
// its documentation holds.
type Topics interface {
	Owners
	Tags
	Subscriptions
	Publishers
}

// Owners makes and changes topics.
type Owners interface {
	Create(ctx context.Context, call *key.Call, name string, settings *topic.Settings, tags []key.Tag) (*topic.Topic, error)
	Describe(ctx context.Context, call *key.Call, ref key.Resource) (*topic.Topic, topic.Counts, error)
	List(ctx context.Context, call *key.Call, page kms.Page) ([]*topic.Topic, string, error)
	Change(ctx context.Context, call *key.Call, ref key.Resource, edit func(*topic.Settings) error) (*topic.Topic, error)
	Delete(ctx context.Context, call *key.Call, ref key.Resource) error
}

// Tags are the tags of topics.
type Tags interface {
	Tag(ctx context.Context, call *key.Call, ref key.Resource, tags []key.Tag) error
	Untag(ctx context.Context, call *key.Call, ref key.Resource, keys []string) error
	Tags(ctx context.Context, call *key.Call, ref key.Resource) ([]key.Tag, error)
}

// Subscriptions are who gets messages.
type Subscriptions interface {
	Subscribe(ctx context.Context, call *key.Call, ref key.Resource, req *topic.Subscribing) (*topic.Subscription, error)
	Confirm(ctx context.Context, call *key.Call, ref key.Resource, token string, guarded bool) (*topic.Subscription, error)
	Unsubscribe(ctx context.Context, call *key.Call, ref key.Resource) error
	Subscription(ctx context.Context, call *key.Call, ref key.Resource) (*topic.Subscription, *topic.Topic, error)
	ChangeSubscription(ctx context.Context, call *key.Call, ref key.Resource, edit func(*topic.Wishes) error) error
	Subscriptions(ctx context.Context, call *key.Call, page kms.Page) ([]*topic.Subscription, string, error)
	TopicSubscriptions(ctx context.Context, call *key.Call, ref key.Resource, page kms.Page) ([]*topic.Subscription, string, error)
}

// Publishers publish.
type Publishers interface {
	Publish(ctx context.Context, call *key.Call, ref key.Resource, p *topic.Publication) (string, error)
	PublishBatch(ctx context.Context, call *key.Call, ref key.Resource, list []*topic.Publication) ([]string, error)
}

// front is the API over topics.
type front struct{ topics Topics }
