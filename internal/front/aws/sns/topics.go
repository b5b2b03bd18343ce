package sns

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type createTopic struct {
	name       string
	attributes []aws.Pair
	tags       []key.Tag
}

func readCreateTopic(p *aws.Params) createTopic {
	return createTopic{p.Required("Name"), p.Map("Attributes"), readTags(p)}
}

func readTags(p *aws.Params) []key.Tag {
	var tags []key.Tag
	for _, t := range p.Structs("Tags") {
		tags = append(tags, key.Tag{Key: t.Required("Key"), Value: t.Required("Value")})
	}
	return tags
}

func (f *front) createTopic(ctx context.Context, x *aws.Exchange, in createTopic) error {
	settings := &topic.Settings{Signature: 1}
	for _, a := range in.attributes {
		if err := setTopic(settings, a.Key, a.Value); err != nil {
			return err
		}
	}
	t, err := f.topics.Create(ctx, &x.Call, in.name, settings, in.tags)
	if err != nil {
		return err
	}
	x.XML.Text("TopicArn", wire.ResourceARN(t.Resource))
	return nil
}

// setTopic sets an attribute of a topic; an empty value takes it back.
func setTopic(s *topic.Settings, name, value string) (err error) {
	switch name {
	case "DisplayName":
		s.DisplayName = value
	case "Policy":
		s.Policy = key.Document{}
		if value != "" {
			s.Policy = key.Document{Dialect: wire.Dialect, Text: value}
		}
	case "DeliveryPolicy":
		return setTopicDelivery(s, value)
	case "KmsMasterKeyId":
		s.Key, err = keyRef(value)
		s.KeyName = value
	case "SignatureVersion":
		if s.Signature, err = strconv.Atoi(value); err != nil {
			err = topic.Wrong(name, "it is 1 or 2")
		}
	case "FifoTopic":
		var fifo bool
		if fifo, err = flag(name, value); fifo && err == nil {
			err = fault.New(fault.Unsupported, "FIFO topics are not supported")
		}
	default:
		err = fault.New(fault.Unsupported, "Holdfast does not support the attribute %.100q of topics", name)
	}
	return err
}

func (f *front) deleteTopic(ctx context.Context, x *aws.Exchange, in arn) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	if err := f.topics.Delete(ctx, &x.Call, ref); fault.KindOf(err) != fault.NotFound {
		return err
	}
	return nil // ending what is not there is no error in this API
}

func (f *front) getTopicAttributes(ctx context.Context, x *aws.Exchange, in arn) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	t, n, err := f.topics.Describe(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	var a attributes
	a.add("TopicArn", wire.ResourceARN(t.Resource))
	a.add("Owner", string(t.Resource.Realm))
	a.add("DisplayName", t.DisplayName)
	a.add("Policy", t.Policy.Text)
	a.add("SubscriptionsConfirmed", strconv.Itoa(n.Confirmed))
	a.add("SubscriptionsPending", strconv.Itoa(n.Pending))
	a.add("SubscriptionsDeleted", strconv.Itoa(n.Deleted))
	a.add("EffectiveDeliveryPolicy", topicDelivery(t, true))
	a.optional("DeliveryPolicy", topicDelivery(t, false))
	a.optional("KmsMasterKeyId", t.KeyName)
	a.add("SignatureVersion", strconv.Itoa(t.Signature))
	a.write(x)
	return nil
}

// attributes is the map of a topic's or a subscription's attributes.
type attributes []aws.Pair

func (a *attributes) add(name, value string) { *a = append(*a, aws.Pair{Key: name, Value: value}) }

// optional adds an attribute that may have no value.
func (a *attributes) optional(name, value string) {
	if value != "" {
		a.add(name, value)
	}
}

func (a *attributes) write(x *aws.Exchange) {
	x.XML.Map("Attributes", len(*a), func(i int) (string, string) { return (*a)[i].Key, (*a)[i].Value })
}

// setAttribute is SetTopicAttributes or SetSubscriptionAttributes.
type setAttribute struct {
	arn
	name, value string
}

func readSetTopic(p *aws.Params) setAttribute { return readSetAttribute(p, "TopicArn") }

func readSetSubscription(p *aws.Params) setAttribute { return readSetAttribute(p, "SubscriptionArn") }

func readSetAttribute(p *aws.Params, of string) setAttribute {
	return setAttribute{required(p, of), p.Required("AttributeName"), p.Text("AttributeValue")}
}

func (f *front) setTopicAttributes(ctx context.Context, x *aws.Exchange, in setAttribute) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	_, err = f.topics.Change(ctx, &x.Call, ref, func(s *topic.Settings) error { return setTopic(s, in.name, in.value) })
	return err
}

func (f *front) listTopics(ctx context.Context, x *aws.Exchange, marker string) error {
	p, err := page(x, marker)
	if err != nil {
		return err
	}
	list, after, err := f.topics.List(ctx, &x.Call, p)
	if err != nil {
		return err
	}
	x.XML.List("Topics", len(list), func(i int) { x.XML.Text("TopicArn", wire.ResourceARN(list[i].Resource)) })
	next(x, after)
	return nil
}

type tagResource struct {
	arn
	tags []key.Tag
	keys []string
}

func readTagResource(p *aws.Params) tagResource {
	return tagResource{arn: readResourceARN(p), tags: readTags(p)}
}

func readUntagResource(p *aws.Params) tagResource {
	return tagResource{arn: readResourceARN(p), keys: p.List("TagKeys")}
}

func (f *front) tagResource(ctx context.Context, x *aws.Exchange, in tagResource) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	return f.topics.Tag(ctx, &x.Call, ref, in.tags)
}

func (f *front) untagResource(ctx context.Context, x *aws.Exchange, in tagResource) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	return f.topics.Untag(ctx, &x.Call, ref, in.keys)
}

func (f *front) listTagsForResource(ctx context.Context, x *aws.Exchange, in arn) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	tags, err := f.topics.Tags(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	x.XML.List("Tags", len(tags), func(i int) {
		x.XML.Text("Key", tags[i].Key)
		x.XML.Text("Value", tags[i].Value)
	})
	return nil
}
