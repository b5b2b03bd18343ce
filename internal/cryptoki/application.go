package cryptoki

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/socket"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/softkey"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// application is what one connection has: its sessions, logins and handles.
type application struct {
	server *server
	who    socket.Peer

	// mu guards what follows. Nobody waits for a token, or for a session, who has
	// it.
	mu       sync.Mutex
	slots    []slot
	sessions map[uint64]*session
	objects  map[uint64]*entry
	last     uint64 // the last handle that was given out
	buffered int    // bytes that operations in parts have taken
}

// slot is a slot as an application has it.
type slot struct {
	holder   token.Holder
	loggedIn bool // by C_Login
	sessions int
	writing  int // of them, those that may write
	listing  []token.Object
	handles  map[objectName]uint64
}

// objectName names an object of a token.
type objectName struct {
	id    string
	class pkcs11.Class
}

// entry is an object as an application has it. It is not changed: another one
// takes its place.
type entry struct {
	*object.Object

	handle uint64
	slot   int
	id     string // of a token's object
	// session is the one with which a session object goes; nil of a token's.
	session *session
	use     token.Use
	// material returns the key itself; nil of what has none.
	material func(context.Context) ([]byte, error)
	// secret is the secret key of a session; nil otherwise.
	secret *softkey.Secret
}

func newApplication(s *server, who socket.Peer) *application {
	return &application{
		server: s, who: who, slots: make([]slot, len(s.Slots)), sessions: map[uint64]*session{}, objects: map[uint64]*entry{},
	}
}

// handle returns a new handle. The caller has mu.
func (a *application) handle() uint64 {
	a.last++
	return a.last
}

// Close ends all that the application had.
func (a *application) Close(ctx context.Context) {
	a.mu.Lock()
	sessions := slices.Collect(maps.Values(a.sessions))
	a.mu.Unlock()
	for _, s := range sessions {
		a.closeSession(ctx, s)
	}
	for i := range a.slots {
		a.logout(ctx, i)
	}
}

// token returns the token of a slot.
func (a *application) token(slotID uint64) (int, token.Token, error) {
	if slotID >= uint64(len(a.server.Slots)) {
		return 0, nil, pkcs11.RVSlotIDInvalid
	}
	return int(slotID), a.server.Slots[slotID], nil //nolint:gosec // just checked
}

// holder returns what the application may do on the token of a slot. Where the
// slot wants a login that has not been, that is CKR_USER_NOT_LOGGED_IN.
func (a *application) holder(ctx context.Context, at int) (token.Holder, error) {
	a.mu.Lock()
	h := a.slots[at].holder
	a.mu.Unlock()
	if h != nil {
		return h, nil
	}
	t := a.server.Slots[at]
	if t.Describe().LoginRequired {
		return nil, pkcs11.RVUserNotLoggedIn
	}
	h, err := t.Login(ctx, nil)
	if err != nil {
		return nil, err
	}
	if kept, ok := a.keep(at, h, false); !ok {
		a.server.closeHolder(ctx, h)
		return kept, nil
	}
	return h, nil
}

// keep makes h the slot's holder. It returns another one, and false, when there
// is one already.
func (a *application) keep(at int, h token.Holder, loggedIn bool) (token.Holder, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.slots[at]
	if s.holder != nil {
		return s.holder, false
	}
	s.holder, s.loggedIn = h, loggedIn
	return h, true
}

// logout ends a login, and with it all that is known of the token.
func (a *application) logout(ctx context.Context, at int) {
	a.mu.Lock()
	s := &a.slots[at]
	h := s.holder
	var sessions []*session
	for _, open := range a.sessions {
		if open.slot == at {
			sessions = append(sessions, open)
		}
	}
	for _, handle := range s.handles {
		delete(a.objects, handle)
	}
	s.holder, s.loggedIn, s.listing, s.handles = nil, false, nil, nil
	a.mu.Unlock()
	for _, open := range sessions {
		open.reset(a)
	}
	if h != nil {
		a.server.closeHolder(ctx, h)
	}
}

// expired ends a login of which the token says that it is over, so that the
// application can log in again.
func (a *application) expired(ctx context.Context, at int, err error) error {
	if fault.KindOf(err) == fault.Unauthenticated {
		a.mu.Lock()
		h := a.slots[at].holder
		a.slots[at].holder, a.slots[at].loggedIn = nil, false
		a.mu.Unlock()
		if h != nil {
			a.server.closeHolder(ctx, h)
		}
	}
	return err
}

