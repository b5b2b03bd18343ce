package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// PutPolicy gives a backup a policy of its own, in the place of any that it
// has. It adds to the policies of the realm's callers, and it alone can let
// callers of other realms in. A policy under which neither the caller nor the
// realm's root could put another one is refused (PolicyLockout).
func (s *Service) PutPolicy(ctx context.Context, call *key.Call, backup string, doc key.Document) (*Backup, error) {
	return s.changeBackup(ctx, call, key.PutClusterPolicy, backup, nil, func(v *guard.Visit, b *Backup) error {
		if err := b.ready(); err != nil {
			return err
		}
		if len(doc.Text) > kms.MaxPolicy {
			return fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a policy has at most %d bytes", kms.MaxPolicy)
		}
		compiled, err := s.compiled(b.Realm, doc)
		if err != nil {
			return err
		}
		if v.LocksOut(guard.Target{Action: key.PutClusterPolicy, Resource: b.Resource(), Policy: compiled}) {
			return fault.Because(fault.InvalidArgument, fault.PolicyLockout, "the policy would leave nobody able to put another one")
		}
		if b.Policy != doc { // once: the edit is made twice
			sum := sha256.Sum256([]byte(doc.Text))
			v.Note("policy", "sha256:"+hex.EncodeToString(sum[:]))
		}
		b.Policy = doc
		return nil
	})
}

// Policy returns a backup's policy as its author wrote it; one that has none
// is a NotFound error.
func (s *Service) Policy(ctx context.Context, call *key.Call, backup string) (key.Document, error) {
	return guard.Do(ctx, s.guard, call, key.GetClusterPolicy, func(v *guard.Visit) (key.Document, error) {
		b, err := s.visitBackup(ctx, v, key.GetClusterPolicy, backupResource(call, backup), nil)
		if err != nil {
			return key.Document{}, err
		}
		return b.Policy, b.hasPolicy()
	})
}

func (b *Backup) hasPolicy() error {
	if b.Policy.Text != "" {
		return nil
	}
	return &fault.Error{Kind: fault.NotFound, Resource: b.Resource().String(), Public: "the backup has no policy of its own"}
}

// DeletePolicy takes a backup's policy away and returns it; one that has none
// is a NotFound error.
func (s *Service) DeletePolicy(ctx context.Context, call *key.Call, backup string) (key.Document, error) {
	var old key.Document
	_, err := s.changeBackup(ctx, call, key.DeleteClusterPolicy, backup, nil, func(_ *guard.Visit, b *Backup) error {
		if err := b.hasPolicy(); err != nil {
			return err
		}
		old, b.Policy = b.Policy, key.Document{}
		return nil
	})
	return old, err
}
