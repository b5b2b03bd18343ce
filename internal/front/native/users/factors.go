package users

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) enrolFactor(ctx context.Context, r *native.Request, req *wire.EnrolFactorRequest) (*wire.NewFactor, error) {
	n, err := f.identities.EnrolFactor(ctx, r.Call, userOf(r), req.Name)
	if err != nil {
		return nil, err
	}
	return &wire.NewFactor{Factor: factorOut(&n.Factor), Secret: n.Secret, URI: n.URI}, nil
}

func (f *front) confirmFactor(ctx context.Context, r *native.Request, req *wire.ConfirmFactorRequest) (*wire.None, error) {
	if len(req.Codes) != 2 {
		return nil, fault.New(fault.InvalidArgument, "the member \"codes\" has two codes that followed each other")
	}
	return native.Nothing(f.identities.ConfirmFactor(ctx, r.Call, userOf(r), r.Path("factor"), req.Codes[0], req.Codes[1]))
}

func (f *front) listFactors(ctx context.Context, r *native.Request, _ *wire.None) (*wire.FactorList, error) {
	factors, err := f.identities.ListFactors(ctx, r.Call, userOf(r))
	list := &wire.FactorList{Factors: make([]wire.Factor, len(factors))}
	for i := range factors {
		list.Factors[i] = factorOut(&factors[i])
	}
	return list, err
}

func (f *front) removeFactor(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.RemoveFactor(ctx, r.Call, userOf(r), r.Path("factor")))
}

// factorOut puts a second factor into the API's shape.
func factorOut(f *factor.Factor) wire.Factor {
	return wire.Factor{
		Name: f.Name, User: f.User, Confirmed: f.Confirmed, CreatedAt: f.CreatedAt, UsedAt: moment(f.UsedAt), LockedUntil: moment(f.LockedUntil),
	}
}

// moment returns a time that may be none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
