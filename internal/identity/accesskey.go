package identity

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// CreateAccessKey gives a user another access key. Its secret is in the
// answer and nowhere else.
func (a *Admin) CreateAccessKey(ctx context.Context, call *key.Call, user string) (*NewAccessKey, error) {
	var made *NewAccessKey
	_, err := a.changeUser(ctx, call, key.CreateAccessKey, user, func(v *guard.Visit, u *User) error {
		if len(u.AccessKeys) >= MaxAccessKeys {
			return fault.New(fault.LimitExceeded, "a user has at most %d access keys: delete one first", MaxAccessKeys)
		}
		made = a.newAccessKey(user)
		v.Note("access key", made.ID)
		return a.storeAccessKey(ctx, v, u.Realm, made.AccessKey, Secret{made.Secret})
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// SetAccessKeyActive disables an access key of a user, or enables it again.
func (a *Admin) SetAccessKeyActive(ctx context.Context, call *key.Call, user, id string, active bool) error {
	_, err := a.changeUser(ctx, call, key.UpdateAccessKey, user, func(v *guard.Visit, u *User) error {
		v.Note("access key", id)
		k, err := u.accessKey(id)
		if err != nil {
			return err
		}
		k.Active = active
		v.Note("active", map[bool]string{true: "yes", false: "no"}[active])
		return a.storeAccessKey(ctx, v, u.Realm, k, a.directory.current.Load().keys[id].credential.Secret)
	})
	return err
}

// DeleteAccessKey ends an access key of a user for good.
func (a *Admin) DeleteAccessKey(ctx context.Context, call *key.Call, user, id string) error {
	_, err := a.changeUser(ctx, call, key.DeleteAccessKey, user, func(v *guard.Visit, u *User) error {
		v.Note("access key", id)
		if _, err := u.accessKey(id); err != nil {
			return err
		}
		return a.removeAccessKey(ctx, v, userRow(u.Realm, u.Name), id)
	})
	return err
}

// removeAccessKey records and stores the end of a user's access key. The lock
// is held.
func (a *Admin) removeAccessKey(ctx context.Context, v *guard.Visit, user, id string) error {
	return a.remove(ctx, v, store.AccessKeys, id, func(s *state) {
		delete(s.keys, id)
		u := *s.users[user]
		u.AccessKeys = slices.DeleteFunc(slices.Clone(u.AccessKeys), func(k AccessKey) bool { return k.ID == id })
		s.users[user] = &u
	})
}

// accessKey returns a user's access key.
func (u *User) accessKey(id string) (AccessKey, error) {
	for _, k := range u.AccessKeys {
		if k.ID == id {
			return k, nil
		}
	}
	return AccessKey{}, fault.New(fault.NotFound, "user %s has no access key %s", u.Name, id)
}

// storeAccessKey records and stores an access key and makes it visible. The
// lock is held.
func (a *Admin) storeAccessKey(ctx context.Context, v *guard.Visit, realm key.RealmID, k AccessKey, secret Secret) error {
	row, err := a.directory.rowOfAccessKey(realm, k, secret)
	if err != nil {
		return err
	}
	next := a.directory.current.Load().clone()
	if err := next.setAccessKey(realm, k, secret); err != nil {
		return err
	}
	return a.put(ctx, v, store.AccessKeys, row, next)
}

// Bootstrap makes a realm's first administrator: a user with the policy and
// one access key, which is with if that is not nil. It refuses a directory
// that has credentials.
func (a *Admin) Bootstrap(
	ctx context.Context, call *key.Call, name string, doc key.Document, with *NewAccessKey,
) (*NewAccessKey, error) {
	if !a.directory.Empty() {
		return nil, fault.New(fault.AlreadyExists, "the data directory has an administrator already")
	}
	realm := call.Caller.Principal.Realm
	u := &User{
		Realm: realm, Name: name, ID: newIdentifier(userPrefix), CreatedAt: a.directory.now().UTC(),
		Policies: map[string]key.Document{"administrator": doc},
	}
	if _, err := guard.Do(ctx, a.guard, call, key.CreateUser, func(v *guard.Visit) (*User, error) {
		v.Permit(userResource(realm, name), "the first start")
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		return u, a.storeUser(ctx, v, u)
	}); err != nil {
		return nil, err
	}
	made := a.newAccessKey(name)
	if with != nil {
		made.ID, made.Secret = with.ID, with.Secret
	}
	return made, a.permitAccessKey(ctx, call, made)
}

// Replace takes all access keys from a user and gives it a new one, for
// whoever has the data directory and lost the credential.
func (a *Admin) Replace(ctx context.Context, call *key.Call, user string) (*NewAccessKey, error) {
	u, err := a.find(call, user)
	if err != nil {
		return nil, err
	}
	for _, k := range u.AccessKeys {
		_, err := guard.Do(ctx, a.guard, call, key.DeleteAccessKey, func(v *guard.Visit) (none struct{}, err error) {
			v.Permit(userResource(u.Realm, user), "the owner of the data directory")
			a.directory.mu.Lock()
			defer a.directory.mu.Unlock()
			return none, a.removeAccessKey(ctx, v, userRow(u.Realm, user), k.ID)
		})
		if err != nil {
			return nil, err
		}
	}
	made := a.newAccessKey(user)
	return made, a.permitAccessKey(ctx, call, made)
}

// newAccessKey returns a random access key of a user, not stored yet.
func (a *Admin) newAccessKey(user string) *NewAccessKey {
	return &NewAccessKey{
		AccessKey{ID: newIdentifier(accessKeyPrefix), User: user, Active: true, CreatedAt: a.directory.now().UTC()},
		newSecret().text,
	}
}

// ImportAccessKey gives a realm's root a credential that was chosen outside.
// Only development servers do so.
func (a *Admin) ImportAccessKey(ctx context.Context, call *key.Call, id, secret string) error {
	if id == "" || secret == "" || len(id) > 128 || len(secret) > 128 {
		return fault.New(fault.InvalidArgument, "an access key id and its secret have 1 to 128 characters")
	}
	made := a.newAccessKey("")
	made.ID, made.Secret = id, secret
	return a.permitAccessKey(ctx, call, made)
}

// permitAccessKey stores an access key that whoever starts the server asked for.
func (a *Admin) permitAccessKey(ctx context.Context, call *key.Call, made *NewAccessKey) error {
	realm := call.Caller.Principal.Realm
	_, err := guard.Do(ctx, a.guard, call, key.CreateAccessKey, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(userResource(realm, made.User), "the owner of the data directory")
		v.Note("access key", made.ID)
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		return none, a.storeAccessKey(ctx, v, realm, made.AccessKey, Secret{made.Secret})
	})
	return err
}
