package topic

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of all records of this package.
const recordVersion = 1

// topicRecord is the JSON body of a row of store.Topics, whose id is
// "realm/region/name". Rows of signers are in the same table (signer.go).
type topicRecord struct {
	V           int          `json:"v"`
	Realm       key.RealmID  `json:"realm"`
	Region      string       `json:"region"`
	Name        string       `json:"name"`
	DisplayName string       `json:"displayName,omitempty"`
	Dialect     string       `json:"dialect"`
	Policy      string       `json:"policy"`
	Retry       *retryRecord `json:"retry,omitempty"`
	FixedRetry  bool         `json:"fixedRetry,omitempty"`
	ContentType string       `json:"contentType,omitempty"`
	Key         *keyRecord   `json:"key,omitempty"`
	Signature   int          `json:"signature"`
	CreatedAt   time.Time    `json:"created"`
	Tags        [][2]string  `json:"tags,omitempty"`
}

// keyRecord names a key, by its id or its alias.
type keyRecord struct {
	Realm  key.RealmID `json:"realm"`
	Region string      `json:"region"`
	ID     key.ID      `json:"id,omitempty"`
	Alias  string      `json:"alias,omitempty"`
	Name   string      `json:"name"`
}

type retryRecord struct {
	Retries   int     `json:"retries"`
	Immediate int     `json:"immediate,omitempty"`
	Before    int     `json:"before,omitempty"`
	After     int     `json:"after,omitempty"`
	MinDelay  int     `json:"minSeconds"`
	MaxDelay  int     `json:"maxSeconds"`
	Backoff   Backoff `json:"backoff"`
}

func recordOf(r *Retry) *retryRecord {
	if r == nil {
		return nil
	}
	return &retryRecord{
		r.Retries, r.Immediate, r.Before, r.After, int(r.MinDelay / time.Second), int(r.MaxDelay / time.Second), r.Backoff,
	}
}

func (r *retryRecord) retry() *Retry {
	if r == nil {
		return nil
	}
	return &Retry{
		r.Retries, r.Immediate, r.Before, r.After, time.Duration(r.MinDelay) * time.Second, time.Duration(r.MaxDelay) * time.Second, r.Backoff,
	}
}

// row returns the stored form of a topic.
func (t *Topic) row() (store.Row, error) {
	r := topicRecord{
		V: recordVersion, Realm: t.Resource.Realm, Region: t.Resource.Region, Name: t.Resource.ID, DisplayName: t.DisplayName,
		Dialect: t.Policy.Dialect, Policy: t.Policy.Text, Retry: recordOf(t.Retry), FixedRetry: t.FixedRetry,
		ContentType: t.ContentType, Signature: t.Signature, CreatedAt: t.CreatedAt,
	}
	if t.Key != (kms.Ref{}) {
		r.Key = &keyRecord{t.Key.Realm, t.Key.Region, t.Key.ID, t.Key.Alias, t.KeyName}
	}
	for _, tag := range t.Tags {
		r.Tags = append(r.Tags, [2]string{tag.Key, tag.Value})
	}
	return encode(store.Row{ID: rowID(t.Resource), Columns: []string{scopeOf(t.Resource)}}, r)
}

// encode puts a record into a row.
func encode(row store.Row, record any) (store.Row, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding %s: %w", row.ID, err)
	}
	row.Body = body
	return row, nil
}

// decode reads a row's body into a record, whose version is at v.
func decode(row store.Row, into any, v *int) error {
	if err := json.Unmarshal(row.Body, into); err != nil {
		return fmt.Errorf("reading %s: %w", row.ID, err)
	}
	if *v != recordVersion {
		return fmt.Errorf("reading %s: record version %d is not known to this program", row.ID, *v)
	}
	return nil
}

// readTopic reads what row wrote, without compiling the policy.
func readTopic(row store.Row) (*Topic, error) {
	var r topicRecord
	if err := decode(row, &r, &r.V); err != nil {
		return nil, err
	}
	t := &Topic{
		Resource: Ref(r.Realm, r.Region, r.Name), CreatedAt: r.CreatedAt,
		Settings: Settings{
			DisplayName: r.DisplayName, Policy: key.Document{Dialect: r.Dialect, Text: r.Policy}, Retry: r.Retry.retry(),
			FixedRetry: r.FixedRetry, ContentType: r.ContentType, Signature: r.Signature,
		},
	}
	if k := r.Key; k != nil {
		t.Key, t.KeyName = kms.Ref{Realm: k.Realm, Region: k.Region, ID: k.ID, Alias: k.Alias}, k.Name
	}
	for _, tag := range r.Tags {
		t.Tags = append(t.Tags, key.Tag{Key: tag[0], Value: tag[1]})
	}
	return t, nil
}

