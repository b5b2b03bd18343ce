package native

import (
	"context"
	"encoding/pem"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
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
		Name: req.Name, Parent: req.Parent, PathLen: req.PathLength, Pending: req.Pending, Type: ca.Type(req.Type),
		Mode: ca.Mode(req.Mode), Revocation: revocationOf(req.Revocation), Tags: tagsIn(req.Tags),
	}
	if (req.Key == "") == (req.NewKey == "") {
		return nil, fault.New(fault.InvalidArgument, "one of the members %q and %q is needed", "key", "new_key")
	}
	if req.Name == "" { // other APIs know authorities by their ids alone
		return nil, required("name", req.Name)
	}
	if req.Pending && ask.Type == "" {
		ask.Type = ca.Subordinate
	}
	if req.Key != "" {
		ask.Key = refOf(req.Key)
	}
	var err error
	if ask.NewKey, ask.Algorithm, err = madeKey(req.NewKey, req.Algorithm); err != nil {
		return nil, err
	}
	if ask.Subject, err = subjectOf(req.Subject); err != nil {
		return nil, err
	}
	if ask.Constraints, err = constraintsOf(req.NameConstraints); err != nil {
		return nil, err
	}
	if ask.Validity, err = daysOf(req.ValidityDays); err != nil {
		return nil, err
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
		shard, delta := r.param("shard"), r.param("delta")
		if delta != "" && delta != "true" && delta != "false" {
			return nil, fault.New(fault.InvalidArgument, "the parameter %q must be true or false", "delta")
		}
		crl, err := f.Status.CRL(ctx, r.call, r.authority(), shard)
		if err == nil && delta == "true" { // what is published is everybody's; the call was authorised above
			crl, err = f.Status.PublicCRL(ctx, crl.Authority, shard, true)
		}
		if err != nil {
			return nil, err
		}
		return crl.DER()
	})
}

// authorityOut puts an authority into the API's shape.
func (f *Front) authorityOut(a *ca.Authority, err error) (*wire.Authority, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.Authority{
		ID: a.ID, Name: a.Name, Realm: string(a.Realm), Region: a.Region, Type: string(a.Type), Mode: string(a.Mode),
		KeyID: string(a.Key), KeyOwned: a.KeyOwned, Spec: aws.SpecName(a.Spec), Algorithm: aws.AlgorithmName(a.Algorithm), Parent: a.Parent,
		Subject: a.Subject, Serial: a.Serial, State: string(a.State), NotBefore: a.NotBefore, NotAfter: a.NotAfter,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, DeleteAt: a.DeleteAt, Revocation: revocationOut(a.Revocation),
		Tags: tagsOut(a.Tags), Predecessor: a.Predecessor, Successor: a.Successor, CRLNumber: f.Status.Number(a.ID),
		Chain: pemOf(a.Chain...), Cross: pemOf(a.Cross...),
	}
	if a.Certificate != nil {
		out.Certificate = pemOf(a.Certificate)
	}
	if a.PathLen >= 0 && a.Certificate != nil {
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
