// Package policy decides Caller × Action × Resource × Conditions → allow or
// deny, with the reason. Documents are compiled once to a canonical form and
// evaluated without allocation. The grammar is that of AWS policy documents;
// the words in them (action names, principals, condition keys) come from a
// Vocabulary, which the API that owns the dialect provides.
//
// Compile makes a Policy of a document, Decide judges a Request; LocksOut tells
// whether a new policy would leave nobody able to change it.
package policy

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Request is what is to be judged.
type Request struct {
	Call     *key.Call
	Action   key.Action
	Resource key.Resource
	// Attributes may be nil.
	Attributes *Attributes
}

// Attributes are facts of one operation that conditions can ask for. A zero
// field is one that the operation does not have.
type Attributes struct {
	// Context is the encryption context, sorted by key.
	Context   []key.Tag
	Algorithm alg.Algorithm
	Form      alg.Form
	// Spec and Usage are those of a key to be created; of an existing key the
	// request's Resource tells.
	Spec  alg.Spec
	Usage alg.Usage
	// Origin is that of a key to be created or imported, "" for key.Generated.
	Origin key.Origin
	// Wrapping is how material to be imported travels, WrappingSpec the key
	// that it is encrypted under.
	Wrapping     alg.Wrapping
	WrappingSpec alg.Spec
	// Expiry says until when material to be imported is kept.
	Expiry *Expiry
	// Alias is the alias by which the request named its key.
	Alias string
	// Store is the custom key store that a key to be created is to live in.
	Store string
	// Tags are the tags that the request sets, or removes (values empty).
	Tags []key.Tag
	// ResourceTags are the tags of a resource that is no key, whose Resource
	// tells.
	ResourceTags []key.Tag
	// Secret is what is asked of a secret, nil for all else.
	Secret *Secret
	// WaitDays is the waiting period of a deletion, PeriodDays that of a rotation.
	WaitDays, PeriodDays int
	// BypassLockout reports that the request turns the lockout check off.
	BypassLockout bool
	// DataKeyBits is the size of a data key.
	DataKeyBits int
	// ReEncryptSame reports that both ends of a re-encryption are one key.
	ReEncryptSame *bool
	// Profile is the certificate profile asked for.
	Profile string
	// Assume is what a request to assume a role asks for, nil for others.
	Assume *Assume
}

// Assume is what a request to assume a role says of the session to be.
type Assume struct {
	ExternalID, SessionName, SourceIdentity string
	// Transitive are the keys of the tags that go on to further sessions.
	Transitive []string
	// Seconds is how long the session is to last.
	Seconds int
}

// Secret are the facts of an operation on a secret.
type Secret struct {
	// Name, Description and Key, as the caller names it, are those of a secret to
	// be made or changed.
	Name, Description, Key string
	// Version and Stage are those that the request names.
	Version, Stage string
	// Forced asks for a deletion without a waiting period.
	Forced bool
	// NotPublic asks that a policy for everybody is refused.
	NotPublic bool
}

// Expiry is when imported material is forgotten: the zero time for never.
type Expiry struct{ At time.Time }

// Decision is the judgement of a request.
type Decision struct {
	Allowed bool
	// Reason is for the caller when it was denied (a fault.Reason), Why for
	// the audit log in both cases: the policy and the statement, as in
	// `key policy statement "Allow signing"`.
	Reason fault.Reason
	Why    string
}

// Input is everything that a decision depends on.
type Input struct {
	Request Request
	// Resource is the resource's own policy, nil where it has none.
	Resource *Policy
	// Identity are the policies of the caller. Those that are limits (see Limit)
	// allow nothing: each of them has to allow what the others do.
	Identity []*Policy
	// Grants are the resource's grants.
	Grants []key.Grant
}

// Kind says what a document is attached to, and so what it may contain.
type Kind uint8

// The kinds of documents.
const (
	ForResource Kind = iota + 1 // has principals
	ForIdentity                 // has none: it speaks of its owner
	// ForTrust says who may assume a role: it has principals, and no resources,
	// since it speaks of its role.
	ForTrust
)
