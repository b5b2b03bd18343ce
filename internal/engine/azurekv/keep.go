package azurekv

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// NameOf returns a key's URL, without a version.
func (e *Engine) NameOf(ref engine.Ref, spec alg.Spec, wrapped []byte) (string, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	return r.Name, err
}

// Condition asks the vault how a key is. To tell a deleted key from one that is
// gone takes the permission to read deleted keys; without it a key that is not
// there counts as deleted.
func (e *Engine) Condition(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (engine.Condition, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return 0, err
	}
	id, err := e.in(r)
	if err != nil {
		return 0, err
	}
	k, err := e.get(ctx, "Condition", id)
	switch {
	case err == nil:
		return k.condition, nil
	case fault.KindOf(err) != fault.NotFound:
		return 0, err
	}
	switch there, err := e.deleted(ctx, "Condition", id); {
	case err != nil:
		return 0, err
	case there:
		return engine.Deleted, nil
	}
	return engine.Gone, nil
}

// owned returns where a key is that this engine made; ok is false for an adopted
// one, which is left alone.
func (e *Engine) owned(ref engine.Ref, spec alg.Spec, wrapped []byte) (id azure.Identifier, ok bool, err error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil || r.Adopted {
		return azure.Identifier{}, false, err
	}
	id, err = e.in(r)
	return id, err == nil, err
}

// SetEnabled disables or enables a key in the vault.
func (e *Engine) SetEnabled(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, enabled bool) error {
	id, ok, err := e.owned(ref, spec, wrapped)
	if !ok {
		return err
	}
	return lost(e.do(ctx, "SetEnabled", remote.Repeatable, func(ctx context.Context) error {
		_, err := e.keys.UpdateKey(ctx, id.Name, id.Version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}, nil)
		return err
	}))
}

// Destroy deletes a key, which the vault can undo while its waiting period
// lasts, or ends it at once where Options.Purge says so. An adopted key stays.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	spec, err := e.box.Spec(ref, wrapped)
	if err != nil {
		return err
	}
	id, ok, err := e.owned(ref, spec, wrapped)
	if !ok {
		return err
	}
	err = e.do(ctx, "Destroy", remote.Repeatable, func(ctx context.Context) error {
		_, err := e.keys.DeleteKey(ctx, id.Name, nil)
		return err
	})
	switch missing := err != nil && fault.KindOf(err) == fault.NotFound; {
	case err != nil && !missing:
		return err
	case e.purge:
		return e.end(ctx, id)
	case !missing:
		e.settle(ctx, id)
	}
	return nil
}

// settle waits until a deleted key shows as that, so that it can be told from one
// that is gone, and recovered. That it does not, or not yet, is no failure: it is
// deleted.
func (e *Engine) settle(ctx context.Context, id azure.Identifier) {
	_ = e.until(ctx, func() (bool, error) { return e.deleted(ctx, "Destroy", id) })
}

// deleted reports whether the vault has a key as deleted. Who may not see those
// is told that it has.
func (e *Engine) deleted(ctx context.Context, op string, id azure.Identifier) (bool, error) {
	denied := false
	err := e.do(ctx, op, remote.Repeatable, func(ctx context.Context) error {
		_, err := e.keys.GetDeletedKey(ctx, id.Name, nil)
		denied = err != nil && classify(shortened(err)).Kind == fault.PermissionDenied
		return err
	})
	if err == nil || denied {
		return true, nil
	}
	return false, except(fault.NotFound, err)
}

// except returns an error that is not of the kind.
func except(kind fault.Kind, err error) error {
	if err != nil && fault.KindOf(err) == kind {
		return nil
	}
	return err
}

// end purges a deleted key and waits until its name is free. A key is there for
// a moment after it was deleted, and then a deleted one; what is neither is gone.
func (e *Engine) end(ctx context.Context, id azure.Identifier) error {
	return e.until(ctx, func() (bool, error) {
		err := e.do(ctx, "Destroy", remote.Repeatable, func(ctx context.Context) error {
			_, err := e.keys.PurgeDeletedKey(ctx, id.Name, nil)
			return err
		})
		switch fault.KindOf(err) { //nolint:exhaustive // the others end the wait
		case fault.NotFound:
			_, err = e.get(ctx, "Destroy", e.named(id.Name))
			return fault.KindOf(err) == fault.NotFound, except(fault.NotFound, err)
		case fault.WrongState, fault.Conflict:
			return false, nil
		}
		return false, err
	})
}

// Recover undoes Destroy while the vault still can.
func (e *Engine) Recover(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) error {
	id, ok, err := e.owned(ref, spec, wrapped)
	if !ok {
		return err
	}
	if e.purge {
		return fault.New(fault.Unsupported, "the keys of %s are ended at once", e.name)
	}
	asked := false
	return e.until(ctx, func() (bool, error) {
		_, err := e.get(ctx, "Recover", id)
		if err == nil || fault.KindOf(err) != fault.NotFound {
			return err == nil, err
		}
		err = e.do(ctx, "Recover", remote.Repeatable, func(ctx context.Context) error {
			_, err := e.keys.RecoverDeletedKey(ctx, id.Name, nil)
			return err
		})
		switch kind := fault.KindOf(err); {
		case err == nil, kind == fault.WrongState, kind == fault.Conflict, kind == fault.NotFound && asked:
			asked = true
			return false, nil
		}
		return false, err
	})
}

// until asks again and again, until the answer is yes, as long as an operation
// may take.
func (e *Engine) until(ctx context.Context, ready func() (bool, error)) error {
	bound, cancel := e.line.Context()
	defer cancel()
	for {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		timer := time.NewTimer(e.poll)
		select {
		case <-ctx.Done():
		case <-bound.Done():
		case <-timer.C:
			continue
		}
		timer.Stop()
		return fault.New(fault.Unavailable, "the vault of %s has not done yet what it was asked for", e.name)
	}
}
