package managed

import (
	"cmp"
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// settings reads how a requested certificate is issued and renewed.
func settings(req *wire.RequestManagedRequest, ask *managed.Request) (err error) {
	ask.Profile = req.Profile
	if req.Validity != "" {
		if ask.Validity, err = renewal.ParseDuration(req.Validity); err != nil {
			return err
		}
		if ask.Validity == 0 {
			return fault.New(fault.InvalidArgument, "the member %q is more than no time", "validity")
		}
	}
	if req.Renewal != nil {
		ask.Rule, err = renewal.Text(*req.Renewal).Rule()
	}
	return err
}

func (f *front) updateManaged(ctx context.Context, r *native.Request, req *wire.UpdateManagedRequest) (*wire.Managed, error) {
	if (req.Renewal == nil) != req.DropRenewal {
		return nil, fault.New(fault.InvalidArgument, "give one of the members %q and %q", "renewal", "drop_renewal")
	}
	var rule *renewal.Rule
	if req.Renewal != nil {
		var err error
		if rule, err = renewal.Text(*req.Renewal).Rule(); err != nil {
			return nil, err
		}
	}
	return managedOut(f.managed.SetRule(ctx, r.Call, idOf(r), rule))
}

func (f *front) planManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ManagedList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	until, err := r.Moment("until")
	if err != nil {
		return nil, err
	}
	return listOut(f.managed.Plan(ctx, r.Call, until, page))
}

// outlookOut adds what is to become of a certificate.
func outlookOut(out *wire.Managed, c *managed.Certificate) {
	rule := wire.RenewalRule(c.Renews.Text())
	out.RenewalRule, out.RenewalFrom = &rule, cmp.Or(string(c.From), "default")
	out.RenewalDue, out.RenewalCause = c.Due, string(c.Cause)
}
