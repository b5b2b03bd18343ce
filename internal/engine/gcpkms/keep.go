package gcpkms

import (
	"context"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// address is where a key is, read from its reference.
type address struct {
	key     gcp.CryptoKeyName
	number  uint64 // 0 for the version that the service chooses
	adopted bool
	row     gcp.Row
}

// version returns the name of the version that was made here, or pinned.
func (a *address) version() gcp.CryptoKeyVersionName { return a.key.At(a.number) }

// using returns the name that encryption is asked of.
func (a *address) using() string {
	if a.number == 0 {
		return a.key.String()
	}
	return a.version().String()
}

// address reads a reference. One that does not read was written by another
// version of Holdfast, or not by it at all.
func (e *Engine) address(r *remote.Reference) (*address, error) {
	a := &address{adopted: r.Adopted}
	var err error
	if a.key, err = gcp.ParseCryptoKey(r.Name); err == nil && r.Version != "" {
		a.number, err = gcp.ParseVersion(r.Version)
	}
	word, known := gcp.ParseAlgorithm(r.Type)
	if err == nil && !known {
		err = fmt.Errorf("%q is no algorithm", r.Type)
	}
	if a.row, known = e.table.Of(word); err == nil && !known {
		err = fmt.Errorf("%s is not supported", word)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "gcpkms", Err: fmt.Errorf("reading a reference: %w", err)}
	}
	return a, nil
}

// owned unseals a reference.
func (e *Engine) owned(ref engine.Ref, spec alg.Spec, wrapped []byte) (*address, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	return e.address(r)
}

// NameOf returns a key's resource name: that of its version where there is one.
func (e *Engine) NameOf(ref engine.Ref, spec alg.Spec, wrapped []byte) (string, error) {
	at, err := e.owned(ref, spec, wrapped)
	if err != nil {
		return "", err
	}
	return at.using(), nil
}

// conditionOf says what a version's state means.
func conditionOf(s gcp.State) engine.Condition {
	switch s {
	case kmspb.CryptoKeyVersion_ENABLED:
		return engine.Usable
	case kmspb.CryptoKeyVersion_DISABLED:
		return engine.Disabled
	case kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:
		return engine.Deleted
	case kmspb.CryptoKeyVersion_DESTROYED, kmspb.CryptoKeyVersion_PENDING_EXTERNAL_DESTRUCTION,
		kmspb.CryptoKeyVersion_EXTERNAL_DESTRUCTION_FAILED:
		return engine.Gone
	case kmspb.CryptoKeyVersion_PENDING_GENERATION, kmspb.CryptoKeyVersion_PENDING_IMPORT, kmspb.CryptoKeyVersion_IMPORT_FAILED,
		kmspb.CryptoKeyVersion_GENERATION_FAILED, kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_STATE_UNSPECIFIED:
	}
	return engine.Unusable
}

// Condition asks how a key is. One whose version the service chooses is as its
// primary version is.
func (e *Engine) Condition(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (engine.Condition, error) {
	const op = "gcpkms.Condition"
	at, err := e.owned(ref, spec, wrapped)
	if err != nil {
		return 0, err
	}
	var state gcp.State
	if at.number == 0 {
		k, errKey := e.key(ctx, op, at.key)
		state, err = k.GetPrimary().GetState(), errKey
	} else {
		v, errVersion := e.version(ctx, op, at.version())
		state, err = v.GetState(), errVersion
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return engine.Gone, nil
	case err != nil:
		return 0, err
	}
	return conditionOf(state), nil
}

// SetEnabled enables or disables the version of a key that was made here.
func (e *Engine) SetEnabled(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, enabled bool) error {
	at, err := e.owned(ref, spec, wrapped)
	if err != nil || at.adopted {
		return err
	}
	state := kmspb.CryptoKeyVersion_DISABLED
	if enabled {
		state = kmspb.CryptoKeyVersion_ENABLED
	}
	name := at.version().String()
	_, err = about(ctx, e, "gcpkms.SetEnabled", name, func(ctx context.Context, c *client) (*kmspb.CryptoKeyVersion, error) {
		v, err := c.UpdateCryptoKeyVersion(ctx, &kmspb.UpdateCryptoKeyVersionRequest{
			CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: name, State: state}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
		})
		return v, ofUse(err)
	})
	return err
}

// Recover restores a version that is about to be destroyed. It is disabled
// after that.
func (e *Engine) Recover(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) error {
	const op = "gcpkms.Recover"
	at, err := e.owned(ref, spec, wrapped)
	if err != nil || at.adopted {
		return err
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	name := at.version().String()
	_, err = about(ctx, e, op, name, func(ctx context.Context, c *client) (*kmspb.CryptoKeyVersion, error) {
		return c.RestoreCryptoKeyVersion(ctx, &kmspb.RestoreCryptoKeyVersionRequest{Name: name})
	})
	if fault.KindOf(err) != fault.WrongState {
		return err
	}
	v, errState := e.version(ctx, op, at.version())
	if errState != nil {
		return errState
	}
	switch conditionOf(v.GetState()) { //nolint:exhaustive // all others stay as they are
	case engine.Usable, engine.Disabled:
		return nil
	case engine.Gone:
		return &fault.Error{Kind: fault.NotFound, Op: op, Public: "the key was destroyed for good where it lived", Err: err}
	}
	return err
}
