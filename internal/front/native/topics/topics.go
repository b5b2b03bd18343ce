// Package topics serves topics over the native API: what they are, what they
// could not deliver, and a way to publish.
package topics

import (
	"cmp"
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ topics *topic.Service }

// Operations returns the operations on topics.
func Operations(t *topic.Service) []native.Operation {
	f := &front{t}
	return []native.Operation{
		native.Post("/topics", "CreateTopic", key.CreateTopic, native.Handle(f.create)).Created(),
		native.Get("/topics", "ListTopics", key.ListTopics, native.Handle(f.list)).Takes(native.Paged()...),
		native.Get("/topics/{topic}", "GetTopic", key.GetTopic, native.Handle(f.show)),
		native.Delete("/topics/{topic}", "DeleteTopic", key.DeleteTopic, native.Handle(f.remove)),
		native.Get("/topics/{topic}/subscriptions", "ListTopicSubscriptions", key.ListTopicSubscriptions, native.Handle(f.subscriptions)).Takes(native.Paged()...),
		native.Post("/topics/{topic}/messages", "Publish", key.Publish, native.Handle(f.publish)).Created(),
		native.Get("/failed-deliveries", "ListFailedDeliveries", key.ListSubscriptions, native.Handle(f.failed)).Takes(native.Paged()...),
	}
}

// refOf returns the topic that the path names.
func refOf(r *native.Request) key.Resource {
	return topic.Ref(r.Call.Caller.Principal.Realm, r.Call.Region, r.Path("topic"))
}

func topicOut(t *topic.Topic) wire.Topic {
	return wire.Topic{
		Name: t.Resource.ID, Realm: string(t.Resource.Realm), Region: t.Resource.Region, DisplayName: t.DisplayName, Key: t.KeyName,
		Signature: t.Signature, CreatedAt: t.CreatedAt, Tags: native.TagsOut(t.Tags),
	}
}

func (f *front) create(ctx context.Context, r *native.Request, req *wire.CreateTopicRequest) (*wire.Topic, error) {
	settings := &topic.Settings{DisplayName: req.DisplayName, Signature: cmp.Or(req.Signature, 2)}
	t, err := f.topics.Create(ctx, r.Call, req.Name, settings, native.TagsIn(req.Tags))
	if err != nil {
		return nil, err
	}
	out := topicOut(t)
	return &out, nil
}

func (f *front) remove(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.topics.Delete(ctx, r.Call, refOf(r)))
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.TopicList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	list, next, err := f.topics.List(ctx, r.Call, page)
	if err != nil {
		return nil, err
	}
	out := &wire.TopicList{Topics: make([]wire.Topic, len(list)), Next: next}
	for i, t := range list {
		out.Topics[i] = topicOut(t)
	}
	return out, nil
}

func (f *front) show(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Topic, error) {
	t, n, err := f.topics.Describe(ctx, r.Call, refOf(r))
	if err != nil {
		return nil, err
	}
	out := topicOut(t)
	out.Subscriptions = &wire.SubscriptionCounts{Confirmed: n.Confirmed, Pending: n.Pending, Left: n.Deleted}
	return &out, nil
}

// states are the words for what subscriptions are.
var states = map[topic.State]string{topic.Pending: "pending", topic.Confirmed: "confirmed", topic.Left: "left"}

func (f *front) subscriptions(ctx context.Context, r *native.Request, _ *wire.None) (*wire.SubscriptionList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	list, next, err := f.topics.TopicSubscriptions(ctx, r.Call, refOf(r), page)
	if err != nil {
		return nil, err
	}
	out := &wire.SubscriptionList{Subscriptions: make([]wire.Subscription, len(list)), Next: next}
	for i, s := range list {
		out.Subscriptions[i] = wire.Subscription{
			ID: s.ID, Protocol: string(s.Protocol), Endpoint: s.Endpoint, State: states[s.State()], Raw: s.Raw, Filter: s.Filter, CreatedAt: s.CreatedAt,
		}
	}
	return out, nil
}

func (f *front) publish(ctx context.Context, r *native.Request, req *wire.PublishRequest) (*wire.Published, error) {
	id, err := f.topics.Publish(ctx, r.Call, refOf(r), &topic.Publication{Subject: req.Subject, Body: req.Message})
	if err != nil {
		return nil, err
	}
	return &wire.Published{ID: id}, nil
}

func (f *front) failed(ctx context.Context, r *native.Request, _ *wire.None) (*wire.FailedDeliveryList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	list, next, err := f.topics.Failed(ctx, r.Call, page)
	if err != nil {
		return nil, err
	}
	out := &wire.FailedDeliveryList{Deliveries: make([]wire.FailedDelivery, len(list)), Next: next}
	for i, d := range list {
		out.Deliveries[i] = wire.FailedDelivery{
			Message: d.Message, Topic: d.Topic, Subscription: d.Subscription, Protocol: string(d.Protocol), Endpoint: d.Endpoint,
			Attempts: d.Attempts, Cause: d.Cause, PublishedAt: d.PublishedAt, FailedAt: d.FailedAt,
		}
	}
	return out, nil
}
