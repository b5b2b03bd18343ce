package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// DefaultPolicyName is the name of the only policy that a key has.
const DefaultPolicyName = "default"

// PutPolicy replaces a key's policy. Unless bypassLockout is set, a policy
// under which the caller could not replace it again is refused.
func (s *Service) PutPolicy(ctx context.Context, call *key.Call, ref Ref, doc key.Document, bypassLockout bool) error {
	c := &change{
		ref: ref, action: key.PutKeyPolicy, attributes: policy.Attributes{BypassLockout: bypassLockout},
	}
	c.edit = func(v *guard.Visit, k *key.Key) (err error) {
		c.store.Policy, err = s.checkPolicy(v, k, doc, bypassLockout)
		k.Policy = doc
		return err
	}
	_, err := s.change(ctx, call, c)
	return err
}

// checkPolicy compiles a document for a key and refuses one that would lock
// its author out.
func (s *Service) checkPolicy(v *guard.Visit, k *key.Key, doc key.Document, bypassLockout bool) (*policy.Policy, error) {
	if len(doc.Text) > MaxPolicy {
		return nil, fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a key policy has at most %d bytes", MaxPolicy)
	}
	compiled, err := s.compile(doc)
	if err != nil {
		return nil, err
	}
	v.Note("policy", digest(doc.Text))
	if bypassLockout || !v.LocksOut(guard.Target{Action: key.PutKeyPolicy, Resource: k.Resource(), Policy: compiled}) {
		return compiled, nil
	}
	return nil, fault.Because(fault.InvalidArgument, fault.PolicyLockout,
		"the new key policy will not allow you to update the key policy in the future")
}

// Policy returns a key's policy as its author wrote it.
func (s *Service) Policy(ctx context.Context, call *key.Call, ref Ref) (key.Document, error) {
	k, err := s.read(ctx, call, ref, key.GetKeyPolicy)
	if err != nil {
		return key.Document{}, err
	}
	return k.Policy, nil
}

// ListPolicies returns the names of a key's policies: the default one.
func (s *Service) ListPolicies(ctx context.Context, call *key.Call, ref Ref) ([]string, error) {
	if _, err := s.read(ctx, call, ref, key.ListKeyPolicies); err != nil {
		return nil, err
	}
	return []string{DefaultPolicyName}, nil
}
