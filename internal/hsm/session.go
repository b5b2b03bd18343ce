package hsm

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// session is a session of the pool. It is the Module of its own pkcs11.Session,
// so that every call gets a deadline and is judged.
type session struct {
	pkcs11.Session
	process *process
	opened  bool
	limit   *limit

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
	if errors.Is(err, pkcs11.RVTokenWriteProtected) {
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
	began := time.Now()
	r, err := s.process.module.Call(s.limited(ctx, t.allowed(c.Function)), c)
	s.over()
	t.calls.Add(1)
	t.took.Add(int64(time.Since(began)))
	is := classify(err)
	if err == nil || is == classSuspect || is >= classDevice {
		s.changed = s.changed || changes(c)
	}
	if is > s.worst {
		s.worst, s.err, s.function = is, err, c.Function
	}
	return r, err
}

var errNotYours = errors.New("a session of the pool is not closed by its user")

// Close makes a session a Module; it is never called.
func (s *session) Close() error { return errNotYours }

// drop closes the session on the token, if it can be.
func (s *session) drop(ctx context.Context) {
	if !s.opened || s.worst >= classGone {
		return
	}
	p := s.process
	if _, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnCloseSession, Session: s.Handle}); err != nil {
		p.token.log.LogAttrs(ctx, slog.LevelDebug, "closing a lost session", slog.Any("err", err))
	}
}
