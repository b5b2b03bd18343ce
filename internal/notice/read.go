package notice

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// List returns a page of the notices of the caller's realm: those in the
// states, all of them when there are none, in the order of States and then of
// their making. The marker of the next page is "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, states []State, page kms.Page) (list []*Delivery, next string, err error) {
	if len(states) == 0 {
		states = States()
	}
	for _, state := range states {
		if !slices.Contains(States(), state) {
			return nil, "", fault.New(fault.InvalidArgument, "%q is no state of a notice", state)
		}
	}
	_, err = guard.Do(ctx, s.guard, call, key.ListNotices, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realmTarget(call, key.ListNotices)); err != nil {
			return none, err
		}
		list, next, err = s.page(ctx, call.Caller.Principal.Realm, states, page)
		return none, err
	})
	return list, next, err
}

func (s *Service) page(ctx context.Context, realm key.RealmID, states []State, page kms.Page) (list []*Delivery, next string, err error) {
	from, after, _ := strings.Cut(page.After, "/")
	err = s.store.View(ctx, func(r store.Reader) error {
		for _, state := range States() {
			if from != "" && State(from) != state || !slices.Contains(states, state) {
				continue
			}
			q := store.Query{Column: "scope", Equal: scopeOf(realm, state), After: after, Limit: page.Limit + 1 - len(list)}
			from, after = "", ""
			if list, err = scan(r, q, list); err != nil || len(list) > page.Limit {
				break
			}
		}
		return err
	})
	if len(list) > page.Limit {
		list = list[:page.Limit]
		last := list[len(list)-1]
		next = string(last.State) + "/" + last.ID
	}
	return list, next, err
}

// scan adds the notices of a query to a list.
func scan(r store.Reader, q store.Query, list []*Delivery) ([]*Delivery, error) {
	for row, err := range r.Scan(store.Notices, q) {
		if err != nil {
			return list, err
		}
		d, err := readDelivery(row)
		if err != nil {
			return list, err
		}
		list = append(list, d)
	}
	return list, nil
}

// Show returns a notice of the caller's realm.
func (s *Service) Show(ctx context.Context, call *key.Call, id string) (*Delivery, error) {
	return guard.Do(ctx, s.guard, call, key.ListNotices, func(v *guard.Visit) (*Delivery, error) {
		if err := v.Authorize(realmTarget(call, key.ListNotices)); err != nil {
			return nil, err
		}
		var d *Delivery
		err := s.store.View(ctx, func(r store.Reader) (err error) {
			d, err = find(r, call, id)
			return err
		})
		return d, err
	})
}

func find(r store.Reader, call *key.Call, id string) (*Delivery, error) {
	missing := &fault.Error{Kind: fault.NotFound, Resource: "notice/" + id, Public: "the notice does not exist"}
	if uuid.Validate(id) != nil {
		return nil, missing
	}
	row, err := r.Get(store.Notices, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	d, err := readDelivery(row)
	if err == nil && d.Realm != call.Caller.Principal.Realm {
		return nil, missing
	}
	return d, err
}

// Retry has a notice that was given up, or that waits, tried now, and from now
// on as long as a new one. It keeps its id.
func (s *Service) Retry(ctx context.Context, call *key.Call, id string) (*Delivery, error) {
	return guard.Do(ctx, s.guard, call, key.RetryNotice, func(v *guard.Visit) (d *Delivery, err error) {
		if err := v.Authorize(realmTarget(call, key.RetryNotice)); err != nil {
			return nil, err
		}
		v.Note("notice", id)
		if err := s.store.View(ctx, func(r store.Reader) error {
			_, err := retryable(r, call, id)
			return err
		}); err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				d, err = s.again(tx, call, id)
				return err
			})
		})
		return d, err
	})
}

// again makes a notice one that is due.
func (s *Service) again(tx store.Tx, call *key.Call, id string) (*Delivery, error) {
	d, err := retryable(tx, call, id)
	if err != nil {
		return nil, err
	}
	s.resume(d.Channel)
	now := s.now().UTC()
	d.State, d.Since, d.Due, d.Ended = Waiting, now, now, time.Time{}
	return d, d.put(tx)
}

// retryable returns a notice that can be tried again.
func retryable(r store.Reader, call *key.Call, id string) (*Delivery, error) {
	d, err := find(r, call, id)
	if err != nil {
		return nil, err
	}
	if d.State != Failed && d.State != Waiting {
		return nil, &fault.Error{
			Kind: fault.WrongState, Resource: "notice/" + id, Public: "the notice is " + string(d.State) + ": only one that failed or waits is tried again",
		}
	}
	return d, nil
}

