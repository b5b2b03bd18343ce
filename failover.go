package holdfast

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// rest is for how long a place that failed is asked only after the others.
const rest = 5 * time.Second

// FailOver returns a key that is in several places: it is used in the first one
// that serves. All must be the same key, which their public halves show; of
// MAC keys a code, and of AEAD keys a ciphertext that each can decrypt. What is
// wrong with a request, or with the key itself (WrongState: somebody disabled
// it), is no reason to ask another place. The keys stay their owner's to close.
func FailOver(keys ...*Key) (*Key, error) {
	members := make([]*member, len(keys))
	for i, k := range keys {
		members[i] = &member{uri: k.uri, open: func(context.Context) (*Key, error) { return k, nil }}
	}
	return gather(context.Background(), members, len(members))
}

// FailOver returns a key that named providers hold, as the function of the same
// name does. Places that are away are left out until they are needed: one must
// be there. The same key is asked of one that comes back.
func (p *Providers) FailOver(ctx context.Context, refs ...Ref) (*Key, error) {
	members := make([]*member, len(refs))
	for i, r := range refs {
		members[i] = &member{
			uri:  r.Provider + " " + r.Key,
			open: func(ctx context.Context) (*Key, error) { return p.Open(ctx, r.Provider, r.Key) },
		}
	}
	return gather(ctx, members, 1)
}

// member is one of the places of a key.
type member struct {
	uri  string
	open func(context.Context) (*Key, error)

	mu    sync.Mutex // held while it is opened
	key   *Key       // guarded by mu: opened, and proved to be the same
	until time.Time  // guarded by mu: it failed, and rests
}

// group is a key in several places.
type group struct {
	members []*member
	timeout time.Duration
	first   *Key
	proof   []byte // what the first one made of the question
}

// question is what members show that they are the same key with.
const question = "holdfast: is this the same key?"

// gather opens members and makes one key of them; at least so many must be
// there.
func gather(ctx context.Context, members []*member, least int) (*Key, error) {
	const op = "gathering the keys"
	g := &group{members: members, timeout: defaultTimeout}
	var errs []error
	here := 0
	for _, m := range members {
		switch _, err := g.key(ctx, m); {
		case err == nil:
			here++
		case elsewhere(err):
			errs = append(errs, err)
		default:
			return nil, failed(op, m.uri, err)
		}
	}
	if here < max(least, 1) {
		return nil, &Error{Kind: Unavailable, Op: op, Detail: "no place or too few that hold the key can be reached", Err: errors.Join(errs...)}
	}
	return g.whole()
}

// whole returns the key that stands for all.
func (g *group) whole() (*Key, error) {
	var names []string
	k := *g.first
	k.closer = func() error { return nil }
	k.key = &engine.Key{}
	for _, m := range g.members {
		names = append(names, m.uri)
		if m.key != nil {
			k.algorithms = slices.DeleteFunc(slices.Clone(k.algorithms), func(a alg.Algorithm) bool { return !slices.Contains(m.key.algorithms, a) })
		}
	}
	k.uri = strings.Join(names, " or ")
	if len(k.algorithms) == 0 {
		return nil, refuse(InvalidArgument, "gathering the keys", k.uri, "they have no algorithm in common")
	}
	if g.first.key.Signer != nil {
		k.key.Signer = groupSigner{g}
	}
	if g.first.key.Decrypter != nil {
		k.key.Decrypter = groupDecrypter{groupSigner{g}}
	}
	if g.first.key.AEAD != nil {
		k.key.AEAD = groupAEAD{g}
	}
	if g.first.key.MAC != nil {
		k.key.MAC = groupMAC{g}
	}
	if g.first.key.Verifier != nil {
		k.key.Verifier = groupVerifier{g}
	}
	if g.first.key.Agreement != nil {
		k.key.Agreement = groupAgreement{g}
	}
	return &k, nil
}

// key returns a member's key, once it is opened and proved.
func (g *group) key(ctx context.Context, m *member) (*Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.key != nil {
		return m.key, nil
	}
	k, err := m.open(ctx)
	if err != nil {
		return nil, err
	}
	if g.first == nil { // only gather sees that, alone
		if g.proof, err = prove(k); err != nil {
			return nil, err
		}
		g.first = k
	} else if err := g.same(k); err != nil {
		return nil, err
	}
	m.key = k
	return k, nil
}

