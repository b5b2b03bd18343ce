package authorities

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
	documents "github.com/holdfast-kms/holdfast/internal/profile/document"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) issue(ctx context.Context, r *native.Request, req *wire.IssueRequest) (*wire.IssuedCertificate, error) {
	ask, err := issueRequest(req)
	if err != nil {
		return nil, err
	}
	return issuedOut(f.authorities.Issue(ctx, r.Call, ask))
}

// issuedOut puts a new certificate into the API's shape.
func issuedOut(issued *ca.Issued, err error) (*wire.IssuedCertificate, error) {
	if err != nil {
		return nil, err
	}
	out, err := certificateOut(issued.Certificate, nil)
	if err != nil {
		return nil, err
	}
	return &wire.IssuedCertificate{Certificate: *out, Chain: native.PEM(issued.Chain...)}, nil
}

// issueRequest reads the API's shape. Which of its parts go together is for
// the authority to say.
func issueRequest(req *wire.IssueRequest) (*ca.IssueRequest, error) {
	ask := &ca.IssueRequest{Authority: req.Authority, Profile: req.Profile, KeyAlias: req.KeyAlias, Token: req.Token}
	if err := native.Required("authority", req.Authority); err != nil {
		return nil, err
	}
	var err error
	if ask.Validity, err = validityOf(req); err != nil {
		return nil, err
	}
	if ask.Subject, err = subjectOf(req.Subject); err != nil {
		return nil, err
	}
	if ask.Names, err = namesOf(req.Names); err != nil {
		return nil, err
	}
	if ask.Extensions, err = extensionsOf(&req.Extensions); err != nil {
		return nil, err
	}
	if req.CSR != "" {
		if ask.CSR, err = csrOf("csr", req.CSR); err != nil {
			return nil, err
		}
	}
	if req.Key != "" {
		ref := native.RefOf(req.Key)
		ask.Key = &ref
	}
	ask.NewKey, ask.Algorithm, err = madeKey(req.NewKey, req.Algorithm)
	return ask, err
}

// validityOf reads how long a certificate is to be valid.
func validityOf(req *wire.IssueRequest) (v profile.Validity, err error) {
	switch {
	case req.ValidityHours < 0 || req.ValidityHours > maxDays*24:
		return v, fault.New(fault.InvalidArgument, "the member %q must be 0 to %d", "validity_hours", maxDays*24)
	case req.Validity != "" && req.ValidityHours != 0:
		return v, fault.New(fault.InvalidArgument, "the members %q and %q exclude each other", "validity", "validity_hours")
	case req.Validity != "":
		if v, err = profile.ParseValidity(req.Validity); err != nil {
			return v, err
		}
	default:
		v.For = time.Duration(req.ValidityHours) * time.Hour
	}
	v.NotBefore = req.NotBefore
	return v, nil
}

// extensionsOf reads what a request adds to a certificate.
func extensionsOf(e *wire.Extensions) (out profile.Extensions, err error) {
	if len(e.KeyUsage) > 0 {
		usage, err := documents.ParseKeyUsage(e.KeyUsage)
		if err != nil {
			return out, err
		}
		out.KeyUsage = &usage
	}
	if out.Extended, out.ExtendedOIDs, err = documents.ParseExtendedKeyUsage(e.ExtendedKeyUsage); err != nil {
		return out, err
	}
	for _, p := range e.Policies {
		oid, err := oidOf("extensions.policies", p.OID)
		if err != nil {
			return out, err
		}
		out.Policies = append(out.Policies, profile.PolicyInformation{OID: oid, CPS: p.CPS})
	}
	for _, x := range e.Custom {
		oid, err := oidOf("extensions.custom", x.OID)
		if err != nil {
			return out, err
		}
		out.Custom = append(out.Custom, pkix.Extension{Id: oid, Critical: x.Critical, Value: x.Value})
	}
	return out, nil
}

// csrOf reads a member that is a certificate request in PEM.
func csrOf(member, text string) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) > 0 || (block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST") {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the member %q is not one certificate request in PEM", member)
	}
	return block.Bytes, nil
}

func (f *front) listCertificates(ctx context.Context, r *native.Request, _ *wire.None) (*wire.CertificateList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	query := inventory.Query{
		Authority: r.Param("authority"), Origin: inventory.Issued, Text: r.Param("text"), State: inventory.State(r.Param("state")),
	}
	if query.ExpiresBefore, err = r.Moment("expires_before"); err != nil {
		return nil, err
	}
	all, next, err := f.inventory.Search(ctx, r.Call, query, page)
	if err != nil {
		return nil, err
	}
	list := &wire.CertificateList{Certificates: make([]wire.Certificate, len(all)), Next: next}
	for i, c := range all {
		out, err := certificateOut(c.Certificate, nil)
		if err != nil {
			return nil, err
		}
		list.Certificates[i] = *out
	}
	return list, nil
}

func (f *front) certificate(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Certificate, error) {
	return certificateOut(f.authorities.Certificate(ctx, r.Call, authorityOf(r), r.Path("serial")))
}

func (f *front) revoke(ctx context.Context, r *native.Request, req *wire.RevokeRequest) (*wire.Certificate, error) {
	reason, err := native.ReasonOf(req.Reason)
	if err != nil {
		return nil, err
	}
	return certificateOut(f.authorities.Revoke(ctx, r.Call, authorityOf(r), r.Path("serial"), reason))
}

func (f *front) release(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Certificate, error) {
	return certificateOut(f.authorities.Release(ctx, r.Call, authorityOf(r), r.Path("serial")))
}

func (f *front) revokeWithProof(ctx context.Context, r *native.Request, req *wire.RevokeWithProofRequest) (*wire.Certificate, error) {
	reason, err := native.ReasonOf(req.Reason)
	if err != nil {
		return nil, err
	}
	proof := &ca.Proof{Signature: req.Signature}
	if req.CSR != "" {
		if proof.Request, err = csrOf("csr", req.CSR); err != nil {
			return nil, err
		}
	}
	if req.Algorithm != "" {
		if proof.Algorithm, err = native.AlgorithmOf(req.Algorithm, alg.NoAlgorithm); err != nil {
			return nil, err
		}
	}
	return certificateOut(f.authorities.RevokeWithProof(ctx, r.Call, authorityOf(r), r.Path("serial"), reason, proof))
}

// certificateOut puts a certificate into the API's shape.
func certificateOut(c *ca.Certificate, err error) (*wire.Certificate, error) {
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s/%s: %w", c.Authority, c.Serial, err)
	}
	out := &wire.Certificate{
		Authority: c.Authority, Serial: c.Serial, Subject: c.Subject, Names: sanOf(parsed), Profile: c.Profile,
		Requester: c.Requester, NotBefore: c.NotBefore, NotAfter: c.NotAfter, State: stateOf(c, time.Now()),
		Certificate: native.PEM(c.DER),
	}
	if c.Key != nil {
		out.KeyID = string(*c.Key)
	}
	if c.RevokedAt != nil {
		out.RevokedAt, out.RevocationReason = *c.RevokedAt, c.Reason.String()
	}
	return out, nil
}

// sanOf returns a certificate's alternative names.
func sanOf(c *x509.Certificate) wire.Names {
	for _, e := range c.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			if n, err := name.Parse(e.Value); err == nil {
				return namesOut(n)
			}
		}
	}
	return wire.Names{}
}

// stateOf returns the state of a certificate at a time.
func stateOf(c *ca.Certificate, now time.Time) string {
	if c.RevokedAt != nil && c.Reason == ca.CertificateHold {
		return "held"
	}
	return string(c.Status(now))
}
