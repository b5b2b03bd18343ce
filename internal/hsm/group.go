package hsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Group is several tokens with the same keys, used as one Place. Calls go to
// the token that has the fewest, and to the next one when it cannot serve or
// does not have the key. A Group copies no keys: whoever makes one in a Group
// makes it on one token, and the HSMs, or their operator, bring it to the others.
type Group struct {
	name   string
	tokens []*Token
	turn   atomic.Uint64 // where the next choice between equals begins

	mu    sync.RWMutex
	lacks map[lack]time.Time // guarded by mu: until when a token is asked last for a key
}

// lack says that a token does not have what is at an address.
type lack struct {
	token int
	addressKey
}

var _ Place = (*Group)(nil)

const (
	// maxGroup is how many tokens a Group has at most.
	maxGroup = 64
	// lackTime is how long a token is asked last for a key that it did not have.
	lackTime = time.Minute
	// maxLacks bounds what a Group remembers of that.
	maxLacks = 1 << 14
)

// NewGroup returns a group of 1 to 64 tokens, which stay their owner's: he
// closes them.
func NewGroup(name string, tokens ...*Token) (*Group, error) {
	if name == "" || len(tokens) == 0 || len(tokens) > maxGroup {
		return nil, fault.New(fault.InvalidArgument, "group %q: a group has a name and between 1 and %d tokens", name, maxGroup)
	}
	return &Group{name: name, tokens: append([]*Token(nil), tokens...), lacks: map[lack]time.Time{}}, nil
}

// Name returns the configured name.
func (g *Group) Name() string { return g.name }

// Tokens returns the group's tokens.
func (g *Group) Tokens() []*Token { return append([]*Token(nil), g.tokens...) }

// Sign signs data with the key at an address. See Place.
func (g *Group) Sign(ctx context.Context, at Address, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	var out []byte
	err := g.each(ctx, &at, func(t *Token, d doubt) (err error) {
		out, err = t.sign(ctx, at, d, m, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Use runs f with a session and the object at an address. See Place.
func (g *Group) Use(ctx context.Context, at Address, f func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error) error {
	return g.each(ctx, &at, func(t *Token, d doubt) error { return t.use(ctx, at, d, f) })
}

// Do runs f with a session of one of the tokens. See Place.
func (g *Group) Do(ctx context.Context, f func(ctx context.Context, s *pkcs11.Session) error) error {
	return g.each(ctx, nil, func(t *Token, _ doubt) error { return t.Do(ctx, f) })
}

// each runs f with one token after the other until one has served. That none
// has the key is believed of no process that keeps what it has seen.
func (g *Group) each(ctx context.Context, at *Address, f func(*Token, doubt) error) error {
	lacked, err := g.round(ctx, at, func(t *Token) error { return f(t, askAll) })
	if lacked && !errors.Is(err, errMiddle) && ctx.Err() == nil {
		switch fault.KindOf(err) {
		case fault.NotFound, fault.Conflict, fault.Unavailable:
			_, err = g.round(ctx, at, func(t *Token) error { return f(t, askFresh) })
		default:
		}
	}
	return err
}

// round is one round of each. It reports whether a token did not have the key, or
// had several.
func (g *Group) round(ctx context.Context, at *Address, f func(*Token) error) (lacked bool, _ error) {
	var tried uint64 // a bit for each token
	var worst error
	for range g.tokens {
		i := g.choose(tried, at)
		tried |= 1 << i
		err := f(g.tokens[i])
		kind := fault.KindOf(err)
		switch {
		case err == nil:
			return lacked, nil
		case kind == fault.NotFound && at != nil:
			g.note(i, *at)
			lacked = true
		case kind == fault.Conflict && at != nil:
			lacked = true
		case kind != fault.Unavailable, errors.Is(err, errMiddle), ctx.Err() != nil:
			return lacked, err
		}
		if worst == nil || kind == fault.Unavailable {
			worst = err
		}
	}
	return lacked, worst
}

// choose returns the token to ask next: of those not tried yet one that is
// thought to have the key before one that is not, then the least busy.
func (g *Group) choose(tried uint64, at *Address) int {
	best, bestLacks, bestBusy := -1, false, int64(0)
	n := len(g.tokens)
	begin := int(g.turn.Add(1) % uint64(n)) //nolint:gosec // below maxGroup
	for k := range n {
		i := (begin + k) % n
		if tried&(1<<i) != 0 {
			continue
		}
		lacking, busy := g.lacking(i, at), g.tokens[i].callers.Load()
		if best < 0 || !lacking && bestLacks || lacking == bestLacks && busy < bestBusy {
			best, bestLacks, bestBusy = i, lacking, busy
		}
	}
	return best
}

// lacking reports whether a token is known not to have a key.
func (g *Group) lacking(i int, at *Address) bool {
	if at == nil {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if len(g.lacks) == 0 {
		return false
	}
	until, ok := g.lacks[lack{i, addressKey{at.Class, string(at.ID), at.Label}}]
	return ok && time.Now().Before(until)
}

// note remembers that a token does not have a key.
func (g *Group) note(i int, at Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.lacks) >= maxLacks {
		clear(g.lacks)
	}
	g.lacks[lack{i, addressKey{at.Class, string(at.ID), at.Label}}] = time.Now().Add(lackTime)
}

// Capabilities returns what all tokens can that were ever reached. See Place.
func (g *Group) Capabilities(ctx context.Context) (*Capabilities, error) {
	var all *Capabilities
	var failure error
	for _, t := range g.tokens {
		c, err := t.Capabilities(ctx)
		switch {
		case err != nil:
			failure = err
		case all == nil:
			all = c
		default:
			all = all.both(c)
		}
	}
	if all == nil {
		return nil, failure
	}
	return all, nil
}

// Find lists what any token has that can be reached, once. See Place.
func (g *Group) Find(ctx context.Context, q Query) ([]Found, error) {
	var all []Found
	var failure error
	seen := map[addressKey]bool{}
	served := false
	for _, t := range g.tokens {
		found, err := t.Find(ctx, q)
		if err != nil {
			failure = err
			continue
		}
		served = true
		here := map[addressKey]bool{} // several objects of one token stay several
		for _, f := range found {
			k := addressKey{f.Class, string(f.ID), f.Label}
			here[k] = true
			if !seen[k] {
				all = append(all, f)
			}
		}
		for k := range here {
			seen[k] = true
		}
	}
	if !served {
		return nil, failure
	}
	return all[:min(len(all), first(q.Limit, defaultLimit))], nil
}

// Destroy ends every object at an address on every token; it fails when one of
// them cannot be reached. See Place.
func (g *Group) Destroy(ctx context.Context, at Address) error {
	var failures []error
	for _, t := range g.tokens {
		if err := t.Destroy(ctx, at); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return &fault.Error{
		Kind: fault.KindOf(failures[0]), Op: "hsm", Err: errors.Join(failures...),
		Public: fmt.Sprintf("group %q: %d of %d tokens have not destroyed the object", g.name, len(failures), len(g.tokens)),
	}
}