// prove returns what shows of another symmetric key that it is the same.
func prove(k *Key) ([]byte, error) {
	switch {
	case k.key.AEAD != nil:
		return k.key.AEAD.Seal(nil, []byte(question), []byte(question))
	case k.key.MAC != nil:
		return k.key.MAC.Sum(nil, []byte(question))
	}
	return nil, nil
}

// same refuses a key that is another one than the first.
func (g *group) same(k *Key) error {
	other := refuse(Conflict, "comparing", k.uri, "it is another key than "+g.first.uri)
	if k.name != g.first.name || !bytes.Equal(k.PublicDER(), g.first.PublicDER()) {
		return other
	}
	switch {
	case g.first.key.AEAD != nil:
		plain, err := k.key.AEAD.Open(nil, g.proof, []byte(question))
		if kind := KindOf(err); kind == BadCiphertext || kind == InvalidArgument || err == nil && string(plain) != question {
			return other
		}
		return err
	case g.first.key.MAC != nil:
		code, err := k.key.MAC.Sum(nil, []byte(question))
		if err == nil && !bytes.Equal(code, g.proof) {
			return other
		}
		return err
	}
	return nil
}

// elsewhere reports whether a failure is a place's own, so that another place
// may do better.
func elsewhere(err error) bool {
	switch KindOf(err) { //nolint:exhaustive // the others are the request's own, or the key's
	case Unavailable, LimitExceeded, NotFound, Unauthenticated, PermissionDenied, Internal:
		return true
	}
	return false
}

// order returns the members, those that rest at the end.
func (g *group) order() []*member {
	now := time.Now()
	var ready, resting []*member
	for _, m := range g.members {
		m.mu.Lock()
		tired := now.Before(m.until)
		m.mu.Unlock()
		if tired {
			resting = append(resting, m)
		} else {
			ready = append(ready, m)
		}
	}
	return append(ready, resting...)
}

// do has the first member that serves do something.
func (g *group) do(f func(*Key) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	var errs []error
	for _, m := range g.order() {
		k, err := g.key(ctx, m)
		if err == nil {
			err = k.failed("using", f(k))
		}
		if err == nil {
			m.wait(0)
			return nil
		}
		if !elsewhere(err) {
			return err
		}
		m.wait(rest)
		errs = append(errs, err)
	}
	return &Error{Kind: Unavailable, Detail: "no place that holds the key serves", Err: errors.Join(errs...)}
}

// wait has a member rest.
func (m *member) wait(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until = time.Now().Add(d)
}

// give has the first member that serves return something.
func give(g *group, f func(*Key) ([]byte, error)) ([]byte, error) {
	var out []byte
	err := g.do(func(k *Key) (err error) {
		out, err = f(k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type groupSigner struct{ *group }

// Public returns the public half.
func (g groupSigner) Public() crypto.PublicKey { return g.first.public.Key() }

// Sign signs a digest, or a message where the algorithm has no hash.
func (g groupSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.Signer.Sign(rand.Reader, digest, opts) })
}

type groupDecrypter struct{ groupSigner }

// Decrypt undoes RSAES-OAEP.
func (g groupDecrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.Decrypter.Decrypt(rand.Reader, ciphertext, opts) })
}

type groupAEAD struct{ *group }

// Overhead returns that of the first place.
func (g groupAEAD) Overhead() int { return g.first.key.AEAD.Overhead() }

// Seal appends the encryption of plaintext to dst.
func (g groupAEAD) Seal(dst, plaintext, associated []byte) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.AEAD.Seal(dst, plaintext, associated) })
}

// Open appends the decryption of ciphertext to dst.
func (g groupAEAD) Open(dst, ciphertext, associated []byte) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.AEAD.Open(dst, ciphertext, associated) })
}

type groupMAC struct{ *group }

// Sum appends the code of message to dst.
func (g groupMAC) Sum(dst, message []byte) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.MAC.Sum(dst, message) })
}

type groupVerifier struct{ *group }

// Verify checks a signature or a code, in a place that does that.
func (g groupVerifier) Verify(a alg.Algorithm, m engine.Message, signature []byte) error {
	return g.do(func(k *Key) error {
		switch {
		case k.key.Verifier != nil:
			return k.key.Verifier.Verify(a, m, signature)
		case k.public != nil:
			return k.public.Verify(a, m, signature)
		}
		return mac{k}.VerifyMAC(signature, m.Bytes)
	})
}

type groupAgreement struct{ *group }

// Shared returns the secret shared with a peer.
func (g groupAgreement) Shared(peer *engine.PublicKey) ([]byte, error) {
	return give(g.group, func(k *Key) ([]byte, error) { return k.key.Agreement.Shared(peer) })
}
