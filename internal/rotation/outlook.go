package rotation

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Action is what happens to a key: a closed set.
type Action string

// The actions.
const (
	Rotate  Action = "rotate"    // new material in the same key
	Succeed Action = "successor" // a new key under the same aliases
	Tell    Action = "notify"    // people are told that the key is due
	Retire  Action = "disable"   // a key with a successor stops verifying and decrypting
	None    Action = "none"
)

// Outlook is what lies ahead of a key.
type Outlook struct {
	Key     *key.Key
	Aliases []string
	// Rule is the rule that the key is under, nil for none; Own says that the
	// key's owner has turned rotation on for it, which goes before rules.
	Rule *Rule
	Own  bool
	// Action is what happens next, Why the reason where that is Tell or None.
	Action Action
	Why    string
	// Last is when the key's material was made, Due when the action is due and
	// Notice when people are told of that; zero for never.
	Last, Due, Notice time.Time
	// PeriodDays is how often it happens.
	PeriodDays int
}

const day = 24 * time.Hour

// Name returns how people call the key.
func (o *Outlook) Name() string {
	if len(o.Aliases) > 0 {
		return o.Aliases[0]
	}
	return string(o.Key.Name.ID)
}

// RuleName returns the name of the rule, "" for none.
func (o *Outlook) RuleName() string {
	if o.Rule == nil {
		return ""
	}
	return o.Rule.Name
}

// outlookOf returns what lies ahead of a key with some aliases, under the rules
// of its realm.
func outlookOf(k *key.Key, aliases []string, rules []*Rule, d *Defaults) *Outlook {
	o := &Outlook{Key: k, Aliases: aliases, Action: None, Last: k.Current().CreatedAt}
	switch {
	case k.State != key.Enabled:
		o.Why = "the key is " + k.State.String()
	case k.Succession.To != "":
		o.succeeded()
	case k.Rotation.Enabled:
		o.Own, o.Action, o.Due, o.PeriodDays = true, Rotate, k.Rotation.Next, k.Rotation.PeriodDays
	default:
		i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Select.matches(k, aliases) })
		if i < 0 || k.Provided {
			o.Why = "no rule"
			break
		}
		o.Rule = rules[i]
		o.ruled(d)
	}
	return o
}

// succeeded is the outlook of a key that has a successor.
func (o *Outlook) succeeded() {
	s := &o.Key.Succession
	o.Why = fmt.Sprintf("succeeded by %s: it verifies and decrypts", s.To)
	if s.Until.IsZero() {
		o.Why += " until somebody disables it"
		return
	}
	o.Action, o.Due = Retire, s.Until
}

// ruled is the outlook of a key under a rule.
func (o *Outlook) ruled(d *Defaults) {
	r := o.Rule
	way, why := succession.WayOf(o.Key)
	switch way {
	case succession.Never:
		o.Why = why
		return
	case succession.Version:
		o.Action = Rotate
	case succession.Successor:
		o.Action = Succeed
		if len(o.Aliases) == 0 {
			o.Action, why = Tell, "the key has no alias by which its users would find a successor"
		}
	case succession.ByOwner:
		o.Action = Tell
	}
	if r.Mode == Notify && o.Action != Tell {
		o.Action, why = Tell, "the rule only tells people"
	}
	o.Why = why
	o.PeriodDays = r.period(o.Key, d)
	o.Due = due(o.Key, o.PeriodDays, r)
	o.Notice = o.Due.Add(-time.Duration(r.NoticeDays) * day)
}

// period is how old a key's material gets, in days.
func (r *Rule) period(k *key.Key, d *Defaults) int {
	switch {
	case r.PeriodDays != 0:
		return r.PeriodDays
	case k.Spec.Symmetric():
		return d.SymmetricDays
	default:
		return d.AsymmetricDays
	}
}

// due is when a key is due: within the last day before its material is as old
// as the rule lets it get, at a time of day of the key's own, but not before
// people had the rule's notice. A clock that is some hours late does not move
// the time after.
func due(k *key.Key, days int, r *Rule) time.Time {
	at := after(k.Current().CreatedAt, days, k.Name.ID)
	if first := r.Since.UTC().AddDate(0, 0, r.NoticeDays+1).Truncate(day); r.NoticeDays > 0 && at.Before(first) {
		at = first.Add(timeOfDay(k.Name.ID))
	}
	return at
}

// after returns when a period that began at a time is over for a key.
func after(began time.Time, days int, id key.ID) time.Time {
	own := timeOfDay(id)
	return began.UTC().Add(-own).Truncate(day).AddDate(0, 0, days).Add(own)
}

// timeOfDay spreads keys over a day, so that thousands do not rotate at once.
// It is always the same for a key, so that periods do not drift.
func timeOfDay(id key.ID) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return time.Duration(h.Sum64() % uint64(day/time.Second) * uint64(time.Second))
}

// until is when a key that gets its successor at a time is disabled, zero for
// never.
func (r *Rule) until(k *key.Key, at time.Time) time.Time {
	if r.After == Keep || r.After == ByUsage && k.Usage == alg.EncryptDecrypt {
		return time.Time{}
	}
	return at.Add(time.Duration(r.OverlapDays) * day)
}
