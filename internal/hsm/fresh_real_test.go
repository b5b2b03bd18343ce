//go:build linux && (amd64 || arm64) && !static

package hsm

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

// outsider is another program that uses the token: a process of its own that
// stays logged in, as an operator's tool.
func (s *soft) outsider(tb testing.TB) *pkcs11.Session {
	tb.Helper()
	p, err := s.launch(tb.Context(), pkcs11test.Library(tb), s.env)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	slots, err := p.Call(tb.Context(), &pkcs11.Call{Function: pkcs11.FnSlots, Flag: true})
	if err != nil {
		tb.Fatal(err)
	}
	return pkcs11test.Session(tb, p, pkcs11.SlotID(slots.Handles[0]))
}

// secret makes an AES key with a label.
func secret(ctx context.Context, s *pkcs11.Session, label string) error {
	_, err := s.GenerateKey(ctx, pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
		pkcs11.Number(pkcs11.AttrValueLen, uint64(32)), pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, true),
		pkcs11.Bool(pkcs11.AttrEncrypt, true), pkcs11.Text(pkcs11.AttrLabel, label),
	})
	return err
}

func secretAt(label string) Address { return Address{Label: label, Class: pkcs11.ClassSecretKey} }

// use is an operation with a key, nothing of which comes from what is known of
// it: the object is asked for its label.
func use(ctx context.Context, p Place, label string) error {
	return p.Use(ctx, secretAt(label), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error {
		a, err := s.Attributes(ctx, o, pkcs11.AttrLabel)
		if err == nil && string(a[0].Value) != label {
			err = fmt.Errorf("the label of %q is %q", label, a[0].Value)
		}
		return err
	})
}

// TestAnotherProgram: SoftHSM 2 does not see what another program made before
// its own last write. What is there is listed, used and destroyed nevertheless.
func TestAnotherProgram(t *testing.T) {
	for _, workers := range []int{1, 2} {
		for _, tt := range []struct {
			name string
			do   func(ctx context.Context, tok *Token) error
		}{
			{"use", func(ctx context.Context, tok *Token) error { return use(ctx, tok, "theirs") }},
			{"list", func(ctx context.Context, tok *Token) error {
				found, err := tok.Find(ctx, Query{})
				if err == nil && len(found) != 2 {
					err = fmt.Errorf("%d objects are listed, and 2 are there", len(found))
				}
				return err
			}},
			{"destroy", func(ctx context.Context, tok *Token) error { return tok.Destroy(ctx, secretAt("theirs")) }},
		} {
			t.Run(fmt.Sprintf("%d/%s", workers, tt.name), func(t *testing.T) {
				s := newSoft(t)
				// Neither starts while the other writes: logging in does, and who reads a
				// half-written token does not recognise it.
				their := s.outsider(t)
				tok := s.open(t, func(c *Config) { c.Workers = workers })
				if err := secret(t.Context(), their, "theirs"); err != nil {
					t.Fatal(err)
				}
				// All sessions' processes write.
				for n := range workers {
					if err := tok.Do(t.Context(), func(ctx context.Context, s *pkcs11.Session) error {
						return secret(ctx, s, "ours"+fmt.Sprint(n))
					}); err != nil {
						t.Fatal(err)
					}
				}
				if workers == 2 { // one of them is enough to list
					if err := tok.Destroy(t.Context(), secretAt("ours1")); err != nil {
						t.Fatal(err)
					}
				}
				if err := tt.do(t.Context(), tok); err != nil {
					t.Fatal(err)
				}
				if tt.name == "destroy" {
					if err := tok.Close(); err != nil {
						t.Fatal(err)
					}
					left, err := s.outsider(t).Find(t.Context(), secretAt("theirs").template(), 2)
					if err != nil || len(left) != 0 {
						t.Errorf("after it was destroyed the key is there: %v, %v", left, err)
					}
				}
			})
		}
	}
}

// TestWorkersSeeOneAnother: a key that one of the token's processes makes is
// there for all of them at once, while others make keys. They are made one at a
// time: SoftHSM does not let two processes write at the same moment.
func TestWorkersSeeOneAnother(t *testing.T) {
	s := newSoft(t)
	tok := s.open(t, func(c *Config) { c.Workers = 2 })
	var group sync.WaitGroup
	var making sync.Mutex
	for caller := range 4 {
		group.Go(func() {
			for n := range 8 {
				label := fmt.Sprintf("key %d of %d", n, caller)
				making.Lock()
				err := tok.Do(t.Context(), func(ctx context.Context, s *pkcs11.Session) error { return secret(ctx, s, label) })
				making.Unlock()
				for range 6 {
					if err == nil {
						err = use(t.Context(), tok, label)
					}
				}
				if err != nil {
					t.Errorf("%s: %v", label, err)
				}
			}
		})
	}
	group.Wait()
	found, err := tok.Find(t.Context(), Query{})
	if err != nil || len(found) != 32 {
		t.Errorf("%d objects are listed, and 32 are there: %v", len(found), err)
	}
}

// TestNone: what is not there is not found, and to be told so costs few looks
// of a new process.
func TestNone(t *testing.T) {
	s := newSoft(t)
	tok := s.open(t, nil)
	for range 50 {
		if err := use(t.Context(), tok, "none"); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	}
	if n := len(s.workers); n > 3 {
		t.Errorf("%d processes were started", n)
	}
	if err := tok.Destroy(t.Context(), secretAt("none")); err != nil {
		t.Error(err)
	}
}
