package key

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// PrincipalKind says what sort of being a principal is.
type PrincipalKind string

// The kinds of principals.
const (
	Root    PrincipalKind = "root" // the realm itself
	User    PrincipalKind = "user"
	Role    PrincipalKind = "role"
	Session PrincipalKind = "session" // a role assumed by somebody
	Service PrincipalKind = "service" // a part of Holdfast, or a service that a policy names
	// Federated is somebody for whom an issuer of tokens vouches, and who is no
	// session of a role yet.
	Federated PrincipalKind = "federated"
	Anonymous PrincipalKind = "anonymous"
)

// Principal is who acts, in canonical form.
type Principal struct {
	Realm RealmID
	Kind  PrincipalKind
	// Name is the user's or role's name with its path ("ops/alice"), a
	// session's "role/session", the service's name, or the issuer's URL without
	// its scheme; empty for root.
	Name string
}

// String returns "realm:kind:name".
func (p Principal) String() string { return string(p.Realm) + ":" + string(p.Kind) + ":" + p.Name }

// ParsePrincipal reads what Principal.String writes.
func ParsePrincipal(s string) (Principal, bool) {
	realm, rest, _ := strings.Cut(s, ":")
	kind, name, ok := strings.Cut(rest, ":")
	p := Principal{RealmID(realm), PrincipalKind(kind), name}
	switch p.Kind {
	case Root, User, Role, Session, Service, Federated, Anonymous:
		return p, ok
	}
	return Principal{}, false
}

// Caller is a principal that proved who it is, and how.
type Caller struct {
	Principal Principal
	// Credential is the public id of what proved it, such as an access key id.
	Credential string
	// UserID is the principal's stable unique id (an AWS AIDA… id, say).
	UserID string
	// Method is the proof: "sigv4", "basic", "internal".
	Method string
	// MFA reports a second factor in the session, or with the request, and
	// FactorAt when it was proved.
	MFA      bool
	FactorAt time.Time
	// AuthenticatedAt is when a session began; zero for long-lived credentials.
	AuthenticatedAt time.Time
	// Tags are the principal's tags, for policy conditions.
	Tags []Tag
	// Assumption is how a session of a role came about; nil for other callers.
	// It is immutable, and the same pointer in every call of one session.
	Assumption *Assumption
}

// Assumption is what the temporary credential of a role says beyond whose it is.
type Assumption struct {
	// Limit is an identity policy that has to allow too whatever the session
	// does; without a text there is none.
	Limit Document
	// SourceIdentity is the name of who is behind the session, which sessions
	// made from it keep.
	SourceIdentity string
	// Transitive are the keys of those of the session's tags that sessions made
	// from it keep.
	Transitive []string
	// Person is who the session is of in the end, whatever roles were assumed on
	// the way: a user in Principal's form, or an issuer's URL and its subject.
	Person string
	// Issuer is the URL, without its scheme, of the issuer that vouched for the
	// caller, and Claims what its token says: a name may occur several times.
	Issuer string
	Claims []Tag
}

// Person returns who the caller is in the end: for a session of a role who
// assumed it, where that is known. Two callers with the same one are the same
// person.
func (c *Caller) Person() string {
	if c.Assumption != nil && c.Assumption.Person != "" {
		return c.Assumption.Person
	}
	return c.Principal.String()
}

// Call is the envelope of one request to the door: who asks, from where, by
// which API. A front end makes one for each request.
type Call struct {
	Caller Caller
	// RequestID is given to the caller, to the log and to the audit entry.
	RequestID string
	// API and Operation are the front end's own names ("aws.kms", "Encrypt").
	API, Operation string
	// Region is where the request is addressed, from the request's own scope.
	Region    string
	Source    netip.Addr
	UserAgent string
	// Via is the part of Holdfast that asks in the caller's name for what it
	// needs to serve the caller, such as "secret"; "" for the caller's own asking.
	Via string
	// Secure reports that the request came over TLS.
	Secure bool
	Time   time.Time
	// DryRun asks for every check and no effect.
	DryRun bool
	// Asked is what the request itself says, for approvals, which are of one
	// request. It is empty where none can be of it: in a dry run, and in what
	// Holdfast does by itself.
	Asked Asked
	// Passage is set and kept by the guard, once an approval is used.
	Passage *Passage
	// Recorded is set by whoever wrote the call's audit entry, so that a
	// front end knows whether a refusal is still to be recorded.
	Recorded bool
}

