package alarm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// unchecked is the reason of a new alarm's state.
const unchecked = "Unchecked: Initial alarm creation"

// Put makes an alarm, or gives one new settings. State, times and, of one that
// exists, tags stay what they are.
func (s *Service) Put(ctx context.Context, call *key.Call, a *Alarm) error {
	_, err := guard.Do(ctx, s.guard, call, key.PutAlarm, func(v *guard.Visit) (none struct{}, err error) {
		a.Realm, a.Region = call.Caller.Principal.Realm, call.Region
		a.Rule.Metric.Realm, a.Rule.Metric.Region = a.Realm, a.Region
		if err := v.Authorize(target(call, key.PutAlarm, a.Name, a.Tags)); err != nil {
			return none, err
		}
		if err := a.check(); err != nil {
			return none, err
		}
		if err := s.store.View(ctx, func(r store.Reader) error { return room(r, a) }); err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return s.put(tx, a) })
		})
	})
	return err
}

// check refuses settings that no alarm can have.
func (a *Alarm) check() (err error) {
	n := utf8.RuneCountInString(a.Name)
	if n < 1 || n > maxName || !utf8.ValidString(a.Name) || strings.ContainsFunc(a.Name, unicode.IsControl) ||
		len(escape.Replace(a.Name)) > maxNameID {
		return bad("an alarm has a name of 1 to %d characters, none of which is a control character", maxName)
	}
	for _, topics := range a.Actions {
		if len(topics) > MaxActions {
			return bad("a state has at most %d actions", MaxActions)
		}
	}
	if a.Tags, err = key.MergeTags(nil, a.Tags); err != nil {
		return err
	}
	return a.Rule.check()
}

// room refuses an alarm that would be one too many.
func room(r store.Reader, a *Alarm) error {
	if _, err := r.Get(store.Alarms, idOf(a.Realm, a.Region, a.Name)); fault.KindOf(err) != fault.NotFound {
		return err
	}
	n, err := r.Count(store.Alarms, store.Query{Column: "scope", Equal: scopeOf(a.Realm, a.Region)})
	if err == nil && n >= MaxAlarms {
		return fault.New(fault.LimitExceeded, "there are at most %d alarms", MaxAlarms)
	}
	return err
}

// put stores an alarm with the settings of a.
func (s *Service) put(tx store.Tx, a *Alarm) error {
	now := s.now().UTC()
	a.ConfiguredAt = now
	event := Created
	row, err := tx.Get(store.Alarms, idOf(a.Realm, a.Region, a.Name))
	switch {
	case err == nil:
		old, err := readAlarm(row)
		if err != nil {
			return err
		}
		event = Updated
		a.State, a.Reason, a.Details, a.ReasonAt, a.ChangedAt = old.State, old.Reason, old.Details, old.ReasonAt, old.ChangedAt
		a.Tags, a.changes, a.pending = old.Tags, old.changes, old.pending
	case fault.KindOf(err) == fault.NotFound:
		a.State, a.Reason, a.ReasonAt, a.ChangedAt = Insufficient, unchecked, now, now
		if a.changes, err = lastChange(tx, a); err != nil {
			return err
		}
	default:
		return err
	}
	if err := a.note(tx, Change{At: now, Event: event}); err != nil {
		return err
	}
	return a.store(tx)
}

// lastChange returns the number of the last entry of the history of an alarm
// that had the name before.
func lastChange(r store.Reader, a *Alarm) (n int, err error) {
	prefix := idOf(a.Realm, a.Region, a.Name)
	for row, err := range r.Scan(store.AlarmChanges, store.Query{From: prefix + "/", To: prefix + "0"}) {
		if err != nil {
			return 0, err
		}
		if n, err = strconv.Atoi(row.ID[len(prefix)+1:]); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (a *Alarm) store(tx store.Tx) error {
	row, err := a.row()
	if err != nil {
		return err
	}
	return tx.Put(store.Alarms, row)
}

// several is a call about several alarms.
type several struct {
	action key.Action
	names  []string
	// lenient passes over alarms that do not exist.
	lenient bool
	edit    func(store.Tx, *Alarm) error
}

// find reads the alarms.
func (c *several) find(r store.Reader, call *key.Call) (list []*Alarm, err error) {
	for _, name := range c.names {
		a, err := find(r, call, name)
		switch {
		case err == nil:
			list = append(list, a)
		case !c.lenient || fault.KindOf(err) != fault.NotFound:
			return nil, err
		}
	}
	return list, nil
}

// change changes the alarms in one transaction.
func (c *several) change(tx store.Tx, call *key.Call) error {
	list, err := c.find(tx, call)
	if err != nil {
		return err
	}
	for _, a := range list {
		if err := c.edit(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// change authorises an action on each of the alarms and changes all of them.
func (s *Service) change(ctx context.Context, call *key.Call, c *several) error {
	_, err := guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (none struct{}, err error) {
		if len(c.names) == 0 || len(c.names) > MaxNames {
			return none, bad("a call is about 1 to %d alarms", MaxNames)
		}
		for _, name := range c.names {
			if err := v.Authorize(target(call, c.action, name, nil)); err != nil {
				return none, err
			}
		}
		err = s.store.View(ctx, func(r store.Reader) error {
			_, err := c.find(r, call)
			return err
		})
		if err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return c.change(tx, call) })
		})
	})
	return err
}

