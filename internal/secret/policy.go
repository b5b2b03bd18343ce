package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// PutPolicy gives a secret a policy of its own, in the place of any that it
// has. It adds to the policies of the realm's callers, and it alone can let
// callers of other realms in. A policy under which neither the caller nor the
// realm's root could put another one is refused (PolicyLockout); with
// notPublic, one that lets everybody in, too (PublicPolicy).
func (s *Service) PutPolicy(ctx context.Context, call *key.Call, ref Ref, doc key.Document, notPublic bool) (*Secret, error) {
	return s.change(ctx, call, &change{
		ref: ref, action: key.PutSecretPolicy,
		attributes: &policy.Attributes{Secret: &policy.Secret{NotPublic: notPublic}},
		edit: func(v *guard.Visit, x *Secret) error {
			if err := s.checkPolicy(v, x, doc, notPublic); err != nil {
				return err
			}
			x.Policy = doc
			return nil
		},
	})
}

// checkPolicy refuses what is no policy for the secret.
func (s *Service) checkPolicy(v *guard.Visit, x *Secret, doc key.Document, notPublic bool) error {
	if len(doc.Text) > MaxPolicy {
		return fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a policy has at most %d bytes", MaxPolicy)
	}
	p, err := s.Compile(doc)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(doc.Text))
	v.Note("policy", "sha256:"+hex.EncodeToString(sum[:]))
	if notPublic && p.Public() {
		return fault.Because(fault.InvalidArgument, fault.PublicPolicy, "the policy lets everybody in")
	}
	t := guard.Target{Action: key.PutSecretPolicy, Resource: x.Resource(), Policy: p.Beside(x.Realm, "secret policy")}
	if v.LocksOut(t) {
		return fault.Because(fault.InvalidArgument, fault.PolicyLockout, "the policy would leave nobody able to put another one")
	}
	return nil
}

// ValidatePolicy checks a document as PutPolicy does: for a secret, or with
// the zero Ref for one to be. It returns a document's faults as they are, and
// refusals of the call as errors.
func (s *Service) ValidatePolicy(ctx context.Context, call *key.Call, ref Ref, doc key.Document) (flaws []*fault.Error, err error) {
	const action = key.PutSecretPolicy
	return guard.Do(ctx, s.Guard, call, action, func(v *guard.Visit) ([]*fault.Error, error) {
		realm, region := ref.place(call)
		x := &Secret{Realm: realm, Region: region}
		if ref == (Ref{}) {
			if err := v.Authorize(realmTarget(call, action)); err != nil {
				return nil, err
			}
		} else {
			var err error
			if x, err = s.visit(ctx, v, action, ref, nil); err != nil {
				return nil, err
			}
		}
		err := s.checkPolicy(v, x, doc, true)
		if flaw, ok := err.(*fault.Error); ok && flaw.Kind != fault.Internal { //nolint:errorlint // what checkPolicy itself returns
			return []*fault.Error{flaw}, nil
		}
		return nil, err
	})
}

// Policy returns a secret with its policy, whose Text is empty where it has
// none.
func (s *Service) Policy(ctx context.Context, call *key.Call, ref Ref) (*Secret, error) {
	x, err := s.show(ctx, call, key.GetSecretPolicy, ref)
	if err == nil && x.deleted() {
		return nil, x.refuseDeleted()
	}
	return x, err
}

// DeletePolicy takes a secret's policy away.
func (s *Service) DeletePolicy(ctx context.Context, call *key.Call, ref Ref) (*Secret, error) {
	return s.change(ctx, call, &change{
		ref: ref, action: key.DeleteSecretPolicy,
		edit: func(_ *guard.Visit, x *Secret) error {
			x.Policy = key.Document{}
			return nil
		},
	})
}

// Tag sets tags of a secret; a tag that is there gets the new value.
func (s *Service) Tag(ctx context.Context, call *key.Call, ref Ref, tags []key.Tag) (*Secret, error) {
	return s.change(ctx, call, &change{
		ref: ref, action: key.TagSecret, attributes: &policy.Attributes{Tags: tags},
		edit: func(_ *guard.Visit, x *Secret) (err error) {
			x.Tags, err = key.MergeTags(x.Tags, tags)
			return err
		},
	})
}

// Untag removes tags by their keys; those that are not there are no error.
func (s *Service) Untag(ctx context.Context, call *key.Call, ref Ref, names []string) (*Secret, error) {
	attributes := &policy.Attributes{}
	for _, name := range names {
		attributes.Tags = append(attributes.Tags, key.Tag{Key: name})
	}
	return s.change(ctx, call, &change{
		ref: ref, action: key.UntagSecret, attributes: attributes,
		edit: func(_ *guard.Visit, x *Secret) error {
			x.Tags = slices.DeleteFunc(x.Tags, func(t key.Tag) bool { return slices.Contains(names, t.Key) })
			return nil
		},
	})
}
