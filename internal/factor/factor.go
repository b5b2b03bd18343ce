// Package factor keeps users' second factors: what shows one-time codes
// (package totp), and which codes were taken of it. The store alone has them:
// whether a code is good is decided in the transaction that marks it as used,
// and never by what some server remembers.
//
// Start with Book. Package identity says whose factors they are, and who may
// change them.
package factor

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/totp"
)

// Limits of second factors.
const (
	Max = 8 // per user (IAM and AWS STS quotas, IAM User Guide)
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

// New is a second factor with its secret, which is shown this once.
type New struct {
	Factor
	Secret string // in base32
	URI    string // otpauth://totp/…, for a QR code

	record *record
}

// Put stores the factor.
func (n *New) Put(tx store.Tx) error { return put(tx, n.record) }

// Change is a change of a factor that is not stored yet.
type Change struct{ record *record }

// Put stores it.
func (c *Change) Put(tx store.Tx) error { return put(tx, c.record) }

// Book is how factors are kept. Both fields are required.
type Book struct {
	Root *seal.Root
	Now  func() time.Time
}

// Enrol returns another factor of a user. It proves nothing until Confirm.
func (b *Book) Enrol(r store.Reader, realm key.RealmID, user, name string) (*New, error) {
	secret := totp.NewSecret()
	n := &record{
		V: recordVersion, Realm: realm, User: user, Name: name, CreatedAt: b.Now().UTC(),
		Secret: b.Root.Seal(purpose, []byte(secret), []byte(row(realm, name))),
	}
	if err := room(r, n); err != nil {
		return nil, err
	}
	return &New{n.factor(), secret, totp.URI("Holdfast", user+"@"+string(realm), secret), n}, nil
}

// room refuses a factor whose name is taken, or one too many. One of the same
// user that was never confirmed gives way.
func room(r store.Reader, n *record) error {
	if other, err := read(r, n.Realm, n.Name); err == nil && (other.Confirmed || other.User != n.User) {
		return fault.New(fault.AlreadyExists, "second factor %s exists", n.Name)
	}
	have, err := ofUser(r, n.Realm, n.User)
	if err != nil {
		return err
	}
	if len(slices.DeleteFunc(have, func(r *record) bool { return r.Name == n.Name })) >= Max {
		return fault.New(fault.LimitExceeded, "a user has at most %d second factors", Max)
	}
	return nil
}

// Confirm ends an enrolment: two codes that follow each other show that the
// user's device has the secret.
func (b *Book) Confirm(r store.Reader, realm key.RealmID, user, name, first, second string) (*Change, error) {
	f, err := own(r, realm, user, name)
	if err != nil {
		return nil, err
	}
	if f.Confirmed {
		return nil, fault.New(fault.AlreadyExists, "second factor %s is confirmed", name)
	}
	secret, err := b.secretOf(f)
	if err != nil {
		return nil, err
	}
	now := b.Now()
	step, ok := totp.MatchPair(secret, first, second, now)
	if !ok {
		return nil, Wrong("the codes are not two that the second factor showed one after the other")
	}
	f.Confirmed, f.Step, f.UsedAt = true, step, now.UTC()
	return &Change{f}, nil
}

// Take takes a code of a user's confirmed factor, the only one when none is
// named. Refused is the answer to a code that is not good: the transaction has
// to be kept all the same, since it counts.
func (b *Book) Take(tx store.Tx, realm key.RealmID, user, name, code string) (taken string, refused, err error) {
	f, err := choose(tx, realm, user, name)
	if err != nil {
		return "", nil, err
	}
	if refused, err = b.judge(f, code); err != nil {
		return "", nil, err
	}
	return f.Name, refused, put(tx, f)
}

// choose returns the confirmed factor of a user that has a name, or the only
// one when none is named.
func choose(r store.Reader, realm key.RealmID, user, name string) (*record, error) {
	have, err := ofUser(r, realm, user)
	if err != nil {
		return nil, err
	}
	have = slices.DeleteFunc(have, func(r *record) bool { return !r.Confirmed || name != "" && r.Name != name })
	switch {
	case len(have) == 1:
		return have[0], nil
	case len(have) == 0:
		return nil, Wrong("the caller has no such second factor")
	}
	return nil, fault.New(fault.InvalidArgument, "the caller has several second factors: name one")
}

// judge judges a code, and changes the record by the outcome.
func (b *Book) judge(f *record, code string) (refused, err error) {
	now := b.Now()
	if now.Before(f.LockedUntil) {
		return Wrong("the second factor is locked until %s, after too many wrong codes", f.LockedUntil.Format(time.RFC3339)), nil
	}
	secret, err := b.secretOf(f)
	if err != nil {
		return nil, err
	}
	if step, ok := totp.Match(secret, code, now, f.Step); ok {
		f.Step, f.UsedAt, f.Failures, f.LockedUntil = step, now.UTC(), 0, time.Time{}
		return nil, nil
	}
	if f.Failures++; f.Failures%attempts == 0 {
		lock := maxLock
		if n := f.Failures/attempts - 1; n < 6 {
			lock = min(minLock<<n, maxLock)
		}
		f.LockedUntil = now.Add(lock).UTC()
	}
	return Wrong("the code of the second factor is wrong or was used before"), nil
}

// Wrong returns the refusal of a second factor.
func Wrong(format string, args ...any) error {
	return fault.Because(fault.PermissionDenied, fault.WrongFactor, format, args...)
}
