package pca

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// policyRequest names the authority whose policy it is about.
type policyRequest struct{ authorityRequest }

// Members declares the request of GetPolicy and DeletePolicy.
func (r *policyRequest) Members(m *aws.Members) { r.named(m, "ResourceArn") }

type putPolicyRequest struct {
	policyRequest
	policy string
}

// Members declares PutPolicy's request.
func (r *putPolicyRequest) Members(m *aws.Members) {
	r.policyRequest.Members(m)
	m.Text("Policy", &r.policy, 1, maxPolicy).Matching(policyPattern).Required()
}

// putPolicy takes any policy of the language. AWS takes those alone that its
// Resource Access Manager writes.
func (f *front) putPolicy(ctx context.Context, x *aws.Exchange, in *putPolicyRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.PutPolicy(ctx, &x.Call, id, key.Document{Dialect: wire.Dialect, Text: in.policy})
	return err
}

func (f *front) getPolicy(ctx context.Context, x *aws.Exchange, in *policyRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	doc, err := f.authorities.Policy(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	if doc.Dialect != wire.Dialect {
		return wire.Unsupported("The policy of the certificate authority is written for another API.")
	}
	x.Out.Text("Policy", doc.Text)
	return nil
}

func (f *front) deletePolicy(ctx context.Context, x *aws.Exchange, in *policyRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.DeletePolicy(ctx, &x.Call, id)
	return err
}
