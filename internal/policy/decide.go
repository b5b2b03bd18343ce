package policy

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// The reasons of decisions that no statement made.
const (
	whyRoot       = "the realm's root"
	whyNoResource = "no statement of the key policy allows it"
	whyNoIdentity = "no identity policy allows it"
	whyForeign    = "the resource is another realm's and has no policy"
	whyNoPolicy   = "the resource has no policy, and the caller is of no realm"
	whyLimit      = "the session policy does not allow it"
)

// Decide judges a request, as AWS KMS does ("Key policies in AWS KMS";
// "Policy evaluation logic", IAM User Guide):
//
//  1. An explicit deny in any of the policies wins.
//  2. A grant to the caller allows its actions.
//  3. The resource's own policy allows a caller whom it names. A statement
//     that names the whole realm admits the realm's root, and lets the policies
//     of the realm's callers decide about them: without such a statement they
//     count for nothing, nor does being root.
//  4. A caller of another realm needs both: the resource's policy, and a
//     policy of its own realm (its root needs none).
//  5. Where the resource has no policy, the realm's root may do everything,
//     and the callers of the realm what their own policies allow.
//  6. What a session policy does not allow as well, nothing else allows.
//
// What nothing allows is refused.
func Decide(in Input) Decision {
	e := evaluation{in: in, subject: newSubject(in.Request.Call.Caller.Principal)}
	own := e.judge(in.Resource)
	if own.denied {
		return Decision{Reason: fault.DeniedByResourcePolicy, Why: own.why}
	}
	mine, beyond := verdict{}, false
	for _, p := range in.Identity {
		v := e.judge(p)
		switch {
		case v.denied && p.limit:
			return Decision{Reason: fault.DeniedBySessionPolicy, Why: v.why}
		case v.denied:
			return Decision{Reason: fault.DeniedByIdentityPolicy, Why: v.why}
		case p.limit:
			beyond = beyond || v.admission == refused
		case mine.admission == refused:
			mine = v
		}
	}
	d := e.decide(own, mine)
	if d.Allowed && beyond {
		return Decision{Reason: fault.NoSessionPolicyAllows, Why: whyLimit}
	}
	return d
}

// decide decides by what the resource's policy and those of the caller say,
// none of which denies.
func (e *evaluation) decide(own, mine verdict) Decision {
	if id, ok := e.grant(); ok {
		return Decision{Allowed: true, Why: "grant " + id}
	}
	if e.in.Resource == nil {
		return e.withoutPolicy(mine)
	}
	return e.combine(own, mine)
}

// LocksOut reports whether a resource's new policy, in.Resource, would leave
// nobody at hand to change it again: neither the caller nor the root of the
// resource's realm could put another one. The rest of in is that of the
// request that brings the policy; its action is the one that puts policies on
// such a resource.
func LocksOut(in Input) bool {
	if Decide(in).Allowed {
		return false
	}
	asRoot := *in.Request.Call
	asRoot.Caller = key.Caller{Principal: key.Principal{Realm: in.Request.Resource.Realm, Kind: key.Root}}
	in.Request.Call, in.Identity = &asRoot, nil
	return !Decide(in).Allowed
}

// evaluation is one decision in the making. It keeps what the statements may
// ask for more than once, made when the first one does. It holds no pointer
// into the caller's stack, which would move that to the heap.
type evaluation struct {
	in      Input
	subject subject
	name    string
	shared  *Request
}

// request returns the request for conditions. They are functions of a
// vocabulary, so it has to be on the heap; decisions without conditions make
// none.
func (e *evaluation) request() *Request {
	if e.shared == nil {
		r := e.in.Request
		e.shared = &r
	}
	return e.shared
}

func (e *evaluation) resourceName(v Vocabulary) string {
	if e.name == "" {
		e.name = v.ResourceName(e.in.Request.Resource)
	}
	return e.name
}

// realm is the resource's; an action on the realm at large may leave it to
// the caller's.
func (e *evaluation) realm() key.RealmID {
	if r := e.in.Request.Resource.Realm; r != "" {
		return r
	}
	return e.subject.Realm
}

// verdict is what one policy says.
type verdict struct {
	denied    bool
	admission admission
	why       string
}

// judge returns what a policy says of the request: a denial, or the most that
// any statement allows.
func (e *evaluation) judge(p *Policy) verdict {
	var v verdict
	if p == nil {
		return v
	}
	for i := range p.statements {
		s := &p.statements[i]
		if !s.actions.Has(e.in.Request.Action) {
			continue
		}
		how := direct
		switch {
		case p.kind == ForIdentity:
		case s.deny && !s.principals.denies(&e.subject):
			continue
		case !s.deny:
			how = s.principals.admits(&e.subject, e.realm())
		}
		if !s.deny && how <= v.admission || !s.applies(e, p.vocabulary) {
			continue
		}
		if s.deny {
			return verdict{denied: true, why: s.why}
		}
		v.admission, v.why = how, s.why
	}
	return v
}

// grant returns the grant that allows the request.
func (e *evaluation) grant() (id string, ok bool) {
	for i := range e.in.Grants {
		g := &e.in.Grants[i]
		who := Principal{Principal: g.Grantee}
		if (g.Grantee == e.subject.Principal || e.subject.isRole(&who)) && slices.Contains(g.Actions, e.in.Request.Action) {
			return g.ID, true
		}
	}
	return "", false
}

// withoutPolicy decides on a resource that has no policy of its own.
func (e *evaluation) withoutPolicy(mine verdict) Decision {
	switch {
	case !e.subject.member():
		return Decision{Reason: fault.NoResourcePolicyAllows, Why: whyNoPolicy}
	case e.subject.Realm != e.realm():
		return Decision{Reason: fault.NoResourcePolicyAllows, Why: whyForeign}
	case e.subject.Kind == key.Root:
		return Decision{Allowed: true, Why: whyRoot}
	case mine.admission == direct:
		return Decision{Allowed: true, Why: mine.why}
	}
	return Decision{Reason: fault.NoIdentityPolicyAllows, Why: whyNoIdentity}
}

// combine decides by the resource's policy and those of the caller, none of
// which denies.
func (e *evaluation) combine(own, mine verdict) Decision {
	foreign := e.subject.member() && e.subject.Realm != e.realm()
	switch {
	case own.admission == refused:
		return Decision{Reason: fault.NoResourcePolicyAllows, Why: whyNoResource}
	case own.admission == direct && (!foreign || e.subject.Kind == key.Root):
		return Decision{Allowed: true, Why: own.why}
	case mine.admission == direct && foreign:
		return Decision{Allowed: true, Why: own.why + ", " + mine.why}
	case mine.admission == direct:
		return Decision{Allowed: true, Why: mine.why}
	}
	return Decision{Reason: fault.NoIdentityPolicyAllows, Why: whyNoIdentity}
}
