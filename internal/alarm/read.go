package alarm

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// List asks for alarms.
type List struct {
	// Names are those wanted, all when there are none; Prefix is what they
	// begin with.
	Names  []string
	Prefix string
	// State is "" for any.
	State State
	// Fits, if it is there, has the last word.
	Fits func(*Alarm) bool
	// After is the name after which the page begins, Limit how many it has.
	After string
	Limit int
}

func (l *List) wants(a *Alarm) bool {
	return a.Name > l.After && strings.HasPrefix(a.Name, l.Prefix) && (l.State == "" || a.State == l.State) &&
		(len(l.Names) == 0 || slices.Contains(l.Names, a.Name)) && (l.Fits == nil || l.Fits(a))
}

// List returns alarms of the caller's realm and region in the order of their
// names, and the name after which the next page begins, "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, l *List) (list []*Alarm, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.DescribeAlarms, func(v *guard.Visit) (list []*Alarm, err error) {
		if err := v.Authorize(atLarge(call, key.DescribeAlarms)); err != nil {
			return nil, err
		}
		q := store.Query{Column: "scope", Equal: scopeOf(call.Caller.Principal.Realm, call.Region)}
		err = s.store.View(ctx, func(r store.Reader) error {
			for row, err := range r.Scan(store.Alarms, q) {
				if err != nil {
					return err
				}
				a, err := readAlarm(row)
				if err != nil {
					return err
				}
				if l.wants(a) {
					list = append(list, a)
				}
			}
			return nil
		})
		return list, err
	})
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(list, func(a, b *Alarm) int { return cmp.Compare(a.Name, b.Name) })
	if len(list) > l.Limit {
		list = list[:l.Limit]
		next = list[l.Limit-1].Name
	}
	return list, next, nil
}

// Tags returns the tags of an alarm.
func (s *Service) Tags(ctx context.Context, call *key.Call, name string) ([]key.Tag, error) {
	return guard.Do(ctx, s.guard, call, key.ListAlarmTags, func(v *guard.Visit) (tags []key.Tag, err error) {
		if err := v.Authorize(target(call, key.ListAlarmTags, name, nil)); err != nil {
			return nil, err
		}
		err = s.store.View(ctx, func(r store.Reader) error {
			a, err := find(r, call, name)
			if err != nil {
				return err
			}
			tags = a.Tags
			return nil
		})
		return tags, err
	})
}

// History asks for what happened to alarms.
type History struct {
	Name   string  // "" for all
	Events []Event // none for all
	// From and To, when they are not zero, bound the time.
	From, To    time.Time
	OldestFirst bool
	// After is the entry after which the page begins, Limit how many it has.
	After string
	Limit int
}

func (h *History) wants(c *Change) bool {
	return (len(h.Events) == 0 || slices.Contains(h.Events, c.Event)) &&
		(h.From.IsZero() || !c.At.Before(h.From)) && (h.To.IsZero() || !c.At.After(h.To))
}

// History returns what happened to alarms of the caller's realm and region in
// the last 30 days, in the order of time, and the entry after which the next
// page begins, "" at the end.
func (s *Service) History(ctx context.Context, call *key.Call, h *History) (list []*Change, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.DescribeAlarmHistory, func(v *guard.Visit) ([]*Change, error) {
		t := atLarge(call, key.DescribeAlarmHistory)
		prefix := scopeOf(call.Caller.Principal.Realm, call.Region)
		if h.Name != "" {
			t = target(call, key.DescribeAlarmHistory, h.Name, nil)
			prefix = idOf(call.Caller.Principal.Realm, call.Region, h.Name)
		}
		if err := v.Authorize(t); err != nil {
			return nil, err
		}
		return s.history(ctx, prefix, h)
	})
	if err != nil {
		return nil, "", err
	}
	order := func(a, b *Change) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.id, b.id)) }
	slices.SortFunc(list, order)
	if !h.OldestFirst {
		slices.Reverse(list)
	}
	if h.After != "" {
		at := slices.IndexFunc(list, func(c *Change) bool { return c.id == h.After })
		list = list[at+1:]
	}
	if len(list) > h.Limit {
		list = list[:h.Limit]
		next = list[h.Limit-1].id
	}
	return list, next, nil
}

// history reads the entries whose ids begin with a prefix and a slash.
func (s *Service) history(ctx context.Context, prefix string, h *History) (list []*Change, err error) {
	now := s.now()
	err = s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.AlarmChanges, store.Query{From: prefix + "/", To: prefix + "0"}) {
			if err != nil {
				return err
			}
			c, err := readChange(row)
			if err != nil {
				return err
			}
			if h.wants(c) && now.Sub(c.At) <= keepHistory {
				list = append(list, c)
			}
		}
		return nil
	})
	return list, err
}
