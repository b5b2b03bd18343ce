package vault

import (
	"context"
	"net/http"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Generate makes a key in the server. Made again for the same ref it is the
// same key: Transit leaves a key that it has as it is, so that a request whose
// answer was lost is sent again. A key of the name that is of another kind is a
// Conflict.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, unsupported(kind.Spec, kind.Usage)
	}
	name := remote.KeyName(ref)
	k, _, err := e.create(ctx, name, kind, remote.Repeatable)
	if err != nil {
		return engine.Material{}, err
	}
	return e.material(ref, k, kind)
}

// create makes a key, or finds the one that has the name, and reports which.
func (e *Engine) create(ctx context.Context, name string, kind engine.Kind, how remote.How) (k *wire.Key, found bool, err error) {
	t, _ := wire.TypeOf(kind.Spec)
	req := wire.CreateRequest{Type: t.Name, KeySize: t.KeySize, Exportable: kind.Exportable}
	err = e.do(ctx, "Generate", how, func(ctx context.Context) error {
		r, err := send[wire.Key](ctx, e, http.MethodPut, "keys/"+name, req, nil)
		if err != nil {
			return err
		}
		if r != nil {
			k, found = r.Data, r.AlreadyExisted(name)
		}
		return nil
	})
	if err == nil && k == nil { // before Vault 1.14 there was no answer
		k, err = e.read(ctx, name)
	}
	if err != nil {
		return nil, false, err
	}
	return k, found, fits(name, k, kind)
}

// read returns a key. One that is not there is NotFound.
func (e *Engine) read(ctx context.Context, name string) (k *wire.Key, err error) {
	err = e.do(ctx, "Read", remote.Repeatable, func(ctx context.Context) error {
		r, err := call[wire.Key](ctx, e, http.MethodGet, "keys/"+name, nil)
		if err != nil {
			return err
		}
		if k = r.Data; k.Name != name {
			return wrongAnswer("the key is another one")
		}
		return nil
	})
	return k, err
}

// fits refuses a key that has the name of one that is to be made and is not
// what it would be.
func fits(name string, k *wire.Key, kind engine.Kind) error {
	switch {
	case k.Name != name || k.Spec() != kind.Spec || k.Derived || k.Exportable != kind.Exportable || k.AllowPlaintextBackup:
		return fault.New(fault.Conflict, "the key service has a key %s already, of another kind (%s)", name, k.KeyType())
	case k.SoftDeleted:
		return fault.Because(fault.WrongState, fault.KeyDisabled, "the key service has a key %s already, which is disabled", name)
	case !k.Allows(k.LatestVersion, true):
		return fault.New(fault.Conflict, "the key service has a key %s already, whose latest version it does not let be used", name)
	}
	return nil
}

// material returns the sealed reference to a key that the engine made.
func (e *Engine) material(ref engine.Ref, k *wire.Key, kind engine.Kind) (engine.Material, error) {
	r, err := reference(k, k.LatestVersion, kind.Usage)
	if err != nil {
		return engine.Material{}, err
	}
	return remote.Seal(e.box, ref, kind.Spec, r)
}

// reference returns that to a version of a key, for usages of its spec.
func reference(k *wire.Key, version int, usages ...alg.Usage) (*remote.Reference, error) {
	spec, r := k.Spec(), &remote.Reference{Name: k.Name}
	var does []alg.Algorithm
	for _, u := range usages {
		does = append(does, algorithms(spec, u)...)
	}
	r.Does(usages, does)
	if spec != alg.AES256 {
		r.Version = strconv.Itoa(version)
	}
	if spec.Symmetric() {
		return r, nil
	}
	var err error
	if r.Public, err = k.Public(version); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "engine/vault", Public: "the key service does not show the public half of the key", Err: err}
	}
	return r, nil
}

// reached returns the reference in material, whose spec the caller may not
// know.
func (e *Engine) reached(ref engine.Ref, spec alg.Spec, wrapped []byte) (*remote.Reference, error) {
	if spec == alg.NoSpec {
		var err error
		if spec, err = e.box.Spec(ref, wrapped); err != nil {
			return nil, err
		}
	}
	return remote.Unseal(e.box, ref, spec, wrapped)
}

