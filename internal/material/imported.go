package material

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Wish is which of a key's materials an import is meant to bring.
type Wish struct {
	// ID, if it is not empty, is the id that the material must have.
	ID string
	// New wants material that the key never had, for its next rotation. A key
	// that never had any takes it as its first one.
	New bool
}

// VersionFor returns the version of a key that material with an id belongs to:
// the first one that ever comes, to the first version; what a version had
// before, to that version; new material, to Key.Pending, which VersionFor makes.
// All else is InvalidArgument with IncorrectMaterial. The version is Missing
// where the material is to be stored.
func VersionFor(k *key.Key, w Wish, id string, now time.Time) (*key.Version, error) {
	if w.ID != "" && w.ID != id {
		return nil, incorrect("the material is not %s", w.ID)
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		switch {
		case v.MaterialID == "": // nothing was ever imported
			return v, nil
		case v.MaterialID == id && w.New:
			return nil, incorrect("the material is not new to the key")
		case v.MaterialID == id:
			return v, nil
		}
	}
	switch {
	case k.Pending != nil && k.Pending.MaterialID == id:
		return k.Pending, nil
	case !w.New:
		return nil, incorrect("the material is not one that the key had before")
	case k.Spec != alg.AES256 || k.Usage == alg.RawEncryptDecrypt:
		return nil, fault.New(fault.Unsupported, "a key of spec %s takes no new material", k.Spec)
	case k.Pending != nil:
		f := fault.Because(fault.WrongState, fault.MaterialPending, "other material waits for its rotation")
		f.Err = &key.MaterialConflict{New: id, Pending: k.Pending.MaterialID}
		return nil, f
	}
	k.Pending = &key.Version{Number: k.NextVersion(), CreatedAt: now, Missing: true}
	return k.Pending, nil
}

func incorrect(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.IncorrectMaterial, format, args...)
}

// Expired returns the versions of a key whose material is to be forgotten by
// now.
func Expired(k *key.Key, now time.Time) []key.Version {
	if k.Origin != key.Imported {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(k.Materials()), func(v key.Version) bool {
		return v.ExpiresAt.IsZero() || now.Before(v.ExpiresAt)
	})
}

// Without takes the material of a number from a key's record and reports
// whether it was one that waited for its rotation, which goes for good.
func Without(k *key.Key, n key.VersionNumber) (pending bool) {
	if k.Pending != nil && n == k.Pending.Number {
		k.Pending = nil
		return true
	}
	gone := &k.Versions[n-1]
	gone.Missing, gone.ExpiresAt = true, time.Time{}
	return false
}

// Promote makes the material that waits for it the current one of a key.
func Promote(k *key.Key, now time.Time) error {
	p := k.Pending
	if p == nil || !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt) {
		return fault.Because(fault.WrongState, fault.NoMaterialPending, "no imported material waits for a rotation")
	}
	k.Pending = nil
	p.CreatedAt, p.RotatedBy = now, key.OnDemand
	k.Versions = append(k.Versions, *p)
	return nil
}

// Lose marks the material of some versions of a key as missing. Material that
// waited for a rotation is not of the key any more.
func Lose(k *key.Key, lost []key.Version) error {
	for _, v := range lost {
		if Without(k, v.Number) {
			continue
		}
		var err error
		if k.State, err = k.State.Next(key.LoseMaterial); err != nil {
			return err
		}
	}
	return nil
}
