package gcpkms

import (
	"context"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/iterator"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// Adopt finds a key by its resource name, of this key ring or any other that
// the credentials reach. A name with a version means that version. Without one,
// keys for symmetric encryption follow the service's primary version, and of
// all others the latest version that is enabled is pinned. A key that a
// Holdfast made is not adopted: it is somebody's already, perhaps another
// realm's.
func (e *Engine) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	const op = "gcpkms.Adopt"
	at, number, err := gcp.ParseAny(name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, &fault.Error{Kind: fault.InvalidArgument, Op: op, Public: err.Error()}
	}
	if remote.Made(at.CryptoKey) {
		return engine.Kind{}, engine.Material{}, fault.New(fault.WrongState,
			"%s is a key of this or another Holdfast, and has a name there: it is not adopted a second time", at)
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	v, err := e.find(ctx, op, at, number)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	row, ok := e.table.Of(v.GetAlgorithm())
	if !ok {
		return engine.Kind{}, engine.Material{}, fault.New(fault.Unsupported, "the key is of the type %s, which is not supported here", v.GetAlgorithm())
	}
	found, err := gcp.ParseCryptoKeyVersion(v.GetName())
	if err != nil || found.CryptoKeyName != at {
		return engine.Kind{}, engine.Material{}, &fault.Error{Kind: fault.Unavailable, Op: op, Err: damaged("name")}
	}
	r := reference(at, found.Version, row)
	if number == 0 && row.Purpose == kmspb.CryptoKey_ENCRYPT_DECRYPT {
		r.Version = ""
	}
	r.Adopted = true
	if !row.Spec.Symmetric() {
		if r.Public, err = e.public(ctx, op, found, row); err != nil {
			return engine.Kind{}, engine.Material{}, err
		}
	}
	m, err := remote.Seal(e.box, ref, row.Spec, r)
	return engine.Kind{Spec: row.Spec, Usage: row.Usage()}, m, err
}

// find returns the version that is named, the primary one, or the latest that
// is enabled.
func (e *Engine) find(ctx context.Context, op string, at gcp.CryptoKeyName, number uint64) (*kmspb.CryptoKeyVersion, error) {
	if number != 0 {
		return e.version(ctx, op, at.At(number))
	}
	k, err := e.key(ctx, op, at)
	if err != nil {
		return nil, err
	}
	if k.GetPurpose() == kmspb.CryptoKey_ENCRYPT_DECRYPT {
		if k.GetPrimary() == nil {
			return nil, fault.Because(fault.WrongState, fault.KeyUnavailable, "the key has no primary version where it lives")
		}
		return k.GetPrimary(), nil
	}
	all, err := e.versions(ctx, op, at)
	if err != nil {
		return nil, err
	}
	v := latest(all)
	if v == nil || v.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		return nil, fault.Because(fault.WrongState, fault.KeyUnavailable, "the key has no version where it lives that is enabled")
	}
	return v, nil
}

// versions returns all versions of a key.
func (e *Engine) versions(ctx context.Context, op string, at gcp.CryptoKeyName) ([]*kmspb.CryptoKeyVersion, error) {
	var all []*kmspb.CryptoKeyVersion
	for page := ""; ; {
		var some []*kmspb.CryptoKeyVersion
		err := e.call(ctx, op, remote.Repeatable, func(ctx context.Context, c *client) (err error) {
			some = nil
			it := c.ListCryptoKeyVersions(ctx, &kmspb.ListCryptoKeyVersionsRequest{Parent: at.String()})
			page, err = iterator.NewPager(it, pageSize, page).NextPage(&some)
			return err
		})
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); page == "" {
			return all, nil
		}
	}
}

// latest returns the enabled version with the highest number; if there is none,
// the version with the highest number of all; nil of none.
func latest(all []*kmspb.CryptoKeyVersion) *kmspb.CryptoKeyVersion {
	var best *kmspb.CryptoKeyVersion
	var enabled bool
	var number uint64
	for _, v := range all {
		n, err := gcp.ParseCryptoKeyVersion(v.GetName())
		if err != nil {
			continue
		}
		on := v.GetState() == kmspb.CryptoKeyVersion_ENABLED
		if best == nil || on && !enabled || on == enabled && n.Version > number {
			best, enabled, number = v, on, n.Version
		}
	}
	return best
}

// pageSize is how many keys List returns at once. Each that does not encrypt
// symmetrically costs a request more: its key does not say how its versions
// are.
const pageSize = 100

// List returns the keys of the key ring.
func (e *Engine) List(ctx context.Context, page string) ([]engine.Listed, string, error) {
	const op = "gcpkms.List"
	if e.ring.KeyRing == "" {
		return nil, "", fault.New(fault.Unsupported, "the key service %s has no key ring to list", e.Name())
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	var keys []*kmspb.CryptoKey
	var next string
	err := e.call(ctx, op, remote.Repeatable, func(ctx context.Context, c *client) (err error) {
		keys = nil
		it := c.ListCryptoKeys(ctx, &kmspb.ListCryptoKeysRequest{Parent: e.ring.String()})
		next, err = iterator.NewPager(it, pageSize, page).NextPage(&keys)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	list := make([]engine.Listed, 0, len(keys))
	for _, k := range keys {
		l, err := e.listed(ctx, op, k)
		if err != nil {
			return nil, "", err
		}
		list = append(list, l)
	}
	return list, next, nil
}

// listed says what a key is that the service has.
func (e *Engine) listed(ctx context.Context, op string, k *kmspb.CryptoKey) (engine.Listed, error) {
	name, err := gcp.ParseCryptoKey(k.GetName())
	if err != nil || name.KeyRingName != e.ring {
		return engine.Listed{}, &fault.Error{Kind: fault.Unavailable, Op: op, Err: damaged("name")}
	}
	v := k.GetPrimary()
	if k.GetPurpose() != kmspb.CryptoKey_ENCRYPT_DECRYPT {
		all, err := e.versions(ctx, op, name)
		if err != nil {
			return engine.Listed{}, err
		}
		v = latest(all)
	}
	algorithm := k.GetVersionTemplate().GetAlgorithm()
	if v != nil {
		algorithm = v.GetAlgorithm()
	}
	l := engine.Listed{
		Name: name.String(), Type: algorithm.String(), Condition: conditionOf(v.GetState()),
		Made: remote.Made(name.CryptoKey),
	}
	lived(&l, k, v)
	if row, ok := e.table.Of(algorithm); ok {
		l.Kind = engine.Kind{Spec: row.Spec, Usage: row.Usage()}
	} else {
		l.Kind.Spec = alg.NoSpec
	}
	return l, nil
}

// lived tells how old a key is, how it is kept, and how often it rotates by
// itself.
func lived(l *engine.Listed, k *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
	if t := k.GetCreateTime(); t != nil {
		l.Created = t.AsTime()
	}
	if t := v.GetCreateTime(); t != nil {
		l.Renewed = t.AsTime()
	}
	switch v.GetProtectionLevel() {
	case kmspb.ProtectionLevel_SOFTWARE:
		l.Protection = key.Software
	case kmspb.ProtectionLevel_HSM, kmspb.ProtectionLevel_HSM_SINGLE_TENANT:
		l.Protection = key.HSM
	case kmspb.ProtectionLevel_EXTERNAL, kmspb.ProtectionLevel_EXTERNAL_VPC:
		l.Protection = key.Outside
	case kmspb.ProtectionLevel_PROTECTION_LEVEL_UNSPECIFIED:
	}
	period := k.GetRotationPeriod().AsDuration()
	l.Rotation = &period
}
