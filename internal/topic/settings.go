package topic

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Settings are what the owner of a topic chooses.
type Settings struct {
	// DisplayName is how people are told the topic's name, at most 100
	// characters.
	DisplayName string
	// Policy says who may use the topic beside those whose own policies allow it.
	Policy key.Document
	// Retry is how deliveries over HTTP are tried again, nil for DefaultRetry.
	// FixedRetry keeps subscriptions from having rules of their own.
	Retry      *Retry
	FixedRetry bool
	// ContentType is what deliveries over HTTP say that they are; "" for what the
	// Form says.
	ContentType string
	// Key, unless it is the zero Ref, is the key that messages are encrypted under
	// while they wait. Who publishes needs GenerateDataKey and Decrypt on it.
	Key kms.Ref
	// KeyName is Key as its owner wrote it.
	KeyName string
	// Signature is the version of the signatures: 1 (RSA with SHA-1) or 2 (with
	// SHA-256).
	Signature int
}

// Topic is a topic.
type Topic struct {
	Settings
	Resource  key.Resource
	Tags      []key.Tag
	CreatedAt time.Time

	compiled *policy.Policy
}

// Counts are how many subscriptions a topic has. Deleted ones are those that
// were ended by their receivers, who may still come back.
type Counts struct{ Confirmed, Pending, Deleted int }

const (
	maxDisplayName = 100
	maxName        = 256
	nameLetters    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
)

// CheckName returns an error for what cannot be a topic's name.
func CheckName(name string) error {
	switch {
	case strings.HasSuffix(name, ".fifo"):
		return fault.New(fault.Unsupported, "FIFO topics are not supported")
	case name == "" || len(name) > maxName || strings.Trim(name, nameLetters) != "":
		return Wrong("Topic Name", "a topic's name is 1 to %d letters, digits, hyphens and underscores", maxName)
	}
	return nil
}

// check completes settings that are new, and refuses wrong ones. It returns the
// compiled policy.
func (s *Service) check(t *Topic) error {
	if utf8.RuneCountInString(t.DisplayName) > maxDisplayName || strings.ContainsFunc(t.DisplayName, isControl) {
		return Wrong("DisplayName", "a display name has at most %d characters, none of them a control character", maxDisplayName)
	}
	if t.Signature == 0 {
		t.Signature = 1
	}
	if t.Signature != 1 && t.Signature != 2 {
		return Wrong("SignatureVersion", "a signature's version is 1 or 2")
	}
	if t.ContentType != "" && !slices.Contains(contentTypes, t.ContentType) {
		return Wrong("DeliveryPolicy", "the content type is none of %s", strings.Join(contentTypes, ", "))
	}
	if t.Policy.Text == "" {
		t.Policy = s.DefaultPolicy(t.Resource)
	}
	if len(t.Policy.Text) > kms.MaxPolicy {
		return Wrong("Policy", "a policy has at most %d bytes", kms.MaxPolicy)
	}
	if err := t.Retry.check(); err != nil {
		return err
	}
	return s.compile(t)
}

// contentTypes are those that a delivery over HTTP may be.
var contentTypes = []string{
	"text/plain; charset=UTF-8", "text/plain", "text/html", "text/css", "text/csv", "text/xml", "application/json", "application/xml",
	"application/octet-stream", "application/x-www-form-urlencoded", "application/atom+xml", "application/soap+xml",
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// compile reads the topic's policy.
func (s *Service) compile(t *Topic) error {
	p, err := s.Compile(t.Policy)
	if err != nil {
		return Wrong("Policy", "%s", publicOf(err))
	}
	t.compiled = p.Beside(t.Resource.Realm, "topic policy")
	return nil
}

// Create makes a topic, or returns the one that has the name and the settings
// already. One of other settings or tags is an AlreadyExists error.
func (s *Service) Create(ctx context.Context, call *key.Call, name string, settings *Settings, tags []key.Tag) (*Topic, error) {
	return guard.Do(ctx, s.Guard, call, key.CreateTopic, func(v *guard.Visit) (*Topic, error) {
		ref := Ref(call.Caller.Principal.Realm, call.Region, name)
		target := guard.Target{Action: key.CreateTopic, Resource: ref, Attributes: &policy.Attributes{Tags: tags}}
		if err := v.Authorize(target); err != nil {
			return nil, err
		}
		if err := CheckName(name); err != nil {
			return nil, err
		}
		merged, err := key.MergeTags(nil, tags)
		if err != nil {
			return nil, err
		}
		t := &Topic{Settings: *settings, Resource: ref, Tags: merged, CreatedAt: s.Now().UTC()}
		if err := s.check(t); err != nil {
			return nil, err
		}
		if err := s.same(ctx, t, len(tags) > 0); err != nil || t.compiled == nil {
			return t, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return t, v.Commit(ctx, func() error { return s.Store.Update(ctx, func(tx store.Tx) error { return insert(tx, t) }) })
	})
}

// same makes t the topic that has its name, without its policy compiled, if
// there is one.
func (s *Service) same(ctx context.Context, t *Topic, tagged bool) error {
	var have *Topic
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		have, err = s.get(r, t.Resource)
		return err
	})
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return err
	case tagged && !slices.Equal(have.Tags, t.Tags):
		return exists(t.Resource, "Topic already exists with different tags", "Tags")
	case !have.equal(&t.Settings, s.DefaultPolicy(t.Resource)):
		return exists(t.Resource, "Topic already exists with different attributes", "Attributes")
	}
	*t = *have
	t.compiled = nil
	return nil
}

