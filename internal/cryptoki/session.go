package cryptoki

import (
	"context"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// session is a session of an application.
type session struct {
	handle uint64
	slot   int
	writes bool
	// objects is how many the session has; the application's mu guards it.
	objects int

	// mu guards what follows. Who does an operation has it until that is done.
	mu               sync.Mutex
	found            []uint64
	finding          bool
	sign, verify     signing
	encrypt, decrypt crypting
	digest           digesting
}

// reset ends all operations.
func (s *session) reset(a *application) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finding, s.found = false, nil
	s.sign.end(a)
	s.verify.end(a)
	s.encrypt.end(a)
	s.decrypt.end(a)
	s.digest = digesting{}
}

// open opens a session.
func (a *application) open(at int, writes bool) (*session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) >= a.server.Sessions {
		return nil, pkcs11.RVSessionCount
	}
	s := &session{handle: a.handle(), slot: at, writes: writes}
	a.sessions[s.handle] = s
	a.slots[at].sessions++
	if writes {
		a.slots[at].writing++
	}
	return s, nil
}

// session returns the session of a handle.
func (a *application) session(handle uint64) (*session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.sessions[handle]
	if s == nil {
		return nil, pkcs11.RVSessionHandleInvalid
	}
	return s, nil
}

// closeSession closes a session and ends its objects. With the last one of a
// slot the application is logged out there (PKCS #11 version 2.40, section 5.6).
func (a *application) closeSession(ctx context.Context, s *session) {
	a.mu.Lock()
	if a.sessions[s.handle] != s {
		a.mu.Unlock()
		return // another thread was first
	}
	delete(a.sessions, s.handle)
	var wipe []*entry
	for handle, e := range a.objects {
		if e.session == s {
			delete(a.objects, handle)
			wipe = append(wipe, e)
		}
	}
	at := &a.slots[s.slot]
	at.sessions--
	if s.writes {
		at.writing--
	}
	last := at.sessions == 0
	a.mu.Unlock()
	s.reset(a)
	for _, e := range wipe {
		e.wipe()
	}
	if last {
		a.logout(ctx, s.slot)
	}
}

// wipe overwrites a secret key of a session.
func (e *entry) wipe() {
	if e.secret != nil {
		e.secret.Wipe()
	}
}

// state returns in which state a session is (CK_STATE).
func (a *application) state(s *session) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Where no login is asked for, everybody is logged in.
	in := a.slots[s.slot].loggedIn || !a.server.Slots[s.slot].Describe().LoginRequired
	switch {
	case s.writes && in:
		return pkcs11.StateReadWriteUser
	case s.writes:
		return pkcs11.StateReadWritePublic
	case in:
		return pkcs11.StateReadOnlyUser
	}
	return pkcs11.StateReadOnlyPublic
}
