package operation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// DeriveSharedSecret returns the secret that a key shares with the owner of a
// public key. One that is no key of the same spec, such as a point beside the
// curve, is InvalidArgument with the reason UnfitPeer. The audit entry has the
// SHA-256 of the other's SubjectPublicKeyInfo.
func (o *Operator) DeriveSharedSecret(ctx context.Context, call *key.Call, req *SharedSecretRequest) (*SharedSecretResult, error) {
	return guard.Do(ctx, o.guard, call, key.DeriveSharedSecret, func(v *guard.Visit) (*SharedSecretResult, error) {
		e, err := o.admission.Admit(v, &Use{
			Ref: req.Key, Action: key.DeriveSharedSecret, Usage: alg.KeyAgreement, Algorithm: req.Algorithm,
		})
		if err != nil {
			return nil, err
		}
		peer, err := engine.ParsePeer(e.Key.Spec, req.Peer)
		if err != nil {
			return nil, e.At(err)
		}
		NoteUse(v, e, req.Algorithm, e.Key.Current().Number)
		fingerprint := sha256.Sum256(peer.SPKI())
		v.Note("peer", hex.EncodeToString(fingerprint[:]))
		if err := Dry(v.Call); err != nil {
			return nil, err
		}
		k, err := o.admission.Current(ctx, e)
		if err != nil {
			return nil, err
		}
		step := Step(ctx, e, "engine.Agree")
		secret, err := engine.Agree(e.Key.Spec, k.Agreement, peer)
		step.End(err)
		if err != nil {
			return nil, err
		}
		return &SharedSecretResult{Key: e.Key, Version: e.Key.Current(), Secret: key.NewSecret(secret)}, nil
	})
}
