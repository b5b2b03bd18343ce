package remote

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// account is what a credential has of the token: shared by all applications
// that logged in with it.
type account struct {
	token  *Token
	digest [sha256.Size]byte
	client *client.Client
	fast   *fast // nil where the token has no key server

	uses int         // guarded by token.mu
	idle *time.Timer // guarded by token.mu: ends the account when nobody has used it for a while

	seen  atomic.Pointer[snapshot]
	stale atomic.Bool // the next application wants to know what there is now
	blind atomic.Bool // the credential may see no certificates, which was logged
	// turn is held, as its one element, by who changes what follows.
	turn    chan struct{}
	keys    map[string]*entry // by id
	order   []string          // the ids as the server lists them
	written []*certificate    // that no key of the token has
	full    bool              // it was logged that there are more keys than a token shows
}

// snapshot is what Objects answers.
type snapshot struct {
	objects []token.Object
	at      time.Time
}

func newAccount(t *Token, digest [sha256.Size]byte, c *client.Client, cred credential) (*account, error) {
	a := &account{
		token: t, digest: digest, client: c, turn: make(chan struct{}, 1),
		keys: map[string]*entry{},
	}
	var err error
	if t.config.Keyless != nil {
		a.fast, err = newFast(t, cred)
	}
	return a, err
}

// release is called once for each take.
func (a *account) release() {
	a.token.mu.Lock()
	defer a.token.mu.Unlock()
	if a.uses--; a.uses == 0 && !a.token.closed {
		a.idle = time.AfterFunc(lingering, func() {
			a.token.mu.Lock()
			defer a.token.mu.Unlock()
			if a.uses == 0 {
				a.end()
			}
		})
	}
}

// end forgets the account. token.mu is held.
func (a *account) end() {
	if a.idle != nil {
		a.idle.Stop()
	}
	delete(a.token.accounts, a.digest)
	if a.fast != nil {
		a.fast.close()
	}
	if a.client != a.token.others {
		a.client.CloseIdleConnections()
	}
}

// lock waits for the turn to change what is known of the token.
func (a *account) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, failure("pkcs11", ctx.Err())
	}
}

// objects returns what the token shows, asked again when it is not fresh. When
// the server cannot be asked, what it said last stands for a while.
func (a *account) objects(ctx context.Context) ([]token.Object, error) {
	now := a.token.now()
	if s := a.seen.Load(); s != nil && now.Sub(s.at) < a.token.config.Fresh && !a.stale.Load() {
		return s.objects, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	last := a.seen.Load()
	again := a.stale.Swap(false)
	if last != nil && now.Sub(last.at) < a.token.config.Fresh && !again { // while this one waited
		return last.objects, nil
	}
	err = a.ask(ctx)
	if err == nil {
		return a.show(ctx, a.token.now()), nil
	}
	if again {
		a.stale.Store(true)
	}
	if last != nil && fault.KindOf(err) == fault.Unavailable && ctx.Err() == nil && now.Sub(last.at) < staleAfter {
		a.token.log.WarnContext(ctx, "the keys are those of before: the server cannot be asked", slog.Any("cause", err))
		return last.objects, nil
	}
	return nil, err
}

// show makes a snapshot of what is known. The turn is held.
func (a *account) show(ctx context.Context, at time.Time) []token.Object {
	var keys, certificates []token.Object
	for _, id := range a.order {
		e := a.keys[id]
		if e == nil || !e.shown {
			continue
		}
		o := e.object(a)
		keys = append(keys, o)
		for _, c := range e.certificates {
			certificates = append(certificates, c.of(&o))
		}
	}
	for _, c := range a.written {
		certificates = append(certificates, c.object())
	}
	all := append(keys, certificates...)
	if len(all) > token.MaxObjects {
		if !a.full {
			a.full = true
			a.token.log.WarnContext(ctx, "there are more keys and certificates than a token shows: have it show fewer, by keys or tags",
				slog.Int("objects", len(all)), slog.Int("shown", token.MaxObjects))
		}
		all = all[:token.MaxObjects]
	}
	a.seen.Store(&snapshot{all, at})
	return all
}

// changed shows what this account has changed itself, without asking the
// server: that is done when it would have been done anyway.
func (a *account) changed(ctx context.Context) {
	at := a.token.now()
	if s := a.seen.Load(); s != nil {
		at = s.at
	}
	a.show(ctx, at)
}

// holder is one application's account.
type holder struct {
	*account
	closed atomic.Bool
}

var _ token.Holder = (*holder)(nil)

// Objects implements token.Holder.
func (h *holder) Objects(ctx context.Context) ([]token.Object, error) { return h.objects(ctx) }

// Close implements token.Holder.
func (h *holder) Close() error {
	if !h.closed.Swap(true) {
		h.release()
	}
	return nil
}

// Random implements token.Holder.
func (h *holder) Random(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		part, err := h.client.Random(ctx, min(len(b), maxRandom))
		if err != nil {
			return failure("pkcs11.Random", err)
		}
		b = b[copy(b, part):]
	}
	return nil
}

// maxRandom is how many bytes the server gives at a time.
const maxRandom = 1024
