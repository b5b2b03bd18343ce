package pca

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type createRequest struct {
	configuration               *configuration
	revocation                  *revocation
	kind, token, standard, mode string
	tags                        []tag
}

// Members declares CreateCertificateAuthority's request.
func (r *createRequest) Members(m *aws.Members) {
	aws.Struct(m, "CertificateAuthorityConfiguration", &r.configuration).Required()
	aws.Struct(m, "RevocationConfiguration", &r.revocation)
	m.Enum("CertificateAuthorityType", &r.kind, authorityTypes).Required()
	m.Text("IdempotencyToken", &r.token, 1, 36).Matching(tokenPattern)
	m.Enum("KeyStorageSecurityStandard", &r.standard, storageStandards)
	declareTags(m, &r.tags)
	m.Enum("UsageMode", &r.mode, usageModes)
}

func (f *front) createAuthority(ctx context.Context, x *aws.Exchange, in *createRequest) error {
	spec, algorithm, err := in.configuration.algorithms()
	if err != nil {
		return err
	}
	subject, err := in.configuration.subject.name()
	if err != nil {
		return err
	}
	req := &ca.CreateAuthorityRequest{
		NewKey: spec, Algorithm: algorithm, Subject: subject, Type: ca.Root, Mode: ca.GeneralPurpose, Pending: true,
		Revocation: &ca.RevocationConfig{}, Tags: keyTags(in.tags), Token: in.token, KeyStandard: in.standard,
	}
	if in.kind == typeSubordinate {
		req.Type = ca.Subordinate
	}
	if in.mode == shortLived {
		req.Mode = ca.ShortLived
	}
	if in.revocation != nil {
		*req.Revocation = in.revocation.over(ca.RevocationConfig{})
	}
	if in.configuration.csrExtensions != nil {
		if req.Request, err = in.configuration.csrExtensions.requested(); err != nil {
			return err
		}
	}
	a, err := f.authorities.CreateAuthority(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	x.Out.Text("CertificateAuthorityArn", arnOf(a))
	return nil
}

func arnOf(a *ca.Authority) string { return wire.AuthorityARN(a.Realm, a.Region, a.ID) }

func (f *front) describeAuthority(ctx context.Context, x *aws.Exchange, in *authorityRequest) error {
	id, err := f.id(x, in)
	if err != nil {
		return err
	}
	a, err := f.authorities.Authority(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.Out.Object("CertificateAuthority", func() { writeAuthority(&x.Out, a) })
	return nil
}

type listRequest struct {
	pageRequest
	owner string
}

// Members declares ListCertificateAuthorities' request.
func (r *listRequest) Members(m *aws.Members) {
	r.page(m)
	m.Enum("ResourceOwner", &r.owner, resourceOwners)
}

// listAuthorities lists those of the account in the region. Holdfast keeps no
// list of what other accounts share: who has an ARN may use it, if its policy
// lets them.
func (f *front) listAuthorities(ctx context.Context, x *aws.Exchange, in *listRequest) error {
	page, err := in.from(x)
	if err != nil {
		return err
	}
	list, next, err := f.authorities.Authorities(ctx, &x.Call, page)
	if err != nil {
		return err
	}
	if in.owner == ownerOthers {
		list, next = nil, ""
	}
	x.Out.Array("CertificateAuthorities", func() {
		for _, a := range list {
			if a.Region == x.Call.Region {
				x.Out.Object("", func() { writeAuthority(&x.Out, a) })
			}
		}
	})
	writeNext(x, next)
	return nil
}

type updateRequest struct {
	authorityRequest
	revocation *revocation
	status     string
}

// Members declares UpdateCertificateAuthority's request.
func (r *updateRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	aws.Struct(m, "RevocationConfiguration", &r.revocation)
	m.Enum("Status", &r.status, authorityStatuses)
}

func (f *front) updateAuthority(ctx context.Context, x *aws.Exchange, in *updateRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	var u ca.Update
	switch in.status {
	case "":
	case statusActive, statusDisabled:
		state := ca.Active
		if in.status == statusDisabled {
			state = ca.Disabled
		}
		u.State = &state
	default:
		return invalidArgs("The status of a certificate authority can be set to ACTIVE or DISABLED.")
	}
	if in.revocation != nil {
		var now ca.RevocationConfig
		if a, ok := f.authorities.ByID(id); ok {
			now = a.Revocation
		}
		next := in.revocation.over(now)
		u.Revocation = &next
	}
	_, err = f.authorities.UpdateAuthority(ctx, &x.Call, id, u)
	return err
}

type deleteRequest struct {
	authorityRequest
	days int
}

// Members declares DeleteCertificateAuthority's request.
func (r *deleteRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Int("PermanentDeletionTimeInDays", &r.days, ca.MinDeletion, ca.MaxDeletion)
}

func (f *front) deleteAuthority(ctx context.Context, x *aws.Exchange, in *deleteRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.DeleteAuthority(ctx, &x.Call, id, in.days)
	return err
}

func (f *front) restoreAuthority(ctx context.Context, x *aws.Exchange, in *authorityRequest) error {
	id, err := f.id(x, in)
	if err != nil {
		return err
	}
	_, err = f.authorities.RestoreAuthority(ctx, &x.Call, id)
	return err
}
