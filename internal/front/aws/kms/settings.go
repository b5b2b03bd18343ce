package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// policyRequest names a key and one of its policies.
type policyRequest struct {
	keyRequest
	policyName string
}

// Members declares GetKeyPolicy's request.
func (r *policyRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Text("PolicyName", &r.policyName, 1, 128).Matching(policyNamePattern)
}

// ref returns the key. The only policy that a key has is "default".
func (r *policyRequest) ref() (kms.Ref, error) {
	if r.policyName != "" && r.policyName != kms.DefaultPolicyName {
		const text = "No such policy exists"
		return kms.Ref{}, &fault.Error{
			Kind: fault.NotFound, Public: text, Err: &wire.Exception{Code: "NotFoundException", Message: text},
		}
	}
	return keyRef(r.keyID)
}

func (f *front) getKeyPolicy(ctx context.Context, x *aws.Exchange, in *policyRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	doc, err := f.door.Policy(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	if doc.Dialect != wire.Dialect {
		return wire.Unsupported("The policy of the key is written for another API.")
	}
	x.Out.Text("Policy", doc.Text)
	x.Out.Text("PolicyName", kms.DefaultPolicyName)
	return nil
}

type putKeyPolicyRequest struct {
	policyRequest
	policy        string
	bypassLockout bool
}

// Members declares PutKeyPolicy's request.
func (r *putKeyPolicyRequest) Members(m *aws.Members) {
	r.policyRequest.Members(m)
	m.Text("Policy", &r.policy, 1, maxPolicy).Matching(policyPattern).Required()
	m.Bool("BypassPolicyLockoutSafetyCheck", &r.bypassLockout)
}

func (f *front) putKeyPolicy(ctx context.Context, x *aws.Exchange, in *putKeyPolicyRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	doc := key.Document{Dialect: wire.Dialect, Text: in.policy}
	return f.door.PutPolicy(ctx, &x.Call, ref, doc, in.bypassLockout)
}

// keyPageRequest asks for a page of something that a key has.
type keyPageRequest struct {
	keyRequest
	pageRequest
}

// Members declares ListKeyPolicies' request.
func (r *keyPageRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	r.page(m, 1000)
}

func (f *front) listKeyPolicies(ctx context.Context, x *aws.Exchange, in *keyPageRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	if in.Marker != "" { // the listing never has a second page, so no marker is one of it
		return fault.Because(fault.InvalidArgument, fault.MalformedMarker, strayMarker)
	}
	names, err := f.door.ListPolicies(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	x.Out.Array("PolicyNames", func() {
		for _, name := range names {
			x.Out.Text("", name)
		}
	})
	writeNext(x, "")
	return nil
}

type tagResourceRequest struct {
	keyRequest
	tags []key.Tag
}

// Members declares TagResource's request.
func (r *tagResourceRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Tags("Tags", &r.tags).Required()
}

func (f *front) tagResource(ctx context.Context, x *aws.Exchange, in *tagResourceRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.Tag(ctx, &x.Call, ref, in.tags)
}

type untagResourceRequest struct {
	keyRequest
	tagKeys []string
}

// Members declares UntagResource's request.
func (r *untagResourceRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.List("TagKeys", &r.tagKeys, 0, 1, 128).Required()
}

func (f *front) untagResource(ctx context.Context, x *aws.Exchange, in *untagResourceRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.Untag(ctx, &x.Call, ref, in.tagKeys)
}

type listResourceTagsRequest struct{ keyPageRequest }

// Members declares ListResourceTags' request.
func (r *listResourceTagsRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	r.page(m, 50)
}

func (f *front) listResourceTags(ctx context.Context, x *aws.Exchange, in *listResourceTagsRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	page, err := in.from(x, 50)
	if err != nil {
		return err
	}
	tags, next, err := f.door.ListTags(ctx, &x.Call, ref, page)
	if err != nil {
		return err
	}
	x.Out.Array("Tags", func() {
		for _, t := range tags {
			x.Out.Object("", func() {
				x.Out.Text("TagKey", t.Key)
				x.Out.Text("TagValue", t.Value)
			})
		}
	})
	writeNext(x, next)
	return nil
}
