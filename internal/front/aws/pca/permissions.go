package pca

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// permissionRequest names a service that may use an authority.
type permissionRequest struct {
	authorityRequest
	principal, account string
}

// Members declares DeletePermission's request.
func (r *permissionRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Text("Principal", &r.principal, 0, 128).Matching(principalPattern).Required()
	m.Text("SourceAccount", &r.account, 12, 12).Matching(accountPattern)
}

type createPermissionRequest struct {
	permissionRequest
	actions []string
}

// Members declares CreatePermission's request.
func (r *createPermissionRequest) Members(m *aws.Members) {
	r.permissionRequest.Members(m)
	m.List("Actions", &r.actions, 3, 0, 0).OneOf(grantActions).AtLeast(1).Required()
}

func (f *front) createPermission(ctx context.Context, x *aws.Exchange, in *createPermissionRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	p := ca.Permission{Principal: in.principal, Realm: key.RealmID(in.account)}
	for _, name := range in.actions {
		action, _ := wire.ParseAction("acm-pca:" + name) // one of the enumeration
		p.Actions = append(p.Actions, action)
	}
	_, err = f.authorities.CreatePermission(ctx, &x.Call, id, p)
	return err
}

func (f *front) deletePermission(ctx context.Context, x *aws.Exchange, in *permissionRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.DeletePermission(ctx, &x.Call, id, in.principal, key.RealmID(in.account))
	return err
}

func (f *front) listPermissions(ctx context.Context, x *aws.Exchange, in *authorityPageRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	page, err := in.from(x)
	if err != nil {
		return err
	}
	a, err := f.authorities.ListPermissions(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	list, next := cut(page, a.Permissions, func(p ca.Permission) string { return p.Principal + " " + string(p.Realm) })
	x.Out.Array("Permissions", func() {
		for _, p := range list {
			x.Out.Object("", func() { writePermission(&x.Out, in.arn, &p) })
		}
	})
	writeNext(x, next)
	return nil
}

func writePermission(out *wire.Encoder, arn string, p *ca.Permission) {
	out.Text("CertificateAuthorityArn", arn)
	out.Time("CreatedAt", p.CreatedAt)
	out.Text("Principal", p.Principal)
	out.Text("SourceAccount", string(p.Realm))
	out.Array("Actions", func() {
		for _, name := range grantActions {
			if action, ok := wire.ParseAction("acm-pca:" + name); ok && slices.Contains(p.Actions, action) {
				out.Text("", name)
			}
		}
	})
}
