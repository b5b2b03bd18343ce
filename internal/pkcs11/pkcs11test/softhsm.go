// Package pkcs11test tests implementations of pkcs11.Module against a SoftHSM 2
// token: Test is the contract, SoftHSM makes the token's place. It is for tests
// only and may change with any release.
package pkcs11test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// The PINs and the label of the token that Initialise makes.
const (
	PIN   = "1234-user"
	SOPIN = "5678-officer"
	Label = "holdfast test"
)

// Library returns the path of SoftHSM 2's library; the test fails where it is
// absent.
func Library(tb testing.TB) string {
	tb.Helper()
	for _, path := range []string{
		"/usr/lib/softhsm/libsofthsm2.so",
		"/usr/lib64/pkcs11/libsofthsm2.so",
		"/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/lib/libsofthsm2.so",
	} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	tb.Fatal("this test needs SoftHSM 2 (package softhsm2; scripts/install-test-tools installs it)")
	return ""
}

// Environment makes a folder for tokens and returns the environment that makes
// SoftHSM 2 use it.
func Environment(dir string) (map[string]string, error) {
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return map[string]string{"SOFTHSM2_CONF": conf}, nil
}

// Initialise makes a token in a free slot, with the label and the PINs of this
// package, and returns its slot.
func Initialise(ctx context.Context, m pkcs11.Module) (pkcs11.SlotID, error) {
	slots, err := m.Call(ctx, &pkcs11.Call{Function: pkcs11.FnSlots, Flag: true})
	if err != nil {
		return 0, err
	}
	free := pkcs11.SlotID(slots.Handles[len(slots.Handles)-1])
	if _, err := m.Call(ctx, &pkcs11.Call{
		Function: pkcs11.FnInitToken, Slot: free, Data: []byte(Label), Extra: []byte(SOPIN),
	}); err != nil {
		return 0, err
	}
	slot, err := Slot(ctx, m)
	if err != nil {
		return 0, err
	}
	s, err := pkcs11.Open(ctx, m, slot, true)
	if err != nil {
		return 0, err
	}
	if err := s.Login(ctx, pkcs11.UserSecurityOfficer, []byte(SOPIN)); err != nil {
		return 0, err
	}
	if err := s.InitPIN(ctx, []byte(PIN)); err != nil {
		return 0, err
	}
	if err := s.Logout(ctx); err != nil {
		return 0, err
	}
	return slot, s.Close(ctx)
}

// Slot returns the slot of the token with this package's label. SoftHSM gives
// a token another slot in each process that is started after it was made.
func Slot(ctx context.Context, m pkcs11.Module) (pkcs11.SlotID, error) {
	slots, err := m.Call(ctx, &pkcs11.Call{Function: pkcs11.FnSlots, Flag: true})
	if err != nil {
		return 0, err
	}
	for _, h := range slots.Handles {
		r, err := m.Call(ctx, &pkcs11.Call{Function: pkcs11.FnTokenInfo, Slot: pkcs11.SlotID(h)})
		if err != nil {
			return 0, err
		}
		if r.Token.Label == Label {
			return pkcs11.SlotID(h), nil
		}
	}
	return 0, pkcs11.RVTokenNotPresent
}

// Session opens a session in which the user is logged in; it is closed when
// the test ends.
func Session(tb testing.TB, m pkcs11.Module, slot pkcs11.SlotID) *pkcs11.Session {
	tb.Helper()
	s, err := pkcs11.Open(tb.Context(), m, slot, true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })                                                             // the module may be gone
	if err := s.Login(tb.Context(), pkcs11.UserNormal, []byte(PIN)); err != nil && err != pkcs11.RVUserAlreadyLoggedIn { //nolint:errorlint // an RV as it is
		tb.Fatal(err)
	}
	return s
}
