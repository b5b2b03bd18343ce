package identity_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

type auditEntry = audit.Entry

func ephemeral(t *testing.T) *seal.Root {
	t.Helper()
	root, err := seal.Ephemeral()
	must(t, err)
	return root
}

// seal makes a session token of a text.
func (f *fixture) seal(text string) string {
	return base64.RawURLEncoding.EncodeToString(f.root.Seal("session token", []byte(text), nil))
}

// device shows codes.
type device struct {
	t      *testing.T
	secret string
}

// at returns the code that is shown so much later.
func (d *device) at(later time.Duration) string {
	d.t.Helper()
	code, err := totp.GenerateCode(d.secret, time.Now().Add(later))
	must(d.t, err)
	return code
}

func (d *device) code() string { return d.at(0) }

// enrol gives a user a confirmed factor. It takes a while.
func (f *fixture) enrol(user, name string) *device {
	f.t.Helper()
	n, err := f.EnrolFactor(f.t.Context(), f.as("admin"), user, name)
	must(f.t, err)
	d := &device{f.t, n.Secret}
	must(f.t, f.ConfirmFactor(f.t.Context(), f.as("admin"), user, n.Name, d.at(-30*time.Second), d.code()))
	return d
}

func (f *fixture) session(user, factor, code string) (*identity.NewSession, error) {
	u, err := f.User(f.t.Context(), f.as("admin"), user)
	must(f.t, err)
	call := f.as(user)
	call.Caller.UserID = u.ID
	return f.CreateSession(f.t.Context(), call, identity.SessionRequest{Length: time.Hour, Factor: factor, Code: code})
}

func TestSecondFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ctx, admin := t.Context(), f.as("admin")
		n, err := f.EnrolFactor(ctx, admin, "admin", "")
		must(t, err)
		if n.Name != "admin" || n.Confirmed || !strings.HasPrefix(n.URI, "otpauth://totp/Holdfast:admin@123456789012?") || !strings.Contains(n.URI, "secret="+n.Secret) {
			t.Errorf("the factor is %+v", n)
		}
		d := &device{t, n.Secret}
		_, err = f.session("admin", "", d.code())
		want(t, err, fault.PermissionDenied, fault.WrongFactor) // not confirmed
		want(t, f.ConfirmFactor(ctx, admin, "admin", "admin", d.code(), d.code()), fault.PermissionDenied, fault.WrongFactor)
		want(t, f.ConfirmFactor(ctx, admin, "admin", "other", d.code(), d.code()), fault.NotFound, fault.Unspecified)
		must(t, f.ConfirmFactor(ctx, admin, "admin", "admin", d.at(-30*time.Second), d.code()))
		want(t, f.ConfirmFactor(ctx, admin, "admin", "admin", d.code(), d.at(30*time.Second)), fault.AlreadyExists, fault.Unspecified)
		_, err = f.EnrolFactor(ctx, admin, "admin", "admin")
		want(t, err, fault.AlreadyExists, fault.Unspecified)

		_, err = f.session("admin", "", d.code()) // used by the enrolment
		want(t, err, fault.PermissionDenied, fault.WrongFactor)
		time.Sleep(time.Minute)
		code := d.code()
		s, err := f.session("admin", "admin", code)
		must(t, err)
		c, err := f.directory.SessionCredential(s.ID, s.Token)
		if must(t, err); !c.Caller.MFA || !c.Caller.FactorAt.Equal(time.Now()) {
			t.Errorf("the session is of %+v", c.Caller)
		}
		if e := f.log.entries[len(f.log.entries)-1]; !e.MFA || strings.Contains(fmt.Sprint(f.log.entries), code) || strings.Contains(fmt.Sprint(f.log.entries), n.Secret) {
			t.Errorf("the last entry is %+v", e)
		}
		f.open()
		_, err = f.session("admin", "admin", code) // not after a restart either
		want(t, err, fault.PermissionDenied, fault.WrongFactor)
		s, err = f.session("admin", "", "")
		must(t, err)
		c, err = f.directory.SessionCredential(s.ID, s.Token)
		if must(t, err); c.Caller.MFA {
			t.Error("a session without a code has a second factor")
		}
	})
}

