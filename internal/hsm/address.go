package hsm

import (
	"fmt"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Address is how an object is found again: handles differ between processes
// and do not outlive them. It has an ID, a Label, or both, and names one object
// of its class; an empty field matches everything.
type Address struct {
	ID    []byte
	Label string
	Class pkcs11.Class
}

// String returns the address as a person reads it.
func (a Address) String() string {
	text := pkcs11.ClassName(a.Class)
	if a.Label != "" {
		text += fmt.Sprintf(" %q", a.Label)
	}
	if len(a.ID) > 0 {
		text += fmt.Sprintf(" with id %x", a.ID)
	}
	return text
}

// check refuses an address that would match everything.
func (a Address) check() error {
	if len(a.ID) == 0 && a.Label == "" {
		return fault.New(fault.InvalidArgument, "an object's address has an id, a label, or both")
	}
	return nil
}

// template returns what an object at the address has.
func (a Address) template() []pkcs11.Attribute {
	t := []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, a.Class)}
	if len(a.ID) > 0 {
		t = append(t, pkcs11.Bytes(pkcs11.AttrID, a.ID))
	}
	if a.Label != "" {
		t = append(t, pkcs11.Text(pkcs11.AttrLabel, a.Label))
	}
	return t
}

// handles are the objects that a process has found, by their addresses.
type handles struct {
	mu    sync.RWMutex
	known map[addressKey]pkcs11.Object // guarded by mu
}

type addressKey struct {
	class     pkcs11.Class
	id, label string
}

// maxHandles bounds how many handles a process keeps.
const maxHandles = 1 << 16

// get returns the handle at an address, without allocating.
func (h *handles) get(a Address) (pkcs11.Object, bool) {
	h.mu.RLock()
	o, ok := h.known[addressKey{a.Class, string(a.ID), a.Label}]
	h.mu.RUnlock()
	return o, ok
}

func (h *handles) put(a Address, o pkcs11.Object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || len(h.known) >= maxHandles {
		h.known = map[addressKey]pkcs11.Object{}
	}
	h.known[addressKey{a.Class, string(a.ID), a.Label}] = o
}

// forget drops the handle at an address.
func (h *handles) forget(a Address) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, addressKey{a.Class, string(a.ID), a.Label})
}

// clear drops all handles: those of private objects end with a login.
func (h *handles) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = nil
}
