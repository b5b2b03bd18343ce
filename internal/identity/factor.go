package identity

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/totp"
)

// Limits of second factors.
const (
	MaxFactors = 8 // per user (IAM and AWS STS quotas, IAM User Guide)
	// attempts is how many wrong codes in a row lock a factor, for minLock at
	// first and twice as long each time after that. Three of a million codes are
	// good at a time: whoever guesses day and night finds one in years.
	attempts = 5
	minLock  = time.Minute
	maxLock  = time.Hour
)

// Factor is what shows a user's one-time codes.
type Factor struct {
	Realm key.RealmID
	User  string
	// Name is unique in the realm.
	Name      string
	CreatedAt time.Time
	// Confirmed says that it showed two codes: before that, it proves nothing.
	Confirmed bool
	// UsedAt is when a code of it was last taken, LockedUntil when codes are
	// looked at again after too many wrong ones; zero for never.
	UsedAt, LockedUntil time.Time
}

// NewFactor is a second factor with its secret, which is shown this once.
type NewFactor struct {
	Factor
	Secret string // in base32
	URI    string // otpauth://totp/…, for a QR code
}

// EnrolFactor begins the enrolment of a user's second factor, which proves
// nothing until ConfirmFactor. The name is the user's when it is "".
func (a *Admin) EnrolFactor(ctx context.Context, call *key.Call, user, name string) (*NewFactor, error) {
	var made *NewFactor
	_, err := a.changeUser(ctx, call, key.EnrolFactor, user, func(v *guard.Visit, u *User) error {
		if name == "" {
			name = u.Name
		}
		v.Note("factor", name)
		if err := checkName(name); err != nil {
			return err
		}
		row, secret := factorRow(u.Realm, name), totp.NewSecret()
		r := &factorRecord{
			V: recordVersion, Realm: u.Realm, User: u.Name, Name: name, CreatedAt: a.directory.now().UTC(),
			Secret: a.directory.root.Seal(factorPurpose, []byte(secret), []byte(row)),
		}
		made = &NewFactor{r.factor(), secret, totp.URI("Holdfast", u.Name+"@"+string(u.Realm), secret)}
		if err := a.directory.store.View(ctx, func(tx store.Reader) error { return roomForFactor(tx, r) }); err != nil {
			return err
		}
		return v.Commit(ctx, func() error {
			return a.directory.store.Update(ctx, func(tx store.Tx) error { return putFactor(tx, r) })
		})
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// roomForFactor refuses a factor whose name is taken, or one too many. One of
// the same user that was never confirmed gives way.
func roomForFactor(tx store.Reader, n *factorRecord) error {
	if other, err := readFactor(tx, n.Realm, n.Name); err == nil && (other.Confirmed || other.User != n.User) {
		return fault.New(fault.AlreadyExists, "second factor %s exists", n.Name)
	}
	have, err := factorsOf(tx, n.Realm, n.User)
	if err != nil {
		return err
	}
	if len(slices.DeleteFunc(have, func(r *factorRecord) bool { return r.Name == n.Name })) >= MaxFactors {
		return fault.New(fault.LimitExceeded, "a user has at most %d second factors", MaxFactors)
	}
	return nil
}

// ConfirmFactor ends the enrolment of a second factor: two codes that follow
// each other show that the user's device has the secret.
func (a *Admin) ConfirmFactor(ctx context.Context, call *key.Call, user, name, first, second string) error {
	_, err := a.changeUser(ctx, call, key.EnrolFactor, user, func(v *guard.Visit, u *User) error {
		v.Note("factor", name)
		var r *factorRecord
		err := a.directory.store.View(ctx, func(tx store.Reader) (err error) {
			r, err = ownFactor(tx, u.Realm, u.Name, name)
			return err
		})
		if err != nil {
			return err
		}
		if r.Confirmed {
			return fault.New(fault.AlreadyExists, "second factor %s is confirmed", name)
		}
		secret, err := a.directory.secretOf(r)
		if err != nil {
			return err
		}
		now := a.directory.now()
		step, ok := totp.MatchPair(secret, first, second, now)
		if !ok {
			return wrongFactor("the codes are not two that the second factor showed one after the other")
		}
		r.Confirmed, r.Step, r.UsedAt = true, step, now.UTC()
		return v.Commit(ctx, func() error {
			return a.directory.store.Update(ctx, func(tx store.Tx) error { return putFactor(tx, r) })
		})
	})
	return err
}

// ListFactors returns a user's second factors by name.
func (a *Admin) ListFactors(ctx context.Context, call *key.Call, user string) ([]Factor, error) {
	return guard.Do(ctx, a.guard, call, key.ListFactors, func(v *guard.Visit) (list []Factor, err error) {
		if err := v.Authorize(target(call, key.ListFactors, user)); err != nil {
			return nil, err
		}
		u, err := a.find(call, user)
		if err != nil {
			return nil, err
		}
		err = a.directory.store.View(ctx, func(tx store.Reader) error {
			records, err := factorsOf(tx, u.Realm, u.Name)
			for _, r := range records {
				list = append(list, r.factor())
			}
			return err
		})
		return list, err
	})
}

// RemoveFactor ends a second factor of a user.
func (a *Admin) RemoveFactor(ctx context.Context, call *key.Call, user, name string) error {
	_, err := a.changeUser(ctx, call, key.RemoveFactor, user, func(v *guard.Visit, u *User) error {
		v.Note("factor", name)
		err := a.directory.store.View(ctx, func(tx store.Reader) error {
			_, err := ownFactor(tx, u.Realm, u.Name, name)
			return err
		})
		if err != nil {
			return err
		}
		return v.Commit(ctx, func() error {
			return a.directory.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Factors, factorRow(u.Realm, name)) })
		})
	})
	return err
}

