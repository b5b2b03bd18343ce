package native

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// nothing is the answer of an operation that has none.
func nothing(err error) (*wire.None, error) { return nil, err }

func (f *Front) listKeys(ctx context.Context, r *request, _ *wire.None) (*wire.KeyList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	ids, next, err := f.Keys.ListKeys(ctx, r.call, page)
	list := &wire.KeyList{Keys: make([]wire.KeyItem, len(ids)), Next: next}
	for i, id := range ids {
		list.Keys[i].ID = string(id)
	}
	return list, err
}

func (f *Front) describeKey(ctx context.Context, r *request, _ *wire.None) (*wire.Key, error) {
	return keyOut(f.Keys.DescribeKey(ctx, r.call, r.key()))
}

func (f *Front) updateDescription(ctx context.Context, r *request, req *wire.Description) (*wire.None, error) {
	return nothing(f.Keys.UpdateDescription(ctx, r.call, r.key(), req.Description))
}

func (f *Front) enableKey(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Keys.EnableKey(ctx, r.call, r.key()))
}

func (f *Front) disableKey(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Keys.DisableKey(ctx, r.call, r.key()))
}

func (f *Front) scheduleDeletion(ctx context.Context, r *request, req *wire.ScheduleDeletionRequest) (*wire.Key, error) {
	return keyOut(f.Keys.ScheduleDeletion(ctx, r.call, r.key(), req.Days))
}

func (f *Front) cancelDeletion(ctx context.Context, r *request, _ *wire.None) (*wire.Key, error) {
	return keyOut(f.Keys.CancelDeletion(ctx, r.call, r.key()))
}

func (f *Front) policy(ctx context.Context, r *request, _ *wire.None) (*wire.Policy, error) {
	doc, err := f.Keys.Policy(ctx, r.call, r.key())
	p := policyOf(doc)
	return &p, err
}

func (f *Front) putPolicy(ctx context.Context, r *request, req *wire.PutPolicyRequest) (*wire.None, error) {
	doc, err := documentOf(req.Policy)
	if err != nil {
		return nil, err
	}
	return nothing(f.Keys.PutPolicy(ctx, r.call, r.key(), doc, req.BypassLockout))
}

func (f *Front) listTags(ctx context.Context, r *request, _ *wire.None) (*wire.TagList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	tags, next, err := f.Keys.ListTags(ctx, r.call, r.key(), page)
	return &wire.TagList{Tags: tagsOut(tags), Next: next}, err
}

func (f *Front) tag(ctx context.Context, r *request, req *wire.TagRequest) (*wire.None, error) {
	return nothing(f.Keys.Tag(ctx, r.call, r.key(), tagsIn(req.Tags)))
}

func (f *Front) untag(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	keys := r.http.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing: name the tags to remove", "key")
	}
	return nothing(f.Keys.Untag(ctx, r.call, r.key(), keys))
}

func (f *Front) rotation(ctx context.Context, r *request, _ *wire.None) (*wire.Rotation, error) {
	k, err := f.Keys.RotationStatus(ctx, r.call, r.key())
	if err != nil {
		return nil, err
	}
	rule := k.Rotation
	return &wire.Rotation{
		Enabled: rule.Enabled, PeriodDays: rule.PeriodDays, NextAt: rule.Next, OnDemandCount: rule.OnDemandCount,
	}, nil
}

func (f *Front) enableRotation(ctx context.Context, r *request, req *wire.RotationRequest) (*wire.None, error) {
	return nothing(f.Keys.EnableRotation(ctx, r.call, r.key(), req.PeriodDays))
}

func (f *Front) disableRotation(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Keys.DisableRotation(ctx, r.call, r.key()))
}

func (f *Front) rotate(ctx context.Context, r *request, _ *wire.None) (*wire.Key, error) {
	return keyOut(f.Keys.RotateOnDemand(ctx, r.call, r.key()))
}

func (f *Front) listRotations(ctx context.Context, r *request, _ *wire.None) (*wire.VersionList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	_, versions, next, err := f.Keys.ListRotations(ctx, r.call, r.key(), page)
	list := &wire.VersionList{Versions: make([]wire.Version, len(versions)), Next: next}
	for i, v := range versions {
		list.Versions[i] = wire.Version{
			Number: uint32(v.Number), CreatedAt: v.CreatedAt, RotatedBy: string(v.RotatedBy), MaterialID: v.MaterialID,
		}
	}
	return list, err
}

// keyOut puts a key into the API's shape.
func keyOut(k *key.Key, err error) (*wire.Key, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Key{
		ID: string(k.Name.ID), Realm: string(k.Name.Realm), Region: k.Name.Region,
		Spec: aws.SpecName(k.Spec), Usage: aws.UsageName(k.Usage), Algorithms: algorithmNames(k.Spec, k.Usage),
		State: k.State.String(), Origin: string(k.Origin), Protection: string(k.Protection), Description: k.Description,
		Version: uint32(k.Current().Number), CreatedAt: k.CreatedAt, DeleteAt: k.DeleteAt, Exportable: k.Exportable,
		Tags: tagsOut(k.Tags),
	}, nil
}

func tagsOut(tags []key.Tag) []wire.Tag {
	list := make([]wire.Tag, len(tags))
	for i, t := range tags {
		list[i] = wire.Tag(t)
	}
	return list
}

func tagsIn(tags []wire.Tag) []key.Tag {
	list := make([]key.Tag, len(tags))
	for i, t := range tags {
		list[i] = key.Tag(t)
	}
	return list
}
