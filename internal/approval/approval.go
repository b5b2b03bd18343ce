// Package approval has critical operations wait for a second person: rules say
// which actions are critical, and whether they need a second factor in the
// session or somebody else's approval. The Gate stands in the guard, behind the
// policies, so that no front end can forget it; an act that it refuses leaves a
// draft, which the caller files with a reason, and others approve or deny.
//
// An approval is of one request: of its caller, action, resource and content. It
// is used once, and used up before the act. Start with Rule, Gate and Service;
// docs/design/2026-11-23-approvals.md has the reasons.
//
// The package is internal and may change with any release.
package approval

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// State is where a request stands.
type State string

// The states of a request.
const (
	Draft     State = "draft"     // refused, and nobody was asked yet
	Pending   State = "pending"   // waits for decisions
	Approved  State = "approved"  // may be used, once
	Used      State = "used"      // by the operation
	Denied    State = "denied"    // by one of those who were asked
	Cancelled State = "cancelled" // by who asked
	Expired   State = "expired"
)

// States returns every state.
func States() []State { return []State{Draft, Pending, Approved, Used, Denied, Cancelled, Expired} }

// open reports whether a request can still come to be used.
func (s State) open() bool { return s == Draft || s == Pending || s == Approved }

// Request is a critical operation that somebody tried, and what became of it.
type Request struct {
	ID    string
	State State
	// Realm is that of what the operation acts on: its people decide.
	Realm  key.RealmID
	Region string
	// Requester is who tried, and Person who that is in the end.
	Requester key.Principal
	Person    string
	// Action and Resource are what was tried, by API and Operation in a front
	// end's own words. Resource is key.Resource.String, "" for the realm at large.
	Action    key.Action
	Resource  string
	API       string
	Operation string
	// Digest is a keyed hash of who asks for what, in hexadecimal: another request
	// has another one.
	Digest string
	// Text is the request itself, where requests of its kind hold no secret.
	Text string
	// Rules are the names of those that made the operation a critical one when it
	// was tried, Reason is why the requester wants it.
	Rules  []string
	Reason string
	// ExpiresAt is when it cannot be filed, decided or used any more.
	CreatedAt, ExpiresAt time.Time
	FiledAt, EndedAt     time.Time
	// Decisions are the last ones of those who decided.
	Decisions []Decision
	// UsedBy is the id of the request that used the approval.
	UsedBy string
}

// Decision is what somebody said to a request.
type Decision struct {
	By key.Principal
	// Person is who that is in the end.
	Person   string
	Approved bool
	Comment  string
	At       time.Time
	// MFA tells that the session had a second factor.
	MFA bool
}

// Limits of requests.
const (
	// MaxReason is the longest reason or comment, in bytes.
	MaxReason = 1024
	// MaxOpen is how many drafts and how many filed requests a person has at a
	// time. A draft more takes the oldest one's place.
	MaxOpen = 20
	// maxText is the longest text of a request that is kept to be shown, in bytes.
	maxText = 64 << 10
	// keep is how long the ended ones are kept.
	keep = 90 * 24 * time.Hour
)

// Object returns the request as the object of a decision.
func (r *Request) Object() key.Resource {
	return key.Resource{Kind: key.KindApproval, Realm: r.Realm, ID: r.ID}
}

// at returns the state at a time.
func (r *Request) at(now time.Time) State {
	if r.State.open() && !now.Before(r.ExpiresAt) {
		return Expired
	}
	return r.State
}

// end closes a request.
func (r *Request) end(s State, now time.Time) { r.State, r.EndedAt = s, now }

// decide adds a decision, in the place of an earlier one of the same person.
func (r *Request) decide(d Decision) {
	r.Decisions = slices.DeleteFunc(r.Decisions, func(o Decision) bool { return o.Person == d.Person })
	r.Decisions = append(r.Decisions, d)
}

// missing is the error for a request that is not there.
func missing(id string) error {
	return &fault.Error{Kind: fault.NotFound, Resource: string(key.KindApproval) + "/" + id, Public: "there is no request for approval " + id}
}
