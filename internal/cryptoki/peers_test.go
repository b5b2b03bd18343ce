package cryptoki_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/cryptokitest"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// TestArguments has calls that lack arguments, or have too many. The connection
// goes on.
func TestArguments(t *testing.T) {
	c, s := user(t, serve(t, nil))
	wrong := c.Call(p11kit.CallLogin, func(w *p11kit.Writer) { w.Uint(s) }, nil)
	refused(t, "a call that lacks arguments", wrong, pkcs11.RVArgumentsBad)
	much := c.Call(p11kit.CallLogout, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Uint(s)
	}, nil)
	refused(t, "a call with too many arguments", much, pkcs11.RVArgumentsBad)
	if _, err := c.Find(s); err != nil {
		t.Errorf("the connection after malformed arguments: %v", err)
	}
}

// slow is a token on which the PIN "slow" is never found right or wrong.
type slow struct{ *cryptokitest.Token }

func (s slow) Login(ctx context.Context, pin []byte) (token.Holder, error) {
	if string(pin) == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Token.Login(ctx, pin)
}

func TestCallTimeout(t *testing.T) {
	a := serve(t, func(o *cryptoki.Options) {
		o.CallTimeout = 10 * time.Millisecond
		o.Slots[0] = slow{o.Slots[0].(*cryptokitest.Token)}
	})
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	refused(t, "a call that takes too long", c.Login(s, "slow"), pkcs11.RVDeviceError)
	if err := c.Login(s, pin); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestConcurrent has applications that do everything at once, for the race
// detector.
func TestConcurrent(t *testing.T) {
	a := serve(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := work(a, i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func work(a *agent, i int) error {
	c, err := cryptokitest.Dial(a.path, byte(i%3))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	s, err := c.Session(pin)
	if err != nil {
		return err
	}
	public, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", i%2 == 0), tokenKey(i%2 == 0))
	if err != nil {
		return err
	}
	for range 20 {
		signature, err := c.Sign(s, mech(pkcs11.MechECDSASHA256), private, []byte("message"))
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		if err := c.Verify(s, mech(pkcs11.MechECDSASHA256), public, []byte("message"), signature); err != nil {
			return fmt.Errorf("verifying: %w", err)
		}
		if _, err := c.Find(s); err != nil {
			return fmt.Errorf("finding: %w", err)
		}
	}
	return nil
}

// BenchmarkSign is a P-256 signature as an application makes it: C_SignInit and
// C_Sign, the client's part included.
func BenchmarkSign(b *testing.B) {
	a := serve(b, nil)
	c, s := user(b, a)
	_, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true))
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Sign(s, mech(pkcs11.MechECDSA), private, digest); err != nil {
			b.Fatal(err)
		}
	}
}
