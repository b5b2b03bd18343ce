package compliance

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Exception is a finding that somebody answers for until a day.
type Exception struct {
	// Rule is a rule's id. Resource is that of findings, their name or their id;
	// "*" at its end stands for any rest.
	Rule, Resource string
	// Owner answers for it; Reason says why it is accepted.
	Owner, Reason string
	// Until is its last day, as 2006-01-02 in UTC.
	Until string
}

// Check refuses an exception without an owner, an end or a rule that there is.
func (x *Exception) Check() error {
	switch {
	case x.Rule == "" || x.Resource == "":
		return fault.New(fault.InvalidArgument, "an exception names a rule and a resource")
	case !isRule(x.Rule):
		return fault.New(fault.InvalidArgument, "%q is no rule that can be excused", x.Rule)
	case x.Owner == "":
		return fault.New(fault.InvalidArgument, "an exception needs an owner, who answers for it")
	case x.Reason == "":
		return fault.New(fault.InvalidArgument, "an exception needs a reason")
	}
	if _, err := time.Parse(time.DateOnly, x.Until); err != nil {
		return fault.New(fault.InvalidArgument, "an exception needs the day when it ends, such as 2026-12-31")
	}
	return nil
}

// isRule reports whether a rule that can be excused has the id.
func isRule(id string) bool {
	for _, r := range Rules() {
		if r.ID == id {
			return r.Subject() != SubjectException
		}
	}
	return false
}

// Expired reports whether the exception's last day is over.
func (x *Exception) Expired(now time.Time) bool {
	end, err := time.Parse(time.DateOnly, x.Until)
	return err != nil || !now.Before(end.Add(day))
}

// Excuses reports whether the exception is for a finding.
func (x *Exception) Excuses(f *Finding) bool {
	if x.Rule != f.Rule {
		return false
	}
	for _, name := range []string{f.Resource, f.ID, f.Name} {
		if name != "" && match(x.Resource, name) {
			return true
		}
	}
	return false
}

// match compares a name with a pattern, whose last character may be an asterisk.
func match(pattern, name string) bool {
	if n := len(pattern) - 1; n >= 0 && pattern[n] == '*' {
		return len(name) >= n && name[:n] == pattern[:n]
	}
	return pattern == name
}

// Excuse has exceptions count: findings that one of them is for are excused,
// and one that has ended is a finding of its own if there is something left
// for it to excuse. It returns those that excuse nothing. It is called once.
func (r *Report) Excuse(list []Exception, m Moment) (idle []Exception) {
	rule := exceptionRules()[0]
	for i := range list {
		x := &list[i]
		hits := 0
		for j := range r.Findings {
			f := &r.Findings[j]
			if !x.Excuses(f) {
				continue
			}
			hits++
			if !x.Expired(m.Now) && f.Exception == nil {
				f.Exception = x
			}
		}
		if hits == 0 {
			idle = append(idle, *x)
			continue
		}
		r.note(&rule, rule.exception(&m, x), Finding{Resource: x.Rule + " " + x.Resource, Name: x.Owner})
	}
	r.finish()
	return idle
}
