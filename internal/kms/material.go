package kms

import (
	"context"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/importtoken"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// DeleteMaterial ends imported material of a key: that of an id, or, where id
// is empty, that of the current version. The key cannot be used until the same
// material is imported again; material that waits for a rotation goes for good.
// What is gone already is no error.
func (s *Service) DeleteMaterial(ctx context.Context, call *key.Call, ref Ref, id string) (*MaterialResult, error) {
	result := &MaterialResult{}
	c := &change{ref: ref, action: key.DeleteKeyMaterial}
	c.edit = func(v *guard.Visit, k *key.Key) error {
		if err := takesMaterial(k); err != nil {
			return err
		}
		if id == "" {
			id = k.Current().MaterialID
		}
		versions := k.Materials()
		i := slices.IndexFunc(versions, func(v key.Version) bool { return v.MaterialID == id })
		if i < 0 {
			return fault.New(fault.NotFound, "the key has no material %s", id)
		}
		v.Note("material", id)
		result.Version = versions[i]
		return s.lose(ctx, k, c, versions[i:i+1])
	}
	k, err := s.change(ctx, call, c)
	if err != nil {
		return nil, err
	}
	result.Key = k
	return result, nil
}

// lose takes the material of some versions from a key, in its engine first.
func (s *Service) lose(ctx context.Context, k *key.Key, c *change, lost []key.Version) error {
	lost = slices.DeleteFunc(slices.Clone(lost), func(v key.Version) bool { return v.Missing })
	if len(lost) == 0 {
		return nil
	}
	in, err := s.engineOf(k)
	if err != nil {
		return err
	}
	c.before = func() error { return s.endMaterial(ctx, in, k, lost) }
	for _, v := range lost {
		c.store.Lost = append(c.store.Lost, v.Number)
		if without(k, v.Number) {
			continue
		}
		if err := moved(key.LoseMaterial)(nil, k); err != nil {
			return err
		}
	}
	return nil
}

// without takes the material of a number from a key's record and reports
// whether it was one that waited for its rotation, which goes for good.
func without(k *key.Key, n key.VersionNumber) (pending bool) {
	if k.Pending != nil && n == k.Pending.Number {
		k.Pending = nil
		return true
	}
	gone := &k.Versions[n-1]
	gone.Missing, gone.ExpiresAt = true, time.Time{}
	return false
}

// expired returns the versions whose material is to be forgotten by now.
func expired(k *key.Key, now time.Time) []key.Version {
	if k.Origin != key.Imported {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(k.Materials()), func(v key.Version) bool {
		return v.ExpiresAt.IsZero() || now.Before(v.ExpiresAt)
	})
}

// expire forgets the material of a key whose time is over.
func (s *Service) expire(ctx context.Context, v *guard.Visit, e *catalog.Entry) error {
	c := &change{}
	k := e.Key.Clone()
	lost := expired(k, s.now())
	for _, version := range lost {
		v.Note("material", version.MaterialID)
	}
	if err := s.lose(ctx, k, c, lost); err != nil {
		return err
	}
	c.store.Key = k
	return s.publish(ctx, v, e, c)
}

// promote makes the material that waits for it the current one of a key.
func (s *Service) promote(k *key.Key) error {
	p := k.Pending
	if p == nil || !p.ExpiresAt.IsZero() && !s.now().Before(p.ExpiresAt) {
		return fault.Because(fault.WrongState, fault.NoMaterialPending, "no imported material waits for a rotation")
	}
	k.Pending = nil
	p.CreatedAt, p.RotatedBy = s.now().UTC(), key.OnDemand
	k.Versions = append(k.Versions, *p)
	return nil
}

// realmSecrets is what the ids of a realm's secrets for materialID begin with,
// beside the ids of keys.
const realmSecrets = "material-ids/"

// materialID returns the id of material that is brought for a key: the same
// one whenever the same material comes to the same key, and of no use to whoever
// would guess the material, since it is a MAC under a secret of the realm. It is
// over the public half where there is one, of which a private key has just one
// whatever its encoding.
func (s *Service) materialID(ctx context.Context, k *key.Key, plain, public []byte) (string, error) {
	if public != nil {
		plain = public
	}
	ref := engine.Ref{Realm: k.Name.Realm, ID: key.ID(realmSecrets + string(k.Name.Realm)), Version: 1}
	wrapped, err := s.keys.Once(ctx, ref.ID, func() ([]byte, error) {
		m, err := s.engine.Generate(ctx, ref, engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
		return m.Wrapped, err
	})
	if err != nil {
		return "", err
	}
	opened, err := s.engine.Open(ctx, ref, alg.HMAC256, wrapped)
	if err != nil {
		return "", err
	}
	message := append([]byte(k.Name.String()+"\n"), plain...)
	defer clear(message)
	code, err := opened.MAC.Sum(nil, message)
	return hex.EncodeToString(code), err
}

// maxAttempts is how much material that cannot be decrypted is taken with one
// token. PKCS #1 v1.5 tells whoever sends changed ciphertexts a little of the
// RSA key's secrets by each refusal (Bleichenbacher 1998): an attack needs many
// thousands, and each token has an RSA key of its own.
const maxAttempts = 16

// attempts counts failures by token. A restart forgets them, which gives an
// attacker another maxAttempts.
type attempts struct {
	mu     sync.Mutex // guards failures
	tokens map[importtoken.ID]*failures
}

type failures struct {
	count   int
	expires time.Time
}

// failed counts a failure of PKCS #1 v1.5, and returns err.
func (a *attempts) failed(t *importtoken.Token, now time.Time, err error) error {
	if t.Wrapping != alg.WrapPKCS1 {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, f := range a.tokens {
		if !now.Before(f.expires) {
			delete(a.tokens, id)
		}
	}
	if a.tokens == nil {
		a.tokens = map[importtoken.ID]*failures{}
	}
	if a.tokens[t.ID] == nil {
		a.tokens[t.ID] = &failures{expires: t.Expires}
	}
	a.tokens[t.ID].count++
	return err
}

// spent reports whether a token has failed too often.
func (a *attempts) spent(t *importtoken.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tokens[t.ID]
	return f != nil && f.count >= maxAttempts
}
