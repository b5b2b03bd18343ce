//go:build linux && (amd64 || arm64) && !static

package worker

import (
	"crypto/sha256"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

func TestMain(m *testing.M) {
	Main()
	m.Run()
}

func start(tb testing.TB) *Process {
	tb.Helper()
	env, err := pkcs11test.Environment(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	p, err := Start(tb.Context(), Config{Path: pkcs11test.Library(tb), Environment: env})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

func TestSign(t *testing.T) {
	p := start(t)
	slot, err := pkcs11test.Initialise(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	s := pkcs11test.Session(t, p, slot)
	public, private, err := s.GenerateKeyPair(t.Context(), pkcs11.Mechanism{Type: pkcs11.MechECKeyPairGen},
		[]pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrECParams, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})},
		[]pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrSign, true)})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	ecdsa := pkcs11.Mechanism{Type: pkcs11.MechECDSA}
	signature, err := s.Sign(t.Context(), ecdsa, private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), ecdsa, public, digest[:], signature); err != nil {
		t.Error(err)
	}
}
