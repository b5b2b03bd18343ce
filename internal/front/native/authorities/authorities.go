package authorities

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// maxDays bounds the validity that a request may name, so that it fits in a
// time.Duration.
const maxDays = 100 * 366

func (f *front) createAuthority(
	ctx context.Context, r *native.Request, req *wire.CreateAuthorityRequest,
) (*wire.Authority, error) {
	ask := &ca.CreateAuthorityRequest{
		Name: req.Name, Parent: req.Parent, PathLen: req.PathLength, Pending: req.Pending, Type: ca.Type(req.Type),
		Mode: ca.Mode(req.Mode), Revocation: revocationOf(req.Revocation), Tags: native.TagsIn(req.Tags),
	}
	if (req.Key == "") == (req.NewKey == "") {
		return nil, fault.New(fault.InvalidArgument, "one of the members %q and %q is needed", "key", "new_key")
	}
	if req.Name == "" { // other APIs know authorities by their ids alone
		return nil, native.Required("name", req.Name)
	}
	if req.Pending && ask.Type == "" {
		ask.Type = ca.Subordinate
	}
	if req.Key != "" {
		ask.Key = native.RefOf(req.Key)
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
	return f.authorityOut(f.authorities.CreateAuthority(ctx, r.Call, ask))
}

func (f *front) listAuthorities(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuthorityList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.authorities.Authorities(ctx, r.Call, page)
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

func (f *front) authority(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Authority, error) {
	return f.authorityOut(f.authorities.Authority(ctx, r.Call, authorityOf(r)))
}

// authorityOf returns the id or name of the authority that the path names.
func authorityOf(r *native.Request) string { return r.Path("authority") }

// chainEndpoint serves an authority's certificate and its issuers, in order.
func (f *front) chainEndpoint() native.Endpoint {
	return native.Download(wire.TypePEM, func(ctx context.Context, r *native.Request) ([]byte, error) {
		a, err := f.authorities.Authority(ctx, r.Call, authorityOf(r))
		if err != nil {
			return nil, err
		}
		return []byte(native.PEM(append([][]byte{a.Certificate}, a.Chain...)...)), nil
	})
}

// crlEndpoint serves an authority's newest CRL in DER.
func (f *front) crlEndpoint() native.Endpoint {
	return native.Download(wire.TypeCRL, func(ctx context.Context, r *native.Request) ([]byte, error) {
		shard, delta := r.Param("shard"), r.Param("delta")
		if delta != "" && delta != "true" && delta != "false" {
			return nil, fault.New(fault.InvalidArgument, "the parameter %q must be true or false", "delta")
		}
		crl, err := f.status.CRL(ctx, r.Call, authorityOf(r), shard)
		if err == nil && delta == "true" { // what is published is everybody's; the call was authorised above
			crl, err = f.status.PublicCRL(ctx, crl.Authority, shard, true)
		}
		if err != nil {
			return nil, err
		}
		return crl.DER()
	})
}

// authorityOut puts an authority into the API's shape.
func (f *front) authorityOut(a *ca.Authority, err error) (*wire.Authority, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.Authority{
		ID: a.ID, Name: a.Name, Realm: string(a.Realm), Region: a.Region, Type: string(a.Type), Mode: string(a.Mode),
		KeyID: string(a.Key), KeyOwned: a.KeyOwned, Spec: aws.SpecName(a.Spec), Algorithm: aws.AlgorithmName(a.Algorithm), Parent: a.Parent,
		Subject: a.Subject, Serial: a.Serial, State: string(a.State), NotBefore: a.NotBefore, NotAfter: a.NotAfter,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, DeleteAt: a.DeleteAt, Revocation: revocationOut(a.Revocation),
		Tags: native.TagsOut(a.Tags), Predecessor: a.Predecessor, Successor: a.Successor, CRLNumber: f.status.Number(a.ID),
		Chain: native.PEM(a.Chain...), Cross: native.PEM(a.Cross...),
	}
	if a.Certificate != nil {
		out.Certificate = native.PEM(a.Certificate)
	}
	if a.PathLen >= 0 && a.Certificate != nil {
		out.PathLength = &a.PathLen
	}
	return out, nil
}
