package hsm

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Errors of logging in that waiting does not cure.
var (
	// errPIN says that the token refused the PIN.
	errPIN = errors.New("the token refused the PIN; it is tried again when its source has another one, or an operator asks")
	// errFinalTry says that one more wrong PIN would lock the token.
	errFinalTry = errors.New("one more wrong PIN locks the token: log in once with its maker's tool, or ask for a try")
)

// pinGuard logs in, and sees to it that a wrong PIN is tried once and not until
// the token locks itself: by whatever process, a PIN that was refused is not
// tried again.
type pinGuard struct {
	source func() ([]byte, error)
	// secret keys the digest by which a refused PIN is known.
	secret []byte

	// mu is held while a PIN is tried.
	mu      sync.Mutex
	refused []byte // guarded by mu: the digest, nil while none was refused
	answer  error  // guarded by mu: what the token said
	daring  bool   // guarded by mu: an operator wants the last try made
}

func newPINGuard(source func() ([]byte, error)) (*pinGuard, error) {
	g := &pinGuard{source: source, secret: make([]byte, sha256.Size)}
	if _, err := rand.Read(g.secret); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	return g, nil
}

// digest returns by what a PIN is known again.
func (g *pinGuard) digest(pin []byte) []byte {
	h := hmac.New(sha256.New, g.secret)
	h.Write(pin)
	return h.Sum(nil)
}

// forgive lets a refused PIN be tried once more.
func (g *pinGuard) forgive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused, g.answer, g.daring = nil, nil, true
}

// blocked returns an error while the source still has the PIN that was refused.
func (g *pinGuard) blocked() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		return nil
	}
	pin, err := g.read()
	if err != nil {
		return err
	}
	defer clear(pin)
	return g.known(pin)
}

// read asks the source for the PIN.
func (g *pinGuard) read() ([]byte, error) {
	pin, err := g.source()
	if err != nil {
		return nil, fmt.Errorf("%w: reading the PIN: %w", errNoPIN, err)
	}
	if len(pin) == 0 {
		return nil, fmt.Errorf("%w: its source has an empty one", errNoPIN)
	}
	return pin, nil
}

// errNoPIN says that there is no PIN to try.
var errNoPIN = errors.New("there is no PIN to log in with")

// known returns an error when the token has refused this PIN.
func (g *pinGuard) known(pin []byte) error {
	if g.refused == nil || !hmac.Equal(g.refused, g.digest(pin)) {
		return nil
	}
	return fmt.Errorf("%w: %w", errPIN, g.answer)
}

// logIn logs the user in. It reports whether nobody was before.
func (g *pinGuard) logIn(ctx context.Context, p *process, s *session) (fresh bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnTokenInfo, Slot: p.slot})
	if err != nil {
		return false, fmt.Errorf("asking the token before logging in: %w", err)
	}
	pad := r.Token.Flags&pkcs11.TokenProtectedAuthenticationPath != 0
	if g.source == nil && !pad {
		return false, nil // for objects that everybody may see and use
	}
	var pin []byte
	if g.source != nil {
		if pin, err = g.read(); err != nil {
			return false, err
		}
		defer clear(pin)
		if err := g.known(pin); err != nil {
			return false, err
		}
	}
	switch {
	case r.Token.Flags&pkcs11.TokenUserPINLocked != 0:
		return false, fmt.Errorf("%w: %w", errPIN, pkcs11.RVPINLocked)
	case r.Token.Flags&pkcs11.TokenUserPINFinalTry != 0 && !g.daring:
		return false, fmt.Errorf("%w: %w", errPIN, errFinalTry)
	}
	_, err = p.call(ctx, &pkcs11.Call{Function: pkcs11.FnLogin, Session: s.Handle, User: pkcs11.UserNormal, Data: pin})
	if errors.Is(err, pkcs11.RVUserAlreadyLoggedIn) {
		return false, nil
	}
	p.out.Store(err != nil)
	return err == nil, g.judge(pin, err)
}

// judge remembers a PIN that was refused.
func (g *pinGuard) judge(pin []byte, err error) error {
	g.daring = false
	rv, _ := errors.AsType[pkcs11.RV](err)
	switch rv {
	default:
	case pkcs11.RVPINIncorrect, pkcs11.RVPINInvalid, pkcs11.RVPINLenRange, pkcs11.RVPINExpired,
		pkcs11.RVPINLocked, pkcs11.RVUserPINNotInitialized:
		g.refused, g.answer = g.digest(pin), rv
		return fmt.Errorf("%w: %w", errPIN, rv)
	}
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	g.refused, g.answer = nil, nil
	return nil
}
