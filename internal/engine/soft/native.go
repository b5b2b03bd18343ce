//go:build linux && (amd64 || arm64) && !static

package soft

import (
	"crypto"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// OpenSSL 3's libcrypto is reached by its C interface through purego: no C
// compiler is needed, CGO_ENABLED=0 works, and a system without the library
// only signs more slowly. A fully static binary cannot load libraries; the
// build tag "static" leaves this file out.
//
// Only RSA goes this way. P-521 would be 2.8 times faster there, but is rare;
// all else is faster or as fast in Go.
//
// What is relied on, from OpenSSL's manual pages: an EVP_PKEY that nobody
// changes may be used by many threads, an EVP_PKEY_CTX by one at a time
// (openssl-threads(7)); RSA private operations are blinded unless a caller
// switches that off, which this one does not. The thread's error queue is
// cleared after a failure; nothing else stays behind on a thread.

// Values of OpenSSL's headers: openssl/crypto.h and openssl/rsa.h.
const (
	initNoLoadConfig = 0x00000080 // OPENSSL_INIT_NO_LOAD_CONFIG: no file and no variable changes what runs here
	initNoAtexit     = 0x00080000 // OPENSSL_INIT_NO_ATEXIT: other threads may run while the process ends
	rsaPKCS1Padding  = 1
	rsaNoPadding     = 3
	rsaOAEPPadding   = 4
	rsaPSSPadding    = 6
	saltIsDigest     = ^uintptr(0) // RSA_PSS_SALTLEN_DIGEST, -1
	maxRSABytes      = 4096 / 8
)

// libcrypto is a loaded library: addresses of its functions.
type libcrypto struct {
	name string

	d2iAutoPrivateKey, pkeyFree            uintptr
	ctxNew, ctxFree                        uintptr
	signInit, sign, decryptInit, decrypt   uintptr
	setPadding, setSignatureMD, setSaltLen uintptr
	setOAEPMD, setMGF1MD                   uintptr
	clearError                             uintptr
	digests                                map[crypto.Hash]uintptr // EVP_MD, static in the library

	live atomic.Int64 // keys that are not freed yet; a test holds it to account
}

// load finds the library by the system's loader and its functions in it. It
// stays loaded until the process ends.
func load(name string) (provider, error) {
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", name, err)
	}
	l := &libcrypto{digests: map[crypto.Hash]uintptr{}}
	functions := map[string]*uintptr{
		"d2i_AutoPrivateKey": &l.d2iAutoPrivateKey, "EVP_PKEY_free": &l.pkeyFree,
		"EVP_PKEY_CTX_new": &l.ctxNew, "EVP_PKEY_CTX_free": &l.ctxFree,
		"EVP_PKEY_sign_init": &l.signInit, "EVP_PKEY_sign": &l.sign,
		"EVP_PKEY_decrypt_init": &l.decryptInit, "EVP_PKEY_decrypt": &l.decrypt,
		"EVP_PKEY_CTX_set_rsa_padding": &l.setPadding, "EVP_PKEY_CTX_set_signature_md": &l.setSignatureMD,
		"EVP_PKEY_CTX_set_rsa_pss_saltlen": &l.setSaltLen, "EVP_PKEY_CTX_set_rsa_oaep_md": &l.setOAEPMD,
		"EVP_PKEY_CTX_set_rsa_mgf1_md": &l.setMGF1MD, "ERR_clear_error": &l.clearError,
	}
	for symbol, address := range functions {
		if *address, err = purego.Dlsym(handle, symbol); err != nil {
			return nil, fmt.Errorf("%s is not OpenSSL 3: %w", name, err)
		}
	}
	return l, l.initialise(handle, name)
}

