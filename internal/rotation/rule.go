package rotation

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Mode is whether a rule acts: a closed set.
type Mode string

// The modes.
const (
	Automatic Mode = "automatic"
	Notify    Mode = "notify" // people are told, and rotate themselves
)

// After is what becomes of a key once its successor has been there for the
// overlap: a closed set.
type After string

// What becomes of it. ByUsage disables keys that sign or make MACs, and keeps
// those that encrypt: what was encrypted would be lost.
const (
	ByUsage After = ""
	Disable After = "disable"
	Keep    After = "keep" // it verifies and decrypts until somebody disables it
)

// Limits.
const (
	MaxRules       = 100 // of a realm
	MaxPatterns    = 100 // of each kind in a selector
	maxName        = 64  // bytes
	maxDescription = 1024
	maxPattern     = 256
	MaxPeriod      = 3650 // days
	MaxOverlap     = 3650 // days
	MaxNotice      = 365  // days
)

// Defaults are what holds where a rule says nothing, in days; 0 is Standard's.
type Defaults struct {
	// SymmetricDays and AsymmetricDays are the periods of keys that have no public
	// half, and of those that have.
	SymmetricDays, AsymmetricDays int
	OverlapDays, NoticeDays       int
}

// Standard are the defaults of a server that is told nothing. The periods are
// within NIST SP 800-57 part 1 revision 5, table 1: one to three years for keys
// that sign, at most two for those that encrypt.
func Standard() Defaults {
	return Defaults{SymmetricDays: 365, AsymmetricDays: 730, OverlapDays: 90, NoticeDays: 30}
}

func (d Defaults) filled() Defaults {
	s := Standard()
	for _, p := range []struct {
		have *int
		want int
	}{
		{&d.SymmetricDays, s.SymmetricDays}, {&d.AsymmetricDays, s.AsymmetricDays}, {&d.OverlapDays, s.OverlapDays}, {&d.NoticeDays, s.NoticeDays},
	} {
		if *p.have == 0 {
			*p.have = p.want
		}
	}
	return d
}

// Rule is a rule of rotation.
type Rule struct {
	Realm             key.RealmID
	Name, Description string
	Select            Selector
	Mode              Mode
	// PeriodDays is how old a key's material gets, in days; 0 is the server's
	// default for its kind.
	PeriodDays int
	// OverlapDays is how long a key still verifies and decrypts once it has a
	// successor; After is what then becomes of it.
	OverlapDays int
	After       After
	// NoticeDays is how many days before people are told. No key rotates sooner
	// than that after the rule was made or changed.
	NoticeDays int
	// Since is when the rule was made or changed.
	Since time.Time
}

// Selector says which keys a rule is about: those that are as each of its
// fields says. A field that is empty asks for nothing.
type Selector struct {
	// Keys are patterns, of which one must match the key's id or one of its
	// aliases ("alias/orders-*"); "*" stands for any characters but "/".
	Keys []string
	// Tags must all be there. A value "*" is any.
	Tags        []key.Tag
	Specs       []alg.Spec
	Usages      []alg.Usage
	Protections []key.Protection
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// check completes a rule, and refuses one that makes no sense.
func (r *Rule) check(d *Defaults) error {
	if len(r.Name) > maxName || !nameForm.MatchString(r.Name) {
		return fault.New(fault.InvalidArgument, "the name of a rotation rule is 1 to %d letters, digits, dots, dashes and underscores", maxName)
	}
	if utf8.RuneCountInString(r.Description) > maxDescription {
		return fault.New(fault.InvalidArgument, "the description has more than %d characters", maxDescription)
	}
	if r.Mode == "" {
		r.Mode = Automatic
	}
	if r.Mode != Automatic && r.Mode != Notify {
		return fault.New(fault.InvalidArgument, "the mode of a rotation rule is %q or %q", Automatic, Notify)
	}
	if r.After != ByUsage && r.After != Disable && r.After != Keep {
		return fault.New(fault.InvalidArgument, "after the overlap a key is to be %q or %q", Disable, Keep)
	}
	for _, n := range []struct {
		name              string
		value, least, max int
	}{
		{"period", r.PeriodDays, 0, MaxPeriod}, {"overlap", r.OverlapDays, 0, MaxOverlap}, {"notice", r.NoticeDays, 0, MaxNotice},
	} {
		if n.value < n.least || n.value > n.max {
			return fault.New(fault.InvalidArgument, "the %s must be %d to %d days", n.name, n.least, n.max)
		}
	}
	if shortest := r.shortest(d); r.NoticeDays >= shortest {
		return fault.New(fault.InvalidArgument, "the notice of %d days must be shorter than the period of %d days", r.NoticeDays, shortest)
	}
	return r.Select.check()
}

// shortest is the shortest period that the rule may come to.
func (r *Rule) shortest(d *Defaults) int {
	if r.PeriodDays != 0 {
		return r.PeriodDays
	}
	return min(d.SymmetricDays, d.AsymmetricDays)
}

func (s *Selector) check() error {
	for _, n := range []int{len(s.Keys), len(s.Tags), len(s.Specs), len(s.Usages), len(s.Protections)} {
		if n > MaxPatterns {
			return fault.New(fault.InvalidArgument, "a rotation rule names at most %d of a kind", MaxPatterns)
		}
	}
	for _, p := range s.Keys {
		if _, err := path.Match(p, ""); err != nil || p == "" || len(p) > maxPattern || strings.ContainsAny(p, `[]\?`) {
			return fault.New(fault.InvalidArgument, "%q is no pattern of key ids or aliases: \"*\" stands for any characters but \"/\"", p)
		}
	}
	for _, t := range s.Tags {
		if t.Key == "" || len(t.Key)+len(t.Value) > maxPattern*2 {
			return fault.New(fault.InvalidArgument, "a rotation rule selects by tags with a name and a value")
		}
	}
	for _, p := range s.Protections {
		if p != key.Software && p != key.HSM && p != key.Outside {
			return fault.New(fault.InvalidArgument, "a key's protection is %q, %q or %q", key.Software, key.HSM, key.Outside)
		}
	}
	return nil
}

// matches reports whether the selector is about a key with some aliases.
func (s *Selector) matches(k *key.Key, aliases []string) bool {
	return (len(s.Specs) == 0 || slices.Contains(s.Specs, k.Spec)) &&
		(len(s.Usages) == 0 || slices.Contains(s.Usages, k.Usage)) &&
		(len(s.Protections) == 0 || slices.Contains(s.Protections, k.Protection)) &&
		s.tagged(k) && s.named(k, aliases)
}

func (s *Selector) tagged(k *key.Key) bool {
	for _, want := range s.Tags {
		if !slices.ContainsFunc(k.Tags, func(t key.Tag) bool { return t.Key == want.Key && (want.Value == "*" || t.Value == want.Value) }) {
			return false
		}
	}
	return true
}

func (s *Selector) named(k *key.Key, aliases []string) bool {
	if len(s.Keys) == 0 {
		return true
	}
	for _, p := range s.Keys {
		if like(p, string(k.Name.ID)) || slices.ContainsFunc(aliases, func(a string) bool { return like(p, a) }) {
			return true
		}
	}
	return false
}

func like(pattern, text string) bool {
	ok, _ := path.Match(pattern, text) // check has seen the pattern
	return ok
}
