package hsm

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// trio is a group of three tokens with the same key.
func trio(t *testing.T) (*Group, []*device) {
	t.Helper()
	var devices []*device
	var tokens []*Token
	for i := range 3 {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Name = fmt.Sprintf("t%d", i) })
		devices, tokens = append(devices, d), append(tokens, tok)
	}
	g, err := NewGroup("g", tokens...)
	if err != nil {
		t.Fatal(err)
	}
	return g, devices
}

// calls returns how many calls each token has had.
func calls(g *Group) (n []uint64) {
	for _, t := range g.Tokens() {
		n = append(n, t.Health().Calls)
	}
	return n
}

func TestAGroupSpreadsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := trio(t)
		for range 300 {
			if err := sign(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range calls(g) {
			if n < 95 || n > 115 {
				t.Errorf("token %d had %d calls", i, n)
			}
		}
	})
}

func TestAGroupSparesTheBusyToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := trio(t)
		release := hold(t, g.Tokens()[1])
		before := calls(g)[1]
		for range 30 {
			if err := sign(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		if n := calls(g)[1] - before; n != 0 {
			t.Errorf("the busy token had %d calls", n)
		}
		release()
	})
}

func TestAGroupFailsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := trio(t)
		for i, d := range devices {
			d.with(func() { d.present = false })
			for range 20 {
				err := sign(t.Context(), g)
				if i < 2 && err != nil || i == 2 && fault.KindOf(err) != fault.Unavailable {
					t.Errorf("%d tokens away: %v", i+1, err)
				}
			}
		}
		devices[1].with(func() { devices[1].present = true })
		time.Sleep(2 * maxBackOff)
		if err := sign(t.Context(), g); err != nil {
			t.Error(err)
		}
	})
}

// A key that is on one token only is used there, and the others are asked only
// now and then.
func TestAGroupKnowsWhoHasAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := trio(t)
		only := Address{Label: "only", Class: pkcs11.ClassPrivateKey}
		devices[2].add(only)
		before := calls(g)
		for range 100 {
			if _, err := g.Sign(t.Context(), only, ecdsaFake, nil); err != nil {
				t.Fatal(err)
			}
		}
		after := calls(g)
		for i := range 2 {
			if n := after[i] - before[i]; n > 2 {
				t.Errorf("token %d, which does not have the key, had %d calls", i, n)
			}
		}
		if _, err := g.Sign(t.Context(), Address{Label: "none"}, ecdsaFake, nil); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		devices[2].with(func() { devices[2].present = false })
		if _, err := g.Sign(t.Context(), only, ecdsaFake, nil); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("the token with the key is away: %v", err)
		}
	})
}

// What may have been done on one token is not done again on another.
func TestAGroupRepeatsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := trio(t)
		for _, d := range devices {
			d.with(func() { d.after = once(pkcs11.ErrGone) })
		}
		err := g.Do(t.Context(), func(ctx context.Context, s *pkcs11.Session) error {
			_, err := s.GenerateKey(ctx, pkcs11.Mechanism{}, []pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, true)})
			return err
		})
		if fault.KindOf(err) != fault.Unavailable {
			t.Error(err)
		}
		changes := 0
		for _, d := range devices {
			d.with(func() { changes += d.changes })
		}
		if changes != 1 {
			t.Errorf("%d keys were made", changes)
		}
	})
}

func TestAGroupDestroysEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := trio(t)
		devices[1].with(func() { devices[1].present = false })
		if err := g.Destroy(t.Context(), testKey); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("with a token away: %v", err)
		}
		devices[1].with(func() { devices[1].present = true })
		time.Sleep(2 * maxBackOff)
		if err := g.Destroy(t.Context(), testKey); err != nil {
			t.Error(err)
		}
		if err := sign(t.Context(), g); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}

func TestAGroupCanWhatAllItsTokensCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := trio(t)
		c, err := g.Capabilities(t.Context())
		if err != nil || !c.Has(pkcs11.MechRSAPKCS, pkcs11.CanSign) {
			t.Error(c, err)
		}
		d := newDevice()
		lesser, _ := open(t, d, func(c *Config) { c.Preset.Avoid = []pkcs11.MechanismType{pkcs11.MechRSAPKCS} })
		if g, err = NewGroup("g", append(g.Tokens(), lesser)...); err != nil {
			t.Fatal(err)
		}
		devices[0].with(func() { devices[0].present = false })
		c, err = g.Capabilities(t.Context())
		if err != nil || c.Has(pkcs11.MechRSAPKCS, pkcs11.CanSign) || !c.Has(pkcs11.MechECDSA, pkcs11.CanSign) {
			t.Error(c, err)
		}
	})
}
