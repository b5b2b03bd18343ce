package age

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
)

// binding says to the key, and to its audit log, what wrapped keys are for.
const binding = "age-encryption.org/v1/holdfast"

// patience is how long a key may take in all, to be reached and used: age's
// interfaces have no context.
const patience = time.Minute

// Recipient is a key for which files are encrypted.
type Recipient struct {
	address
	opts []holdfast.Option
	// local wraps with a public half; nil of a symmetric key.
	local envelope.Recipient
	// tagged is a key on P-256, whose stanzas are age's own.
	tagged *tag.Recipient
}

var _ age.Recipient = (*Recipient)(nil)

// NewRecipient opens the key that a URI names and returns it as a recipient.
// The key encrypts, or has a public half whose other one decrypts or agrees on
// secrets.
func NewRecipient(ctx context.Context, uri string, opts ...holdfast.Option) (_ *Recipient, err error) {
	uri, err = canonical(uri)
	if err != nil {
		return nil, err
	}
	key, err := holdfast.Open(ctx, uri, opts...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	method, err := methodOf(key)
	if err != nil {
		return nil, err
	}
	r := &Recipient{address: address{method: method, uri: uri}, opts: opts}
	if method != envelope.AEADMethod {
		r.public = key.PublicDER()
	}
	return r, r.prepare()
}

// ParseRecipient reads the string of a recipient. It may be anybody's, so that
// its URI is opened with holdfast.WithForeignURI. Keys with a public half are
// not opened: all that is needed is in the string.
func ParseRecipient(text string, opts ...holdfast.Option) (*Recipient, error) {
	b, err := decode(text, plugin.ParseRecipient)
	if err != nil {
		return nil, fmt.Errorf("reading a recipient: %w", err)
	}
	return newForeign(b, opts)
}

// newForeign returns the recipient of a string's bytes.
func newForeign(b []byte, opts []holdfast.Option) (*Recipient, error) {
	a, err := parseAddress(b)
	if err != nil {
		return nil, fmt.Errorf("reading a recipient: %w", err)
	}
	r := &Recipient{address: *a, opts: append(slices.Clone(opts), holdfast.WithForeignURI())}
	return r, r.prepare()
}

// String returns the recipient as others can have it: age1holdfast1…, or
// age1tag1… of a key on P-256, for which they need no plug-in.
func (r *Recipient) String() string {
	if r.tagged != nil {
		return r.tagged.String()
	}
	return r.address.String()
}

// URI returns where the key is.
func (r *Recipient) URI() string { return r.uri }

// Wrap encrypts a file key.
func (r *Recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if r.tagged != nil {
		return r.tagged.Wrap(fileKey)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	wrap := r.remote
	if r.local != nil {
		wrap = r.local.Wrap
	}
	method, wrapped, err := wrap(ctx, fileKey, []byte(binding))
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: Name, Args: []string{string(method), r.uri}, Body: wrapped}}, nil
}

// remote has the place of a symmetric key wrap a file key.
func (r *Recipient) remote(ctx context.Context, fileKey, binding []byte) (_ envelope.Method, _ []byte, err error) {
	key, err := holdfast.Open(ctx, r.uri, r.opts...)
	if holdfast.KindOf(err) == holdfast.PermissionDenied {
		err = fmt.Errorf("%w; a key of your own can be given as an identity instead, with -e -i", err)
	}
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	aead, err := key.AEAD()
	if err != nil {
		return "", nil, err
	}
	return envelope.NewAEAD(r.uri, aead).Wrap(ctx, fileKey, binding)
}

// hashes are those of RSAES-OAEP, the preferred one first.
var hashes = []struct {
	algorithm string
	method    envelope.Method
	hash      crypto.Hash
}{
	{"rsa-oaep-sha256", envelope.OAEPSHA256, crypto.SHA256},
	{"rsa-oaep-sha1", envelope.OAEPSHA1, crypto.SHA1},
}

// methodOf chooses how file keys are wrapped for a key.
func methodOf(key *holdfast.Key) (envelope.Method, error) {
	if _, err := key.AEAD(); err == nil {
		return envelope.AEADMethod, nil
	}
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		for _, h := range hashes {
			if slices.Contains(key.Algorithms(), h.algorithm) {
				return h.method, nil
			}
		}
	}
	curve := ecdh.Curve(nil)
	if agreement, err := key.Agreement(); err == nil {
		curve = agreement.PublicKey().Curve()
	} else if p, ok := key.Public().(*ecdsa.PublicKey); ok && strings.HasPrefix(key.URI(), holdfast.SchemeFile+":") {
		if p, err := p.ECDH(); err == nil { // a file with a public key says nothing of its use
			curve = p.Curve()
		}
	}
	if m, ok := curves[curve]; ok {
		return m, nil
	}
	return "", &holdfast.Error{
		Kind: holdfast.Unsupported, Op: "encrypting for", URI: key.URI(),
		Detail: "the key (" + key.Spec() + ") neither encrypts nor agrees on secrets",
	}
}

// curves are the methods of keys that agree on secrets.
var curves = map[ecdh.Curve]envelope.Method{
	ecdh.P256(): envelope.HPKEP256, ecdh.P384(): envelope.HPKEP384, ecdh.P521(): envelope.HPKEP521, ecdh.X25519(): envelope.HPKEX25519,
}

// prepare makes what wraps with the public half, if the key has one.
func (r *Recipient) prepare() error {
	if r.method == envelope.AEADMethod {
		return nil
	}
	parsed, err := x509.ParsePKIXPublicKey(r.public)
	if err != nil {
		return fmt.Errorf("reading a recipient's public key: %w", err)
	}
	// What age and others show must be what is used.
	if again, err := x509.MarshalPKIXPublicKey(parsed); err != nil || !bytes.Equal(again, r.public) {
		return errors.New("a recipient's public key is not in DER")
	}
	switch p := parsed.(type) {
	case *rsa.PublicKey:
		for _, h := range hashes {
			if h.method == r.method {
				r.local, err = envelope.NewRSA(r.uri, p, h.hash)
				return err
			}
		}
	case *ecdsa.PublicKey:
		k, err := p.ECDH()
		if err != nil {
			return err
		}
		return r.agreement(k)
	case *ecdh.PublicKey:
		return r.agreement(p)
	}
	return fmt.Errorf("the method %s does not go with a recipient's public key", r.method)
}

// agreement prepares for a key that agrees on secrets.
func (r *Recipient) agreement(p *ecdh.PublicKey) (err error) {
	switch {
	case curves[p.Curve()] != r.method:
		return fmt.Errorf("the method %s does not go with a recipient's public key", r.method)
	case r.method == envelope.HPKEP256:
		r.tagged, err = taggedOf(p)
	default:
		r.local, err = envelope.NewHPKE(r.uri, p)
	}
	return err
}
