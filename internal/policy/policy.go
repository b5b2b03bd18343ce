package policy

import (
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Policy is a compiled document: statements with an effect, principals, a
// set of actions, resources and conditions. It is immutable.
type Policy struct {
	kind       Kind
	vocabulary Vocabulary
	statements []statement
}

// statement is what a document says at once.
type statement struct {
	sid        string
	deny       bool
	actions    key.ActionSet
	principals principals // empty in policies of identities
	resources  resources
	conditions []condition
	// why names the policy and the statement, for Decision.Why.
	why string
}

// resources is the Resource or NotResource element.
type resources struct {
	not      bool
	patterns []pattern
}

// Named returns the policy under a name of its own, which Decision.Why then
// tells: `identity policy "admin" statement 1`. Statements have their Sid or,
// without one, their number from 1.
func (p *Policy) Named(name string) *Policy {
	named := *p
	named.statements = append([]statement(nil), p.statements...)
	label := "key policy"
	if p.kind == ForIdentity {
		label = "identity policy"
	}
	if name != "" {
		label += " " + strconv.Quote(name)
	}
	for i := range named.statements {
		s := &named.statements[i]
		s.why = label + " statement " + strconv.Itoa(i+1)
		if s.sid != "" {
			s.why = label + " statement " + strconv.Quote(s.sid)
		}
	}
	return &named
}

// applies reports whether the statement is about the request, apart from who
// makes it.
func (s *statement) applies(e *evaluation, v Vocabulary) bool {
	if !s.actions.Has(e.in.Request.Action) || !s.resources.match(e, v) {
		return false
	}
	if len(s.conditions) == 0 {
		return true
	}
	r := e.request()
	for i := range s.conditions {
		if !s.conditions[i].holds(r) {
			return false
		}
	}
	return true
}

func (l *resources) match(e *evaluation, v Vocabulary) bool {
	for i := range l.patterns {
		p := &l.patterns[i]
		if p.everything {
			return !l.not
		}
		var r *Request
		if p.variables != nil {
			r = e.request()
		}
		if p.match(r, e.resourceName(v)) {
			return !l.not
		}
	}
	return l.not
}
