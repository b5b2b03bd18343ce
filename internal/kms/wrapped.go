package kms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// ImportWrapped makes a key of material that comes wrapped under a key exchange
// key, in the engine of that key, and with its plain form seen nowhere else. The
// caller needs ImportKey in its realm, and UnwrapKey on the key exchange key,
// which is one of its realm. Without a Spec, the material says what it is. What
// was imported under a key exchange key before is AlreadyExists, with the reason
// ReplayedBlob.
func (s *Service) ImportWrapped(ctx context.Context, call *key.Call, req *ImportWrappedRequest) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.ImportKey, func(v *guard.Visit) (*key.Key, error) {
		kek, err := s.exchange(v, req)
		if err != nil {
			return nil, err
		}
		opened, err := s.admission.Current(ctx, kek)
		if err != nil {
			return nil, err
		}
		if opened.Unwrapper == nil {
			return nil, kek.At(fault.New(fault.Unsupported, "engine %s takes no wrapped keys", kek.Key.Engine))
		}
		c, err := s.unwrapping(kek, opened, req)
		if err != nil {
			return nil, err
		}
		if err := s.keys.Fresh(ctx, c.once); err != nil {
			return nil, err
		}
		if c.Spec == alg.NoSpec {
			if err := s.admitCreation(v, c); err != nil {
				return nil, err
			}
			if err := s.discover(ctx, c, kek.Key, len(req.Wrapped)); err != nil {
				return nil, err
			}
		}
		return s.create(ctx, v, c)
	})
}

// exchange admits the use of a key exchange key.
func (s *Service) exchange(v *guard.Visit, req *ImportWrappedRequest) (*catalog.Entry, error) {
	kek, err := alias.Own(s.keys, v, key.UnwrapKey, req.KEK)
	if err != nil {
		return nil, err
	}
	v.Note("kek", string(kek.Key.Name.ID))
	v.Note("wrapping", req.How.String())
	err = s.admission.AdmitEntry(v, kek, &operation.Use{
		Ref: req.KEK, Action: key.UnwrapKey, Usage: alg.KeyTransfer,
		Attributes: policy.Attributes{Wrapping: req.How, WrappingSpec: kek.Key.Spec},
	})
	if err != nil {
		return nil, err
	}
	if req.Engine != "" || req.Store != "" || req.External {
		return nil, fault.New(fault.InvalidArgument, "a wrapped key comes into the engine of its key exchange key")
	}
	if len(req.Wrapped) > engine.MaxPlain {
		return nil, fault.New(fault.InvalidArgument, "a wrapped key has at most %d bytes", engine.MaxPlain)
	}
	return kek, nil
}

// unwrapping returns what makes a key of wrapped material.
func (s *Service) unwrapping(kek *catalog.Entry, opened *engine.Key, req *ImportWrappedRequest) (*creation, error) {
	in, err := s.engines.Of(kek.Key)
	if err != nil {
		return nil, err
	}
	asked := req.CreateKeyRequest
	asked.Store = kek.Key.Store
	sum := sha256.Sum256(req.Wrapped)
	c := &creation{
		CreateKeyRequest: &asked, action: key.ImportKey, origin: key.Imported, id: randomID(),
		once: &catalog.Import{Under: kek.Key.Name.ID, Digest: hex.EncodeToString(sum[:])},
	}
	c.In = in
	c.From = func(ctx context.Context, _ engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
		return opened.Unwrapper.Unwrap(ctx, ref, kind, req.How, req.Wrapped)
	}
	return c, nil
}

// discover finds out what wrapped material of so many bytes is.
func (s *Service) discover(ctx context.Context, c *creation, kek *key.Key, size int) (err error) {
	ref := engine.Ref{Realm: kek.Name.Realm, ID: c.id, Version: 1}
	c.Spec, err = material.Discover(ctx, &c.Supply, ref, c.Usage, size-kek.Spec.Info().Bits/8)
	if c.Usage == alg.NoUsage {
		c.Usage = c.Spec.Usual()
	}
	return err
}

// ExportWrapped returns the material of an exportable key's current version
// encrypted under an RSA public key, a SubjectPublicKeyInfo in DER. The key must
// be enabled, and the caller needs ExportKey on it.
func (s *Service) ExportWrapped(ctx context.Context, call *key.Call, ref Ref, under []byte, how alg.Wrapping) ([]byte, error) {
	return guard.Do(ctx, s.guard, call, key.ExportKey, func(v *guard.Visit) ([]byte, error) {
		e, err := alias.Own(s.keys, v, key.ExportKey, ref)
		if err != nil {
			return nil, err
		}
		to, err := material.Receiver(under)
		if err != nil {
			return nil, err
		}
		v.Note("wrapping", how.String())
		v.Note("under", digest(string(under)))
		in, wrapped, err := s.leave(ctx, v, e, ref.Alias)
		if err != nil {
			return nil, err
		}
		from, ok := in.(engine.WrapExporter)
		if !ok {
			return nil, e.At(fault.New(fault.Unsupported, "engine %s gives no keys away wrapped", in.Name()))
		}
		return from.ExportWrapped(ctx, material.RefOf(e.Key, e.Key.Current().Number), e.Key.Spec, wrapped, to, how)
	})
}