// NameOf returns a key's name in Transit, with the version where it stays at one.
func (e *Engine) NameOf(ref engine.Ref, spec alg.Spec, wrapped []byte) (string, error) {
	r, err := e.reached(ref, spec, wrapped)
	if err != nil {
		return "", err
	}
	if !r.Adopted { // of a key that was made here, the version is no part of its name
		return r.Name, nil
	}
	return wire.KeyName{Name: r.Name, Version: pinned(r)}.String(), nil
}

// Destroy deletes a key that the engine made, with all that Transit has of it,
// at once. A key that was adopted stays.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	r, err := e.reached(ref, alg.NoSpec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	return e.remove(ctx, r.Name)
}

// remove deletes a key. One that is not there is no error.
func (e *Engine) remove(ctx context.Context, name string) error {
	allowed := true
	err := e.do(ctx, "Destroy", remote.Repeatable, func(ctx context.Context) error {
		_, err := send[wire.Key](ctx, e, http.MethodPut, "keys/"+name+"/config", wire.ConfigRequest{DeletionAllowed: &allowed}, nil)
		if err != nil {
			return err
		}
		_, err = send[wire.Key](ctx, e, http.MethodDelete, "keys/"+name, nil, nil)
		return err
	})
	if missing(err) {
		return nil
	}
	return err
}

// missing reports whether an error is that a key is not there.
func missing(err error) bool {
	return fault.KindOf(err) == fault.NotFound ||
		fault.KindOf(err) == fault.WrongState && fault.ReasonOf(err) == fault.KeyUnavailable
}

// Condition asks the server how a key is. A version that its minima shut out is
// Unusable.
func (e *Engine) Condition(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (engine.Condition, error) {
	r, err := e.reached(ref, spec, wrapped)
	if err != nil {
		return 0, err
	}
	k, err := e.read(ctx, r.Name)
	if missing(err) {
		return engine.Gone, nil
	}
	if err != nil {
		return 0, err
	}
	return condition(k, pinned(r)), nil
}

// condition returns how a version of a key is, or its latest one.
func condition(k *wire.Key, version int) engine.Condition {
	if version == 0 {
		version = k.LatestVersion
	}
	switch {
	case k.SoftDeleted:
		return engine.Disabled
	case !k.Allows(version, true):
		return engine.Unusable
	}
	return engine.Usable
}

// SetEnabled disables a key by OpenBao's soft deletion, or restores it. With
// HashiCorp's Transit, which has none, it is Unsupported.
func (e *Engine) SetEnabled(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, enabled bool) error {
	r, err := e.reached(ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	method, path := http.MethodDelete, "keys/"+r.Name+"/soft-delete"
	if enabled {
		method, path = http.MethodPut, "keys/"+r.Name+"/soft-delete-restore"
	}
	err = used(e.do(ctx, "SetEnabled", remote.Repeatable, func(ctx context.Context) error {
		k, err := send[wire.Key](ctx, e, method, path, nil, nil)
		switch {
		case err != nil:
			return err
		case k == nil || k.Data == nil: // how OpenBao says that there is no such key
			return fault.Because(gone.Kind, gone.Reason, "%s", gone.Public)
		case k.Data.SoftDeleted == enabled:
			return wrongAnswer("the key's state has not changed")
		}
		return nil
	}))
	if fault.KindOf(err) == fault.Unsupported {
		return &fault.Error{
			Kind: fault.Unsupported, Op: "engine/vault.SetEnabled", Err: err,
			Public: "HashiCorp's Transit neither disables keys nor enables them: OpenBao's does",
		}
	}
	return err
}

// Recover is Unsupported: Transit deletes at once.
func (e *Engine) Recover(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) error {
	r, err := e.reached(ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	if err := ctx.Err(); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Op: "engine/vault.Recover", Public: "the caller has gone", Err: err}
	}
	return fault.New(fault.Unsupported, "Transit deletes keys at once: there is nothing to recover")
}
