// Package fault is the closed list of ways in which a call can fail.
//
// Every layer below the front ends returns errors that are, or wrap, an
// *Error; a front end turns the Kind (and, where its API distinguishes more,
// the Reason) into its own API's words in one place. An error that is no
// *Error counts as Internal: its text goes to the log, never to a caller.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong, in the words that every API shares.
type Kind uint8

// The kinds. Internal is the zero value: an error that nobody classified.
const (
	Internal         Kind = iota // our own bug or a broken dependency
	InvalidArgument              // the request itself is wrong
	Unauthenticated              // who asks is not proved
	PermissionDenied             // who asks may not
	NotFound                     // the thing named does not exist
	AlreadyExists                // the name is taken
	WrongState                   // the thing exists, and its state forbids the call
	Conflict                     // another call changed the thing meanwhile
	Unsupported                  // known to the API, not offered here or for this key
	LimitExceeded                // a size, count or rate limit
	BadCiphertext                // a ciphertext that this key did not make
	BadSignature                 // a signature or MAC that does not verify
	Unavailable                  // cannot be served at the moment; trying again may help
)

var kindNames = [...]string{
	Internal: "internal", InvalidArgument: "invalid argument", Unauthenticated: "unauthenticated",
	PermissionDenied: "permission denied", NotFound: "not found", AlreadyExists: "already exists",
	WrongState: "wrong state", Conflict: "conflict", Unsupported: "unsupported",
	LimitExceeded: "limit exceeded", BadCiphertext: "bad ciphertext", BadSignature: "bad signature",
	Unavailable: "unavailable",
}

