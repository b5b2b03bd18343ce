package users

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// defaultSession is how long a session holds when the request does not say.
const defaultSession = time.Hour

func (f *front) whoAmI(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Identity, error) {
	c, err := f.identities.CallerIdentity(ctx, r.Call)
	if err != nil {
		return nil, err
	}
	return &wire.Identity{
		Realm: string(c.Principal.Realm), Kind: string(c.Principal.Kind), Name: c.Principal.Name, UserID: c.UserID,
		Credential: c.Credential, Method: c.Method, MFA: c.MFA,
	}, nil
}

func (f *front) createSession(ctx context.Context, r *native.Request, req *wire.CreateSessionRequest) (*wire.Session, error) {
	d := time.Duration(req.Seconds) * time.Second
	if req.Seconds == 0 {
		d = defaultSession
	}
	s, err := f.identities.CreateSession(ctx, r.Call, identity.SessionRequest{Length: d, Factor: req.Factor, Code: req.Code})
	if err != nil {
		return nil, err
	}
	return native.SessionOut(s), nil
}

func (f *front) createUser(ctx context.Context, r *native.Request, req *wire.CreateUserRequest) (*wire.User, error) {
	return userOut(f.identities.CreateUser(ctx, r.Call, req.Name))
}

func (f *front) listUsers(ctx context.Context, r *native.Request, _ *wire.None) (*wire.UserList, error) {
	all, next, err := native.IdentitiesOut(r, func(p identity.Page) ([]*identity.User, string, error) {
		return f.identities.ListUsers(ctx, r.Call, p)
	}, userOut)
	return &wire.UserList{Users: all, Next: next}, err
}

func (f *front) user(ctx context.Context, r *native.Request, _ *wire.None) (*wire.User, error) {
	return userOut(f.identities.User(ctx, r.Call, userOf(r)))
}

func (f *front) deleteUser(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteUser(ctx, r.Call, userOf(r)))
}

func (f *front) putUserPolicy(ctx context.Context, r *native.Request, req *wire.Policy) (*wire.None, error) {
	doc, err := native.DocumentOf(*req)
	if err != nil {
		return nil, err
	}
	return native.Nothing(f.identities.PutUserPolicy(ctx, r.Call, userOf(r), r.Path("policy"), doc))
}

func (f *front) deleteUserPolicy(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteUserPolicy(ctx, r.Call, userOf(r), r.Path("policy")))
}

func (f *front) createAccessKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.NewAccessKey, error) {
	k, err := f.identities.CreateAccessKey(ctx, r.Call, userOf(r))
	if err != nil {
		return nil, err
	}
	return &wire.NewAccessKey{AccessKey: accessKeyOut(k.AccessKey), SecretAccessKey: k.Secret}, nil
}

func (f *front) updateAccessKey(ctx context.Context, r *native.Request, req *wire.UpdateAccessKeyRequest) (*wire.None, error) {
	return native.Nothing(f.identities.SetAccessKeyActive(ctx, r.Call, userOf(r), r.Path("id"), req.Active))
}

func (f *front) deleteAccessKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteAccessKey(ctx, r.Call, userOf(r), r.Path("id")))
}

// userOf returns the name of the user that the path names.
func userOf(r *native.Request) string { return r.Path("user") }

// userOut puts a user into the API's shape.
func userOut(u *identity.User, err error) (*wire.User, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.User{
		Name: u.Name, ID: u.ID, Realm: string(u.Realm), CreatedAt: u.CreatedAt,
		Policies: native.NamedPolicies(u.Policies), AccessKeys: []wire.AccessKey{},
	}
	for _, k := range u.AccessKeys {
		out.AccessKeys = append(out.AccessKeys, accessKeyOut(k))
	}
	return out, nil
}

func accessKeyOut(k identity.AccessKey) wire.AccessKey {
	return wire.AccessKey{ID: k.ID, User: k.User, Active: k.Active, CreatedAt: k.CreatedAt}
}
