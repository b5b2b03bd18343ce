package policy

import (
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// admission is how far an allowing statement lets a caller in.
type admission uint8

const (
	refused   admission = iota
	delegated           // if the policies of the caller's realm allow it too
	direct              // by itself
)

// subject is a caller as principals of documents are compared with it.
type subject struct {
	key.Principal
	// Of a session: the role, and the name without the role's path.
	role, short string
}

func newSubject(p key.Principal) subject {
	s := subject{Principal: p}
	if p.Kind != key.Session {
		return s
	}
	slash := strings.LastIndexByte(p.Name, '/')
	if slash < 0 {
		return s
	}
	s.role = p.Name[:slash]
	s.short = p.Name[strings.LastIndexByte(s.role, '/')+1:]
	return s
}

// member reports whether the subject belongs to a realm at all: services,
// whom an issuer vouches for, and the anonymous caller are in none.
func (s *subject) member() bool {
	return s.Kind != key.Service && s.Kind != key.Federated && s.Kind != key.Anonymous
}

// coveredBy reports whether p is the realm that the subject belongs to.
func (s *subject) coveredBy(p *Principal) bool {
	return p.Kind == key.Root && p.Realm == s.Realm && s.member()
}

// isRole reports whether p is the subject's role.
func (s *subject) isRole(p *Principal) bool {
	return s.Kind == key.Session && p.Kind == key.Role && p.Realm == s.Realm && p.Name == s.role
}

// is reports whether p is the subject itself.
func (s *subject) is(p *Principal) bool {
	if p.Kind != s.Kind {
		return false
	}
	switch s.Kind {
	case key.Root, key.User, key.Role:
		return p.Realm == s.Realm && p.Name == s.Name
	case key.Session:
		return p.Realm == s.Realm && p.Name == s.short && s.short != ""
	case key.Service:
		rest, ok := strings.CutPrefix(s.Name, p.Name)
		return ok && (rest == "" || rest[0] == '/')
	case key.Federated:
		return (p.Realm == "" || p.Realm == s.Realm) && p.Name == s.Name
	case key.Anonymous:
	}
	return false
}

// principals is the Principal or NotPrincipal element.
type principals struct {
	not  bool
	list []Principal
}

// admits says how far an allowing statement on a resource of the realm lets
// the subject in. A service acts for its own realm only, whoever else's
// policies name it, so it is no confused deputy: with AWS, only a condition on
// aws:SourceAccount makes sure of that.
func (p *principals) admits(s *subject, realm key.RealmID) admission {
	if s.Kind == key.Service && s.Realm != realm {
		return refused
	}
	best := refused
	for i := range p.list {
		who := &p.list[i]
		switch {
		case who.Everyone || s.is(who) || s.isRole(who):
			return direct
		case s.coveredBy(who):
			best = delegated
		}
	}
	return best
}

// denies reports whether a denying statement is about the subject: one that
// names any of the subject's identities (its realm, its role, itself) is. One
// with NotPrincipal is about everybody of whom it does not list them all
// ("AWS JSON policy elements: NotPrincipal", IAM User Guide).
func (p *principals) denies(s *subject) bool {
	var realm, role, self bool
	for i := range p.list {
		who := &p.list[i]
		if who.Everyone {
			return !p.not
		}
		realm = realm || s.coveredBy(who)
		role = role || s.isRole(who)
		self = self || s.is(who)
	}
	if p.not {
		exempt := self && (realm || !s.member()) && (role || s.Kind != key.Session)
		return !exempt
	}
	return realm || role || self
}

// Public reports whether the policy lets everybody in: a statement allows
// something to every principal there is, or to all but some, under no
// condition.
func (p *Policy) Public() bool {
	for i := range p.statements {
		s := &p.statements[i]
		if s.deny || len(s.conditions) > 0 {
			continue
		}
		if s.principals.not || slices.ContainsFunc(s.principals.list, func(who Principal) bool { return who.Everyone }) {
			return true
		}
	}
	return false
}
