//go:build linux && (amd64 || arm64) && !static

package native

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

// setenv sets a variable for C: without cgo, os.Setenv does not.
func setenv(t *testing.T, name, value string) {
	t.Helper()
	t.Setenv(name, value)
	libc, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW)
	if err != nil {
		t.Fatal(err)
	}
	var set func(name, value string, overwrite int32) int32
	purego.RegisterLibFunc(&set, libc, "setenv")
	if set(name, value, 1) != 0 {
		t.Fatal("setenv")
	}
}

// TestModule runs the contract in this process.
func TestModule(t *testing.T) {
	env, err := pkcs11test.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		setenv(t, name, value)
	}
	m, err := Open(pkcs11test.Library(t))
	if err != nil {
		t.Fatal(err)
	}
	pkcs11test.Test(t, m)
	if _, err := Open(pkcs11test.Library(t)); !errors.Is(err, pkcs11.RVCryptokiAlreadyInitialized) {
		t.Errorf("opened twice: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnInfo}); !errors.Is(err, pkcs11.ErrGone) {
		t.Errorf("after Close: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestNotModules(t *testing.T) {
	text := t.TempDir() + "/text.so"
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"libsofthsm2.so":                        "absolute path",
		"/nowhere/lib.so":                       "/nowhere/lib.so",
		text:                                    "text.so",
		"/lib/x86_64-linux-gnu/libpthread.so.0": "",
	} {
		if want == "" {
			continue
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOperations asserts that there is an operation for every function.
func TestOperations(t *testing.T) {
	for f := pkcs11.Function(1); f.Valid(); f++ {
		if operations[f] == nil {
			t.Errorf("%s is not implemented", f)
		}
	}
}

// words reads n CK_ULONGs at an address of an arena.
func words(at uint64, n int) []uint64 {
	b := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), 8*n)
	all := make([]uint64, n)
	for i := range all {
		all[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return all
}

// TestParameters asserts the layouts that SoftHSM has no mechanism for.
func TestParameters(t *testing.T) {
	a, err := newArena()
	if err != nil {
		t.Fatal(err)
	}
	defer a.free()
	parameter := func(m pkcs11.Mechanism) []uint64 {
		o := &operation{a: a, c: &pkcs11.Call{Mechanism: m}}
		at, err := o.mechanism()
		if err != nil {
			t.Fatal(err)
		}
		outer := words(uint64(at), 3)
		return words(outer[1], int(outer[2]/8))
	}
	// CK_RSA_AES_KEY_WRAP_PARAMS: bits, and the address of CK_RSA_PKCS_OAEP_PARAMS.
	w := parameter(pkcs11.Mechanism{Type: pkcs11.MechRSAAESKeyWrap, AESBits: 256, OAEP: &pkcs11.OAEP{Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1}})
	if len(w) != 2 || w[0] != 256 {
		t.Fatalf("%x", w)
	}
	if inner := words(w[1], 5); inner[0] != uint64(pkcs11.MechSHA1) || inner[1] != uint64(pkcs11.MGF1SHA1) || inner[2] != dataSpecified || inner[3] != 0 || inner[4] != 0 {
		t.Errorf("%x", inner)
	}
	// CK_EDDSA_PARAMS: flag, length and address of the context.
	w = parameter(pkcs11.Mechanism{Type: pkcs11.MechEdDSA, EdDSA: &pkcs11.EdDSA{Prehash: true, Context: []byte("8 bytes.")}})
	if len(w) != 3 || w[0] != 1 || w[1] != 8 || words(w[2], 1)[0] != binary.NativeEndian.Uint64([]byte("8 bytes.")) {
		t.Errorf("%x", w)
	}
	// CK_GCM_PARAMS: IV, its length, its bits, AAD, its length, the tag's bits.
	w = parameter(pkcs11.Mechanism{Type: pkcs11.MechAESGCM, GCM: &pkcs11.GCM{IV: make([]byte, 12), TagBits: 96}})
	if len(w) != 6 || w[0] == 0 || w[1] != 12 || w[2] != 96 || w[3] != 0 || w[4] != 0 || w[5] != 96 {
		t.Errorf("%x", w)
	}
}

// TestArena asserts that what was used is overwritten, in place and beyond.
func TestArena(t *testing.T) {
	a, err := newArena()
	if err != nil {
		t.Fatal(err)
	}
	defer a.free()
	small := a.bytes([]byte("secret"))
	large := a.bytes(make([]byte, 2*arenaSize))
	if len(large) != 2*arenaSize || len(a.more) != 1 {
		t.Fatalf("%d bytes, %d more", len(large), len(a.more))
	}
	if address(a.take(0)) == 0 || address(a.take(1))%8 != 0 {
		t.Error("no address of nothing, or one that is not aligned")
	}
	a.clear()
	if string(small) != "\x00\x00\x00\x00\x00\x00" || a.used != 0 || a.more != nil {
		t.Errorf("%q is left", small)
	}
}