// TestLockOut tries codes until nobody listens, and finds out that the right
// one is not heard then either.
func TestLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		d := f.enrol("admin", "phone")
		time.Sleep(time.Minute)
		for lock := time.Minute; lock <= 4*time.Minute; lock *= 2 {
			for range 5 {
				_, err := f.session("admin", "phone", "000000")
				want(t, err, fault.PermissionDenied, fault.WrongFactor)
			}
			_, err := f.session("admin", "phone", d.code())
			if want(t, err, fault.PermissionDenied, fault.WrongFactor); !strings.Contains(err.Error(), "locked until") {
				t.Errorf("after %s: %v", lock, err)
			}
			f.open() // which a restart does not end
			list, err := f.ListFactors(t.Context(), f.as("admin"), "admin")
			if must(t, err); !list[0].LockedUntil.Equal(time.Now().Add(lock)) {
				t.Errorf("locked until %v, want for %v", list[0].LockedUntil, lock)
			}
			time.Sleep(lock)
		}
		_, err := f.session("admin", "phone", d.code())
		must(t, err)
		list, err := f.ListFactors(t.Context(), f.as("admin"), "admin")
		if must(t, err); !list[0].LockedUntil.IsZero() || !list[0].UsedAt.Equal(time.Now()) {
			t.Errorf("the factor is %+v", list[0])
		}
	})
}

func TestFactorsOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ctx, admin := t.Context(), f.as("admin")
		_, err := f.CreateUser(ctx, admin, "alice")
		must(t, err)
		f.enrol("admin", "phone")
		_, err = f.EnrolFactor(ctx, admin, "alice", "phone") // another user's
		want(t, err, fault.AlreadyExists, fault.Unspecified)
		want(t, f.RemoveFactor(ctx, admin, "alice", "phone"), fault.NotFound, fault.Unspecified)
		alice := f.enrol("alice", "hers")
		_, err = f.EnrolFactor(ctx, admin, "alice", "spare")
		must(t, err)
		_, err = f.EnrolFactor(ctx, admin, "alice", "spare") // begun again
		must(t, err)
		time.Sleep(time.Minute)
		_, err = f.session("admin", "hers", alice.code())
		want(t, err, fault.PermissionDenied, fault.WrongFactor)
		_, err = f.session("alice", "hers", alice.code())
		must(t, err)
		other := f.enrol("alice", "other")
		time.Sleep(time.Minute)
		_, err = f.session("alice", "", other.code())
		want(t, err, fault.InvalidArgument, fault.Unspecified)
		for i := range factor.Max - 3 {
			_, err := f.EnrolFactor(ctx, admin, "alice", fmt.Sprint("f", i))
			must(t, err)
		}
		_, err = f.EnrolFactor(ctx, admin, "alice", "more")
		want(t, err, fault.LimitExceeded, fault.Unspecified)
		_, err = f.EnrolFactor(ctx, f.as("alice"), "alice", "own")
		want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
		must(t, f.RemoveFactor(ctx, admin, "alice", "other"))
		must(t, f.DeleteUser(ctx, admin, "alice"))
		_, err = f.CreateUser(ctx, admin, "alice")
		must(t, err)
		list, err := f.ListFactors(ctx, admin, "alice")
		if must(t, err); len(list) != 0 {
			t.Errorf("the new alice has %v of the old one", list)
		}
	})
}

// TestRolesWithSecondFactors assumes a role that wants one.
func TestRolesWithSecondFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.role("Careful", strings.TrimSuffix(trustAlice, "}")+`,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}}`)
		d := f.enrol("alice", "phone")
		_, err := f.AssumeRole(t.Context(), f.as("alice"), ask("Careful"))
		want(t, err, fault.PermissionDenied, fault.NoResourcePolicyAllows)
		time.Sleep(time.Minute)
		r := ask("Careful")
		r.Factor, r.Code = "phone", d.code()
		s, err := f.AssumeRole(t.Context(), f.as("alice"), r)
		must(t, err)
		proved := time.Now()
		c, err := f.directory.SessionCredential(s.ID, s.Token)
		if must(t, err); !c.Caller.MFA || !c.Caller.FactorAt.Equal(proved) {
			t.Errorf("the session is of %+v", c.Caller)
		}
		r.Code = d.code()
		_, err = f.AssumeRole(t.Context(), f.as("alice"), r)
		want(t, err, fault.PermissionDenied, fault.WrongFactor)

		time.Sleep(time.Minute)
		mine, err := f.session("alice", "phone", d.code())
		must(t, err)
		proved = time.Now()
		cred, err := f.directory.SessionCredential(mine.ID, mine.Token)
		must(t, err)
		later := func() error {
			s, err = f.AssumeRole(t.Context(), &key.Call{Caller: cred.Caller, Time: time.Now()}, ask("Careful"))
			return err
		}
		time.Sleep(50 * time.Minute)
		must(t, later())
		c, err = f.directory.SessionCredential(s.ID, s.Token)
		if must(t, err); !c.Caller.FactorAt.Equal(proved) {
			t.Errorf("the factor was proved at %v, and counts from %v", proved, c.Caller.FactorAt)
		}
		time.Sleep(11 * time.Minute)
		want(t, later(), fault.PermissionDenied, fault.NoResourcePolicyAllows)
	})
}
