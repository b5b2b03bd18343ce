package policy

import (
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Policy is a compiled document: statements with an effect, principals, a
// set of actions, resources and conditions. It is immutable.
type Policy struct {
	kind       Kind
	limit      bool
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
	label := map[Kind]string{ForResource: "key policy", ForIdentity: "identity policy", ForTrust: "trust policy"}[p.kind]
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

// Limit returns a policy of an identity as one that limits what the others
// allow and allows nothing itself ("Session policies", IAM User Guide).
func (p *Policy) Limit() *Policy {
	limit := *p
	limit.limit = true
	limit.statements = append([]statement(nil), p.statements...)
	for i := range limit.statements {
		s := &limit.statements[i]
		s.why = "session policy statement " + strconv.Itoa(i+1)
		if s.sid != "" {
			s.why = "session policy statement " + strconv.Quote(s.sid)
		}
	}
	return &limit
}

// Beside returns the policy of a resource as most services read it, all but
// the keys': it adds to the policies of the realm's own callers instead of
// standing above them. What it does not deny, the realm's root may do, and
// the policies of the realm's callers decide. label is how Decision.Why calls
// it, as in `authority policy statement 1`.
func (p *Policy) Beside(realm key.RealmID, label string) *Policy {
	beside := *p
	beside.statements = append([]statement(nil), p.statements...)
	for i := range beside.statements {
		s := &beside.statements[i]
		s.why = label + " statement " + strconv.Itoa(i+1)
		if s.sid != "" {
			s.why = label + " statement " + strconv.Quote(s.sid)
		}
	}
	var none key.ActionSet
	beside.statements = append(beside.statements, statement{
		actions:    none.Complement(),
		principals: principals{list: []Principal{{Principal: key.Principal{Realm: realm, Kind: key.Root}}}},
		resources:  resources{not: true}, // all but nothing
		why:        whyRoot,
	})
	return &beside
}

// Knows reports whether any statement of a policy on a resource of the realm
// lets the principal in, to whatever. It is for finding out whether a caller
// of another realm may know that the resource exists.
func (p *Policy) Knows(who key.Principal, realm key.RealmID) bool {
	s := newSubject(who)
	for i := range p.statements {
		if !p.statements[i].deny && p.statements[i].principals.admits(&s, realm) != refused {
			return true
		}
	}
	return false
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