// exists is the error for a name that is taken.
func exists(ref key.Resource, text, name string) error {
	return &fault.Error{Kind: fault.AlreadyExists, Resource: ref.String(), Public: text, Err: &Invalid{name}}
}

// equal reports whether a topic is as new settings ask: what they leave at its
// default may be anything.
func (t *Topic) equal(s *Settings, usual key.Document) bool {
	return (s.DisplayName == "" || s.DisplayName == t.DisplayName) && (s.Policy == usual || s.Policy == t.Policy) &&
		(s.Retry == nil || t.Retry != nil && *s.Retry == *t.Retry) && (s.KeyName == "" || s.KeyName == t.KeyName) &&
		(s.Signature == 1 || s.Signature == t.Signature)
}

// insert stores a new topic.
func insert(tx store.Tx, t *Topic) error {
	scope := scopeOf(t.Resource)
	n, err := tx.Count(store.Topics, store.Query{Column: "scope", Equal: scope})
	if err != nil {
		return err
	}
	if n >= MaxTopics {
		return fault.New(fault.LimitExceeded, "there are at most %d topics", MaxTopics)
	}
	row, err := t.row()
	if err != nil {
		return err
	}
	return tx.Insert(store.Topics, row)
}

// Describe returns a topic and how many subscriptions it has.
func (s *Service) Describe(ctx context.Context, call *key.Call, ref key.Resource) (*Topic, Counts, error) {
	var counts Counts
	t, err := guard.Do(ctx, s.Guard, call, key.GetTopic, func(v *guard.Visit) (*Topic, error) {
		t, err := s.visit(ctx, v, key.GetTopic, ref, nil)
		if err != nil {
			return nil, err
		}
		all, err := s.of(ctx, ref)
		for _, sub := range all {
			switch sub.State() {
			case Pending:
				counts.Pending++
			case Left:
				counts.Deleted++
			case Confirmed:
				counts.Confirmed++
			}
		}
		return t, err
	})
	return t, counts, err
}

// List returns a page of the call's realm's topics in its region, in the order
// of their names, and where the next page begins, "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, page kms.Page) (list []*Topic, next string, err error) {
	scope := key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}
	list, err = guard.Do(ctx, s.Guard, call, key.ListTopics, func(v *guard.Visit) ([]*Topic, error) {
		if err := v.Authorize(realmTarget(call, key.ListTopics)); err != nil {
			return nil, err
		}
		q := store.Query{Column: "scope", Equal: scopeOf(scope), Limit: page.Limit + 1}
		if page.After != "" {
			q.After = scopeOf(scope) + "/" + page.After
		}
		return rows(ctx, s.Store, store.Topics, q, readTopic)
	})
	if err == nil && len(list) > page.Limit {
		list = list[:page.Limit]
		next = list[page.Limit-1].Resource.ID
	}
	return list, next, err
}

// Change changes a topic's settings.
func (s *Service) Change(ctx context.Context, call *key.Call, ref key.Resource, edit func(*Settings) error) (*Topic, error) {
	return s.change(ctx, call, key.SetTopic, ref, nil, func(t *Topic) error {
		if err := edit(&t.Settings); err != nil {
			return err
		}
		return s.check(t)
	})
}

// change authorises, records and makes a change. It is rehearsed before it is
// recorded, on the topic as it was found, and made on the stored one.
func (s *Service) change(
	ctx context.Context, call *key.Call, action key.Action, ref key.Resource, tags []key.Tag, edit func(*Topic) error,
) (*Topic, error) {
	return guard.Do(ctx, s.Guard, call, action, func(v *guard.Visit) (*Topic, error) {
		t, err := s.visit(ctx, v, action, ref, tags)
		if err != nil {
			return nil, err
		}
		if err := edit(t); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.Store.Update(ctx, func(tx store.Tx) (err error) {
				if t, err = s.get(tx, ref); err != nil {
					return err
				}
				if err := edit(t); err != nil {
					return err
				}
				row, err := t.row()
				if err != nil {
					return err
				}
				return tx.Put(store.Topics, row)
			})
		})
		return t, err
	})
}

// Delete ends a topic with its subscriptions. Messages that are on their way to
// them are not delivered any more.
func (s *Service) Delete(ctx context.Context, call *key.Call, ref key.Resource) error {
	_, err := guard.Do(ctx, s.Guard, call, key.DeleteTopic, func(v *guard.Visit) (struct{}, error) {
		if _, err := s.visit(ctx, v, key.DeleteTopic, ref, nil); err != nil {
			return struct{}{}, err
		}
		if err := dry(call); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, v.Commit(ctx, func() error { return s.Store.Update(ctx, func(tx store.Tx) error { return remove(tx, ref) }) })
	})
	return err
}

// remove deletes a topic and its subscriptions.
func remove(tx store.Tx, ref key.Resource) error {
	for row, err := range tx.Scan(store.Subscriptions, store.Query{Column: "topic", Equal: rowID(ref)}) {
		if err != nil {
			return err
		}
		if err := tx.Delete(store.Subscriptions, row.ID); err != nil {
			return err
		}
	}
	err := tx.Delete(store.Topics, rowID(ref))
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}
