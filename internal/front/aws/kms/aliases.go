package kms

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type aliasRequest struct{ aliasName string }

// Members declares DeleteAlias' request.
func (r *aliasRequest) Members(m *aws.Members) {
	m.Text("AliasName", &r.aliasName, 1, maxAliasName).Matching(aliasPattern).Required()
}

type targetRequest struct {
	aliasRequest
	target string
}

// Members declares CreateAlias' and UpdateAlias' request.
func (r *targetRequest) Members(m *aws.Members) {
	r.aliasRequest.Members(m)
	m.Text("TargetKeyId", &r.target, 1, maxKeyID).Required()
}

// ref returns the key that the alias is to name.
func (r *targetRequest) ref(x *aws.Exchange) (kms.Ref, error) {
	x.Words.AliasName = r.aliasName
	if strings.HasPrefix(r.target, kms.AliasPrefix) {
		return kms.Ref{}, aws.Validation("Aliases must refer to keys. Not aliases")
	}
	return keyRef(r.target)
}

func (f *front) createAlias(ctx context.Context, x *aws.Exchange, in *targetRequest) error {
	ref, err := in.ref(x)
	if err != nil {
		return err
	}
	return f.door.CreateAlias(ctx, &x.Call, in.aliasName, ref)
}

func (f *front) updateAlias(ctx context.Context, x *aws.Exchange, in *targetRequest) error {
	ref, err := in.ref(x)
	if err != nil {
		return err
	}
	return f.door.UpdateAlias(ctx, &x.Call, in.aliasName, ref)
}

func (f *front) deleteAlias(ctx context.Context, x *aws.Exchange, in *aliasRequest) error {
	x.Words.AliasName = in.aliasName
	return f.door.DeleteAlias(ctx, &x.Call, in.aliasName)
}

type listAliasesRequest struct {
	keyID string
	pageRequest
}

// Members declares ListAliases' request.
func (r *listAliasesRequest) Members(m *aws.Members) {
	m.Text("KeyId", &r.keyID, 1, maxKeyID)
	r.page(m, 100)
}

func (f *front) listAliases(ctx context.Context, x *aws.Exchange, in *listAliasesRequest) error {
	page, err := in.from(x, 50)
	if err != nil {
		return err
	}
	var target *kms.Ref
	if in.keyID != "" {
		ref, err := keyRef(in.keyID)
		if err != nil {
			return err
		}
		target = &ref
	}
	aliases, next, err := f.door.ListAliases(ctx, &x.Call, target, page)
	if err != nil {
		return err
	}
	x.Out.Array("Aliases", func() {
		for _, a := range aliases {
			x.Out.Object("", func() {
				x.Out.Text("AliasName", a.Name)
				x.Out.Text("AliasArn", wire.AliasARN(a.Realm, a.Region, a.Name))
				x.Out.Text("TargetKeyId", string(a.Target))
				x.Out.Time("CreationDate", a.CreatedAt)
				x.Out.Time("LastUpdatedDate", a.UpdatedAt)
			})
		}
	})
	writeNext(x, next)
	return nil
}
