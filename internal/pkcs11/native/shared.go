package native

import (
	"context"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// loaded are the modules that Shared has opened, by their paths. PKCS #11 keeps
// its state for a process and not for a caller (section 5.4): C_Finalize of one
// ends all the others'. So this process has to know who uses what; it is one of
// the few variables of a package that change.
//
// Locked while a module is opened or closed.
var loaded struct {
	sync.Mutex
	modules map[string]*sharedModule
}

// sharedModule is a module and how many use it.
type sharedModule struct {
	pkcs11.Module
	users int
}

// Shared is Open for those who do not know of one another: a library that one
// of them has loaded is used by all, and finalised when the last one closes it.
func Shared(path string) (pkcs11.Module, error) {
	loaded.Lock()
	defer loaded.Unlock()
	m := loaded.modules[path]
	if m == nil {
		opened, err := Open(path)
		if err != nil {
			return nil, err
		}
		m = &sharedModule{Module: opened}
		if loaded.modules == nil {
			loaded.modules = map[string]*sharedModule{}
		}
		loaded.modules[path] = m
	}
	m.users++
	return &share{module: m, path: path}, nil
}

// share is one user's part of a module.
type share struct {
	path string

	mu     sync.RWMutex // held for reading by calls, for writing by Close
	module *sharedModule
}

// Call implements pkcs11.Module.
func (s *share) Call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.module == nil {
		return nil, pkcs11.ErrGone
	}
	return s.module.Call(ctx, c)
}

// Close gives the module up, and finalises it after its last user.
func (s *share) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.module
	if m == nil {
		return nil
	}
	s.module = nil
	loaded.Lock()
	defer loaded.Unlock()
	if m.users--; m.users > 0 {
		return nil
	}
	delete(loaded.modules, s.path)
	return m.Close()
}
