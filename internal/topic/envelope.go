package topic

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The ids of rows of store.Messages: a message, "body/<id>", its deliveries,
// "to/<id>/<id of the subscription's row>", and reminders to forget
// subscriptions that nobody confirmed, "remind/<id of the subscription's row>".
const (
	bodyPrefix   = "body/"
	toPrefix     = "to/"
	remindPrefix = "remind/"
)

// text is a message's text for one protocol, with its signature.
type text struct {
	Body        string `json:"body"`
	Signature   []byte `json:"signature,omitempty"`
	Version     int    `json:"version,omitempty"`
	Certificate string `json:"certificate,omitempty"`
}

func textOf(m *Message) text { return text{m.Body, m.Signature, m.Version, m.Certificate} }

// content is what is encrypted of a message.
type content struct {
	Kind       Kind              `json:"kind"`
	Subject    string            `json:"subject,omitempty"`
	Texts      map[Protocol]text `json:"texts"`
	Attributes []Attribute       `json:"attributes,omitempty"`
	Token      string            `json:"token,omitempty"`
	Time       time.Time         `json:"time"`
}

// envelope is a message as it is stored: the JSON body of its row.
type envelope struct {
	V       int         `json:"v"`
	ID      string      `json:"id"`
	Realm   key.RealmID `json:"realm"`
	Region  string      `json:"region"`
	Topic   string      `json:"topic"`
	Created time.Time   `json:"created"`
	// Sealed is the content's JSON under the realm's key; where the topic has a
	// key, under a data key (AES-256-GCM), whose ciphertext is DataKey and which
	// is decrypted as the publisher.
	Sealed        []byte            `json:"sealed"`
	DataKey       []byte            `json:"dataKey,omitempty"`
	PublisherKind key.PrincipalKind `json:"publisherKind,omitempty"`
	PublisherIn   key.RealmID       `json:"publisherIn,omitempty"`
	Publisher     string            `json:"publisher,omitempty"`
	PublisherID   string            `json:"publisherID,omitempty"`
}

func (e *envelope) ref() key.Resource { return Ref(e.Realm, e.Region, e.Topic) }

// associated is what a message's encryption is bound to.
func (e *envelope) associated() []byte { return []byte("message/" + e.ID) }

// contextOf is the encryption context of a topic's data keys.
func contextOf(ref key.Resource) []key.Tag {
	return []key.Tag{{Key: "holdfast:topic", Value: ref.String()}}
}

// innerCall returns the envelope of a step with the key of a topic, by who
// publishes on it.
func innerCall(call *key.Call, operation string) *key.Call {
	inner := *call
	inner.API, inner.Operation, inner.Recorded = "holdfast", operation, false
	return &inner
}

// sealed encrypts a message's content.
func (s *Service) sealed(ctx context.Context, call *key.Call, t *Topic, id string, c *content) (*envelope, error) {
	now := s.Now().UTC()
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding message %s: %w", id, err)
	}
	r := t.Resource
	e := &envelope{V: recordVersion, ID: id, Realm: r.Realm, Region: r.Region, Topic: r.ID, Created: now}
	if t.Key == (kms.Ref{}) || c.Kind != Notification {
		e.Sealed, err = s.Wrapper.Wrap(r.Realm, plain, e.associated())
		return e, err
	}
	data, err := s.Keys.GenerateDataKey(ctx, innerCall(call, "GenerateDataKey"), &kms.DataKeyRequest{
		Key: t.Key, Bytes: dataKeySize, Context: contextOf(r),
	})
	if err != nil {
		return nil, err
	}
	defer clear(data.Plaintext)
	box, err := boxOf(data.Plaintext)
	if err != nil {
		return nil, err
	}
	p := call.Caller.Principal
	e.DataKey, e.Sealed = data.Ciphertext, box.Seal(nil, nil, plain, e.associated()) //nolint:gosec // the AEAD makes its own nonce
	e.PublisherKind, e.PublisherIn, e.Publisher, e.PublisherID = p.Kind, p.Realm, p.Name, call.Caller.UserID
	return e, nil
}

const dataKeySize = 32

func boxOf(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// opened decrypts a message's content.
func (s *Service) opened(ctx context.Context, e *envelope) (*content, error) {
	var plain []byte
	var err error
	if e.DataKey == nil {
		plain, err = s.Wrapper.Unwrap(e.Realm, e.Sealed, e.associated())
	} else {
		plain, err = s.openedAs(ctx, e)
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting message %s: %w", e.ID, err)
	}
	c := new(content)
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, fmt.Errorf("reading message %s: %w", e.ID, err)
	}
	return c, nil
}