// initialise checks the version, starts the library and asks for its digests.
func (l *libcrypto) initialise(handle uintptr, name string) error {
	var major func() uint32
	var start func(options uint64, settings uintptr) int32
	var version func(what int32) string
	functions := map[string]any{
		"OPENSSL_version_major": &major, "OPENSSL_init_crypto": &start, "OpenSSL_version": &version,
	}
	for symbol, f := range functions {
		address, err := purego.Dlsym(handle, symbol)
		if err != nil {
			return fmt.Errorf("%s is not OpenSSL 3: %w", name, err)
		}
		purego.RegisterFunc(f, address)
	}
	if major() != 3 {
		return fmt.Errorf("%s is version %d of OpenSSL, not 3", name, major())
	}
	if start(initNoLoadConfig|initNoAtexit, 0) != 1 {
		return fmt.Errorf("%s does not start", name)
	}
	l.name = version(0)
	for symbol, h := range map[string]crypto.Hash{
		"EVP_md5_sha1": crypto.MD5SHA1, "EVP_sha1": crypto.SHA1, "EVP_sha224": crypto.SHA224,
		"EVP_sha256": crypto.SHA256, "EVP_sha384": crypto.SHA384, "EVP_sha512": crypto.SHA512,
	} {
		address, err := purego.Dlsym(handle, symbol)
		if err != nil {
			return fmt.Errorf("%s is not OpenSSL 3: %w", name, err)
		}
		l.digests[h], _, _ = purego.SyscallN(address)
	}
	return nil
}

func (l *libcrypto) version() string { return l.name }

// libcryptoKey is an EVP_PKEY, freed when the garbage collector finds that
// nobody has it any more. Freeing overwrites the key (RSA_free(3)).
type libcryptoKey struct {
	redacted
	l    *libcrypto
	pkey uintptr
	idle *idleContexts
}

// idleContexts keeps a key's contexts that are ready for an algorithm: they
// may be used again and again (EVP_PKEY_sign(3)), and making one takes 4 µs.
// There are never more than operations in the lane at once.
type idleContexts struct {
	mu    sync.Mutex
	ready map[alg.Algorithm][]uintptr // guarded by mu
}

func (l *libcrypto) open(der []byte) (nativeKey, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	in := address(&pins, der)
	cursor := &in
	pins.Pin(cursor)
	pkey, _, _ := purego.SyscallN(l.d2iAutoPrivateKey, 0, uintptr(unsafe.Pointer(cursor)), uintptr(len(der))) //nolint:gosec // C's interface takes addresses; pinned
	if pkey == 0 {
		return nil, l.failure("reading a key")
	}
	k := &libcryptoKey{l: l, pkey: pkey, idle: &idleContexts{ready: map[alg.Algorithm][]uintptr{}}}
	l.live.Add(1)
	runtime.AddCleanup(k, l.free, garbage{pkey, k.idle})
	return k, nil
}

// garbage is what a key leaves behind.
type garbage struct {
	pkey uintptr
	idle *idleContexts
}

func (l *libcrypto) free(g garbage) {
	g.idle.mu.Lock()
	defer g.idle.mu.Unlock()
	for _, list := range g.idle.ready {
		for _, ctx := range list {
			purego.SyscallN(l.ctxFree, ctx)
		}
	}
	purego.SyscallN(l.pkeyFree, g.pkey)
	l.live.Add(-1)
}

// take returns an idle context for the algorithm, or 0.
func (i *idleContexts) take(a alg.Algorithm) uintptr {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.ready[a]
	if len(list) == 0 {
		return 0
	}
	i.ready[a] = list[:len(list)-1]
	return list[len(list)-1]
}

func (i *idleContexts) put(a alg.Algorithm, ctx uintptr) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ready[a] = append(i.ready[a], ctx)
}

// address returns the address of b's bytes, which stay there until unpinned.
func address(pins *runtime.Pinner, b []byte) uintptr {
	p := unsafe.SliceData(b) //nolint:gosec // C's interface takes addresses
	pins.Pin(p)
	return uintptr(unsafe.Pointer(p)) //nolint:gosec // C's interface takes addresses; pinned
}

// step is a function of the library to call with a context and an argument,
// that returns 1 when it has worked.
type step struct{ function, argument uintptr }

