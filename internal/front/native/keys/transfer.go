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
func (f *front) newKey(req *wire.CreateKeyRequest) (*kms.CreateKeyRequest, error) {
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
		Exportable: req.Exportable, Alias: req.Alias,
	}
	if ask.Engine, err = f.engineOf(req); err != nil {
		return nil, err
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
	ask, err := f.newKey(req)
	if err != nil {
		return nil, err
	}
	return f.keyOut(ctx)(f.keys.CreateKey(ctx, r.Call, ask))
}

func (f *front) importKey(ctx context.Context, r *native.Request, req *wire.ImportKeyRequest) (*wire.Key, error) {
	defer clear(req.Material)
	ask, err := f.newKey(&req.CreateKeyRequest)
	if err != nil {
		return nil, err
	}
	return f.keyOut(ctx)(f.keys.ImportKey(ctx, r.Call, &kms.ImportKeyRequest{CreateKeyRequest: *ask, Material: req.Material}))
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

// engineOf returns the engine that a request names.
func (f *front) engineOf(req *wire.CreateKeyRequest) (string, error) {
	switch {
	case req.HSM != "" && req.Provider != "":
		return "", fault.New(fault.InvalidArgument, "the members %q and %q exclude one another", "hsm", "provider")
	case req.Provider != "" && !f.keys.Provides(req.Provider):
		return "", fault.New(fault.InvalidArgument, "there is no provider %q", req.Provider)
	case req.HSM != "" && f.keys.Provides(req.HSM):
		return "", fault.New(fault.InvalidArgument, "%q is a provider: the member %q names it", req.HSM, "provider")
	}
	return req.HSM + req.Provider, nil
}

// adopted returns the name of a key in the place that a request names: a
// provider has names of its own, a token URIs.
func adopted(req *wire.AdoptKeyRequest) (string, error) {
	places := 0
	for _, place := range []string{req.HSM, req.Store, req.Provider} {
		if place != "" {
			places++
		}
	}
	member, name, other := "uri", req.URI, req.Name
	if req.Provider != "" {
		member, name, other = "name", req.Name, req.URI
	}
	if err := native.Required(member, name); err != nil {
		return "", err
	}
	switch {
	case places != 1:
		return "", fault.New(fault.InvalidArgument, "one of the members %q, %q and %q is needed", "hsm", "store", "provider")
	case other != "":
		return "", fault.New(fault.InvalidArgument, "a token has URIs, and a provider names: the member %q says all", member)
	}
	return name, nil
}

func (f *front) adoptKey(ctx context.Context, r *native.Request, req *wire.AdoptKeyRequest) (*wire.Key, error) {
	name, err := adopted(req)
	if err != nil {
		return nil, err
	}
	ask := &kms.AdoptKeyRequest{Name: name}
	made, err := f.newKey(&req.CreateKeyRequest)
	if err != nil {
		return nil, err
	}
	ask.CreateKeyRequest = *made
	if req.Spec == "" { // the place says what the key is
		ask.Spec, ask.Usage = alg.NoSpec, alg.NoUsage
	}
	if req.Usage == "" {
		ask.Usage = alg.NoUsage
	}
	return f.keyOut(ctx)(f.keys.AdoptKey(ctx, r.Call, ask))
}