// Delete deletes alarms: all of them, or none if one does not exist. Their
// history stays until it is over; what they had to publish is not published.
func (s *Service) Delete(ctx context.Context, call *key.Call, names []string) error {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return s.change(ctx, call, &several{action: key.DeleteAlarms, names: names, edit: func(tx store.Tx, a *Alarm) error {
		if err := a.note(tx, Change{At: s.now().UTC(), Event: Deleted}); err != nil {
			return err
		}
		return tx.Delete(store.Alarms, idOf(a.Realm, a.Region, a.Name))
	}})
}

// TurnActions turns the actions of alarms on or off. Those that do not exist
// are passed over.
func (s *Service) TurnActions(ctx context.Context, call *key.Call, names []string, on bool) error {
	action := key.DisableAlarmActions
	if on {
		action = key.EnableAlarmActions
	}
	return s.change(ctx, call, &several{action: action, names: names, lenient: true, edit: func(tx store.Tx, a *Alarm) error {
		if a.ActionsEnabled == on {
			return nil
		}
		now := s.now().UTC()
		a.ActionsEnabled, a.ConfiguredAt = on, now
		if err := a.note(tx, Change{At: now, Event: ActionsTurned, Enabled: on}); err != nil {
			return err
		}
		return a.store(tx)
	}})
}

// Setting is a state that somebody gives an alarm.
type Setting struct {
	State           State
	Reason, Details string
}

// SetState gives an alarm a state, with the actions that go with it. The next
// judgement gives it the one that it finds.
func (s *Service) SetState(ctx context.Context, call *key.Call, name string, set Setting) error {
	return s.change(ctx, call, &several{action: key.SetAlarmState, names: []string{name}, edit: func(tx store.Tx, a *Alarm) error {
		return s.transit(tx, a, set, s.now().UTC())
	}})
}

// transit brings an alarm into a state, with what is to be published of it.
func (s *Service) transit(tx store.Tx, a *Alarm, to Setting, now time.Time) error {
	c := Change{
		At: now, Event: StateChanged, From: a.State, To: to.State,
		FromReason: a.Reason, ToReason: to.Reason, FromDetails: a.Details, ToDetails: to.Details,
	}
	from := a.State
	a.State, a.Reason, a.Details, a.ReasonAt = to.State, to.Reason, to.Details, now
	if from == to.State {
		return a.store(tx)
	}
	a.ChangedAt = now
	if err := a.note(tx, c); err != nil {
		return err
	}
	if a.ActionsEnabled && len(a.Actions[a.State]) > 0 {
		subject, text := s.style.Message(a, from)
		for _, topic := range a.Actions[a.State] {
			a.pending = append(a.pending, message{ID: a.changes, Topic: topic, Subject: subject, Text: text, Since: now})
		}
		a.pending = a.pending[max(0, len(a.pending)-maxPending):]
	}
	return a.store(tx)
}

// maxPending is how many messages of an alarm wait at most; beyond, the oldest
// are forgotten.
const maxPending = 50

// Tag gives an alarm tags, or new values to those it has.
func (s *Service) Tag(ctx context.Context, call *key.Call, name string, tags []key.Tag) error {
	return s.retag(ctx, call, key.TagAlarm, name, tags, func(have []key.Tag) ([]key.Tag, error) {
		return key.MergeTags(have, tags)
	})
}

// Untag takes tags from an alarm; those that it does not have are left alone.
func (s *Service) Untag(ctx context.Context, call *key.Call, name string, keys []string) error {
	tags := make([]key.Tag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	return s.retag(ctx, call, key.UntagAlarm, name, tags, func(have []key.Tag) ([]key.Tag, error) {
		return slices.DeleteFunc(slices.Clone(have), func(t key.Tag) bool { return slices.Contains(keys, t.Key) }), nil
	})
}

// retag changes the tags of an alarm.
func (s *Service) retag(
	ctx context.Context, call *key.Call, action key.Action, name string, tags []key.Tag, edit func([]key.Tag) ([]key.Tag, error),
) error {
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(target(call, action, name, tags)); err != nil {
			return none, err
		}
		change := func(r store.Reader) (*Alarm, error) {
			a, err := find(r, call, name)
			if err != nil {
				return nil, err
			}
			a.Tags, err = edit(a.Tags)
			return a, err
		}
		rehearse := func(r store.Reader) error {
			_, err := change(r)
			return err
		}
		if err := s.store.View(ctx, rehearse); err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				a, err := change(tx)
				if err != nil {
					return err
				}
				return a.store(tx)
			})
		})
	})
	return err
}