// resume has a channel that is left alone tried again at once.
func (s *Service) resume(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pauses[channel]; p != nil {
		p.until = time.Time{}
	}
}

// Trial is what came of telling one receiver a notice that nothing happened
// for.
type Trial struct {
	Target string
	Err    error // nil when the receiver has it
}

// Test tells a channel's receivers a notice that says that it is a test. The
// channel has to be one that is told of what happens in the caller's realm.
func (s *Service) Test(ctx context.Context, call *key.Call, channel string) ([]Trial, error) {
	return guard.Do(ctx, s.guard, call, key.TestNotice, func(v *guard.Visit) ([]Trial, error) {
		if err := v.Authorize(realmTarget(call, key.TestNotice)); err != nil {
			return nil, err
		}
		v.Note("channel", channel)
		realm := call.Caller.Principal.Realm
		if !s.serves(channel, realm) {
			return nil, &fault.Error{Kind: fault.NotFound, Resource: "channel/" + channel, Public: "there is no such channel of notices"}
		}
		ctx, cancel := context.WithTimeout(ctx, testTimeout)
		defer cancel()
		c, trials := s.byName[channel], []Trial(nil)
		for _, target := range c.targets() {
			err := s.trial(ctx, call, c, target)
			trials = append(trials, Trial{target, err})
		}
		return trials, nil
	})
}

// testTimeout bounds a test: its caller waits.
const testTimeout = 45 * time.Second

// Tested is the kind of what a test tells: no rule is about it.
const Tested event.Kind = "notice.test"

func (s *Service) trial(ctx context.Context, call *key.Call, c *Channel, target string) error {
	if err := ctx.Err(); err != nil {
		return errors.New("there was no time left to try")
	}
	now := s.now().UTC()
	d, err := newDelivery(c, target, &event.Event{
		Kind: Tested, Realm: call.Caller.Principal.Realm, Region: call.Region, Time: now,
		Summary: "This is a test of the channel " + c.Name + ": nothing has happened.",
		Details: []event.Detail{{Name: "asked by", Value: call.Caller.Principal.String()}},
	}, now)
	if err != nil {
		return err
	}
	d.Events[0].ID = string(Tested) + "/" + d.ID
	d.Digest = false
	return c.Sender.Send(ctx, d.message())
}

// ChannelStatus is how a channel is.
type ChannelStatus struct {
	Name, Kind string
	Targets    []string
	// Delivered, Failed and GivenUp count since the server started: messages
	// that arrived, attempts that failed, and messages that will not arrive.
	Delivered, Failed, GivenUp int64
	// Waiting is how many messages wait for an attempt, and Oldest since when
	// the first of them does; zero when none does.
	Waiting int
	Oldest  time.Time
	// Down is why the channel is left alone until Until, nil when it is not.
	Down  error
	Until time.Time
}

// Channels returns how the channels are that are told of what happens in the
// caller's realm.
func (s *Service) Channels(ctx context.Context, call *key.Call) ([]ChannelStatus, error) {
	return guard.Do(ctx, s.guard, call, key.ListNotices, func(v *guard.Visit) ([]ChannelStatus, error) {
		if err := v.Authorize(realmTarget(call, key.ListNotices)); err != nil {
			return nil, err
		}
		all, err := s.Health(ctx)
		return slices.DeleteFunc(all, func(c ChannelStatus) bool { return !s.serves(c.Name, call.Caller.Principal.Realm) }), err
	})
}

// Health returns how every channel is, for the operator's figures. It asks for
// no decision.
func (s *Service) Health(ctx context.Context) (list []ChannelStatus, err error) {
	now := s.now()
	err = s.store.View(ctx, func(r store.Reader) error {
		for _, name := range s.order {
			c, count := s.byName[name], s.figures[name]
			h := ChannelStatus{
				Name: name, Kind: c.Kind, Targets: c.Targets,
				Delivered: count.delivered.Load(), Failed: count.failed.Load(), GivenUp: count.givenUp.Load(),
			}
			if p := s.paused(name, now); p != nil {
				h.Down, h.Until = p.err, p.until
			}
			var err error
			if h.Waiting, err = r.Count(store.Notices, store.Query{Column: "lane", Equal: name}); err != nil {
				return err
			}
			first, err := scan(r, store.Query{Column: "lane", Equal: name, Limit: 1}, nil)
			if err != nil {
				return err
			}
			if len(first) > 0 {
				h.Oldest = first[0].Since
			}
			list = append(list, h)
		}
		return nil
	})
	return list, err
}
