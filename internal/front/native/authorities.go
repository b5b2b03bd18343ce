package native

import (
	"context"
	"encoding/pem"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// maxDays bounds the validity that a request may name, so that it fits in a
// time.Duration.
const maxDays = 100 * 366

func (f *Front) createAuthority(
	ctx context.Context, r *request, req *wire.CreateAuthorityRequest,
) (*wire.Authority, error) {
	ask := &ca.CreateAuthorityRequest{
		Name: req.Name, Key: refOf(req.Key), Subject: subjectOf(req.Subject), Parent: req.Parent, PathLen: req.PathLength,
		Validity: time.Duration(req.ValidityDays) * 24 * time.Hour,
	}
	for name, value := range map[string]string{"name": req.Name, "key": req.Key} {
		if err := required(name, value); err != nil {
			return nil, err
		}
	}
	if req.ValidityDays < 0 || req.ValidityDays > maxDays {
		return nil, fault.New(fault.InvalidArgument, "the member %q must be 0 to %d", "validity_days", maxDays)
	}
	if req.Algorithm != "" {
		a, err := algorithmOf(req.Algorithm, alg.NoAlgorithm)
		if err != nil {
			return nil, err
		}
		ask.Algorithm = a
	}
	return f.authorityOut(f.Authorities.CreateAuthority(ctx, r.call, ask))
}

func (f *Front) listAuthorities(ctx context.Context, r *request, _ *wire.None) (*wire.AuthorityList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.Authorities.Authorities(ctx, r.call, page)
	if err != nil {
		return nil, err
	}
	list := &wire.AuthorityList{Authorities: make([]wire.Authority, len(all)), Next: next}
	for i, a := range all {
		out, err := f.authorityOut(a, nil)
		if err != nil {
			return nil, err
		}
		list.Authorities[i] = *out
	}
	return list, nil
}

func (f *Front) authority(ctx context.Context, r *request, _ *wire.None) (*wire.Authority, error) {
	return f.authorityOut(f.Authorities.Authority(ctx, r.call, r.authority()))
}

// authority returns the id or name of the authority that the path names.
func (r *request) authority() string { return r.http.PathValue("authority") }

// chainEndpoint serves an authority's certificate and its issuers, in order.
func chainEndpoint() endpoint {
	return download(wire.TypePEM, func(f *Front, ctx context.Context, r *request) ([]byte, error) {
		a, err := f.Authorities.Authority(ctx, r.call, r.authority())
		if err != nil {
			return nil, err
		}
		return []byte(pemOf(append([][]byte{a.Certificate}, a.Chain...)...)), nil
	})
}

// crlEndpoint serves an authority's newest CRL in DER.
func crlEndpoint() endpoint {
	return download(wire.TypeCRL, func(f *Front, ctx context.Context, r *request) ([]byte, error) {
		crl, err := f.Status.CRL(ctx, r.call, r.authority(), "")
		if err != nil {
			return nil, err
		}
		return crl.DER()
	})
}

func (f *Front) listProfiles(context.Context, *request, *wire.None) (*wire.ProfileList, error) {
	list := &wire.ProfileList{Profiles: []wire.Profile{}}
	for _, p := range profile.Builtin() {
		list.Profiles = append(list.Profiles, wire.Profile{Name: p.Name, Description: p.Description})
	}
	return list, nil
}

// authorityOut puts an authority into the API's shape.
func (f *Front) authorityOut(a *ca.Authority, err error) (*wire.Authority, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.Authority{
		ID: a.ID, Name: a.Name, Realm: string(a.Realm), Region: a.Region, KeyID: string(a.Key),
		Spec: aws.SpecName(a.Spec), Algorithm: aws.AlgorithmName(a.Algorithm), Parent: a.Parent,
		Subject: a.Subject, Serial: a.Serial, State: string(a.State), NotBefore: a.NotBefore, NotAfter: a.NotAfter,
		CreatedAt: a.CreatedAt, CRLNumber: f.Status.Number(a.ID), Certificate: pemOf(a.Certificate), Chain: pemOf(a.Chain...),
	}
	if a.PathLen >= 0 {
		out.PathLength = &a.PathLen
	}
	return out, nil
}

// pemOf writes certificates in PEM (RFC 7468 section 5), one after another.
func pemOf(ders ...[]byte) string {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return string(text)
}
