package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// PutPolicy gives an authority a policy of its own, in the place of any that
// it has. It adds to the policies of the realm's callers, and it alone can let
// callers of other realms in. A policy under which neither the caller nor the
// realm's root could put another one is refused (PolicyLockout).
func (s *Service) PutPolicy(ctx context.Context, call *key.Call, idOrName string, doc key.Document) (*Authority, error) {
	var compiled *policy.Policy
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.PutAuthorityPolicy,
		check: func(v *guard.Visit, a *authority) (err error) {
			compiled, err = s.checkPolicy(v, &a.Authority, doc)
			return err
		},
		edit: func(a *authority) error {
			a.Policy, a.compiled = doc, compiled
			return nil
		},
	})
}

// checkPolicy compiles a document for an authority and refuses one that would
// lock its author out.
func (s *Service) checkPolicy(v *guard.Visit, a *Authority, doc key.Document) (*policy.Policy, error) {
	if len(doc.Text) > kms.MaxPolicy {
		return nil, fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a policy has at most %d bytes", kms.MaxPolicy)
	}
	compiled, err := s.compiled(a.Realm, doc)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(doc.Text))
	v.Note("policy", "sha256:"+hex.EncodeToString(sum[:]))
	if v.LocksOut(guard.Target{Action: key.PutAuthorityPolicy, Resource: a.Resource(), Policy: compiled}) {
		return nil, fault.Because(fault.InvalidArgument, fault.PolicyLockout,
			"the policy would leave nobody able to put another one")
	}
	return compiled, nil
}

// compiled returns the canonical form of an authority's policy, nil for none.
func (s *Service) compiled(realm key.RealmID, doc key.Document) (*policy.Policy, error) {
	if doc.Text == "" {
		return nil, nil //nolint:nilnil // no policy is a policy
	}
	p, err := s.compile(doc)
	if err != nil {
		return nil, err
	}
	return p.Beside(realm, "authority policy"), nil
}

// Policy returns an authority's policy as its author wrote it; one that has
// none is a NotFound error.
func (s *Service) Policy(ctx context.Context, call *key.Call, idOrName string) (key.Document, error) {
	a, err := s.read(ctx, call, key.GetAuthorityPolicy, idOrName)
	if err != nil {
		return key.Document{}, err
	}
	if a.Policy.Text == "" {
		return key.Document{}, noPolicy()
	}
	return a.Policy, nil
}

func noPolicy() error { return fault.New(fault.NotFound, "the authority has no policy of its own") }

// DeletePolicy takes an authority's policy away; one that has none is a
// NotFound error.
func (s *Service) DeletePolicy(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.DeleteAuthorityPolicy,
		edit: func(a *authority) error {
			if a.Policy.Text == "" {
				return noPolicy()
			}
			a.Policy, a.compiled = key.Document{}, nil
			return nil
		},
	})
}

// Tag sets tags of an authority; a tag that is there gets the new value.
func (s *Service) Tag(ctx context.Context, call *key.Call, idOrName string, tags []key.Tag) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.TagAuthority, attributes: &policy.Attributes{Tags: tags},
		edit: func(a *authority) (err error) {
			a.Tags, err = key.MergeTags(a.Tags, tags)
			return err
		},
	})
}

// Untag removes tags by their keys, whatever their values; those that are not
// there are no error.
func (s *Service) Untag(ctx context.Context, call *key.Call, idOrName string, keys []string) (*Authority, error) {
	attributes := &policy.Attributes{}
	for _, name := range keys {
		attributes.Tags = append(attributes.Tags, key.Tag{Key: name})
	}
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.UntagAuthority, attributes: attributes,
		edit: func(a *authority) error {
			a.Tags = slices.DeleteFunc(slices.Clone(a.Tags), func(t key.Tag) bool { return slices.Contains(keys, t.Key) })
			return nil
		},
	})
}

// ListTags returns an authority with its tags.
func (s *Service) ListTags(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return s.read(ctx, call, key.ListAuthorityTags, idOrName)
}
