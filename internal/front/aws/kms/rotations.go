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
	if in.include == allMaterial {
		return wire.Unsupported("Holdfast does not support IncludeKeyMaterial " + allMaterial + ".")
	}
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	page, err := in.from(x, 100)
	if err != nil {
		return err
	}
	k, versions, next, err := f.door.ListRotations(ctx, &x.Call, ref, page)
	if err != nil {
		return err
	}
	x.Out.Array("Rotations", func() {
		for _, v := range versions {
			x.Out.Object("", func() {
				writeARN(&x.Out, "KeyId", k)
				x.Out.Text("KeyMaterialId", v.MaterialID)
				x.Out.Time("RotationDate", v.CreatedAt)
				x.Out.Text("RotationType", rotationType(v.RotatedBy))
			})
		}
	})
	writeNext(x, next)
	return nil
}

// rotationType returns AWS's name of what made a version.
func rotationType(c key.RotationCause) string {
	if c == key.OnDemand {
		return "ON_DEMAND"
	}
	return "AUTOMATIC"
}
