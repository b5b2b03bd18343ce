package roles

import (
	"cmp"
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// roleOf returns the name of the role that the path names.
func roleOf(r *native.Request) string { return r.Path("role") }

func (f *front) create(ctx context.Context, r *native.Request, req *wire.CreateRoleRequest) (*wire.Role, error) {
	trust, err := native.DocumentOf(req.Trust)
	if err != nil {
		return nil, err
	}
	return roleOut(f.identities.CreateRole(ctx, r.Call, &identity.NewRole{
		Name: req.Name, Description: req.Description, Trust: trust, MaxSession: time.Duration(req.MaxSessionSeconds) * time.Second,
		Tags: native.TagsIn(req.Tags),
	}))
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.RoleList, error) {
	all, next, err := native.IdentitiesOut(r, func(p identity.Page) ([]*identity.Role, string, error) {
		return f.identities.ListRoles(ctx, r.Call, p)
	}, roleOut)
	return &wire.RoleList{Roles: all, Next: next}, err
}

func (f *front) role(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Role, error) {
	return roleOut(f.identities.Role(ctx, r.Call, roleOf(r)))
}

func (f *front) update(ctx context.Context, r *native.Request, req *wire.UpdateRoleRequest) (*wire.Role, error) {
	change := identity.RoleChange{Description: req.Description}
	if req.MaxSessionSeconds != nil {
		d := time.Duration(*req.MaxSessionSeconds) * time.Second
		change.MaxSession = &d
	}
	return roleOut(f.identities.UpdateRole(ctx, r.Call, roleOf(r), change))
}

func (f *front) remove(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteRole(ctx, r.Call, roleOf(r)))
}

func (f *front) putTrust(ctx context.Context, r *native.Request, req *wire.Policy) (*wire.None, error) {
	doc, err := native.DocumentOf(*req)
	if err != nil {
		return nil, err
	}
	return native.Nothing(f.identities.PutTrustPolicy(ctx, r.Call, roleOf(r), doc))
}

func (f *front) putPolicy(ctx context.Context, r *native.Request, req *wire.Policy) (*wire.None, error) {
	doc, err := native.DocumentOf(*req)
	if err != nil {
		return nil, err
	}
	return native.Nothing(f.identities.PutRolePolicy(ctx, r.Call, roleOf(r), r.Path("policy"), doc))
}

func (f *front) deletePolicy(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteRolePolicy(ctx, r.Call, roleOf(r), r.Path("policy")))
}

func (f *front) assume(ctx context.Context, r *native.Request, req *wire.AssumeRoleRequest) (*wire.Session, error) {
	ask := &identity.AssumeRequest{
		Role: key.Principal{
			Realm: cmp.Or(key.RealmID(req.Realm), r.Call.Caller.Principal.Realm), Kind: key.Role, Name: roleOf(r),
		},
		Session: req.Session, Length: time.Duration(req.Seconds) * time.Second, ExternalID: req.ExternalID,
		SourceIdentity: req.SourceIdentity, Tags: native.TagsIn(req.Tags), Transitive: req.TransitiveTagKeys,
		Factor: req.Factor, Code: req.Code,
	}
	if req.Policy != nil {
		var err error
		if ask.Policy, err = native.DocumentOf(*req.Policy); err != nil {
			return nil, err
		}
	}
	s, err := f.identities.AssumeRole(ctx, r.Call, ask)
	if err != nil {
		return nil, err
	}
	return native.SessionOut(&s.NewSession), nil
}

// roleOut puts a role into the API's shape.
func roleOut(r *identity.Role, err error) (*wire.Role, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Role{
		Name: r.Name, ID: r.ID, Realm: string(r.Realm), Description: r.Description,
		MaxSessionSeconds: int(r.MaxSession / time.Second), Trust: native.PolicyOf(r.Trust),
		Policies: native.NamedPolicies(r.Policies), Tags: native.TagsOut(r.Tags), CreatedAt: r.CreatedAt,
	}, nil
}