// get reads a topic, with its policy.
func (s *Service) get(r store.Reader, ref key.Resource) (*Topic, error) {
	row, err := r.Get(store.Topics, rowID(ref))
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, missing(ref)
		}
		return nil, err
	}
	t, err := readTopic(row)
	if err != nil {
		return nil, err
	}
	return t, s.compile(t)
}

// subscriptionRecord is the JSON body of a row of store.Subscriptions, whose id
// is "realm/region/topic/id". Token is the SHA-256 of the last one that was sent.
type subscriptionRecord struct {
	V           int          `json:"v"`
	Realm       key.RealmID  `json:"realm"`
	Region      string       `json:"region"`
	Topic       string       `json:"topic"`
	ID          string       `json:"id"`
	Protocol    Protocol     `json:"protocol"`
	Endpoint    string       `json:"endpoint"`
	Owner       key.RealmID  `json:"owner"`
	Raw         bool         `json:"raw,omitempty"`
	Filter      string       `json:"filter,omitempty"`
	OnBody      bool         `json:"onBody,omitempty"`
	Retry       *retryRecord `json:"retry,omitempty"`
	ContentType string       `json:"contentType,omitempty"`
	CreatedAt   time.Time    `json:"created"`
	ConfirmedBy string       `json:"confirmedBy,omitempty"`
	LeftAt      time.Time    `json:"left,omitzero"`
	Guarded     bool         `json:"guarded,omitempty"`
	Expires     time.Time    `json:"expires"`
	Token       string       `json:"token"`
}

// row returns the stored form of a subscription.
func (s *Subscription) row() (store.Row, error) {
	return encode(store.Row{ID: s.rowID(), Columns: []string{rowID(s.Topic)}}, subscriptionRecord{
		V: recordVersion, Realm: s.Topic.Realm, Region: s.Topic.Region, Topic: s.Topic.ID, ID: s.ID, Protocol: s.Protocol,
		Endpoint: s.Endpoint, Owner: s.Owner, Raw: s.Raw, Filter: s.Filter, OnBody: s.OnBody, Retry: recordOf(s.Retry),
		ContentType: s.ContentType, CreatedAt: s.CreatedAt, ConfirmedBy: s.ConfirmedBy, LeftAt: s.LeftAt, Guarded: s.Guarded,
		Expires: s.Expires, Token: hex.EncodeToString(s.token[:]),
	})
}

// readSubscription reads what row wrote.
func readSubscription(row store.Row) (*Subscription, error) {
	var r subscriptionRecord
	if err := decode(row, &r, &r.V); err != nil {
		return nil, err
	}
	s := &Subscription{
		Topic: Ref(r.Realm, r.Region, r.Topic), ID: r.ID, Protocol: r.Protocol, Endpoint: r.Endpoint, Owner: r.Owner,
		CreatedAt: r.CreatedAt, ConfirmedBy: r.ConfirmedBy, LeftAt: r.LeftAt, Guarded: r.Guarded, Expires: r.Expires,
		Wishes: Wishes{Raw: r.Raw, Filter: r.Filter, OnBody: r.OnBody, Retry: r.Retry.retry(), ContentType: r.ContentType},
	}
	sum, err := hex.DecodeString(r.Token)
	if err != nil || len(sum) != len(s.token) {
		return nil, fmt.Errorf("reading %s: the token's hash is none", row.ID)
	}
	copy(s.token[:], sum)
	return s, nil
}

// rows reads all rows of a query.
func rows[T any](ctx context.Context, s store.Store, t *store.Table, q store.Query, read func(store.Row) (*T, error)) ([]*T, error) {
	var list []*T
	err := s.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(t, q) {
			if err != nil {
				return err
			}
			one, err := read(row)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	return list, err
}

// publicOf returns what a caller may know of an error.
func publicOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Public != "" {
		return e.Public
	}
	return "the document cannot be read"
}