// refresh learns which objects the token has now. Without a login there are none.
func (a *application) refresh(ctx context.Context, at int) error {
	h, err := a.holder(ctx, at)
	if err == pkcs11.RVUserNotLoggedIn { //nolint:errorlint // holder returns it as it is
		return nil
	}
	if err != nil {
		return err
	}
	list, err := h.Objects(ctx)
	if err != nil {
		return a.expired(ctx, at, err)
	}
	if len(list) > token.MaxObjects {
		list = list[:token.MaxObjects]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.slots[at]
	if s.holder != h || len(list) == len(s.listing) && (len(list) == 0 || &list[0] == &s.listing[0]) {
		return nil // logged out meanwhile, or the same list
	}
	before := s.handles
	s.listing, s.handles = list, make(map[objectName]uint64, 2*len(list))
	for i := range list {
		a.adopt(at, &list[i], before)
	}
	for _, gone := range before {
		delete(a.objects, gone)
	}
	return nil
}

// adopt makes entries of a token's object, under the handles that they had
// before, which it takes out of there. It returns them: the private half of a
// pair is the first. The caller has mu.
func (a *application) adopt(at int, o *token.Object, before map[objectName]uint64) []*entry {
	entries := entriesOf(o)
	for _, e := range entries {
		name := objectName{o.ID, e.Class}
		handle, ok := before[name]
		delete(before, name)
		if !ok {
			handle, ok = a.slots[at].handles[name]
		}
		if !ok {
			handle = a.handle()
		}
		e.handle, e.slot, e.id, e.use = handle, at, o.ID, o.Use
		if e.Key != nil && e.Key.Extractable && e.Class != pkcs11.ClassPublicKey {
			e.material = func(ctx context.Context) ([]byte, error) {
				h, err := a.holder(ctx, at)
				if err != nil {
					return nil, err
				}
				return h.Material(ctx, e.id)
			}
		}
		if a.slots[at].handles == nil {
			a.slots[at].handles = map[objectName]uint64{}
		}
		a.slots[at].handles[name] = handle
		a.objects[handle] = e
	}
	return entries
}

// made makes entries of an object that was just made on a token.
func (a *application) made(at int, o token.Object) []*entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.adopt(at, &o, nil)
}

// add makes a session object.
func (a *application) add(s *session, e *entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.sessions[s.handle] != s:
		return pkcs11.RVSessionHandleInvalid // another thread has closed it
	case s.objects >= maxSessionObjects:
		return pkcs11.RVDeviceMemory
	}
	s.objects++
	e.handle, e.slot, e.session = a.handle(), s.slot, s
	a.objects[e.handle] = e
	return nil
}

// maxSessionObjects is how many objects a session has.
const maxSessionObjects = 1000

// forget removes an object, and with a token's object all that go with it.
func (a *application) forget(e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.objects, e.handle)
	if e.session != nil {
		e.session.objects--
		return
	}
	handles := a.slots[e.slot].handles
	for name, handle := range handles {
		if name.id == e.id {
			delete(handles, name)
			delete(a.objects, handle)
		}
	}
	a.slots[e.slot].listing = nil // to be learned again
}

// object returns the object of a handle that a session can see.
func (a *application) object(s *session, handle uint64, unknown pkcs11.RV) (*entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.objects[handle]
	if e == nil || e.slot != s.slot {
		return nil, unknown
	}
	return e, nil
}

// visible returns the objects that a session can see, in the order of their
// handles.
func (a *application) visible(s *session) []*entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*entry, 0, len(a.objects))
	for _, e := range a.objects {
		if e.slot == s.slot {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(x, y *entry) int { return int(x.handle) - int(y.handle) }) //nolint:gosec // handles are counted from 1
	return list
}

// maxBuffered is how many bytes the operations in parts of an application take.
const maxBuffered = 16 << 20

// reserve takes n bytes of what operations in parts may take; negative n gives
// them back.
func (a *application) reserve(n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n > 0 && a.buffered+n > maxBuffered {
		return pkcs11.RVDeviceMemory
	}
	a.buffered += n
	return nil
}
