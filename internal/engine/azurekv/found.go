package azurekv

import (
	"context"
	"crypto"
	"slices"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// found is a key as the vault shows it.
type found struct {
	id        azure.Identifier // with the version
	kty       azure.KeyType
	ops       []azure.KeyOperation
	spec      alg.Spec // of a symmetric key what its tag says: the vault does not show its size
	public    crypto.PublicKey
	tags      map[string]string
	condition engine.Condition
}

// get asks for a key.
func (e *Engine) get(ctx context.Context, op string, id azure.Identifier) (*found, error) {
	var k *found
	err := e.do(ctx, op, remote.Repeatable, func(ctx context.Context) error {
		answer, err := e.keys.GetKey(ctx, id.Name, id.Version, nil)
		if err == nil {
			k, err = read(id, answer.KeyBundle)
		}
		return err
	})
	return k, err
}

// read reads what the vault shows of the key that was asked for.
func read(asked azure.Identifier, b azkeys.KeyBundle) (*found, error) {
	if b.Key == nil || b.Key.Kty == nil {
		return nil, foreign("a key without a type")
	}
	id, err := same(asked, b.Key.KID)
	if err != nil {
		return nil, err
	}
	k := &found{id: id, kty: azure.KeyType(*b.Key.Kty), tags: texts(b.Tags), condition: conditionOf(b.Attributes, time.Now())}
	for _, o := range b.Key.KeyOps {
		if o != nil {
			k.ops = append(k.ops, azure.KeyOperation(*o))
		}
	}
	if k.kty.Software() == azure.Oct {
		k.spec = alg.ParseSpec(k.tags[tagSpec])
		return k, nil
	}
	jwk := azure.JSONWebKey{Type: k.kty, N: b.Key.N, E: b.Key.E, X: b.Key.X, Y: b.Key.Y}
	if b.Key.Crv != nil {
		jwk.Curve = azure.CurveName(*b.Key.Crv)
	}
	if k.public, err = jwk.Public(); err != nil {
		return nil, foreign("key %s: %v", id, err)
	}
	k.spec = engine.SpecOf(k.public)
	return k, nil
}

func texts(tags map[string]*string) map[string]string {
	out := map[string]string{}
	for name, value := range tags {
		if value != nil {
			out[name] = *value
		}
	}
	return out
}

// conditionOf returns how a key is that is not deleted.
func conditionOf(a *azkeys.KeyAttributes, now time.Time) engine.Condition {
	switch {
	case a == nil || a.Enabled == nil:
		return engine.Usable
	case !*a.Enabled:
		return engine.Disabled
	case a.NotBefore != nil && now.Before(*a.NotBefore), a.Expires != nil && !now.Before(*a.Expires):
		return engine.Unusable
	}
	return engine.Usable
}

// The tags of keys that an engine made.
const (
	tagRealm   = "holdfast:realm"
	tagKey     = "holdfast:key"
	tagVersion = "holdfast:version"
	tagSpec    = "holdfast:spec"
	tagRequest = "holdfast:request"
)

// tagsOf returns the tags of the key that is made for a version of one here.
func tagsOf(ref engine.Ref, spec alg.Spec) map[string]string {
	return map[string]string{
		tagRealm: string(ref.Realm), tagKey: string(ref.ID), tagVersion: strconv.FormatUint(uint64(ref.Version), 10), tagSpec: spec.String(),
	}
}

// is reports whether a key that has the name of one that is to be made is that
// one: made by an earlier call, whose answer was lost.
func (k *found) is(kind engine.Kind, hsm bool, tags map[string]string) bool {
	for name, value := range tags {
		if k.tags[name] != value {
			return false
		}
	}
	want := azure.OperationsFor(kind.Usage)
	return k.kty == azure.KeyTypeOf(kind.Spec, hsm) && k.spec == kind.Spec && len(want) == len(k.ops) &&
		!slices.ContainsFunc(want, func(o azure.KeyOperation) bool { return !slices.Contains(k.ops, o) })
}

// reference returns what is kept of a key that is for usages.
func (k *found) reference(usages []alg.Usage) (*remote.Reference, error) {
	at := k.id
	at.Version = ""
	r := &remote.Reference{Name: at.String(), Version: k.id.Version}
	r.Does(usages, algorithms(k.spec, usages))
	if slices.Contains(usages, alg.EncryptDecrypt) && !slices.Contains(k.ops, azure.Decrypt) {
		r.Type = string(azure.UnwrapKey)
	}
	if k.public == nil {
		return r, nil
	}
	var err error
	if r.Public, err = engine.MarshalPublic(k.spec, k.public); err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine/azurekv", Err: err}
	}
	return r, nil
}
