package age

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
)

// maxTries is how many stanzas of a file a place is asked about: whoever made
// the file chose how many there are.
const maxTries = 20

// fileKeySize is the size of age's file keys in bytes.
const fileKeySize = 16

// errOther is about a stanza that is for another key.
var errOther = errors.New("the stanza is for another key")

// Identity is a key that decrypts files. It is opened when it is used.
type Identity struct {
	uri  string // "" stands for those that a file names
	opts []holdfast.Option
}

var _ age.Identity = (*Identity)(nil)

// NewIdentity returns the key that a URI names as an identity.
func NewIdentity(uri string, opts ...holdfast.Option) (*Identity, error) {
	uri, err := canonical(uri)
	if err != nil {
		return nil, err
	}
	return &Identity{uri, opts}, nil
}

// AnyIdentity returns an identity of all keys: it goes to those that a file
// names, in the file's order, until one decrypts. Whoever made the file chose the
// URIs, so that they are opened with holdfast.WithForeignURI.
func AnyIdentity(opts ...holdfast.Option) *Identity { return &Identity{opts: opts} }

// ParseIdentity reads the string of an identity.
func ParseIdentity(text string, opts ...holdfast.Option) (*Identity, error) {
	b, err := decode(text, plugin.ParseIdentity)
	if err != nil {
		return nil, fmt.Errorf("reading an identity: %w", err)
	}
	return newIdentity(b, opts)
}

// newIdentity returns the identity of a string's bytes.
func newIdentity(b []byte, opts []holdfast.Option) (*Identity, error) {
	uri, err := parseIdentity(b)
	if err != nil {
		return nil, fmt.Errorf("reading an identity: %w", err)
	}
	return &Identity{uri, opts}, nil
}

// String returns the identity as age's files of identities have it.
func (i *Identity) String() string { return identityOf(i.uri) }

// URI returns where the key is, "" of AnyIdentity.
func (i *Identity) URI() string { return i.uri }

// Recipient opens the key and returns it as a recipient.
func (i *Identity) Recipient(ctx context.Context) (*Recipient, error) {
	if i.uri == "" {
		return nil, errors.New("an identity of all keys is no recipient: name a key")
	}
	return NewRecipient(ctx, i.uri, i.opts...)
}

// Unwrap decrypts the file key of a file. The error is, or wraps,
// age.ErrIncorrectIdentity if the file is for other keys.
func (i *Identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if i.uri == "" {
		return i.unwrapAny(stanzas)
	}
	mine := i.choose(stanzas)
	if len(mine) == 0 {
		return nil, age.ErrIncorrectIdentity
	}
	return unwrap(i.uri, mine, i.opts)
}

// choose returns the stanzas that may be for the key: those that name it, or
// without any all, for a key may have several names. Of keys on P-256 the stanzas
// have no name.
func (i *Identity) choose(stanzas []*age.Stanza) []*age.Stanza {
	var named, others, tagged []*age.Stanza
	for _, s := range stanzas {
		switch {
		case s.Type == taggedType:
			tagged = append(tagged, s)
		case !wellFormed(s):
		case s.Args[1] == i.uri:
			named = append(named, s)
		default:
			others = append(others, s)
		}
	}
	if len(named) == 0 {
		named = others
	}
	return append(named, tagged...)
}

// wellFormed reports whether a stanza is one of Recipient.Wrap.
func wellFormed(s *age.Stanza) bool { return s.Type == Name && len(s.Args) == 2 }

// unwrapAny goes to the keys that a file names. One that is out of reach is no
// reason not to ask the next one.
func (i *Identity) unwrapAny(stanzas []*age.Stanza) ([]byte, error) {
	var failures []error
	opts := append(slices.Clone(i.opts), holdfast.WithForeignURI())
	other := true
	for _, s := range stanzas {
		if !wellFormed(s) || len(failures) == maxTries {
			continue
		}
		fileKey, err := unwrap(s.Args[1], []*age.Stanza{s}, opts)
		if err == nil {
			return fileKey, nil
		}
		other = other && errors.Is(err, age.ErrIncorrectIdentity)
		failures = append(failures, err)
	}
	if other {
		return nil, errors.Join(append(failures, age.ErrIncorrectIdentity)...)
	}
	return nil, errors.Join(failures...)
}

// unwrap opens a key and tries stanzas.
func unwrap(uri string, stanzas []*age.Stanza, opts []holdfast.Option) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	key, err := holdfast.Open(ctx, uri, opts...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	last, tries := errOther, 0
	for _, s := range stanzas {
		fileKey, err := unwrapOne(ctx, key, s)
		if err == nil && len(fileKey) == fileKeySize {
			return fileKey, nil
		}
		clear(fileKey)
		switch {
		case errors.Is(err, errOther): // nobody was asked
			continue
		case err != nil && !wrongKey(err):
			return nil, err
		case err != nil:
			last = err
		}
		if tries++; tries == maxTries {
			break
		}
	}
	return nil, fmt.Errorf("%w: %s: %w", age.ErrIncorrectIdentity, uri, last)
}

// unwrapOne has a key decrypt the file key of a stanza.
func unwrapOne(ctx context.Context, key *holdfast.Key, s *age.Stanza) ([]byte, error) {
	if s.Type == taggedType {
		agreement, err := key.Agreement()
		if err != nil {
			return nil, errOther
		}
		return unwrapTagged(agreement, s)
	}
	method := envelope.Method(s.Args[0])
	identity, err := identityFor(key, method)
	if err != nil {
		return nil, errOther
	}
	return identity.Unwrap(ctx, envelope.Stanza{Method: method, URI: s.Args[1], Wrapped: s.Body}, []byte(binding))
}

// identityFor returns a key as it can unwrap by a method.
func identityFor(key *holdfast.Key, m envelope.Method) (envelope.Identity, error) {
	switch {
	case m == envelope.AEADMethod:
		aead, err := key.AEAD()
		return envelope.NewAEAD(key.URI(), aead), err
	case strings.HasPrefix(string(m), "RSA-"):
		d, err := key.Decrypter()
		return envelope.NewRSAIdentity(key.URI(), d), err
	}
	agreement, err := key.Agreement()
	return envelope.NewHPKEIdentity(key.URI(), agreement), err
}

// wrongKey reports whether an error says that a stanza is for another key, and
// not that the key could not be used.
func wrongKey(err error) bool {
	e, ok := errors.AsType[*holdfast.Error](err)
	return !ok || e.Kind == holdfast.BadCiphertext || e.Kind == holdfast.InvalidArgument
}
