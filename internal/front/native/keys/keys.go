package keys

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) listKeys(ctx context.Context, r *native.Request, _ *wire.None) (*wire.KeyList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	ids, next, err := f.keys.ListKeys(ctx, r.Call, page)
	list := &wire.KeyList{Keys: make([]wire.KeyItem, len(ids)), Next: next}
	for i, id := range ids {
		list.Keys[i].ID = string(id)
	}
	return list, err
}

func (f *front) describeKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Key, error) {
	return f.keyOut(ctx)(f.keys.DescribeKey(ctx, r.Call, keyOf(r)))
}

func (f *front) updateDescription(ctx context.Context, r *native.Request, req *wire.Description) (*wire.None, error) {
	return native.Nothing(f.keys.UpdateDescription(ctx, r.Call, keyOf(r), req.Description))
}

func (f *front) enableKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.keys.EnableKey(ctx, r.Call, keyOf(r)))
}

func (f *front) disableKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.keys.DisableKey(ctx, r.Call, keyOf(r)))
}

func (f *front) scheduleDeletion(ctx context.Context, r *native.Request, req *wire.ScheduleDeletionRequest) (*wire.Key, error) {
	return f.keyOut(ctx)(f.keys.ScheduleDeletion(ctx, r.Call, keyOf(r), req.Days))
}

func (f *front) cancelDeletion(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Key, error) {
	return f.keyOut(ctx)(f.keys.CancelDeletion(ctx, r.Call, keyOf(r)))
}

func (f *front) policy(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Policy, error) {
	doc, err := f.keys.Policy(ctx, r.Call, keyOf(r))
	p := native.PolicyOf(doc)
	return &p, err
}

func (f *front) putPolicy(ctx context.Context, r *native.Request, req *wire.PutPolicyRequest) (*wire.None, error) {
	doc, err := native.DocumentOf(req.Policy)
	if err != nil {
		return nil, err
	}
	return native.Nothing(f.keys.PutPolicy(ctx, r.Call, keyOf(r), doc, req.BypassLockout))
}

func (f *front) listTags(ctx context.Context, r *native.Request, _ *wire.None) (*wire.TagList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	tags, next, err := f.keys.ListTags(ctx, r.Call, keyOf(r), page)
	return &wire.TagList{Tags: native.TagsOut(tags), Next: next}, err
}

func (f *front) tag(ctx context.Context, r *native.Request, req *wire.TagRequest) (*wire.None, error) {
	return native.Nothing(f.keys.Tag(ctx, r.Call, keyOf(r), native.TagsIn(req.Tags)))
}

func (f *front) untag(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	keys := r.HTTP.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing: name the tags to remove", "key")
	}
	return native.Nothing(f.keys.Untag(ctx, r.Call, keyOf(r), keys))
}

func (f *front) rotation(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Rotation, error) {
	k, err := f.keys.RotationStatus(ctx, r.Call, keyOf(r))
	if err != nil {
		return nil, err
	}
	rule := k.Rotation
	return &wire.Rotation{
		Enabled: rule.Enabled, PeriodDays: rule.PeriodDays, NextAt: rule.Next, OnDemandCount: rule.OnDemandCount,
	}, nil
}

func (f *front) enableRotation(ctx context.Context, r *native.Request, req *wire.RotationRequest) (*wire.None, error) {
	return native.Nothing(f.keys.EnableRotation(ctx, r.Call, keyOf(r), req.PeriodDays))
}

func (f *front) disableRotation(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.keys.DisableRotation(ctx, r.Call, keyOf(r)))
}

func (f *front) rotate(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Key, error) {
	return f.keyOut(ctx)(f.keys.RotateOnDemand(ctx, r.Call, keyOf(r)))
}

func (f *front) listRotations(ctx context.Context, r *native.Request, _ *wire.None) (*wire.VersionList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	_, versions, next, err := f.keys.ListRotations(ctx, r.Call, keyOf(r), page)
	list := &wire.VersionList{Versions: make([]wire.Version, len(versions)), Next: next}
	for i, v := range versions {
		list.Versions[i] = wire.Version{
			Number: uint32(v.Number), CreatedAt: v.CreatedAt, RotatedBy: string(v.RotatedBy), MaterialID: v.MaterialID,
		}
	}
	return list, err
}

// keyOf returns the key that the path names.
func keyOf(r *native.Request) kms.Ref { return native.RefOf(r.Path("key")) }

// keyOut returns what puts a key into the API's shape.
func (f *front) keyOut(ctx context.Context) func(k *key.Key, err error) (*wire.Key, error) {
	return func(k *key.Key, err error) (*wire.Key, error) {
		if err != nil {
			return nil, err
		}
		return shapeOf(k, f.keys.Residence(ctx, k)), nil
	}
}

// shapeOf returns a key that lives at at in the API's shape.
func shapeOf(k *key.Key, at kms.Residence) *wire.Key {
	out := &wire.Key{
		ID: string(k.Name.ID), Realm: string(k.Name.Realm), Region: k.Name.Region,
		Spec: aws.SpecName(k.Spec), Usage: aws.UsageName(k.Usage), Algorithms: algorithmNames(k.Spec, k.Usage),
		State: k.State.String(), Origin: string(k.Origin), Protection: string(k.Protection), Description: k.Description,
		Version: uint32(k.Current().Number), CreatedAt: k.CreatedAt, DeleteAt: k.DeleteAt, Exportable: k.Exportable,
		Tags: native.TagsOut(k.Tags), ExpiresAt: k.Current().ExpiresAt,
		Predecessor: string(k.Succession.From), Successor: string(k.Succession.To), VerifiesUntil: k.Succession.Until,
	}
	switch {
	case k.Store != "":
		out.Store = aws.KeyStoreID(k.Store)
	case at.Provider != "":
		out.Provider, out.RemoteName, out.RemoteCondition = at.Provider, at.Name, at.Condition
	case k.Protection == key.HSM:
		out.HSM = k.Engine
	case k.Protection == key.Outside: // of which the configuration says nothing any more
		out.Provider = k.Engine
	}
	return out
}
