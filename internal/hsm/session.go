package hsm

import (
	"context"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// session is a session of the pool. It is the Module of its own pkcs11.Session,
// so that every call gets a deadline and is judged.
type session struct {
	pkcs11.Session
	process *process
	opened  bool

	// What happened since renew.
	worst    class
	err      error // the call's error with that class
	function pkcs11.Function
	changed  bool   // the token may have been changed
	logins   uint64 // of the process, when the lease began
}

// renew forgets what whoever had the session before did with it.
func (s *session) renew() {
	s.worst, s.err, s.changed = classRequest, nil, false
	s.logins = s.process.logins.Load()
}

// start opens the session.
func (s *session) start(ctx context.Context) error {
	p := s.process
	r, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnOpenSession, Slot: p.slot, Flag: true})
	if rv, ok := err.(pkcs11.RV); ok && rv == pkcs11.RVTokenWriteProtected { //nolint:errorlint // a Module returns it as it is
		r, err = p.call(ctx, &pkcs11.Call{Function: pkcs11.FnOpenSession, Slot: p.slot})
	}
	if err != nil {
		return err
	}
	s.Session = pkcs11.Session{Module: s, Handle: pkcs11.SessionHandle(r.Handle)}
	s.opened = true
	return nil
}

// Call makes a call and notes what it says of the session. After the session
// was lost it makes none.
func (s *session) Call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	if s.worst >= classLogin {
		return nil, s.err
	}
	t := s.process.token
	ctx, cancel := t.deadline(ctx, c)
	r, err := s.process.module.Call(ctx, c)
	cancel()
	t.calls.Add(1)
	is := classify(err)
	if err == nil || is == classSuspect || is >= classDevice {
		s.changed = s.changed || changes(c)
	}
	if is > s.worst {
		s.worst, s.err, s.function = is, err, c.Function
	}
	return r, err
}

// Close makes a session a Module; it is never called.
func (s *session) Close() error { return fmt.Errorf("a session of the pool is not closed by its user") }

// drop closes the session on the token, if it can be.
func (s *session) drop(ctx context.Context) {
	if !s.opened || s.worst >= classGone {
		return
	}
	p := s.process
	if _, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnCloseSession, Session: s.Handle}); err != nil {
		p.token.log.Debug("closing a session", "err", err)
	}
}

// deadline gives a call the token's own: whoever asked may go away meanwhile,
// but a call that has begun ends.
func (t *Token) deadline(ctx context.Context, c *pkcs11.Call) (context.Context, context.CancelFunc) {
	limit := t.cfg.Timeout
	switch c.Function {
	case pkcs11.FnGenerateKeyPair, pkcs11.FnInitToken, pkcs11.FnInitPIN:
		limit *= slowFactor
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
