package identity

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Limits of users (IAM and AWS STS quotas, IAM User Guide).
const (
	MaxUserName   = 64      // characters
	MaxAccessKeys = 2       // per user, so that one can replace the other
	MaxPolicies   = 10      // per user or role
	MaxPolicy     = 6 << 10 // bytes of a policy document
)

// Admin changes the directory on behalf of callers. All methods may be called
// at the same time.
type Admin struct {
	directory *Directory
	guard     *guard.Guard
}

// NewAdmin returns what changes a directory, judged and recorded by g.
func NewAdmin(d *Directory, g *guard.Guard) *Admin { return &Admin{d, g} }

// NewAccessKey is an access key with its secret, which is shown this once.
type NewAccessKey struct {
	AccessKey
	Secret string
}

// NewSession is a temporary credential, which is shown this once.
type NewSession struct {
	ID, Secret, Token string
	Expires           time.Time
}

// Page asks for a part of a listing: at most Limit entries after After.
type Page struct {
	After string
	Limit int
}

// CallerIdentity returns who the caller is. Everybody may ask.
func (a *Admin) CallerIdentity(ctx context.Context, call *key.Call) (key.Caller, error) {
	return guard.Do(ctx, a.guard, call, key.GetCallerIdentity, func(v *guard.Visit) (key.Caller, error) {
		v.Permit(key.Resource{}, "every authenticated caller")
		return call.Caller, nil
	})
}

// SessionRequest asks for a temporary credential of the caller's own.
type SessionRequest struct {
	Length time.Duration
	// Factor names one of the user's second factors, Code is what it shows. With
	// a code and no name, the user has to have one factor.
	Factor, Code string
}

// CreateSession returns a temporary credential of the caller, who must not be
// in a session already. Its policies are those of its user, as they are then.
func (a *Admin) CreateSession(ctx context.Context, call *key.Call, r SessionRequest) (*NewSession, error) {
	return guard.Do(ctx, a.guard, call, key.CreateSession, func(v *guard.Visit) (*NewSession, error) {
		self := userResource(call.Caller.Principal.Realm, call.Caller.Principal.Name)
		if !call.Caller.AuthenticatedAt.IsZero() {
			v.About(self)
			return nil, fault.New(fault.PermissionDenied, "a session cannot make another session")
		}
		v.Permit(self, "every caller about itself")
		if r.Length < MinSession || r.Length > MaxSession {
			return nil, fault.New(fault.InvalidArgument, "a session lasts from %s to %s", MinSession, MaxSession)
		}
		if err := a.proveFactor(ctx, v, r.Factor, r.Code); err != nil {
			return nil, err
		}
		session, err := a.directory.newSession(&call.Caller, r.Length)
		if err == nil {
			v.Note("session", session.ID)
		}
		return session, err
	})
}

// User returns a user of the caller's realm.
func (a *Admin) User(ctx context.Context, call *key.Call, name string) (*User, error) {
	return guard.Do(ctx, a.guard, call, key.GetUser, func(v *guard.Visit) (*User, error) {
		if err := v.Authorize(target(call, key.GetUser, name)); err != nil {
			return nil, err
		}
		return a.find(call, name)
	})
}

// ListUsers returns a page of the caller's realm's users by name, and the
// After of the next one.
func (a *Admin) ListUsers(ctx context.Context, call *key.Call, page Page) ([]*User, string, error) {
	return list(ctx, a, call, key.ListUsers, target(call, key.ListUsers, "").Resource, page, func(s *state) []*User {
		return slices.Collect(maps.Values(s.users))
	}, func(u *User) (key.RealmID, string) { return u.Realm, u.Name })
}