// String returns the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Kinds returns every kind, for tables that must cover all of them.
func Kinds() []Kind {
	all := make([]Kind, len(kindNames))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Reason refines a Kind where an API has an error of its own for it. The
// zero Reason adds nothing.
type Reason uint8

// The reasons, grouped by the Kind that they come with.
const (
	Unspecified Reason = iota

	// With WrongState.

	KeyDisabled
	KeyPendingDeletion
	KeyPendingImport
	KeyUnavailable
	KeyCreating
	KeyNotPendingDeletion
	AuthorityCreating // the call that makes it has not ended
	AuthorityPending  // has no certificate yet
	AuthorityDisabled
	AuthorityExpired
	AuthorityDeleted
	NotRenewable   // a managed certificate that nobody has or uses
	InUse          // a thing that others use
	NotExportable  // a key whose material must not leave
	AlreadyRevoked // for another reason than the one given now

	KeyStoreDisconnected // or in another state that forbids the call
	KeyStoreHasKeys
	ClusterNotActive  // a cluster of HSMs that cannot serve yet, or no longer
	ClusterInUse      // by another custom key store
	MaterialPending   // other material was imported and waits for a rotation
	NoMaterialPending // nothing was imported that a rotation could bring into use
	OriginForbids     // a key whose origin does not go with the call
	KeySucceeded      // a key that another has succeeded makes nothing new

	SecretDeleted // a secret that waits for its end

	// With InvalidArgument.

	WrongUsage        // the key's usage does not include the operation
	WrongAlgorithm    // the key's spec does not have the algorithm
	UnfitPeer         // a public key with which the key cannot agree
	IncorrectKey      // the ciphertext was made under another key
	DigestLength      // a digest whose length is not the algorithm's
	MessageTooLong    // a message or plaintext above the algorithm's limit
	MalformedPolicy   // a policy document that is no policy
	PolicyLockout     // a policy that would leave nobody able to change it
	MalformedKeyID    // not an id, ARN or alias
	MalformedAlias    // not an alias name
	ReservedAlias     // an alias name kept for the provider's own keys
	MalformedMarker   // not a page marker of this listing
	MalformedTag      // a tag key or value outside the rules
	MalformedCSR      // a certificate request that cannot be read or whose signature is wrong
	ForeignRegion     // a resource of another region
	ProfileViolation  // a certificate request outside its profile
	LintFailed        // a certificate that a lint refuses
	IncompatibleUsage // a usage that the spec cannot have
	UsageRequired     // a spec with several usages and none given

	MalformedCertificate // a certificate or chain that cannot be read or does not verify
	CertificateMismatch  // a certificate that is not for this authority's request
	WeakKey              // a public key that is known to be broken or too weak

	ExpiredImportToken
	InvalidImportToken   // not made for this key, or not made here
	IncorrectMaterial    // not the material that the key had
	IncorrectTrustAnchor // not the certificate that a cluster was initialised with
	ClusterNotRelated    // not made from the same backup
	InvalidCluster       // a cluster that a custom key store cannot use as it is
	ForeignBlob          // a transfer blob for another key exchange key
	MalformedBlob        // a transfer blob that cannot be read
	ReplayedBlob         // a transfer blob that was imported before

	DryRun       // the call would have succeeded, had it not been a dry run
	ReservedTag  // a tag key kept for the provider
	DuplicateTag // a tag key given twice

	StageAttached // a stage of a secret that another version has, and that was not named
	StageStays    // a stage that a secret cannot do without
	PublicPolicy  // a policy for everybody, where that was not to be
	SecretKey     // with any kind: the key that seals a secret refuses

	// With PermissionDenied.

	DeniedByResourcePolicy // an explicit deny in the resource's own policy
	DeniedByIdentityPolicy // an explicit deny in a policy of the caller
	NoResourcePolicyAllows // the resource's policy neither allows nor delegates
	UnknownKey             // a ciphertext of a key that is not here, or not the caller's to know
	NoIdentityPolicyAllows // the resource's policy delegates, and no policy of the caller allows
	DeniedBySessionPolicy  // an explicit deny in the policy that a session was made with
	NoSessionPolicyAllows  // the policies allow, and the one that a session was made with does not
	ApprovalRequired       // a critical operation that nobody else has approved
	MFARequired            // a critical operation, from a session without a second factor

	// With NotFound and AlreadyExists.

	NoSuchKeyStore
	NoSuchCluster
	KeyStoreNameTaken
	NoSuchVersion // of a secret, or none with the stage
	VersionTaken  // a version of a secret that is there with another value

	// With LimitExceeded.

	TooManyTags
	TooManyRotations
	PolicyTooLong

	// With Unauthenticated.

	MissingCredential
	UnknownCredential
	DisabledCredential
	ExpiredCredential
	ClockSkew
	WrongProof // the signature or secret does not match
	UnsupportedProof
	InvalidIdentityToken  // a web identity's token that is malformed, of no known issuer or wrongly signed
	ExpiredIdentityToken  // a web identity's token whose time is over
	RejectedIdentityToken // a web identity's token that is meant for others, or not valid yet
	IssuerUnreachable     // with Unavailable: the keys of an issuer could not be fetched
	WrongFactor           // with PermissionDenied: a code of a second factor that is wrong, used or locked out
	MalformedProof
)

// Error is a failure with what a caller may know of it.
type Error struct {
	Kind   Kind
	Reason Reason
	// Op is what was being done, for the log ("kms.Encrypt").
	Op string
	// Resource names the thing concerned in its canonical form
	// (key.Name.String), so that a front end can spell it its own way.
	Resource string
	// Public is a sentence for the caller. It never holds a secret.
	Public string
	// Err is the cause, for the log only.
	Err error
}

// Error returns the text for the log.
func (e *Error) Error() string {
	text := e.Kind.String()
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Resource != "" {
		text += " (" + e.Resource + ")"
	}
	if e.Public != "" {
		text += ": " + e.Public
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of a kind with a sentence for the caller.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...)}
}

// Because returns an error of a kind and reason with a sentence for the caller.
func Because(kind Kind, reason Reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Public: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// ReasonOf returns the reason of the first *Error in err's chain.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return Unspecified
}
