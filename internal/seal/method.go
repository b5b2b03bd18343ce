package seal

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Keeper is a key that stays where it is, such as in a token: it wraps the key
// that encrypts the root key. All errors are clear enough for people.
type Keeper interface {
	// Wrap encrypts plaintext, which is 32 bytes, so that it cannot be changed
	// unseen.
	Wrap(ctx context.Context, plaintext []byte) ([]byte, error)
	// Unwrap decrypts what Wrap made.
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
}

// Plan says how a root key is to be sealed. Method says which of the other
// fields are used.
type Plan struct {
	Method Method
	// Passphrase has at least MinPassphrase bytes.
	Passphrase []byte
	// cheap has Argon2id cost the least that is accepted: for tests.
	cheap bool
	// Threshold of the Shares are to unseal.
	Shares, Threshold int
	// Keeper is the key with the label Key in the token that the configuration
	// calls Token.
	Keeper     Keeper
	Token, Key string
}

// Argon2id's cost: RFC 9106 section 4, the second recommended option.
const (
	argonTime      = 3
	argonMemoryKiB = 64 << 10
	argonThreads   = 4
	argonSalt      = 16

	minArgonMemoryKiB = 8 << 10 // a seal that was weakened is refused
)

// MinPassphrase is the shortest passphrase that Make takes, in bytes.
const MinPassphrase = 12

// make returns a way by the plan, still without root keys, what encrypts them,
// and the shares, if it makes some.
func (p *Plan) make(ctx context.Context, installation string) (way, box, []split.Share, error) {
	w := way{Method: p.Method, CreatedAt: time.Now().UTC()}
	var secret []byte
	var shares []split.Share
	var err error
	switch p.Method {
	case InFile:
		return w, box{}, nil, nil
	case UnderPassphrase:
		if len(p.Passphrase) < MinPassphrase {
			return w, box{}, nil, fault.New(fault.InvalidArgument, "the passphrase must have at least %d characters", MinPassphrase)
		}
		w.Passphrase = &passphrase{Time: argonTime, MemoryKiB: argonMemoryKiB, Threads: argonThreads, Salt: random(argonSalt)}
		if p.cheap {
			w.Passphrase.Time, w.Passphrase.MemoryKiB = 1, minArgonMemoryKiB
		}
		secret, err = w.Passphrase.key(p.Passphrase)
	case UnderShares:
		w.Shares, shares, secret, err = split.New(installation, p.Threshold, p.Shares)
	case UnderHSM:
		secret = random(keySize)
		w.HSM, err = p.wrap(ctx, secret)
	default:
		err = fault.New(fault.InvalidArgument, "unknown seal %q: it is one of %v", p.Method, Methods())
	}
	defer clear(secret)
	if err != nil {
		return w, box{}, nil, err
	}
	b, err := newBox(secret)
	return w, b, shares, err
}

// wrap has the keeper wrap a key, and tries whether it comes back: a token
// that cannot unwrap would keep the root key for ever.
func (p *Plan) wrap(ctx context.Context, secret []byte) (*hsmKey, error) {
	if p.Keeper == nil || p.Token == "" || p.Key == "" {
		return nil, fault.New(fault.InvalidArgument, "the seal hsm needs a token and the label of a key in it")
	}
	wrapped, err := p.Keeper.Wrap(ctx, secret)
	if err != nil {
		return nil, fmt.Errorf("wrapping under the key %q of the token %q: %w", p.Key, p.Token, err)
	}
	back, err := p.Keeper.Unwrap(ctx, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrapping with the key %q of the token %q: %w", p.Key, p.Token, err)
	}
	defer clear(back)
	if subtle.ConstantTimeCompare(back, secret) != 1 || bytes.Contains(wrapped, secret) {
		return nil, fault.New(fault.Unavailable, "the token %q does not give back what its key %q has wrapped", p.Token, p.Key)
	}
	return &hsmKey{Token: p.Token, Key: p.Key, Wrapped: wrapped}, nil
}

// key derives the key that a passphrase stands for.
func (p *passphrase) key(phrase []byte) ([]byte, error) {
	if p.Time < 1 || p.Time > 64 || p.MemoryKiB < minArgonMemoryKiB || p.MemoryKiB > 4<<20 || p.Threads < 1 || len(p.Salt) < 8 {
		return nil, fault.New(fault.InvalidArgument, "the seal's Argon2id parameters are out of bounds")
	}
	return argon2.IDKey(phrase, p.Salt, p.Time, p.MemoryKiB, p.Threads, keySize), nil
}

// put has the way give root keys: b encrypts them. With InFile only their
// checks are in the way.
func (w *way) put(b box, installation string, keys [][]byte) {
	w.Checks = nil
	for _, k := range keys {
		w.Checks = append(w.Checks, check(k, installation))
	}
	if w.Method == InFile {
		return
	}
	all := bytes.Join(keys, nil)
	defer clear(all)
	w.Root = b.seal(w.rootPurpose(), all, []byte(installation))
}

// get returns the root keys that b decrypts.
func (w *way) get(b box, installation string) ([][]byte, error) {
	all, err := b.open(w.rootPurpose(), w.Root, []byte(installation))
	if err != nil {
		return nil, err
	}
	defer clear(all)
	if len(all) == 0 || len(all)%keySize != 0 {
		return nil, fault.New(fault.InvalidArgument, "the seal holds %d bytes, which are no root keys", len(all))
	}
	var keys [][]byte
	for i := 0; i < len(all); i += keySize {
		keys = append(keys, bytes.Clone(all[i:i+keySize]))
	}
	return keys, nil
}

// known returns those of the keys that are this way's by their checks.
func (w *way) known(installation string, keys [][]byte) [][]byte {
	var known [][]byte
	for _, want := range w.Checks {
		for _, k := range keys {
			if subtle.ConstantTimeCompare([]byte(check(k, installation)), []byte(want)) == 1 {
				known = append(known, k)
			}
		}
	}
	return known
}
