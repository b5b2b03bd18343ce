package roles

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// issuerOf returns the name of the issuer that the path names.
func issuerOf(r *native.Request) string { return r.Path("issuer") }

// settingsIn puts an issuer's settings into a registration.
func settingsIn(s *wire.IssuerSettings, to *webidentity.Registration) {
	to.Audiences, to.Keys = s.Audiences, s.Keys
	to.Trust = webidentity.Trust{CA: s.CA, Thumbprints: s.Thumbprints}
}

func (f *front) createIssuer(ctx context.Context, r *native.Request, req *wire.CreateIssuerRequest) (*wire.Issuer, error) {
	to := webidentity.Registration{URL: req.URL}
	settingsIn(&req.IssuerSettings, &to)
	return issuerOut(f.identities.CreateIssuer(ctx, r.Call, to))
}

func (f *front) listIssuers(ctx context.Context, r *native.Request, _ *wire.None) (*wire.IssuerList, error) {
	all, next, err := native.IdentitiesOut(r, func(p identity.Page) ([]*identity.Issuer, string, error) {
		return f.identities.ListIssuers(ctx, r.Call, p)
	}, issuerOut)
	return &wire.IssuerList{Issuers: all, Next: next}, err
}

func (f *front) issuer(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Issuer, error) {
	return issuerOut(f.identities.Issuer(ctx, r.Call, issuerOf(r)))
}

func (f *front) updateIssuer(ctx context.Context, r *native.Request, req *wire.IssuerSettings) (*wire.Issuer, error) {
	return issuerOut(f.identities.UpdateIssuer(ctx, r.Call, issuerOf(r), func(to *webidentity.Registration) { settingsIn(req, to) }))
}

func (f *front) deleteIssuer(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteIssuer(ctx, r.Call, issuerOf(r)))
}

// issuerOut puts an issuer into the API's shape.
func issuerOut(i *identity.Issuer, err error) (*wire.Issuer, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Issuer{Name: i.Name(), URL: i.URL, CreatedAt: i.CreatedAt, IssuerSettings: wire.IssuerSettings{
		Audiences: i.Audiences, CA: i.Trust.CA, Thumbprints: i.Trust.Thumbprints, Keys: i.Keys,
	}}, nil
}
