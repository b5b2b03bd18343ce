package identity

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// factors is how second factors are kept.
func (d *Directory) factors() *factor.Book { return &factor.Book{Root: d.root, Now: d.now} }

// EnrolFactor begins the enrolment of a user's second factor, which proves
// nothing until ConfirmFactor. The name is the user's when it is "".
func (a *Admin) EnrolFactor(ctx context.Context, call *key.Call, user, name string) (*factor.New, error) {
	var made *factor.New
	_, err := a.changeUser(ctx, call, key.EnrolFactor, user, func(v *guard.Visit, u *User) error {
		if name == "" {
			name = u.Name
		}
		v.Note("factor", name)
		if err := checkName(name); err != nil {
			return err
		}
		err := a.directory.store.View(ctx, func(r store.Reader) (err error) {
			made, err = a.directory.factors().Enrol(r, u.Realm, u.Name, name)
			return err
		})
		if err != nil {
			return err
		}
		return a.commit(ctx, v, made.Put)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// commit records the visit and runs a change of the store.
func (a *Admin) commit(ctx context.Context, v *guard.Visit, change func(store.Tx) error) error {
	return v.Commit(ctx, func() error { return a.directory.store.Update(ctx, change) })
}

// ConfirmFactor ends the enrolment of a second factor: two codes that follow
// each other show that the user's device has the secret.
func (a *Admin) ConfirmFactor(ctx context.Context, call *key.Call, user, name, first, second string) error {
	_, err := a.changeUser(ctx, call, key.EnrolFactor, user, func(v *guard.Visit, u *User) error {
		v.Note("factor", name)
		var confirmed *factor.Change
		err := a.directory.store.View(ctx, func(r store.Reader) (err error) {
			confirmed, err = a.directory.factors().Confirm(r, u.Realm, u.Name, name, first, second)
			return err
		})
		if err != nil {
			return err
		}
		return a.commit(ctx, v, confirmed.Put)
	})
	return err
}

// ListFactors returns a user's second factors by name.
func (a *Admin) ListFactors(ctx context.Context, call *key.Call, user string) ([]factor.Factor, error) {
	return guard.Do(ctx, a.guard, call, key.ListFactors, func(v *guard.Visit) (list []factor.Factor, err error) {
		if err := v.Authorize(target(call, key.ListFactors, user)); err != nil {
			return nil, err
		}
		u, err := a.find(call, user)
		if err != nil {
			return nil, err
		}
		err = a.directory.store.View(ctx, func(r store.Reader) (err error) {
			list, err = factor.List(r, u.Realm, u.Name)
			return err
		})
		return list, err
	})
}

// RemoveFactor ends a second factor of a user.
func (a *Admin) RemoveFactor(ctx context.Context, call *key.Call, user, name string) error {
	_, err := a.changeUser(ctx, call, key.RemoveFactor, user, func(v *guard.Visit, u *User) error {
		v.Note("factor", name)
		err := a.directory.store.View(ctx, func(r store.Reader) error { return factor.Owns(r, u.Realm, u.Name, name) })
		if err != nil {
			return err
		}
		return a.commit(ctx, v, func(tx store.Tx) error { return factor.Delete(tx, u.Realm, name) })
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
		return factor.Wrong("only users have second factors")
	}
	var refused error
	err := a.directory.store.Update(ctx, func(tx store.Tx) (err error) {
		name, refused, err = a.directory.factors().Take(tx, c.Principal.Realm, c.Principal.Name, name, code)
		return err
	})
	if err != nil {
		return err
	}
	v.Note("factor", name)
	if refused != nil {
		return refused
	}
	c.MFA, c.FactorAt = true, a.directory.now().UTC()
	v.Identify(c)
	return nil
}
