package native

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/identity"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// defaultSession is how long a session holds when the request does not say.
const defaultSession = time.Hour

func (f *Front) whoAmI(ctx context.Context, r *request, _ *wire.None) (*wire.Identity, error) {
	c, err := f.Identities.CallerIdentity(ctx, r.call)
	if err != nil {
		return nil, err
	}
	return &wire.Identity{
		Realm: string(c.Principal.Realm), Kind: string(c.Principal.Kind), Name: c.Principal.Name, UserID: c.UserID,
		Credential: c.Credential, Method: c.Method, MFA: c.MFA,
	}, nil
}

func (f *Front) createSession(ctx context.Context, r *request, req *wire.CreateSessionRequest) (*wire.Session, error) {
	d := time.Duration(req.Seconds) * time.Second
	if req.Seconds == 0 {
		d = defaultSession
	}
	s, err := f.Identities.CreateSession(ctx, r.call, d)
	if err != nil {
		return nil, err
	}
	return &wire.Session{AccessKeyID: s.ID, SecretAccessKey: s.Secret, SessionToken: s.Token, ExpiresAt: s.Expires}, nil
}

func (f *Front) createUser(ctx context.Context, r *request, req *wire.CreateUserRequest) (*wire.User, error) {
	return userOut(f.Identities.CreateUser(ctx, r.call, req.Name))
}

func (f *Front) listUsers(ctx context.Context, r *request, _ *wire.None) (*wire.UserList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	users, next, err := f.Identities.ListUsers(ctx, r.call, identity.Page(page))
	list := &wire.UserList{Users: make([]wire.User, len(users)), Next: next}
	for i, u := range users {
		out, _ := userOut(u, nil)
		list.Users[i] = *out
	}
	return list, err
}

func (f *Front) user(ctx context.Context, r *request, _ *wire.None) (*wire.User, error) {
	return userOut(f.Identities.User(ctx, r.call, r.user()))
}

func (f *Front) deleteUser(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Identities.DeleteUser(ctx, r.call, r.user()))
}

func (f *Front) putUserPolicy(ctx context.Context, r *request, req *wire.Policy) (*wire.None, error) {
	doc, err := documentOf(*req)
	if err != nil {
		return nil, err
	}
	return nothing(f.Identities.PutUserPolicy(ctx, r.call, r.user(), r.http.PathValue("policy"), doc))
}

func (f *Front) deleteUserPolicy(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Identities.DeleteUserPolicy(ctx, r.call, r.user(), r.http.PathValue("policy")))
}

func (f *Front) createAccessKey(ctx context.Context, r *request, _ *wire.None) (*wire.NewAccessKey, error) {
	k, err := f.Identities.CreateAccessKey(ctx, r.call, r.user())
	if err != nil {
		return nil, err
	}
	return &wire.NewAccessKey{AccessKey: accessKeyOut(k.AccessKey), SecretAccessKey: k.Secret}, nil
}

func (f *Front) updateAccessKey(ctx context.Context, r *request, req *wire.UpdateAccessKeyRequest) (*wire.None, error) {
	return nothing(f.Identities.SetAccessKeyActive(ctx, r.call, r.user(), r.http.PathValue("id"), req.Active))
}

func (f *Front) deleteAccessKey(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Identities.DeleteAccessKey(ctx, r.call, r.user(), r.http.PathValue("id")))
}

// user returns the name of the user that the path names.
func (r *request) user() string { return r.http.PathValue("user") }

// userOut puts a user into the API's shape.
func userOut(u *identity.User, err error) (*wire.User, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.User{
		Name: u.Name, ID: u.ID, Realm: string(u.Realm), CreatedAt: u.CreatedAt,
		Policies: []wire.NamedPolicy{}, AccessKeys: []wire.AccessKey{},
	}
	for _, name := range slices.Sorted(maps.Keys(u.Policies)) {
		out.Policies = append(out.Policies, wire.NamedPolicy{Name: name, Policy: policyOf(u.Policies[name])})
	}
	for _, k := range u.AccessKeys {
		out.AccessKeys = append(out.AccessKeys, accessKeyOut(k))
	}
	return out, nil
}

func accessKeyOut(k identity.AccessKey) wire.AccessKey {
	return wire.AccessKey{ID: k.ID, User: k.User, Active: k.Active, CreatedAt: k.CreatedAt}
}
