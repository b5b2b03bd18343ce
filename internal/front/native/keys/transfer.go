package keys

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// newKey reads what a request asks of a new key.
func newKey(req *wire.CreateKeyRequest) (*kms.CreateKeyRequest, error) {
	spec := alg.AES256
	usage, err := native.UsageOf(req.Usage)
	if err == nil && req.Spec != "" {
		spec, err = native.SpecOf(req.Spec)
	}
	if err != nil {
		return nil, err
	}
	if usage == alg.NoUsage {
		usage = spec.Usual() // AWS wants it said all the same
	}
	ask := &kms.CreateKeyRequest{
		Spec: spec, Usage: usage, Description: req.Description, Tags: native.TagsIn(req.Tags), BypassLockout: req.BypassLockout,
		Exportable: req.Exportable, Engine: req.HSM, Alias: req.Alias,
	}
	if req.Store != "" {
		id, ok := aws.ParseKeyStoreID(req.Store)
		if !ok {
			return nil, fault.Because(fault.NotFound, fault.NoSuchKeyStore, "no custom key store has the id %q", req.Store)
		}
		ask.Store = id
	}
	if req.Policy != nil {
		doc, err := native.DocumentOf(*req.Policy)
		if err != nil {
			return nil, err
		}
		ask.Policy = &doc
	}
	return ask, nil
}

func (f *front) createKey(ctx context.Context, r *native.Request, req *wire.CreateKeyRequest) (*wire.Key, error) {
	ask, err := newKey(req)
	if err != nil {
		return nil, err
	}
	return keyOut(f.keys.CreateKey(ctx, r.Call, ask))
}

func (f *front) importKey(ctx context.Context, r *native.Request, req *wire.ImportKeyRequest) (*wire.Key, error) {
	defer clear(req.Material)
	ask, err := newKey(&req.CreateKeyRequest)
	if err != nil {
		return nil, err
	}
	return keyOut(f.keys.ImportKey(ctx, r.Call, &kms.ImportKeyRequest{CreateKeyRequest: *ask, Material: req.Material}))
}

func (f *front) exportKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ExportedKey, error) {
	x, err := f.keys.ExportKey(ctx, r.Call, keyOf(r))
	if err != nil {
		return nil, err
	}
	return &wire.ExportedKey{
		KeyID: string(x.Key.Name.ID), Version: uint32(x.Version.Number), Spec: aws.SpecName(x.Key.Spec), Material: x.Material.Reveal(),
	}, nil
}

func (f *front) adoptKey(ctx context.Context, r *native.Request, req *wire.AdoptKeyRequest) (*wire.Key, error) {
	if err := native.Required("uri", req.URI); err != nil {
		return nil, err
	}
	if (req.HSM == "") == (req.Store == "") {
		return nil, fault.New(fault.InvalidArgument, "one of the members %q and %q is needed", "hsm", "store")
	}
	ask := &kms.AdoptKeyRequest{Name: req.URI}
	made, err := newKey(&req.CreateKeyRequest)
	if err != nil {
		return nil, err
	}
	ask.CreateKeyRequest = *made
	if req.Spec == "" { // the token says what the key is
		ask.Spec, ask.Usage = alg.NoSpec, alg.NoUsage
	}
	if req.Usage == "" {
		ask.Usage = alg.NoUsage
	}
	return keyOut(f.keys.AdoptKey(ctx, r.Call, ask))
}
