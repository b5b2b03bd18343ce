package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

const (
	// leaseName is the lease of who rotates, of several servers, leaseLife for how
	// long it is taken: more than one key takes, wherever it is made.
	leaseName = "rotation"
	leaseLife = 2 * time.Minute
	// lookEvery is how often all keys are looked at: rotations are due on a day.
	lookEvery = 5 * time.Minute
	// dueBatch is how many keys one Tick gives new material at most, tellBatch of
	// how many it tells in one transaction.
	dueBatch  = 64
	tellBatch = 256
)

// Tick does what is due: it tells people of the keys whose time comes near, and
// gives new material to those that are due. Whoever calls it (package
// lifecycle) does so again and again; more says that there is more to do at
// once. A key that fails does not keep the others waiting: it is tried again
// less and less often. Any number of servers may do so on one store.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.changed.Swap(false) && now.Before(s.next) {
		return false, nil
	}
	if held, err := s.hold(ctx, now); !held || err != nil {
		s.next = time.Time{}
		return false, err
	}
	due, near, err := s.look(ctx, now)
	if err != nil {
		return false, fmt.Errorf("looking for keys to rotate: %w", err)
	}
	failures := []error{s.tell(ctx, near, now)}
	n := min(len(due), dueBatch)
	for _, o := range due[:n] {
		if err := s.renew(ctx, o); err != nil {
			failures = append(failures, fmt.Errorf("rotating key %s by rule %s: %w", o.Key.Name.ID, o.Rule.Name, err))
		}
	}
	err = errors.Join(failures...)
	if more = n < len(due) && err == nil; !more && n == len(due) {
		s.next = now.Add(lookEvery)
	}
	return more, err
}

// hold takes the lease, or makes it last. Another server that has it is no
// failure.
func (s *Service) hold(ctx context.Context, now time.Time) (held bool, err error) {
	if l := s.lease; l != nil {
		if l.Until.Sub(now) > leaseLife/2 {
			return true, nil
		}
		if s.lease, err = s.leases.Renew(ctx, l, leaseLife); err == nil {
			return true, nil
		}
		if s.lease = nil; !errors.Is(err, lease.ErrHeld) {
			return false, err
		}
	}
	l, err := s.leases.Take(ctx, leaseName, leaseLife)
	if errors.Is(err, lease.ErrHeld) {
		return false, nil
	}
	if err == nil {
		s.lease = l
	}
	return err == nil, err
}

// look returns the keys that are due, the oldest first, without those that
// failed a while ago, and those whose people are to be told.
func (s *Service) look(ctx context.Context, now time.Time) (due, near []*Outlook, err error) {
	var all []*Rule
	err = s.store.View(ctx, func(r store.Reader) error {
		all, err = read(r, store.Query{})
		return err
	})
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	rules, aliases := map[key.RealmID][]*Rule{}, map[key.RealmID]map[key.ID][]string{}
	for _, r := range all {
		rules[r.Realm] = append(rules[r.Realm], r)
	}
	for realm := range rules {
		aliases[realm] = s.keys.AliasesByKey(realm)
	}
	var late []key.Name
	told := map[string]bool{}
	s.keys.EachKey(func(k *key.Key) bool {
		realm := k.Name.Realm
		if len(rules[realm]) == 0 {
			return true
		}
		o := outlookOf(k, aliases[realm][k.Name.ID], rules[realm], &s.defaults)
		if o.Rule == nil || o.Action == None {
			return true
		}
		if id := dueID(k); !now.Before(o.Notice) {
			if told[id] = s.told[id]; !told[id] {
				near = append(near, o)
			}
		}
		if o.Action != Tell && !now.Before(o.Due) {
			if late = append(late, k.Name); !s.later.Puts(k.Name.ID, now) {
				due = append(due, o)
			}
		}
		return true
	})
	s.told = told
	s.later.Keep(late)
	slices.SortFunc(due, func(a, b *Outlook) int { return a.Due.Compare(b.Due) })
	return due, near, nil
}

// renew has one key rotated.
func (s *Service) renew(ctx context.Context, o *Outlook) error {
	now := s.now()
	if held, err := s.hold(ctx, now); !held || err != nil {
		return err
	}
	l := s.lease
	err := s.keys.RenewByRule(ctx, &succession.Order{
		Key: o.Key.Name, Version: o.Key.Current().Number, Rule: o.Rule.Name, Until: o.Rule.until(o.Key, now.UTC()),
		Withdrawn: []string{dueID(o.Key)}, Check: func(r store.Reader) error { return lease.Check(r, l) },
	})
	s.later.Note(o.Key.Name.ID, now, err)
	return err
}

// dueID is the id of the event that a key's current version is due.
func dueID(k *key.Key) string {
	return fmt.Sprintf("%s/%s/%d", event.KeyRotationDue, k.Name.ID, k.Current().Number)
}

// tell emits the events of keys whose time comes near, each once.
func (s *Service) tell(ctx context.Context, near []*Outlook, now time.Time) error {
	for some := range slices.Chunk(near, tellBatch) {
		err := s.store.Update(ctx, func(tx store.Tx) error {
			if err := lease.Check(tx, s.lease); err != nil {
				return err
			}
			for _, o := range some {
				if err := event.Emit(tx, o.event(now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("telling of keys that are due for rotation: %w", err)
		}
		for _, o := range some {
			s.told[dueID(o.Key)] = true
		}
	}
	return nil
}

// event tells that a key is due.
func (o *Outlook) event(now time.Time) *event.Event {
	when, name := o.Due.UTC().Format(time.DateOnly), o.Name()
	var text string
	switch o.Action {
	case Rotate:
		text = fmt.Sprintf("The key %s gets new material on %s; what it encrypted before still decrypts.", name, when)
	case Succeed:
		text = fmt.Sprintf("%s leads to a new key from %s on", name, when)
		if !o.Key.Spec.Symmetric() {
			text += ": whoever has the public half of the present one needs the new one too"
		}
		text += "."
	default:
		text = fmt.Sprintf("The key %s is due for rotation on %s, which is for its owner to do: %s.", name, when, o.Why)
	}
	return &event.Event{
		ID: dueID(o.Key), Kind: event.KeyRotationDue, Realm: o.Key.Name.Realm, Region: o.Key.Name.Region, Time: now.UTC(),
		Subject: o.Key.Resource().String(), Name: name, Summary: text,
		Details: []event.Detail{
			{Name: "key", Value: string(o.Key.Name.ID)},
			{Name: "due", Value: o.Due.UTC().Format(time.RFC3339)},
			{Name: "days", Value: fmt.Sprint(max(0, int(o.Due.Sub(now)/day)))},
			{Name: "action", Value: string(o.Action)},
			{Name: "rule", Value: o.Rule.Name},
		},
	}
}
