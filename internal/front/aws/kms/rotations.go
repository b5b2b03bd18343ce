package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type enableKeyRotationRequest struct {
	keyRequest
	days int
}

// Members declares EnableKeyRotation's request.
func (r *enableKeyRotationRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Int("RotationPeriodInDays", &r.days, kms.MinRotation, kms.MaxRotation)
}

func (f *front) enableKeyRotation(ctx context.Context, x *aws.Exchange, in *enableKeyRotationRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.EnableRotation(ctx, &x.Call, ref, in.days)
}

func (f *front) disableKeyRotation(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	return f.door.DisableRotation(ctx, &x.Call, ref)
}

func (f *front) getKeyRotationStatus(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	k, err := f.door.RotationStatus(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", k)
	x.Out.Bool("KeyRotationEnabled", k.Rotation.Enabled)
	if k.Rotation.Enabled {
		x.Out.Int("RotationPeriodInDays", k.Rotation.PeriodDays)
		x.Out.Time("NextRotationDate", k.Rotation.Next)
	}
	return nil
}

func (f *front) rotateKeyOnDemand(ctx context.Context, x *aws.Exchange, in *keyRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	k, err := f.door.RotateOnDemand(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", k)
	return nil
}

type listKeyRotationsRequest struct {
	keyPageRequest
	include string
}

// Members declares ListKeyRotations' request.
func (r *listKeyRotationsRequest) Members(m *aws.Members) {
	r.keyPageRequest.Members(m)
	m.Enum("IncludeKeyMaterial", &r.include, materials)
}

func (f *front) listKeyRotations(ctx context.Context, x *aws.Exchange, in *listKeyRotationsRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	page, err := in.from(x, 100)
	if err != nil {
		return err
	}
	list := f.door.ListRotations
	if in.include == allMaterial {
		list = f.door.ListMaterials
	}
	k, versions, next, err := list(ctx, &x.Call, ref, page)
	if err != nil {
		return err
	}
	x.Out.Array("Rotations", func() {
		for i := range versions {
			if v := &versions[i]; v.MaterialID != "" { // else nothing was ever imported
				x.Out.Object("", func() { writeRotation(&x.Out, k, v) })
			}
		}
	})
	writeNext(x, next)
	return nil
}

// writeRotation adds one material of a key. The first one, and one that waits
// for its rotation, have no rotation to tell of.
func writeRotation(out *wire.Encoder, k *key.Key, v *key.Version) {
	writeARN(out, "KeyId", k)
	out.Text("KeyMaterialId", v.MaterialID)
	state := k.MaterialState(v.Number)
	out.Text("KeyMaterialState", materialState(state))
	if k.Origin == key.Imported {
		if v.Description != "" {
			out.Text("KeyMaterialDescription", v.Description)
		}
		out.Text("ImportState", importState(v))
		writeExpiry(out, k, v)
	}
	if v.RotatedBy != key.First && state != key.PendingMaterial {
		out.Time("RotationDate", v.CreatedAt)
		out.Text("RotationType", rotationType(v.RotatedBy))
	}
}

// materialState returns AWS's KeyMaterialState.
func materialState(s key.MaterialState) string {
	switch s {
	case key.CurrentMaterial:
		return "CURRENT"
	case key.PendingMaterial:
		return "PENDING_ROTATION"
	case key.NonCurrentMaterial:
	}
	return "NON_CURRENT"
}

// importState returns AWS's ImportState.
func importState(v *key.Version) string {
	if v.Missing {
		return "PENDING_IMPORT"
	}
	return "IMPORTED"
}

// rotationType returns AWS's name of what made a version.
func rotationType(c key.RotationCause) string {
	if c == key.OnDemand {
		return "ON_DEMAND"
	}
	return "AUTOMATIC"
}