// CreateUser adds a user without policies, who may do nothing yet.
func (a *Admin) CreateUser(ctx context.Context, call *key.Call, name string) (*User, error) {
	return guard.Do(ctx, a.guard, call, key.CreateUser, func(v *guard.Visit) (*User, error) {
		if err := v.Authorize(target(call, key.CreateUser, name)); err != nil {
			return nil, err
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		if _, err := a.find(call, name); err == nil {
			return nil, fault.New(fault.AlreadyExists, "user %s exists", name)
		}
		u := &User{
			Realm: call.Caller.Principal.Realm, Name: name, ID: newIdentifier(userPrefix),
			CreatedAt: a.directory.now().UTC(), Policies: map[string]key.Document{},
		}
		return u, a.storeUser(ctx, v, u)
	})
}

// DeleteUser removes a user with its policies, access keys and second factors.
func (a *Admin) DeleteUser(ctx context.Context, call *key.Call, name string) error {
	_, err := a.changeUser(ctx, call, key.DeleteUser, name, func(v *guard.Visit, u *User) error {
		return v.Commit(ctx, func() error {
			err := a.directory.store.Update(ctx, func(tx store.Tx) error {
				for _, k := range u.AccessKeys {
					if err := tx.Delete(store.AccessKeys, k.ID); err != nil {
						return err
					}
				}
				if err := factor.DeleteAll(tx, u.Realm, u.Name); err != nil {
					return err
				}
				return tx.Delete(store.Users, userRow(u.Realm, u.Name))
			})
			if err != nil {
				return err
			}
			next := a.directory.current.Load().clone()
			for _, k := range u.AccessKeys {
				delete(next.keys, k.ID)
			}
			delete(next.users, userRow(u.Realm, u.Name))
			delete(next.policies, userRow(u.Realm, u.Name))
			a.directory.current.Store(next)
			a.directory.dropClients(u)
			return nil
		})
	})
	return err
}

// PutUserPolicy attaches a policy to a user, or replaces the one of that name.
func (a *Admin) PutUserPolicy(ctx context.Context, call *key.Call, user, policyName string, doc key.Document) error {
	_, err := a.changeUser(ctx, call, key.PutUserPolicy, user, func(v *guard.Visit, u *User) error {
		v.Note("policy", policyName)
		if err := a.directory.attach(u.Policies, policyName, doc); err != nil {
			return err
		}
		return a.storeUser(ctx, v, u)
	})
	return err
}

// attach puts an identity policy to the others of a user or role.
func (d *Directory) attach(policies map[string]key.Document, name string, doc key.Document) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(doc.Text) > MaxPolicy {
		return fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "an identity's policy has at most %d bytes", MaxPolicy)
	}
	if _, err := d.compile(doc); err != nil {
		return err
	}
	policies[name] = doc
	if len(policies) > MaxPolicies {
		return fault.New(fault.LimitExceeded, "a user or role has at most %d policies", MaxPolicies)
	}
	return nil
}

// DeleteUserPolicy takes a policy from a user.
func (a *Admin) DeleteUserPolicy(ctx context.Context, call *key.Call, user, policyName string) error {
	_, err := a.changeUser(ctx, call, key.DeleteUserPolicy, user, func(v *guard.Visit, u *User) error {
		v.Note("policy", policyName)
		if _, ok := u.Policies[policyName]; !ok {
			return fault.New(fault.NotFound, "user %s has no policy %s", user, policyName)
		}
		delete(u.Policies, policyName)
		return a.storeUser(ctx, v, u)
	})
	return err
}

// changeUser authorises an action on a user and runs change, under the lock,
// with a copy of the user.
func (a *Admin) changeUser(
	ctx context.Context, call *key.Call, action key.Action, name string, change func(*guard.Visit, *User) error,
) (*User, error) {
	return guard.Do(ctx, a.guard, call, action, func(v *guard.Visit) (*User, error) {
		// Judged under the lock, which every change of the caller's own policies
		// takes as well: a right that was taken away is not used afterwards.
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		if err := v.Authorize(target(call, action, name)); err != nil {
			return nil, err
		}
		u, err := a.find(call, name)
		if err != nil {
			return nil, err
		}
		changed := *u
		changed.Policies = maps.Clone(u.Policies)
		return &changed, change(v, &changed)
	})
}

// storeUser records and stores a user and makes it visible. The lock is held.
func (a *Admin) storeUser(ctx context.Context, v *guard.Visit, u *User) error {
	row, err := rowOfUser(u)
	if err != nil {
		return err
	}
	next := a.directory.current.Load().clone()
	if err := next.setUser(u, a.directory.compile); err != nil {
		return err
	}
	return a.put(ctx, v, store.Users, row, next)
}

func (a *Admin) find(call *key.Call, name string) (*User, error) {
	u, ok := a.directory.current.Load().users[userRow(call.Caller.Principal.Realm, name)]
	if !ok {
		return nil, &fault.Error{
			Kind: fault.NotFound, Resource: userResource(call.Caller.Principal.Realm, name).String(),
			Public: "user " + name + " does not exist",
		}
	}
	return u, nil
}

func userResource(realm key.RealmID, name string) key.Resource {
	return key.Resource{Kind: key.KindUser, Realm: realm, ID: name}
}

func target(call *key.Call, action key.Action, name string) guard.Target {
	return guard.Target{Action: action, Resource: userResource(call.Caller.Principal.Realm, name)}
}

// checkName refuses names of users and policies that IAM would: 1 to 64
// letters, digits and +=,.@_- .
func checkName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-"
	if name == "" || len(name) > MaxUserName || strings.Trim(name, letters) != "" {
		return fault.New(fault.InvalidArgument, "a name has 1 to %d letters, digits and +=,.@_- characters", MaxUserName)
	}
	return nil
}
