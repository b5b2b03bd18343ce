package topic

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/filter"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Protocol is how a subscription's messages travel.
type Protocol string

// The protocols.
const (
	HTTP      Protocol = "http"
	HTTPS     Protocol = "https"
	Email     Protocol = "email"      // for people
	EmailJSON Protocol = "email-json" // for programs that read mail
)

// posted reports whether messages go to a program's address.
func (p Protocol) posted() bool { return p == HTTP || p == HTTPS }

// signed reports whether messages carry a signature, unless they are raw.
func (p Protocol) signed() bool { return p != Email }

// unserved are AWS's other protocols.
var unserved = []string{"sqs", "lambda", "application", "sms", "firehose"}

// State is what a subscription is.
type State int

// The states of subscriptions.
const (
	Pending   State = iota // nobody has confirmed it yet
	Confirmed              // gets messages
	Left                   // ended by its receiver, who may come back until the token expires
)

// Wishes are what a subscriber chooses.
type Wishes struct {
	// Raw has messages over HTTP be the text alone, unsigned.
	Raw bool
	// Filter is the document of a Filter, "" for all messages; OnBody says that it
	// is on the messages' bodies, which are JSON, and not on their attributes.
	Filter string
	OnBody bool
	// Retry and ContentType go before the topic's.
	Retry       *Retry
	ContentType string
}

// Subscription is who gets a topic's messages.
type Subscription struct {
	Wishes
	Topic    key.Resource
	ID       string
	Protocol Protocol
	Endpoint string // an address of the web, or of mail
	// Owner is the realm whose caller subscribed.
	Owner     key.RealmID
	CreatedAt time.Time
	// ConfirmedBy says who confirmed: "" while nobody has, "token" who had it
	// from a message, else a caller that proved who it is.
	ConfirmedBy string
	LeftAt      time.Time
	// Guarded says that an unsigned request cannot end it.
	Guarded bool
	// Expires is how long a subscription that is not confirmed stays.
	Expires time.Time

	token [sha256.Size]byte // of what was sent to the endpoint
}

// tokenLife is how long a subscription can be confirmed, as AWS has it.
const tokenLife = 3 * 24 * time.Hour

// State returns what the subscription is.
func (s *Subscription) State() State {
	switch {
	case !s.LeftAt.IsZero():
		return Left
	case s.ConfirmedBy == "":
		return Pending
	}
	return Confirmed
}

// Resource returns the subscription as the object of a decision.
func (s *Subscription) Resource() key.Resource {
	return key.Resource{Kind: key.KindSubscription, Realm: s.Topic.Realm, Region: s.Topic.Region, ID: s.Topic.ID + "/" + s.ID}
}

// newToken makes a token, which has the subscription's id in it.
func (s *Subscription) newToken(now time.Time) (token string) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand.Read)
	token = strings.ReplaceAll(s.ID, "-", "") + hex.EncodeToString(secret[:])
	s.token, s.Expires = sha256.Sum256([]byte(token)), now.Add(tokenLife)
	return token
}

// idOf returns the subscription that a token is of, "" for none.
func idOf(token string) string {
	if len(token) != 32+64 {
		return ""
	}
	id, err := uuid.Parse(token[:32])
	if err != nil {
		return ""
	}
	return id.String()
}

// Subscribing asks for a subscription.
type Subscribing struct {
	Wishes
	Protocol string
	Endpoint string
}

// maxEndpoint is the longest address, in bytes.
const maxEndpoint = 2048

// Subscribe asks an endpoint whether it wants a topic's messages: it is sent a
// token, and gets messages once that has come back. An endpoint that is asked
// again gets a new token; one that is confirmed already is left alone, and has
// to be asked for with the same wishes.
func (s *Service) Subscribe(ctx context.Context, call *key.Call, ref key.Resource, req *Subscribing) (*Subscription, error) {
	return guard.Do(ctx, s.Guard, call, key.Subscribe, func(v *guard.Visit) (*Subscription, error) {
		t, err := s.visit(ctx, v, key.Subscribe, ref, nil)
		if err != nil {
			return nil, err
		}
		if err := s.checkSubscribing(t, req); err != nil {
			return nil, err
		}
		v.Note("protocol", req.Protocol)
		sub, err := s.subscribed(ctx, ref, req)
		if err != nil || sub != nil && sub.State() == Confirmed {
			return sub, err
		}
		if sub == nil {
			sub = &Subscription{
				Topic: ref, ID: uuid.NewString(), Protocol: Protocol(req.Protocol), Endpoint: req.Endpoint,
				Owner: call.Caller.Principal.Realm, CreatedAt: s.Now().UTC(),
			}
		}
		sub.Wishes, sub.LeftAt, sub.ConfirmedBy = req.Wishes, time.Time{}, ""
		if err := dry(call); err != nil {
			return nil, err
		}
		return sub, s.ask(ctx, v, t, sub, Confirmation)
	})
}

