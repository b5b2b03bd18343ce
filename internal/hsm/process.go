package hsm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// process is one run of the module.
type process struct {
	token   *Token
	module  pkcs11.Module
	slot    pkcs11.SlotID
	handles handles
	born    time.Time     // when it was started
	ended   chan struct{} // closed when the module has ended

	// login serialises logging in: it is the application's, not a session's.
	login sync.Mutex
	// logins counts them, so that of many callers who find that nobody is
	// logged in only one logs in. Changed with login held.
	logins atomic.Uint64
	// since is when it was last, in nanoseconds of Unix time.
	since atomic.Int64
	// out says that the last try to log in failed: nobody is.
	out atomic.Bool

	// Guarded by Token.mu.
	limit   int        // sessions at most
	full    int        // what limit was at first
	open    int        // sessions, those being opened included
	idle    []*session // the one used last is the last
	retired bool       // takes no calls
	shrunk  bool       // the token allowed fewer than there might be
}

// busy returns how many sessions are in use. Token.mu is held.
func (p *process) busy() int { return p.open - len(p.idle) }

// connect starts the module, finds the token, opens a session and logs in.
func (t *Token) connect(ctx context.Context) (*process, error) {
	if err := t.pin.blocked(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, max(startTimeout, t.cfg.Timeout))
	defer cancel()
	born := time.Now()
	module, err := t.cfg.Launch(ctx, t.cfg.Module, t.cfg.Environment)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLaunch, err)
	}
	p := &process{token: t, module: module, born: born, ended: make(chan struct{})}
	if err := p.begin(ctx); err != nil {
		t.end(p)
		return nil, err
	}
	return p, nil
}

// begin makes a process that has just been started one that takes calls.
func (p *process) begin(ctx context.Context) error {
	info, err := p.find(ctx)
	if err != nil {
		return err
	}
	if err := p.token.able.load(ctx, p, info); err != nil {
		return fmt.Errorf("asking what the token can do: %w", err)
	}
	s := &session{process: p}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	if _, err := p.logIn(ctx, s, 0); err != nil {
		return err
	}
	p.full = p.token.share(info)
	p.limit = p.full
	p.open, p.idle = 1, []*session{s}
	return nil
}

// share returns how many of the token's sessions one process may open.
func (t *Token) share(info *pkcs11.TokenInfo) int {
	all := uint64(t.cfg.Sessions) //nolint:gosec // between 1 and maxSessions
	// CK_EFFECTIVELY_INFINITE is 0, CK_UNAVAILABLE_INFORMATION all ones.
	if info.MaxSessions > 0 && info.MaxSessions < all {
		all = info.MaxSessions
	}
	n := uint64(t.cfg.Workers)      //nolint:gosec // between 1 and maxWorkers
	return max(int((all+n-1)/n), 1) //nolint:gosec // at most maxSessions
}

// call makes a call of no session.
func (p *process) call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	ctx, cancel := p.token.deadline(ctx, c)
	defer cancel()
	return p.module.Call(ctx, c)
}

// find looks for the token's slot.
func (p *process) find(ctx context.Context) (*pkcs11.TokenInfo, error) {
	slots, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnSlots, Flag: true})
	if err != nil {
		return nil, fmt.Errorf("listing the slots: %w", err)
	}
	var found *pkcs11.TokenInfo
	for _, slot := range slots.Handles {
		r, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnTokenInfo, Slot: pkcs11.SlotID(slot)})
		if c := classify(err); c >= classGone {
			return nil, fmt.Errorf("asking for the token in slot %d: %w", slot, err)
		}
		if err != nil || r.Token == nil || !p.token.cfg.means(slot, r.Token) {
			continue // another token's trouble is not ours
		}
		if found != nil {
			return nil, fault.New(fault.InvalidArgument, "token %q: the module has several tokens %s: name its serial number", p.token.cfg.Name, p.token.cfg.which())
		}
		found, p.slot = r.Token, pkcs11.SlotID(slot)
	}
	if found == nil {
		return nil, fmt.Errorf("none of %d slots has a token %s: %w", len(slots.Handles), p.token.cfg.which(), pkcs11.RVTokenNotPresent)
	}
	return found, nil
}

// means reports whether the token in a slot is the configured one.
func (c *Config) means(slot uint64, info *pkcs11.TokenInfo) bool {
	switch {
	case c.Slot != nil:
		return *c.Slot == slot
	case c.Serial != "":
		return c.Serial == info.Serial
	}
	return c.Token == info.Label && info.Flags&pkcs11.TokenInitialized != 0
}

// which says for a person which token is meant.
func (c *Config) which() string {
	switch {
	case c.Slot != nil:
		return fmt.Sprintf("in slot %d", *c.Slot)
	case c.Serial != "":
		return fmt.Sprintf("with the serial number %q", c.Serial)
	}
	return fmt.Sprintf("labelled %q", c.Token)
}

// logIn logs the application in, unless somebody has since the caller saw how
// often it was. It reports whether the token holds it to be logged in already.
func (p *process) logIn(ctx context.Context, s *session, seen uint64) (already bool, err error) {
	p.login.Lock()
	defer p.login.Unlock()
	if p.logins.Load() != seen {
		return false, nil
	}
	fresh, err := p.token.pin.logIn(ctx, p, s)
	if err != nil {
		return false, err
	}
	if fresh {
		p.loggedIn()
	}
	return !fresh, nil
}

// loggedIn notes that the application was logged in. login is held.
func (p *process) loggedIn() {
	p.logins.Add(1)
	p.since.Store(time.Now().UnixNano())
	p.handles.clear()
}

// recently reports whether the application was logged in just now.
func (p *process) recently() bool {
	return time.Since(time.Unix(0, p.since.Load())) < recentLogin
}

// recentLogin is how long a login is held to be good on the HSM's side when its
// library says so.
const recentLogin = 10 * time.Second

// confirm makes sure that the application is logged in, and reports whether it
// was not: a token shows no private objects then, and says nothing of it.
func (p *process) confirm(ctx context.Context, s *session) (renewed bool, err error) {
	p.login.Lock()
	defer p.login.Unlock()
	renewed, err = p.token.pin.logIn(ctx, p, s)
	if renewed {
		p.loggedIn()
	}
	return renewed, err
}

// end closes a process without making anybody wait for it.
func (t *Token) end(p *process) {
	t.ending.Go(func() {
		defer close(p.ended)
		_ = p.module.Close() // it is given up, whatever it says
	})
}
