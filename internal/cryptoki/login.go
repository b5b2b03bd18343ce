package cryptoki

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// login is C_Login.
func (c *call) login(ctx context.Context) error {
	handle, user, pin := c.r.Uint(), c.r.Uint(), c.r.Bytes()
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	if pkcs11.UserType(user) != pkcs11.UserNormal {
		// There is no security officer: what one does is done in Holdfast. Nor has any
		// key AttrAlwaysAuthenticate, for which a login would be of a context.
		return pkcs11.RVUserTypeInvalid
	}
	a := c.app
	a.mu.Lock()
	in := a.slots[s.slot].loggedIn
	a.mu.Unlock()
	if in {
		return pkcs11.RVUserAlreadyLoggedIn
	}
	return a.login(ctx, s.slot, pin)
}

func (a *application) login(ctx context.Context, at int, pin []byte) error {
	gate := a.server.gates.of(at, a.who.UID)
	if err := gate.enter(ctx); err != nil {
		return err
	}
	defer gate.leave()
	h, err := a.server.Slots[at].Login(ctx, pin)
	if err != nil {
		if fault.KindOf(err) != fault.Unauthenticated {
			return err
		}
		a.server.Log.WarnContext(ctx, "a PKCS #11 login failed", slog.Int("slot", at), a.who.Attr(), slog.Any("cause", err))
		gate.fail(ctx, a.server.LoginDelay)
		return pkcs11.RVPINIncorrect
	}
	gate.failures = 0
	a.leave(ctx, at)
	if _, ok := a.keep(at, h, true); !ok {
		a.server.closeHolder(ctx, h)
		return pkcs11.RVUserAlreadyLoggedIn
	}
	return nil
}

// leave ends what the application may do where no login is asked for: it has
// logged in as somebody else.
func (a *application) leave(ctx context.Context, at int) {
	a.mu.Lock()
	own := a.slots[at].holder != nil && !a.slots[at].loggedIn
	a.mu.Unlock()
	if own {
		a.logout(ctx, at)
	}
}

// logoutCall is C_Logout.
func (c *call) logoutCall(ctx context.Context) error {
	s, err := c.sessionOf(c.r.Uint())
	if err != nil {
		return err
	}
	c.app.mu.Lock()
	in := c.app.slots[s.slot].loggedIn
	c.app.mu.Unlock()
	if !in {
		return pkcs11.RVUserNotLoggedIn
	}
	c.app.logout(ctx, s.slot)
	return nil
}

func (s *server) closeHolder(ctx context.Context, h token.Holder) {
	if err := h.Close(); err != nil {
		s.Log.WarnContext(ctx, "a PKCS #11 login did not end well", slog.Any("cause", err))
	}
}

// gates slow down who tries PINs: each user of the machine has one gate for
// each slot, through which one login goes at a time.
type gates struct {
	// mu guards what follows.
	mu  sync.Mutex
	all map[gateName]*gate
}

type gateName struct {
	slot int
	uid  uint32
}

// gate is one. Who is in it has the right to failures.
type gate struct {
	in       chan struct{} // has one element while somebody is in
	failures int           // since the last success
}

func (g *gates) of(at int, uid uint32) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[gateName]*gate{}
	}
	name := gateName{at, uid}
	if g.all[name] == nil {
		g.all[name] = &gate{in: make(chan struct{}, 1)}
	}
	return g.all[name]
}

func (g *gate) enter(ctx context.Context) error {
	select {
	case g.in <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() { <-g.in }

// maxDoublings is how often the delay doubles.
const maxDoublings = 5

// fail waits, the longer the more logins have failed.
func (g *gate) fail(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay << min(g.failures, maxDoublings))
	defer timer.Stop()
	g.failures++
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