// ask stores a subscription with a new token, which is sent to its endpoint in
// a message of a kind.
func (s *Service) ask(ctx context.Context, v *guard.Visit, t *Topic, sub *Subscription, kind Kind) error {
	m := s.message(t, kind)
	m.Token = sub.newToken(s.Now().UTC())
	if err := s.sign(ctx, v.Call, t, sub.Protocol, m); err != nil {
		return err
	}
	e, err := s.sealed(ctx, v.Call, t, m.ID, &content{
		Kind: kind, Token: m.Token, Time: m.Time, Texts: map[Protocol]text{sub.Protocol: textOf(m)},
	})
	if err != nil {
		return err
	}
	err = v.Commit(ctx, func() error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			if err := s.keep(tx, sub); err != nil {
				return err
			}
			return enqueue(tx, e, []*Subscription{sub})
		})
	})
	s.kick()
	return err
}

// keep stores a subscription that has to be confirmed, and when it is forgotten.
func (s *Service) keep(tx store.Tx, sub *Subscription) error {
	if _, err := s.get(tx, sub.Topic); err != nil {
		return err
	}
	n, err := tx.Count(store.Subscriptions, store.Query{Column: "topic", Equal: rowID(sub.Topic)})
	if err != nil {
		return err
	}
	row, err := sub.row()
	if err != nil {
		return err
	}
	if _, err := tx.Get(store.Subscriptions, row.ID); err != nil && n >= MaxSubscriptions {
		return fault.New(fault.LimitExceeded, "a topic has at most %d subscriptions", MaxSubscriptions)
	}
	if err := tx.Put(store.Subscriptions, row); err != nil {
		return err
	}
	return tx.Put(store.Messages, reminder(row.ID, sub.Expires))
}

// checkSubscribing refuses a subscription that cannot be.
func (s *Service) checkSubscribing(t *Topic, req *Subscribing) error {
	switch p := Protocol(req.Protocol); {
	case slices.Contains(unserved, req.Protocol):
		return fault.New(fault.Unsupported, "subscriptions with the protocol %s are not supported", req.Protocol)
	case p == HTTP || p == HTTPS:
		if err := checkAddress(req.Endpoint, string(p)); err != nil {
			return err
		}
	case p == Email || p == EmailJSON:
		if s.Mailer == nil {
			return fault.New(fault.Unsupported, "this server sends no e-mail: its configuration has no mail server")
		}
		if a, err := mail.ParseAddress(req.Endpoint); err != nil || a.Address != req.Endpoint || len(req.Endpoint) > 320 {
			return Wrong("Endpoint", "the endpoint is no e-mail address")
		}
	default:
		return Wrong("Protocol", "%q is no protocol of Amazon SNS", req.Protocol)
	}
	if !s.Linked {
		return fault.New(fault.WrongState, "this server does not know its own address, which subscribers need: set public_url")
	}
	return req.check(t, Protocol(req.Protocol))
}

// checkAddress refuses an endpoint that is no address of the web.
func checkAddress(endpoint, scheme string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || len(endpoint) > maxEndpoint || u.Scheme != scheme || u.Hostname() == "" || u.Fragment != "":
		return Wrong("Endpoint", "the endpoint must begin with %s:// and have at most %d bytes", scheme, maxEndpoint)
	case u.User != nil:
		return fault.New(fault.Unsupported, "credentials in an endpoint's address are not supported")
	}
	return nil
}

// check refuses wishes that do not go with a topic or a protocol.
func (w *Wishes) check(t *Topic, p Protocol) error {
	switch {
	case w.Raw && !p.posted():
		return Wrong("RawMessageDelivery", "raw messages go over http and https only")
	case (w.Retry != nil || w.ContentType != "") && !p.posted():
		return Wrong("DeliveryPolicy", "a delivery policy goes with http and https only")
	case w.Retry != nil && t.FixedRetry:
		return Wrong("DeliveryPolicy", "the topic does not let subscriptions have retries of their own")
	case w.ContentType != "" && !slices.Contains(contentTypes, w.ContentType):
		return Wrong("DeliveryPolicy", "the content type is none of %s", strings.Join(contentTypes, ", "))
	}
	if err := w.Retry.check(); err != nil {
		return err
	}
	if w.Filter == "" {
		return nil
	}
	_, err := filter.Parse(w.Filter, w.OnBody)
	if e, ok := errors.AsType[*fault.Error](err); ok {
		e.Err = &Invalid{"FilterPolicy"}
	}
	return err
}

// subscribed returns the subscription of an endpoint, nil if there is none.
func (s *Service) subscribed(ctx context.Context, ref key.Resource, req *Subscribing) (*Subscription, error) {
	all, err := s.of(ctx, ref)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(sub *Subscription) bool {
		return string(sub.Protocol) == req.Protocol && sub.Endpoint == req.Endpoint
	})
	if i < 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	if sub := all[i]; sub.State() == Confirmed && !sub.equal(&req.Wishes) {
		return nil, exists(sub.Resource(), "Subscription already exists with different attributes", "Attributes")
	}
	return all[i], nil
}

func (w *Wishes) equal(o *Wishes) bool {
	return w.Raw == o.Raw && w.Filter == o.Filter && w.OnBody == o.OnBody && w.ContentType == o.ContentType &&
		(w.Retry == nil) == (o.Retry == nil) && (w.Retry == nil || *w.Retry == *o.Retry)
}
