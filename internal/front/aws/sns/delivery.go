package sns

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/topic"
)

// retryPolicy is a rule of retries as delivery policies have it, in seconds
// ("Creating an HTTP/S delivery policy", Amazon SNS Developer Guide).
type retryPolicy struct {
	MinDelayTarget     *int   `json:"minDelayTarget"`
	MaxDelayTarget     *int   `json:"maxDelayTarget"`
	NumRetries         *int   `json:"numRetries"`
	NumMaxDelayRetries int    `json:"numMaxDelayRetries"`
	NumNoDelayRetries  int    `json:"numNoDelayRetries"`
	NumMinDelayRetries int    `json:"numMinDelayRetries"`
	BackoffFunction    string `json:"backoffFunction"`
}

type requestPolicy struct {
	HeaderContentType string `json:"headerContentType,omitempty"`
}

// throttlePolicy is known to AWS and not supported.
type throttlePolicy struct {
	MaxReceivesPerSecond *int `json:"maxReceivesPerSecond"`
}

// subscriptionDelivery is a subscription's delivery policy.
type subscriptionDelivery struct {
	Healthy  *retryPolicy    `json:"healthyRetryPolicy,omitempty"`
	Sick     *retryPolicy    `json:"sicklyRetryPolicy,omitempty"`
	Throttle *throttlePolicy `json:"throttlePolicy,omitempty"`
	Guaranty *bool           `json:"guaranteed,omitempty"`
	Request  *requestPolicy  `json:"requestPolicy,omitempty"`
}

// topicPolicy is a topic's.
type topicPolicy struct {
	HTTP *struct {
		Healthy  *retryPolicy    `json:"defaultHealthyRetryPolicy,omitempty"`
		Sick     *retryPolicy    `json:"defaultSicklyRetryPolicy,omitempty"`
		Throttle *throttlePolicy `json:"defaultThrottlePolicy,omitempty"`
		Request  *requestPolicy  `json:"defaultRequestPolicy,omitempty"`
		Fixed    bool            `json:"disableSubscriptionOverrides"`
	} `json:"http"`
}

// What a rule has that does not say.
const (
	usualDelay   = 20
	usualRetries = 3
)

func or(n *int, usual int) int {
	if n == nil {
		return usual
	}
	return *n
}

// retry returns the rule, which package topic checks.
func (r *retryPolicy) retry() *topic.Retry {
	if r == nil {
		return nil
	}
	if r.BackoffFunction == "" {
		r.BackoffFunction = string(topic.Linear)
	}
	return &topic.Retry{
		Retries: or(r.NumRetries, usualRetries), Immediate: r.NumNoDelayRetries, Before: r.NumMinDelayRetries,
		After: r.NumMaxDelayRetries, MinDelay: time.Duration(or(r.MinDelayTarget, usualDelay)) * time.Second,
		MaxDelay: time.Duration(or(r.MaxDelayTarget, usualDelay)) * time.Second, Backoff: topic.Backoff(r.BackoffFunction),
	}
}

func policyOf(r *topic.Retry) *retryPolicy {
	least, most, n := int(r.MinDelay/time.Second), int(r.MaxDelay/time.Second), r.Retries
	return &retryPolicy{
		MinDelayTarget: &least, MaxDelayTarget: &most, NumRetries: &n, NumMaxDelayRetries: r.After, NumNoDelayRetries: r.Immediate,
		NumMinDelayRetries: r.Before, BackoffFunction: string(r.Backoff),
	}
}

// readPolicy reads the JSON of a delivery policy.
func readPolicy(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return topic.Wrong("DeliveryPolicy", "it is not the JSON of a delivery policy")
	}
	return nil
}

// refuseThrottle refuses what a delivery policy may have and Holdfast has not.
func refuseThrottle(t *throttlePolicy, sick *retryPolicy) error {
	if t != nil && t.MaxReceivesPerSecond != nil {
		return fault.New(fault.Unsupported, "a throttle policy (maxReceivesPerSecond) is not supported")
	}
	if sick != nil {
		return fault.New(fault.Unsupported, "a policy for sickly endpoints is not supported")
	}
	return nil
}

func setTopicDelivery(s *topic.Settings, text string) error {
	s.Retry, s.FixedRetry, s.ContentType = nil, false, ""
	if text == "" {
		return nil
	}
	var p topicPolicy
	if err := readPolicy(text, &p); err != nil || p.HTTP == nil {
		return err
	}
	s.Retry, s.FixedRetry = p.HTTP.Healthy.retry(), p.HTTP.Fixed
	if p.HTTP.Request != nil {
		s.ContentType = p.HTTP.Request.HeaderContentType
	}
	return refuseThrottle(p.HTTP.Throttle, p.HTTP.Sick)
}

func setDelivery(w *topic.Wishes, text string) error {
	w.Retry, w.ContentType = nil, ""
	if text == "" {
		return nil
	}
	var p subscriptionDelivery
	if err := readPolicy(text, &p); err != nil {
		return err
	}
	if p.Guaranty != nil && *p.Guaranty {
		return fault.New(fault.Unsupported, "a guaranteed delivery is not supported")
	}
	w.Retry = p.Healthy.retry()
	if p.Request != nil {
		w.ContentType = p.Request.HeaderContentType
	}
	return refuseThrottle(p.Throttle, p.Sick)
}

// topicDelivery returns a topic's delivery policy: what was set, "" for nothing,
// or what holds.
func topicDelivery(t *topic.Topic, effective bool) string {
	retry := t.Retry
	if effective {
		rule := topic.EffectiveRetry(t, nil)
		retry = &rule
	}
	if retry == nil && !t.FixedRetry && t.ContentType == "" {
		return ""
	}
	http := map[string]any{"disableSubscriptionOverrides": t.FixedRetry}
	if retry != nil {
		http["defaultHealthyRetryPolicy"] = policyOf(retry)
	}
	if t.ContentType != "" {
		http["defaultRequestPolicy"] = requestPolicy{t.ContentType}
	}
	return text(map[string]any{"http": http})
}

// delivery returns a subscription's delivery policy, as topicDelivery does.
func delivery(t *topic.Topic, s *topic.Subscription, effective bool) string {
	p := subscriptionDelivery{}
	if s.Retry != nil {
		p.Healthy = policyOf(s.Retry)
	}
	contentType := s.ContentType
	if effective {
		rule := topic.EffectiveRetry(t, s)
		p.Healthy = policyOf(&rule)
		if contentType == "" {
			contentType = t.ContentType
		}
	}
	if contentType != "" {
		p.Request = &requestPolicy{contentType}
	}
	if p == (subscriptionDelivery{}) {
		return ""
	}
	return text(p)
}

// text returns JSON of this package's own.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encoding a value without anything that JSON lacks: " + err.Error())
	}
	return string(b)
}