// proveFactor takes the code of a second factor of the caller's, and has the
// visit know it. Without a factor and a code there is nothing to prove.
func (a *Admin) proveFactor(ctx context.Context, v *guard.Visit, name, code string) error {
	if name == "" && code == "" {
		return nil
	}
	c := v.Call.Caller
	if c.Principal.Kind != key.User {
		return wrongFactor("only users have second factors")
	}
	var refused error
	err := a.directory.store.Update(ctx, func(tx store.Tx) error {
		r, err := chooseFactor(tx, &c.Principal, name)
		if err != nil {
			return err
		}
		v.Note("factor", r.Name)
		refused, err = a.directory.takeCode(r, code)
		if err != nil {
			return err
		}
		return putFactor(tx, r) // the failures too
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	c.MFA, c.FactorAt = true, a.directory.now().UTC()
	v.Identify(c)
	return nil
}

// chooseFactor returns the confirmed factor of a user that has a name, or the
// only one when none is named.
func chooseFactor(tx store.Reader, user *key.Principal, name string) (*factorRecord, error) {
	have, err := factorsOf(tx, user.Realm, user.Name)
	if err != nil {
		return nil, err
	}
	have = slices.DeleteFunc(have, func(r *factorRecord) bool { return !r.Confirmed || name != "" && r.Name != name })
	switch {
	case len(have) == 1:
		return have[0], nil
	case len(have) == 0:
		return nil, wrongFactor("the caller has no such second factor")
	}
	return nil, fault.New(fault.InvalidArgument, "the caller has several second factors: name one")
}

// takeCode judges a code, and changes the record by the outcome.
func (d *Directory) takeCode(r *factorRecord, code string) (refused, err error) {
	now := d.now()
	if now.Before(r.LockedUntil) {
		return wrongFactor("the second factor is locked until %s, after too many wrong codes", r.LockedUntil.Format(time.RFC3339)), nil
	}
	secret, err := d.secretOf(r)
	if err != nil {
		return nil, err
	}
	if step, ok := totp.Match(secret, code, now, r.Step); ok {
		r.Step, r.UsedAt, r.Failures, r.LockedUntil = step, now.UTC(), 0, time.Time{}
		return nil, nil
	}
	if r.Failures++; r.Failures%attempts == 0 {
		lock := maxLock
		if n := r.Failures/attempts - 1; n < 6 {
			lock = min(minLock<<n, maxLock)
		}
		r.LockedUntil = now.Add(lock).UTC()
	}
	return wrongFactor("the code of the second factor is wrong or was used before"), nil
}

func wrongFactor(format string, args ...any) error {
	return fault.Because(fault.PermissionDenied, fault.WrongFactor, format, args...)
}
