package topic

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/filter"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Kind is what a message is.
type Kind string

// The kinds of messages.
const (
	Notification Kind = "notification"
	Confirmation Kind = "confirmation" // asks whether a subscription is wanted
	Goodbye      Kind = "goodbye"      // tells that one was ended, and how to take it back
)

// Attribute is a fact beside a message's text. Type is String, String.Array,
// Number or Binary, perhaps with a dot and more behind it.
type Attribute struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Text  string `json:"text,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

// Publication is what is published.
type Publication struct {
	Subject string
	Body    string
	// Bodies are texts for subscriptions of some protocols, in the place of Body.
	Bodies     map[Protocol]string
	Attributes []Attribute
}

// MaxMessage bounds a publication, and all of a batch: its texts and its
// attributes with their names and types, in bytes.
const MaxMessage = 256 << 10

const (
	maxSubject       = 100
	maxAttributeName = 256
)

// Size returns how much of MaxMessage a publication takes.
func (p *Publication) Size() int {
	n := len(p.Body)
	for _, b := range p.Bodies {
		n += len(b)
	}
	for _, a := range p.Attributes {
		n += len(a.Name) + len(a.Type) + len(a.Text) + len(a.Bytes)
	}
	return n
}

// Check refuses what cannot be published.
func (p *Publication) Check() error {
	switch {
	case p.Body == "":
		return Wrong("Message", "Empty message")
	case p.Size() > MaxMessage:
		return Wrong("Message", "Message too long")
	case !utf8.ValidString(p.Body):
		return Wrong("Message", "the message is no UTF-8")
	case utf8.RuneCountInString(p.Subject) > maxSubject || strings.ContainsFunc(p.Subject, isControl):
		return Wrong("Subject", "a subject has at most %d characters, none of them a control character", maxSubject)
	}
	for i := range p.Attributes {
		if err := p.Attributes[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attribute) check() error {
	kind, _, _ := strings.Cut(a.Type, ".")
	valid := a.Name != "" && len(a.Name) <= maxAttributeName && strings.Trim(a.Name, nameLetters+".") == "" &&
		!strings.HasPrefix(a.Name, ".") && !strings.HasSuffix(a.Name, ".") && !strings.Contains(a.Name, "..")
	if !valid {
		return Wrong("MessageAttributes", "an attribute's name is 1 to %d letters, digits, hyphens, underscores and single dots", maxAttributeName)
	}
	switch {
	case len(a.Type) > maxAttributeName || kind != "String" && kind != "Number" && kind != "Binary":
		return Wrong("MessageAttributes", "the type of the attribute %s is none of String, String.Array, Number and Binary", a.Name)
	case (kind == "Binary") != (a.Text == "") || (kind == "Binary") != (len(a.Bytes) > 0):
		return Wrong("MessageAttributes", "the attribute %s must have a value of its type, which is not empty", a.Name)
	case kind == "Number":
		if _, err := strconv.ParseFloat(a.Text, 64); err != nil || !json.Valid([]byte(a.Text)) {
			return Wrong("MessageAttributes", "the attribute %s is no number", a.Name)
		}
	case a.Type == "String.Array":
		if value, err := filter.JSON(a.Text); err != nil || !isArray(value) {
			return Wrong("MessageAttributes", "the attribute %s is no JSON array", a.Name)
		}
	}
	return nil
}

func isArray(v any) bool {
	_, ok := v.([]any)
	return ok
}

// Message is a message as its receivers get it: the text is that for the
// subscription's protocol.
type Message struct {
	Kind        Kind
	ID          string
	Topic       key.Resource
	DisplayName string
	Subject     string
	Body        string
	Attributes  []Attribute
	Time        time.Time
	// Token confirms the subscription, in messages that ask for that.
	Token string
	// Signature is over Form.Canonical, of a version, by the key of the
	// certificate with that id; nil where a message has none.
	Signature   []byte
	Version     int
	Certificate string
}

// message returns a new message of a topic.
func (s *Service) message(t *Topic, kind Kind) *Message {
	return &Message{
		Kind: kind, ID: uuid.NewString(), Topic: t.Resource, DisplayName: t.DisplayName,
		Time: s.Now().UTC().Truncate(time.Millisecond), Version: t.Signature,
	}
}

// Publish has a message delivered to everybody who wants it, and returns the
// message's id: the message is stored when it returns.
func (s *Service) Publish(ctx context.Context, call *key.Call, ref key.Resource, p *Publication) (id string, err error) {
	ids, err := s.publish(ctx, call, ref, []*Publication{p})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// MaxBatch is how many messages are published at once at most.
const MaxBatch = 10

// PublishBatch publishes some messages, all of them or none, and returns their
// ids.
func (s *Service) PublishBatch(ctx context.Context, call *key.Call, ref key.Resource, list []*Publication) ([]string, error) {
	return s.publish(ctx, call, ref, list)
}

// PublishAs publishes what a part of Holdfast has to say, as a service that the
// topic's policy has to let in.
func (s *Service) PublishAs(ctx context.Context, service string, realm key.RealmID, region, topic, subject, message string) error {
	call := guard.OwnCall(realm, region, service, "Publish", s.Now())
	call.Secure = true
	_, err := s.Publish(ctx, call, Ref(realm, region, topic), &Publication{Subject: shortened(subject), Body: message})
	return err
}

// shortened returns a subject that can be one.
func shortened(subject string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, subject))
	return string(runes[:min(len(runes), maxSubject)])
}

// publish stores messages with their deliveries.
func (s *Service) publish(ctx context.Context, call *key.Call, ref key.Resource, list []*Publication) ([]string, error) {
	return guard.Do(ctx, s.Guard, call, key.Publish, func(v *guard.Visit) ([]string, error) {
		t, err := s.visit(ctx, v, key.Publish, ref, nil)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if err := p.Check(); err != nil {
				return nil, err
			}
		}
		all, err := s.of(ctx, ref)
		if err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return s.store(ctx, v, t, all, list)
	})
}

// store records the call and stores messages, and returns their ids.
func (s *Service) store(ctx context.Context, v *guard.Visit, t *Topic, all []*Subscription, list []*Publication) ([]string, error) {
	ids, batch := make([]string, len(list)), make([]outgoing, len(list))
	for i, p := range list {
		var err error
		if ids[i], batch[i], err = s.prepare(ctx, v.Call, t, all, p); err != nil {
			return nil, err
		}
		v.Note("message", ids[i])
	}
	err := v.Commit(ctx, func() error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			for _, o := range batch {
				if err := enqueue(tx, o.envelope, o.to); err != nil {
					return err
				}
			}
			return nil
		})
	})
	s.kick()
	return ids, err
}

// outgoing is a message that is ready to be stored, with whom it goes to.
type outgoing struct {
	envelope *envelope
	to       []*Subscription
}

// prepare finds out who wants a publication, and signs and encrypts it.
func (s *Service) prepare(ctx context.Context, call *key.Call, t *Topic, all []*Subscription, p *Publication) (string, outgoing, error) {
	m := s.message(t, Notification)
	m.Subject, m.Attributes = p.Subject, p.Attributes
	var o outgoing
	texts := map[Protocol]text{}
	for _, sub := range all {
		body := p.Body
		if own, ok := p.Bodies[sub.Protocol]; ok {
			body = own
		}
		wanted, err := sub.wants(p, body)
		if err != nil {
			return "", o, err
		}
		if sub.State() != Confirmed || !wanted {
			continue
		}
		o.to = append(o.to, sub)
		if _, done := texts[sub.Protocol]; !done {
			m.Body = body
			if err := s.sign(ctx, call, t, sub.Protocol, m); err != nil {
				return "", o, err
			}
			texts[sub.Protocol] = textOf(m)
		}
	}
	if len(o.to) == 0 && t.Key == (kms.Ref{}) { // else the key is asked: who may not use it may not publish
		return m.ID, o, nil
	}
	var err error
	o.envelope, err = s.sealed(ctx, call, t, m.ID, &content{
		Kind: Notification, Subject: p.Subject, Attributes: p.Attributes, Texts: texts, Time: m.Time,
	})
	return m.ID, o, err
}

// wants reports whether the subscription's filter lets a publication through. A
// filter on bodies wants none that is no JSON object.
func (s *Subscription) wants(p *Publication, body string) (bool, error) {
	if s.Filter == "" {
		return true, nil
	}
	f, err := filter.Parse(s.Filter, s.OnBody)
	if err != nil {
		return false, &fault.Error{Kind: fault.Internal, Op: "reading the filter of a subscription", Err: err}
	}
	if !s.OnBody {
		return f.Wants(attributeValues(p.Attributes)), nil
	}
	value, err := filter.JSON(body)
	members, ok := value.(map[string]any)
	return err == nil && ok && f.Wants(members), nil
}

// attributeValues returns what a filter sees of attributes: bytes are not seen.
func attributeValues(list []Attribute) map[string]any {
	values := make(map[string]any, len(list))
	for _, a := range list {
		kind, _, _ := strings.Cut(a.Type, ".")
		switch {
		case a.Type == "String.Array":
			if value, err := filter.JSON(a.Text); err == nil {
				values[a.Name] = value
			}
		case kind == "Number":
			values[a.Name] = json.Number(a.Text)
		case kind == "String":
			values[a.Name] = a.Text
		}
	}
	return values
}
