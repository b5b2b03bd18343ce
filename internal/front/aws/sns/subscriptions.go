package sns

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The texts that stand for the ARN of a subscription that has none yet, or no
// longer.
const (
	pendingARN = "pending confirmation"
	pending    = "PendingConfirmation"
	left       = "Deleted"
)

// The scopes of filter policies.
const (
	onAttributes = "MessageAttributes"
	onBody       = "MessageBody"
)

type subscribe struct {
	arn
	topic.Subscribing
	attributes []aws.Pair
	wantARN    bool
}

func readSubscribe(p *aws.Params) subscribe {
	in := subscribe{arn: readTopicARN(p), attributes: p.Map("Attributes")}
	in.Protocol, in.Endpoint = p.Required("Protocol"), p.Text("Endpoint")
	if want := p.Flag("ReturnSubscriptionArn"); want != nil {
		in.wantARN = *want
	}
	return in
}

func (f *front) subscribe(ctx context.Context, x *aws.Exchange, in subscribe) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	for _, a := range in.attributes {
		if err := setWish(&in.Wishes, a.Key, a.Value); err != nil {
			return err
		}
	}
	s, err := f.topics.Subscribe(ctx, &x.Call, ref, &in.Subscribing)
	if err != nil {
		return err
	}
	text := pendingARN
	if in.wantARN || s.State() == topic.Confirmed {
		text = wire.ResourceARN(s.Resource())
	}
	x.XML.Text("SubscriptionArn", text)
	return nil
}

// setWish sets an attribute of a subscription; an empty value takes it back.
func setWish(w *topic.Wishes, name, value string) (err error) {
	switch name {
	case "RawMessageDelivery":
		w.Raw, err = flag(name, value)
	case "FilterPolicy":
		if w.Filter = value; value == "{}" {
			w.Filter = ""
		}
	case "FilterPolicyScope":
		if value != onAttributes && value != onBody && value != "" {
			return topic.Wrong(name, "it is %s or %s", onAttributes, onBody)
		}
		w.OnBody = value == onBody
	case "DeliveryPolicy":
		return setDelivery(w, value)
	default:
		err = fault.New(fault.Unsupported, "Holdfast does not support the attribute %.100q of subscriptions", name)
	}
	return err
}

type confirm struct {
	arn
	token   string
	guarded string
}

func readConfirm(p *aws.Params) confirm {
	return confirm{readTopicARN(p), p.Required("Token"), p.Text("AuthenticateOnUnsubscribe")}
}

func (f *front) confirmSubscription(ctx context.Context, x *aws.Exchange, in confirm) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	guarded := false
	if in.guarded != "" {
		if guarded, err = flag("AuthenticateOnUnsubscribe", in.guarded); err != nil {
			return err
		}
	}
	s, err := f.topics.Confirm(ctx, &x.Call, ref, in.token, guarded)
	if err != nil {
		return err
	}
	x.XML.Text("SubscriptionArn", wire.ResourceARN(s.Resource()))
	return nil
}

func (f *front) unsubscribe(ctx context.Context, x *aws.Exchange, in arn) error {
	ref, err := in.subscription(x)
	if err != nil {
		return err
	}
	return f.topics.Unsubscribe(ctx, &x.Call, ref)
}

func (f *front) getSubscriptionAttributes(ctx context.Context, x *aws.Exchange, in arn) error {
	ref, err := in.subscription(x)
	if err != nil {
		return err
	}
	s, t, err := f.topics.Subscription(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	var a attributes
	a.add("SubscriptionArn", wire.ResourceARN(s.Resource()))
	a.add("TopicArn", wire.ResourceARN(s.Topic))
	a.add("Owner", string(s.Owner))
	a.add("Protocol", string(s.Protocol))
	a.add("Endpoint", s.Endpoint)
	a.add("PendingConfirmation", strconv.FormatBool(s.State() != topic.Confirmed))
	a.add("ConfirmationWasAuthenticated", strconv.FormatBool(s.Guarded))
	a.add("RawMessageDelivery", strconv.FormatBool(s.Raw))
	if s.Filter != "" {
		a.add("FilterPolicy", s.Filter)
		a.add("FilterPolicyScope", scope(s))
	}
	if s.Protocol == topic.HTTP || s.Protocol == topic.HTTPS {
		a.optional("DeliveryPolicy", delivery(t, s, false))
		a.add("EffectiveDeliveryPolicy", delivery(t, s, true))
	}
	a.write(x)
	return nil
}

func scope(s *topic.Subscription) string {
	if s.OnBody {
		return onBody
	}
	return onAttributes
}

func (f *front) setSubscriptionAttributes(ctx context.Context, x *aws.Exchange, in setAttribute) error {
	ref, err := in.subscription(x)
	if err != nil {
		return err
	}
	return f.topics.ChangeSubscription(ctx, &x.Call, ref, func(w *topic.Wishes) error { return setWish(w, in.name, in.value) })
}

func (f *front) listSubscriptions(ctx context.Context, x *aws.Exchange, marker string) error {
	p, err := page(x, marker)
	if err != nil {
		return err
	}
	list, after, err := f.topics.Subscriptions(ctx, &x.Call, p)
	if err != nil {
		return err
	}
	writeSubscriptions(x, list, after)
	return nil
}

type listByTopic struct {
	arn
	marker string
}

func readListByTopic(p *aws.Params) listByTopic { return listByTopic{readTopicARN(p), readMarker(p)} }

func (f *front) listSubscriptionsByTopic(ctx context.Context, x *aws.Exchange, in listByTopic) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	p, err := page(x, in.marker)
	if err != nil {
		return err
	}
	list, after, err := f.topics.TopicSubscriptions(ctx, &x.Call, ref, p)
	if err != nil {
		return err
	}
	writeSubscriptions(x, list, after)
	return nil
}

// writeSubscriptions adds a page of subscriptions.
func writeSubscriptions(x *aws.Exchange, list []*topic.Subscription, after string) {
	x.XML.List("Subscriptions", len(list), func(i int) {
		s := list[i]
		x.XML.Text("TopicArn", wire.ResourceARN(s.Topic))
		x.XML.Text("Protocol", string(s.Protocol))
		x.XML.Text("SubscriptionArn", listed(s))
		x.XML.Text("Owner", string(s.Owner))
		x.XML.Text("Endpoint", s.Endpoint)
	})
	next(x, after)
}

// listed is what listings have in the place of a subscription's ARN.
func listed(s *topic.Subscription) string {
	switch s.State() {
	case topic.Pending:
		return pending
	case topic.Left:
		return left
	case topic.Confirmed:
	}
	return wire.ResourceARN(s.Resource())
}
