package hsm

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// TestLookingIsRepeated: a library that cannot read an object for a moment,
// since another process writes it, is asked again.
func TestLookingIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		var failed atomic.Bool
		d.with(func() {
			d.fail = func(_ *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnFind && len(c.Template) > 0 && c.Template[0].Type == pkcs11.AttrClass && !failed.Swap(true) {
					return pkcs11.RVGeneralError
				}
				return nil
			}
		})
		if err := sign(t.Context(), tok); err != nil || !failed.Load() {
			t.Errorf("failed once: %t, then %v", failed.Load(), err)
		}
	})
}

// TestNoFreshProcess: where no fresh process can be had, the ones that are there
// are believed, and go on.
func TestNoFreshProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		d.with(func() { d.broken = errHang })
		none := Address{Label: "none", Class: pkcs11.ClassPrivateKey}
		_, err := tok.Sign(t.Context(), none, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, []byte("x"))
		if fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		if found, err := tok.Find(t.Context(), Query{Label: "none"}); err != nil || len(found) != 0 {
			t.Errorf("listed: %v, %v", found, err)
		}
		if err := tok.Destroy(t.Context(), none); err != nil {
			t.Error(err)
		}
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
		if h := tok.Health(); h.State != StateOK || h.Restarts != 0 {
			t.Errorf("%+v", h)
		}
	})
}

// TestFewFreshProcesses: whoever asks for what is not there cannot have
// processes started without end.
func TestFewFreshProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		none := Address{Label: "none", Class: pkcs11.ClassPrivateKey}
		for range 100 {
			if _, err := tok.Sign(t.Context(), none, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, []byte("x")); fault.KindOf(err) != fault.NotFound {
				t.Fatal(err)
			}
		}
		if d.launches != 2 {
			t.Errorf("%d processes were started, want the first and a fresh one", d.launches)
		}
	})
}
