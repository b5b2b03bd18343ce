package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// Open makes a key ready for use. It asks the service nothing: a key that is
// out of reach opens, and fails when it is used.
func (e *Engine) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "awskms.Open", Public: "the caller has gone", Err: err}
	}
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	return remote.Open(e.line, &e.does, spec, r)
}

// NameOf returns a key's ARN.
func (e *Engine) NameOf(ref engine.Ref, spec alg.Spec, wrapped []byte) (string, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	return r.Name, err
}

// Destroy schedules the deletion of a key that the engine made, and takes its
// name from it. A key that was adopted stays as it is.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	spec, err := e.box.Spec(ref, wrapped)
	if err != nil {
		return err
	}
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	if err := e.schedule(ctx, r.Name); err != nil {
		return err
	}
	return e.unname(ctx, remote.KeyName(ref))
}

// schedule has a key deleted. One that is deleted already is no error.
func (e *Engine) schedule(ctx context.Context, arn string) error {
	in := &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(int32(e.options.DeletionDays))} //nolint:gosec // 7 to 30
	_, err := ask(ctx, e, call{op: "ScheduleKeyDeletion", how: remote.Repeatable, key: arn}, e.client.ScheduleKeyDeletion, in, func(out *kms.ScheduleKeyDeletionOutput) error {
		return answers(arn, out.KeyId)
	})
	if fault.KindOf(err) == fault.NotFound || fault.ReasonOf(err) == fault.KeyPendingDeletion {
		return nil
	}
	return err
}

// unname deletes the alias of a name. One that is not there is no error.
func (e *Engine) unname(ctx context.Context, name string) error {
	in := &kms.DeleteAliasInput{AliasName: aws.String(aliasPrefix + name)}
	_, err := ask(ctx, e, call{op: "DeleteAlias", how: remote.Repeatable}, e.client.DeleteAlias, in, nil)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// conditionOf says what a key state means (the API's KeyState).
func conditionOf(s types.KeyState) engine.Condition {
	switch s {
	case types.KeyStateEnabled, types.KeyStateUpdating:
		return engine.Usable
	case types.KeyStateDisabled:
		return engine.Disabled
	case types.KeyStatePendingDeletion, types.KeyStatePendingReplicaDeletion:
		return engine.Deleted
	case types.KeyStateCreating, types.KeyStatePendingImport, types.KeyStateUnavailable:
	}
	return engine.Unusable
}

// Condition asks the service how a key is.
func (e *Engine) Condition(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (engine.Condition, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return 0, err
	}
	return e.condition(ctx, r.Name)
}

func (e *Engine) condition(ctx context.Context, arn string) (engine.Condition, error) {
	m, err := e.describe(ctx, arn)
	if fault.KindOf(err) == fault.NotFound {
		return engine.Gone, nil
	}
	if err != nil {
		return 0, err
	}
	return conditionOf(m.KeyState), nil
}

// SetEnabled disables or enables a key in the service. A key that was adopted
// stays as it is.
func (e *Engine) SetEnabled(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, enabled bool) error {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	if enabled {
		_, err = ask(ctx, e, call{op: "EnableKey", how: remote.Repeatable, key: r.Name}, e.client.EnableKey, &kms.EnableKeyInput{KeyId: &r.Name}, nil)
	} else {
		_, err = ask(ctx, e, call{op: "DisableKey", how: remote.Repeatable, key: r.Name}, e.client.DisableKey, &kms.DisableKeyInput{KeyId: &r.Name}, nil)
	}
	return used(err)
}

// Recover cancels the deletion of a key, which is disabled then, and gives it
// its name back.
func (e *Engine) Recover(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) error {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	in := &kms.CancelKeyDeletionInput{KeyId: &r.Name}
	_, err = ask(ctx, e, call{op: "CancelKeyDeletion", how: remote.Repeatable, key: r.Name}, e.client.CancelKeyDeletion, in, func(out *kms.CancelKeyDeletionOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if fault.KindOf(err) == fault.WrongState { // the answer may have been lost
		c, failed := e.condition(ctx, r.Name)
		if failed != nil {
			return failed
		}
		if c != engine.Usable && c != engine.Disabled {
			return err
		}
		err = nil
	}
	if err != nil {
		return err
	}
	alias := &kms.CreateAliasInput{AliasName: aws.String(aliasPrefix + remote.KeyName(ref)), TargetKeyId: &r.Name}
	_, err = ask(ctx, e, call{op: "CreateAlias", how: remote.Repeatable}, e.client.CreateAlias, alias, nil)
	if fault.KindOf(err) == fault.AlreadyExists {
		return nil
	}
	return err
}
