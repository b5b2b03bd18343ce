package factor_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

const realm = key.DefaultRealm

// TestOneCodeOnce has many present one code at the same time, to books that
// know nothing of each other, as two servers would be. What users see of
// factors is in the tests of package identity.
func TestOneCodeOnce(t *testing.T) {
	root, err := seal.Ephemeral()
	must(t, err)
	now := time.Unix(1_800_000_000, 0)
	book := func() *factor.Book { return &factor.Book{Root: root, Now: func() time.Time { return now }} }
	s := mem.New()
	var secret string
	must(t, s.Update(t.Context(), func(tx store.Tx) error {
		n, err := book().Enrol(tx, realm, "alice", "phone")
		if err != nil {
			return err
		}
		secret = n.Secret
		return n.Put(tx)
	}))
	code := func(later time.Duration) string {
		c, err := totp.GenerateCode(secret, now.Add(later))
		must(t, err)
		return c
	}
	must(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := book().Confirm(tx, realm, "alice", "phone", code(-time.Minute), code(-30*time.Second))
		if err != nil {
			return err
		}
		return c.Put(tx)
	}))
	var taken, refused atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				name, no, err := book().Take(tx, realm, "alice", "", code(0))
				switch {
				case err != nil:
				case no == nil && name == "phone":
					taken.Add(1)
				case fault.ReasonOf(no) == fault.WrongFactor:
					refused.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 || refused.Load() != 15 {
		t.Errorf("the code was taken %d times and refused %d times", taken.Load(), refused.Load())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
