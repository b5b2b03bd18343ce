package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type createKeyRequest struct {
	description, usage, spec, oldSpec, origin, policy string
	store                                             string
	bypassLockout                                     bool
	tags                                              []key.Tag
}

// Members declares CreateKey's request.
func (r *createKeyRequest) Members(m *aws.Members) {
	m.Text("Policy", &r.policy, 1, maxPolicy).Matching(policyPattern)
	m.Text("Description", &r.description, 0, kms.MaxDescription)
	m.Enum("KeyUsage", &r.usage, keyUsages)
	m.Enum("KeySpec", &r.spec, keySpecs)
	m.Enum("CustomerMasterKeySpec", &r.oldSpec, keySpecs)
	m.Enum("Origin", &r.origin, origins)
	m.Bool("BypassPolicyLockoutSafetyCheck", &r.bypassLockout)
	m.Tags("Tags", &r.tags)
	m.Unsupported("MultiRegion")
	m.Text("CustomKeyStoreId", &r.store, 1, maxStoreID)
	m.Unsupported("XksKeyId")
}

func (f *front) createKey(ctx context.Context, x *aws.Exchange, in *createKeyRequest) error {
	req := &kms.CreateKeyRequest{
		Description: in.description, Tags: in.tags, BypassLockout: in.bypassLockout, External: in.origin == originExternal,
	}
	if in.policy != "" {
		req.Policy = &key.Document{Dialect: wire.Dialect, Text: in.policy}
	}
	var err error
	if req.Spec, req.Usage, err = in.kind(x); err != nil {
		return err
	}
	if req.Store, err = in.keyStore(); err != nil {
		return err
	}
	k, err := f.door.CreateKey(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	f.writeMetadata(&x.Out, k)
	return nil
}

// kind returns the spec and usage of the key that is asked for.
func (r *createKeyRequest) kind(x *aws.Exchange) (alg.Spec, alg.Usage, error) {
	name := r.spec
	switch {
	case r.spec != "" && r.oldSpec != "":
		return 0, 0, aws.Validation("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. " +
			"CustomerMasterKeySpec is deprecated.")
	case r.oldSpec != "":
		name = r.oldSpec
	case r.spec == "":
		name = keySpecDefault
	}
	if r.origin == originXKS {
		return 0, 0, wire.Unsupported("Holdfast does not support the Origin " + r.origin + ".")
	}
	spec, ok := wire.ParseSpec(name)
	if !ok {
		return 0, 0, wire.Unsupported("Holdfast does not support the KeySpec " + name + ".")
	}
	x.Words.KeySpec, x.Words.KeyUsage = name, r.usage
	usage, ok := wire.ParseUsage(r.usage)
	switch {
	case ok || r.usage == "":
		return spec, usage, nil
	default:
		return 0, 0, aws.Validation(incompatible(x))
	}
}

const keySpecDefault = "SYMMETRIC_DEFAULT"

// incompatible is the text for a usage that a spec cannot have.
func incompatible(x *aws.Exchange) string {
	return "KeyUsage " + x.Words.KeyUsage + " is not compatible with KeySpec " + x.Words.KeySpec
}

// keyRequest is the request of operations that take a key and nothing else.
type keyRequest struct{ keyID string }

// Members declares the request.
func (r *keyRequest) Members(m *aws.Members) { m.Text("KeyId", &r.keyID, 1, maxKeyID).Required() }

type describeKeyRequest struct{ keyRequest }

// Members declares DescribeKey's request.
func (r *describeKeyRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Unsupported("GrantTokens")
}

func (f *front) describeKey(ctx context.Context, x *aws.Exchange, in *describeKeyRequest) error {
	ref, err := anyRef(in.keyID)
	if err != nil {
		return err
	}
	k, err := f.door.DescribeKey(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	f.writeMetadata(&x.Out, k)
	return nil
}

type listKeysRequest struct{ pageRequest }

// Members declares ListKeys' request.
func (r *listKeysRequest) Members(m *aws.Members) { r.page(m, 1000) }

func (f *front) listKeys(ctx context.Context, x *aws.Exchange, in *listKeysRequest) error {
	page, err := in.from(x, 100)
	if err != nil {
		return err
	}
	ids, next, err := f.door.ListKeys(ctx, &x.Call, page)
	if err != nil {
		return err
	}
	x.Out.Array("Keys", func() {
		for _, id := range ids {
			x.Out.Object("", func() {
				x.Out.Text("KeyId", string(id))
				x.Out.Text("KeyArn", wire.KeyARN(key.Name{Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: id}))
			})
		}
	})
	writeNext(x, next)
	return nil
}

func (f *front) enableKey(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.EnableKey(ctx, &x.Call, ref)
}

func (f *front) disableKey(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.DisableKey(ctx, &x.Call, ref)
}

type scheduleKeyDeletionRequest struct {
	keyRequest
	days int
}

// Members declares ScheduleKeyDeletion's request.
func (r *scheduleKeyDeletionRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Int("PendingWindowInDays", &r.days, kms.MinDeletion, kms.MaxDeletion)
}

func (f *front) scheduleKeyDeletion(ctx context.Context, x *aws.Exchange, in *scheduleKeyDeletionRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	if in.days == 0 {
		in.days = kms.MaxDeletion
	}
	k, err := f.door.ScheduleDeletion(ctx, &x.Call, ref, in.days)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", k)
	x.Out.Time("DeletionDate", k.DeleteAt)
	x.Out.Text("KeyState", stateName(k.State))
	x.Out.Int("PendingWindowInDays", in.days)
	return nil
}

func (f *front) cancelKeyDeletion(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	k, err := f.door.CancelDeletion(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", k)
	return nil
}

type updateKeyDescriptionRequest struct {
	keyRequest
	description string
}

// Members declares UpdateKeyDescription's request.
func (r *updateKeyDescriptionRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Text("Description", &r.description, 0, kms.MaxDescription).Required()
}

func (f *front) updateKeyDescription(ctx context.Context, x *aws.Exchange, in *updateKeyDescriptionRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.UpdateDescription(ctx, &x.Call, ref, in.description)
}
