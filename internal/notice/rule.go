package notice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Severity says how soon somebody should look at something.
type Severity uint8

// The severities.
const (
	Info     Severity = iota // good to know
	Warning                  // somebody has to do something within days
	Critical                 // now
)

var severityNames = [...]string{Info: "info", Warning: "warning", Critical: "critical"}

// String returns the severity's name.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// ParseSeverity returns the severity of a name.
func ParseSeverity(name string) (Severity, bool) {
	i := slices.Index(severityNames[:], name)
	return Severity(max(i, 0)), i >= 0 //nolint:gosec // an index of three names
}

// SeverityOf returns how severe an event is: by its kind, and by the days that
// are left where there is an end ahead.
func SeverityOf(e *event.Event) Severity {
	days, err := strconv.Atoi(detail(e, "days"))
	switch e.Kind {
	case event.CertificateExpired:
		return Critical
	case event.CertificateExpiring, event.RenewalFailed:
		switch {
		case err == nil && days <= 1:
			return Critical
		case err == nil && days <= 7, e.Kind == event.RenewalFailed:
			return Warning
		}
	case event.AuthorityExpiring:
		switch {
		case err == nil && days <= 7:
			return Critical
		case err == nil && days <= 30:
			return Warning
		}
	case event.DeletionPending:
		if err == nil && days <= 1 {
			return Critical
		}
		return Warning
	case event.DeniedBurst, event.DeploymentFailed, event.SinkBehind:
		return Warning
	case event.CertificateRenewed, event.KeyRotationDue, event.KeyRotated, event.ApprovalRequested, event.ApprovalDecided:
	}
	return Info
}

// detail returns a fact of an event, "" when it has it not.
func detail(e *event.Event, name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// Rule says which events go to some channels. What it leaves open, it does
// not ask for.
type Rule struct {
	// Kinds are kinds of events: "certificate.expired", or with "*" for any
	// characters, "certificate.*".
	Kinds []string
	Realm key.RealmID
	// Severity is the least.
	Severity Severity
	// Names are patterns of what the event is about, by the name that people
	// give it or by its resource: "*.example.com".
	Names    []string
	Channels []string
}

// check returns an InvalidArgument error for a rule that can never apply.
func (r *Rule) check(channels map[string]*Channel) error {
	if len(r.Channels) == 0 {
		return fault.New(fault.InvalidArgument, "a rule for notices names no channel")
	}
	for _, name := range r.Channels {
		if channels[name] == nil {
			return fault.New(fault.InvalidArgument, "a rule for notices names the channel %q, which there is not", name)
		}
	}
	for _, pattern := range r.Kinds {
		if !slices.ContainsFunc(event.Kinds(), func(k event.Kind) bool { return like(pattern, string(k)) }) {
			return fault.New(fault.InvalidArgument, "a rule for notices names the kind %q: no event is of such a kind", pattern)
		}
	}
	return nil
}

// matches reports whether the rule is about an event.
func (r *Rule) matches(e *event.Event) bool {
	return (r.Realm == "" || r.Realm == e.Realm) && SeverityOf(e) >= r.Severity &&
		anyLike(r.Kinds, string(e.Kind)) && (anyLike(r.Names, e.Name) || anyLike(r.Names, e.Subject))
}

func anyLike(patterns []string, text string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return like(p, text) })
}

// like reports whether a text is as a pattern says, in which "*" stands for
// any characters.
func like(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	for {
		part, tail, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		_, after, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text, rest = after, tail
	}
}

// route returns the channels that are told of an event, each once, in the
// configuration's order.
func (s *Service) route(e *event.Event) []*Channel {
	told := func(name string) bool {
		return len(s.rules) == 0 || slices.ContainsFunc(s.rules, func(r Rule) bool {
			return slices.Contains(r.Channels, name) && r.matches(e)
		})
	}
	var list []*Channel
	for _, name := range s.order {
		if told(name) {
			list = append(list, s.byName[name])
		}
	}
	return list
}

// serves reports whether a channel is ever told of what happens in a realm.
func (s *Service) serves(name string, realm key.RealmID) bool {
	return s.byName[name] != nil && (len(s.rules) == 0 || slices.ContainsFunc(s.rules, func(r Rule) bool {
		return slices.Contains(r.Channels, name) && (r.Realm == "" || r.Realm == realm)
	}))
}