// context returns an EVP_PKEY_CTX that is ready for the algorithm.
func (k *libcryptoKey) context(a alg.Algorithm) (uintptr, error) {
	if ctx := k.idle.take(a); ctx != 0 {
		return ctx, nil
	}
	ctx, _, _ := purego.SyscallN(k.l.ctxNew, k.pkey, 0)
	if ctx == 0 {
		return 0, k.l.failure("making a context")
	}
	for _, s := range k.l.steps(a) {
		if r, _, _ := purego.SyscallN(s.function, ctx, s.argument); int32(r) != 1 { //nolint:gosec // a C int
			purego.SyscallN(k.l.ctxFree, ctx)
			return 0, k.l.failure("preparing a context")
		}
	}
	return ctx, nil
}

// steps returns what prepares a context for an algorithm.
func (l *libcrypto) steps(a alg.Algorithm) []step {
	info := a.Info()
	md := l.digests[info.Hash]
	switch info.Scheme {
	case alg.OAEP:
		return []step{{l.decryptInit, 0}, {l.setPadding, rsaOAEPPadding}, {l.setOAEPMD, md}, {l.setMGF1MD, md}}
	case alg.PSS: // MGF1's digest is the signature's by default
		return []step{{l.signInit, 0}, {l.setPadding, rsaPSSPadding}, {l.setSignatureMD, md}, {l.setSaltLen, saltIsDigest}}
	case alg.RSAPrimitive:
		return []step{{l.decryptInit, 0}, {l.setPadding, rsaNoPadding}}
	default: // PKCS1: no other scheme comes here
		if a == alg.PKCS1Plain { // with no digest named, the bytes are padded as they are (RSA_private_encrypt(3))
			return []step{{l.signInit, 0}, {l.setPadding, rsaPKCS1Padding}}
		}
		return []step{{l.signInit, 0}, {l.setPadding, rsaPKCS1Padding}, {l.setSignatureMD, md}}
	}
}

func (k *libcryptoKey) sign(a alg.Algorithm, digest []byte) ([]byte, error) {
	out, ok, err := k.do(k.l.sign, a, digest)
	if err == nil && !ok {
		err = k.l.failure("signing")
	}
	return out, err
}

func (k *libcryptoKey) decrypt(a alg.Algorithm, ciphertext []byte) ([]byte, error) {
	out, ok, err := k.do(k.l.decrypt, a, ciphertext)
	if err == nil && !ok {
		purego.SyscallN(k.l.clearError)
		err = errNotDecrypted
	}
	return out, err
}

// do runs a function with a context for the algorithm. A context that has
// failed is not used again.
func (k *libcryptoKey) do(function uintptr, a alg.Algorithm, in []byte) (out []byte, ok bool, err error) {
	ctx, err := k.context(a)
	if err != nil {
		return nil, false, err
	}
	if out, ok = k.run(function, ctx, in); ok {
		k.idle.put(a, ctx)
	} else {
		purego.SyscallN(k.l.ctxFree, ctx)
	}
	runtime.KeepAlive(k) // its cleanup frees what ctx refers to
	return out, ok, nil
}

// run calls EVP_PKEY_sign or EVP_PKEY_decrypt, which have the same form:
// (ctx, out, &length of out, in, length of in).
func (*libcryptoKey) run(function, ctx uintptr, in []byte) ([]byte, bool) {
	var pins runtime.Pinner
	defer pins.Unpin()
	out := make([]byte, maxRSABytes)
	length := new(uintptr)
	*length = maxRSABytes
	pins.Pin(length)
	r, _, _ := purego.SyscallN(function, ctx,
		address(&pins, out), uintptr(unsafe.Pointer(length)), address(&pins, in), uintptr(len(in))) //nolint:gosec // C's interface takes addresses; pinned
	if int32(r) != 1 || *length > maxRSABytes { //nolint:gosec // a C int
		clear(out)
		return nil, false
	}
	return out[:*length:*length], true
}

// failure empties the thread's error queue, best effort: the goroutine may
// have moved on. Its texts are not asked for, so that no result depends on
// the thread.
func (l *libcrypto) failure(doing string) error {
	purego.SyscallN(l.clearError)
	return errors.New("libcrypto fails at " + doing)
}
