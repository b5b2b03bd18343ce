package hsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// maxAttempts is how often a call is made at most: a lost session, then a lost
// login, then a handle that is no longer good can come one after the other.
const maxAttempts = 4

// Do runs f with a session. See Place.
func (t *Token) Do(ctx context.Context, f func(ctx context.Context, s *pkcs11.Session) error) error {
	return t.run(ctx, nil, func(s *session) error { return f(ctx, &s.Session) })
}

// Use runs f with a session and the object at an address. See Place.
func (t *Token) Use(ctx context.Context, at Address, f func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error) error {
	return t.use(ctx, at, askFresh, f)
}

func (t *Token) use(ctx context.Context, at Address, d doubt, f func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error) error {
	was := false
	return t.seek(ctx, at, d, func(s *session) error {
		o, err := s.locate(ctx, at, &was)
		if err != nil {
			return err
		}
		return f(ctx, &s.Session, o)
	})
}

// Sign signs data, or computes a MAC, with the key at an address.
func (t *Token) Sign(ctx context.Context, at Address, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	return t.sign(ctx, at, askFresh, m, data)
}

func (t *Token) sign(ctx context.Context, at Address, d doubt, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	var out []byte
	was := false
	err := t.seek(ctx, at, d, func(s *session) error {
		o, err := s.locate(ctx, at, &was)
		if err == nil {
			out, err = s.Sign(ctx, m, o, data)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// locate returns the object at an address. was says whether it was known to be
// there before: an object that was, and is not found any more, may be away with
// its token.
func (s *session) locate(ctx context.Context, at Address, was *bool) (pkcs11.Object, error) {
	if err := at.check(); err != nil {
		return 0, err
	}
	known := &s.process.handles
	o, ok := known.get(at)
	if ok {
		if !*was {
			*was = true
			return o, nil
		}
		known.forget(at) // the attempt before found no handle to be good
	}
	found, err := s.search(ctx, at.template(), 2)
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0 && *was:
		*was = false
		s.spoil(classAway, errVanished)
		return 0, s.err
	case len(found) == 0:
		return 0, s.blank(0, fault.New(fault.NotFound, "token %q has no %s", s.process.token.cfg.Name, at))
	case len(found) > 1:
		return 0, s.blank(2, fault.New(fault.Conflict, "token %q has several objects that are a %s", s.process.token.cfg.Name, at))
	}
	known.put(at, found[0])
	*was = true
	return found[0], nil
}

// search looks for objects. That there are none it takes from nobody who is not
// logged in.
func (s *session) search(ctx context.Context, template []pkcs11.Attribute, limit int) ([]pkcs11.Object, error) {
	found, err := s.Find(ctx, template, limit)
	if err != nil || len(found) > 0 {
		return found, err
	}
	renewed, err := s.process.confirm(ctx, s)
	if err != nil {
		return nil, s.unconfirmed(err)
	}
	if !renewed {
		return nil, nil
	}
	return s.Find(ctx, template, limit)
}

// unconfirmed judges that it could not be confirmed that somebody is logged in.
// That a PIN is known to be wrong by now says nothing of a process that was
// logged in to before.
func (s *session) unconfirmed(err error) error {
	if errors.Is(err, errPIN) && !s.process.out.Load() {
		return s.process.token.errFailed(classLogin, err)
	}
	s.spoil(max(classDevice, classify(err)), err)
	return err
}

// spoil notes that something is wrong with the session for which no call of it
// was refused.
func (s *session) spoil(is class, err error) {
	if is > s.worst {
		s.worst, s.err, s.function = is, err, 0
	}
}

// run makes attempts until one says that it was the last, with sessions of
// other processes than those without.
func (t *Token) run(ctx context.Context, without []*process, f func(s *session) error) error {
	t.callers.Add(1)
	defer t.callers.Add(-1)
	span := trace.Start(ctx, "token")
	span.Set(trace.Engine, t.cfg.Name)
	err := t.attempts(ctx, without, f)
	span.End(err)
	return err
}

func (t *Token) attempts(ctx context.Context, without []*process, f func(s *session) error) error {
	for attempt := 1; ; attempt++ {
		s, again, err := t.lease(ctx, without)
		if err == nil {
			again, err = t.attempt(ctx, s, f, attempt == maxAttempts)
		}
		if !again || err != nil && attempt == maxAttempts {
			return err
		}
	}
}

// attempt runs f once, and gives the session back. It reports whether f is to
// be run again.
func (t *Token) attempt(ctx context.Context, s *session, f func(s *session) error, last bool) (again bool, err error) {
	settled := false
	defer func() {
		if !settled { // f has panicked: nobody knows in what state the session is
			s.drop(ctx)
			t.release(s, false)
		}
	}()
	err = f(s)
	settled = true
	if s.worst == classRequest {
		t.release(s, true)
		t.well()
		return false, t.refused(err)
	}
	return t.settle(ctx, s, err, last)
}

// settle judges an attempt in which something was wrong with more than the
// request, and gives the session back.
func (t *Token) settle(ctx context.Context, s *session, err error, last bool) (again bool, _ error) {
	if s.worst == classSuspect && s.alive(ctx) {
		again, err := err != nil && !last && !s.changed && s.looked() && ctx.Err() == nil, t.refused(s.meaning(err))
		t.release(s, true)
		return again, err
	}
	keep := s.worst == classHandle
	if s.worst == classLogin {
		already, lerr := s.process.logIn(ctx, s, s.logins)
		switch {
		case lerr != nil:
			s.spoil(max(classDevice, classify(lerr)), lerr)
		case already && (t.cfg.PIN == nil || s.process.recently()):
			t.release(s, true)
			return false, t.errKeyLogin(s.err)
		case already: // on the HSM's side the login is lost, and its library does not know
			s.spoil(classGone, s.err)
		default:
			keep = true
		}
	}
	if !keep {
		s.drop(ctx)
	}
	t.release(s, keep)
	failure := t.failed(ctx, s)
	switch {
	case err == nil: // f could do without the call that failed
		return false, nil
	case s.changed:
		return false, t.errUncertain(s)
	case last, s.worst == classHung, ctx.Err() != nil:
		return false, failure
	}
	return true, nil
}

// looked reports whether the call that was suspect only looked at objects. No
// request makes that fail: SoftHSM cannot read what another process is writing.
func (s *session) looked() bool {
	return s.function == pkcs11.FnFind || s.function == pkcs11.FnAttributes
}

// meaning returns what an error of a call means that was suspect and is about
// the request: some libraries have no other answer for what they cannot decrypt.
func (s *session) meaning(err error) error {
	if err != nil && errors.Is(err, s.err) {
		switch s.function {
		default:
		case pkcs11.FnDecrypt:
			return fmt.Errorf("%w: %w", pkcs11.RVEncryptedDataInvalid, err)
		case pkcs11.FnUnwrap:
			return fmt.Errorf("%w: %w", pkcs11.RVWrappedKeyInvalid, err)
		}
	}
	return err
}

// alive tells a fault of the token from a request that it answers as if there
// were one. A token that is not alive is worse than suspect.
func (s *session) alive(ctx context.Context) bool {
	p := s.process
	suspect, cause := s.worst, s.err
	for _, c := range []pkcs11.Call{
		{Function: pkcs11.FnTokenInfo, Slot: p.slot},
		{Function: pkcs11.FnFind, Session: s.Handle, Template: nothing, Limit: 1},
	} {
		if _, err := p.call(ctx, &c); err != nil {
			s.worst, s.err = max(classify(err), classDevice), err
			return false
		}
	}
	s.worst, s.err = suspect, cause
	return true
}