// Asked is a request in its API's own form. It is valid while the request is
// served, and may hold secrets.
type Asked struct {
	// Action is that of the API's operation, of which what the request needs is
	// only a part.
	Action      Action
	Path, Query string
	Body        []byte
	// Tokens are the members of a JSON body that only tell one sending of the
	// request from another, such as a client's random token.
	Tokens []string
}

// Empty reports whether nothing is known of the request.
func (a *Asked) Empty() bool { return a.Path == "" && a.Query == "" && len(a.Body) == 0 }

// Passage is how a call came past the gate before critical operations. The
// copies of a call that are made for its steps share it.
type Passage struct {
	// Approvals are the ids of those that the visits which have not ended use,
	// the outermost's first.
	Approvals []string
	// Acted is set once a visit within those that use them has ended well: they
	// cannot be given back.
	Acted bool
}

// ResourceKind says what sort of thing a resource is.
type ResourceKind string

// The kinds of resources.
const (
	KindNone         ResourceKind = "" // the realm at large, for Create and List
	KindKey          ResourceKind = "key"
	KindAlias        ResourceKind = "alias"
	KindAuthority    ResourceKind = "authority"
	KindCertificate  ResourceKind = "certificate"
	KindManaged      ResourceKind = "managed"
	KindProfile      ResourceKind = "profile"
	KindUser         ResourceKind = "user"
	KindServer       ResourceKind = "server"
	KindCluster      ResourceKind = "cluster" // of HSMs
	KindHSM          ResourceKind = "hsm"     // of a cluster
	KindBackup       ResourceKind = "backup"  // of a cluster
	KindKeyStore     ResourceKind = "keystore"
	KindRole         ResourceKind = "role"
	KindIssuer       ResourceKind = "issuer" // of tokens, by its URL without the scheme
	KindSecret       ResourceKind = "secret"
	KindTopic        ResourceKind = "topic"
	KindSubscription ResourceKind = "subscription" // "topic/id"
	KindTrail        ResourceKind = "trail"
	KindAlarm        ResourceKind = "alarm"
	KindFunction     ResourceKind = "function"
	KindApproval     ResourceKind = "approval"
)

// ResourceKinds returns every kind but KindNone.
func ResourceKinds() []ResourceKind {
	return []ResourceKind{
		KindKey, KindAlias, KindAuthority, KindCertificate, KindManaged, KindProfile, KindUser, KindServer, KindCluster,
		KindHSM, KindBackup, KindKeyStore, KindRole, KindIssuer, KindSecret, KindTopic, KindSubscription, KindTrail,
		KindAlarm, KindFunction, KindApproval,
	}
}

// Resource is what an action acts on.
type Resource struct {
	Kind   ResourceKind
	Realm  RealmID
	Region string
	// ID is the key's or authority's UUID, the alias's or user's name, or
	// "authority/serial" of a certificate.
	ID string
	// Key is the key's metadata when Kind is KindKey, for conditions on it.
	Key *Key
}

// String returns "realm/region/kind/id", with empty parts left out.
func (r Resource) String() string {
	if r.Kind == KindNone {
		return ""
	}
	s := string(r.Realm) + "/"
	if r.Region != "" {
		s += r.Region + "/"
	}
	if r.Kind == KindKey {
		return s + r.ID
	}
	return s + string(r.Kind) + "/" + r.ID
}

// ParseResource reads what Resource.String writes: no region has the name of
// a kind. It is false for "", the realm at large.
func ParseResource(s string) (Resource, bool) {
	realm, rest, _ := strings.Cut(s, "/")
	r := Resource{Realm: RealmID(realm)}
	first, id, more := strings.Cut(rest, "/")
	if !more || id == "" {
		return Resource{}, false
	}
	if slices.Contains(ResourceKinds(), ResourceKind(first)) {
		r.Kind, r.ID = ResourceKind(first), id
		return r, true
	}
	r.Region, r.Kind, r.ID = first, KindKey, id
	if kind, id, more := strings.Cut(id, "/"); more && slices.Contains(ResourceKinds(), ResourceKind(kind)) {
		r.Kind, r.ID = ResourceKind(kind), id
	}
	return r, true
}