// openedAs decrypts a message under a data key, as who published it.
func (s *Service) openedAs(ctx context.Context, e *envelope) ([]byte, error) {
	call := &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: e.PublisherIn, Kind: e.PublisherKind, Name: e.Publisher}, UserID: e.PublisherID, Method: "internal",
		},
		RequestID: e.ID, API: "holdfast", Operation: "Decrypt", Region: e.Region, Secure: true, Time: s.Now(),
	}
	data, err := s.Keys.Decrypt(ctx, call, &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: e.DataKey, Context: contextOf(e.ref())})
	if err != nil {
		return nil, err
	}
	defer clear(data.Plaintext)
	box, err := boxOf(data.Plaintext)
	if err != nil {
		return nil, err
	}
	return box.Open(nil, nil, e.Sealed, e.associated())
}

// message returns the message for a subscription.
func (e *envelope) message(c *content, t *Topic, p Protocol) *Message {
	m := &Message{
		Kind: c.Kind, ID: e.ID, Topic: t.Resource, DisplayName: t.DisplayName, Subject: c.Subject, Attributes: c.Attributes,
		Time: c.Time, Token: c.Token,
	}
	own := c.Texts[p]
	m.Body, m.Signature, m.Version, m.Certificate = own.Body, own.Signature, own.Version, own.Certificate
	return m
}

// delivery is one message on its way to one subscription: the JSON body of its
// row.
type delivery struct {
	V        int       `json:"v"`
	Protocol Protocol  `json:"protocol"`
	Endpoint string    `json:"endpoint"`
	Created  time.Time `json:"created"`
	Attempts int       `json:"attempts,omitempty"`
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failed,omitzero"`

	message, subscription string // the ids of the rows
	scope                 string
}

// row returns the stored form of a delivery that is due at a time.
func (d *delivery) row(due time.Time) (store.Row, error) {
	failed := ""
	if !d.FailedAt.IsZero() {
		failed = d.scope
	}
	return encode(store.Row{
		ID: toPrefix + d.message + "/" + d.subscription, Columns: []string{due.UTC().Format(store.TimeFormat), failed},
	}, d)
}

// readDelivery reads what row wrote.
func readDelivery(row store.Row) (*delivery, error) {
	d := new(delivery)
	if err := decode(row, d, &d.V); err != nil {
		return nil, err
	}
	d.message, d.subscription, _ = strings.Cut(row.ID[len(toPrefix):], "/")
	parts := strings.SplitN(d.subscription, "/", 3)
	if len(parts) < 3 {
		return nil, fmt.Errorf("reading %s: it names no subscription", row.ID)
	}
	d.scope = parts[0] + "/" + parts[1]
	return d, nil
}

// enqueue stores a message with its deliveries, which are due at once. A message
// that nobody wants is not stored.
func enqueue(tx store.Tx, e *envelope, to []*Subscription) error {
	if len(to) == 0 {
		return nil
	}
	row, err := encode(store.Row{ID: bodyPrefix + e.ID, Columns: []string{"", ""}}, e)
	if err != nil {
		return err
	}
	if err := tx.Insert(store.Messages, row); err != nil {
		return err
	}
	for _, sub := range to {
		d := &delivery{
			V: recordVersion, Protocol: sub.Protocol, Endpoint: sub.Endpoint, Created: e.Created,
			message: e.ID, subscription: sub.rowID(), scope: scopeOf(sub.Topic),
		}
		if row, err = d.row(e.Created); err != nil {
			return err
		}
		if err := tx.Insert(store.Messages, row); err != nil {
			return err
		}
	}
	return nil
}

// reminder returns the row that has a subscription forgotten at a time unless it
// is confirmed by then.
func reminder(subscription string, at time.Time) store.Row {
	return store.Row{ID: remindPrefix + subscription, Columns: []string{at.UTC().Format(store.TimeFormat), ""}}
}

// finish deletes a delivery, and its message after the last one.
func finish(tx store.Tx, d *delivery) error {
	prefix := toPrefix + d.message + "/"
	if err := deleted(tx, prefix+d.subscription); err != nil {
		return err
	}
	for _, err := range tx.Scan(store.Messages, store.Query{From: prefix, To: after(prefix), Limit: 1}) {
		return err // there is another one, or the scan failed
	}
	return deleted(tx, bodyPrefix+d.message)
}

// deleted deletes a row that may be gone already.
func deleted(tx store.Tx, id string) error {
	err := tx.Delete(store.Messages, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}
