//go:build linux && (amd64 || arm64) && !static

package native

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// function is a place in CK_FUNCTION_LIST (PKCS #11 3.1 section 3.6), whose
// beginning is the same in all versions since 2.0: two bytes of version, and
// from byte 8 on the addresses of the functions.
type function uintptr

// The places of the functions that are used.
const (
	fnInitialize       function = 0
	fnFinalize         function = 1
	fnGetInfo          function = 2
	fnGetSlotList      function = 4
	fnGetTokenInfo     function = 6
	fnGetMechanismList function = 7
	fnGetMechanismInfo function = 8
	fnInitToken        function = 9
	fnInitPIN          function = 10
	fnSetPIN           function = 11
	fnOpenSession      function = 12
	fnCloseSession     function = 13
	fnLogin            function = 18
	fnLogout           function = 19
	fnCreateObject     function = 20
	fnCopyObject       function = 21
	fnDestroyObject    function = 22
	fnGetAttribute     function = 24
	fnSetAttribute     function = 25
	fnFindInit         function = 26
	fnFind             function = 27
	fnFindFinal        function = 28
	fnEncryptInit      function = 29
	fnEncrypt          function = 30
	fnDecryptInit      function = 33
	fnDecrypt          function = 34
	fnSignInit         function = 42
	fnSign             function = 43
	fnVerifyInit       function = 48
	fnVerify           function = 49
	fnGenerateKey      function = 58
	fnGenerateKeyPair  function = 59
	fnWrapKey          function = 60
	fnUnwrapKey        function = 61
	fnDeriveKey        function = 62
	fnSeedRandom       function = 63
	fnGenerateRandom   function = 64

	listed = 68 // functions in the list of version 2.40
)

// What is given to C_Initialize and C_OpenSession.
const (
	osLockingOK   = 0x2 // CKF_OS_LOCKING_OK
	readWrite     = 0x2 // CKF_RW_SESSION
	serialSession = 0x4 // CKF_SERIAL_SESSION
)

// library is a loaded and initialised library.
type library struct {
	path      string
	functions [listed]uintptr

	// oneByOne is locked during each call when the library has said that it
	// cannot lock (CKR_CANT_LOCK).
	oneByOne *sync.Mutex

	// open is held for reading by each call, for writing by Close.
	open   sync.RWMutex
	closed bool // guarded by open

	mu   sync.Mutex
	idle []*arena // guarded by mu
}

// Open loads the library at an absolute path and initialises it for calls from
// several threads (CKF_OS_LOCKING_OK). Contexts do not end calls: a library in
// this process cannot be left while it works. One that is initialised in this
// process already is refused with RVCryptokiAlreadyInitialized.
func Open(path string) (pkcs11.Module, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the PKCS #11 module %q is not named by an absolute path", path)
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading the PKCS #11 module: %w", err)
	}
	l := &library{path: path}
	if err := l.find(handle); err != nil {
		return nil, fmt.Errorf("loading the PKCS #11 module %s: %w", path, err)
	}
	if err := l.initialise(); err != nil {
		return nil, fmt.Errorf("initialising the PKCS #11 module %s: %w", path, err)
	}
	return l, nil
}

// find reads the library's list of functions: that of C_GetFunctionList, or
// where a library of version 3 lacks it, that of its default interface.
func (l *library) find(handle uintptr) error {
	a, err := newArena()
	if err != nil {
		return err
	}
	defer a.free()
	out := a.number(0)
	if get, missing := purego.Dlsym(handle, "C_GetFunctionList"); missing == nil {
		rv, _, _ := purego.SyscallN(get, address(out))
		return l.read(pkcs11.RV(rv), number(out))
	}
	get, err := purego.Dlsym(handle, "C_GetInterface")
	if err != nil {
		return errors.New("it is no PKCS #11 library: it has neither C_GetFunctionList nor C_GetInterface")
	}
	if rv, _, _ := purego.SyscallN(get, 0, 0, address(out), 0); rv != 0 || number(out) == 0 {
		return fmt.Errorf("C_GetInterface: %w", pkcs11.RV(rv))
	}
	face := foreign(number(out), 16) // CK_INTERFACE: name, list of functions, flags
	return l.read(pkcs11.RVOK, binary.NativeEndian.Uint64(face[8:]))
}

// read copies the list of functions at an address.
func (l *library) read(rv pkcs11.RV, at uint64) error {
	if rv != pkcs11.RVOK || at == 0 {
		return fmt.Errorf("C_GetFunctionList: %w", rv)
	}
	list := foreign(at, 8+listed*8)
	if major := list[0]; major < 2 || major > 3 {
		return fmt.Errorf("it is of version %d.%d of PKCS #11, not 2 or 3", major, list[1])
	}
	for i := range l.functions {
		l.functions[i] = uintptr(binary.NativeEndian.Uint64(list[8+8*i:]))
	}
	return nil
}

// foreign returns memory of the library.
func foreign(at uint64, size int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), size) //nolint:gosec // an address that C gave, not of Go's memory
}

// initialise calls C_Initialize. A library that cannot lock gets its calls one
// by one.
func (l *library) initialise() error {
	a, err := newArena()
	if err != nil {
		return err
	}
	defer a.free()
	args := a.numbers(0, 0, 0, 0, osLockingOK, 0) // CK_C_INITIALIZE_ARGS
	err = l.call(fnInitialize, address(args))
	if errors.Is(err, pkcs11.RVCantLock) {
		l.oneByOne = new(sync.Mutex)
		err = l.call(fnInitialize, 0)
	}
	return err
}

// call calls a function; what it refuses is an RV.
func (l *library) call(f function, args ...uintptr) error {
	at := l.functions[f]
	if at == 0 {
		return pkcs11.RVFunctionNotSupported
	}
	if rv, _, _ := purego.SyscallN(at, args...); rv != 0 {
		return pkcs11.RV(rv)
	}
	return nil
}

// Call implements pkcs11.Module.
func (l *library) Call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.Function.Valid() {
		return nil, fmt.Errorf("pkcs11: %s: %w", c.Function, pkcs11.RVFunctionNotSupported)
	}
	l.open.RLock()
	defer l.open.RUnlock()
	if l.closed {
		return nil, pkcs11.ErrGone
	}
	if l.oneByOne != nil {
		l.oneByOne.Lock()
		defer l.oneByOne.Unlock()
	}
	a, err := l.arena()
	if err != nil {
		return nil, err
	}
	defer l.keep(a)
	return operations[c.Function](&operation{l, a, c})
}

// Close calls C_Finalize when the calls that run have ended. The library stays
// loaded: its threads may still run.
func (l *library) Close() error {
	l.open.Lock()
	defer l.open.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.call(fnFinalize, 0)
	for _, a := range l.idle {
		a.free()
	}
	l.idle = nil
	return err
}

// arena returns memory for one call.
func (l *library) arena() (*arena, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		a := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return a, nil
	}
	return newArena()
}

// keep clears the memory of a call and keeps it for the next one.
func (l *library) keep(a *arena) {
	a.clear()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = append(l.idle, a)
}
