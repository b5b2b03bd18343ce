package pca

import (
	"context"
	"encoding/pem"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type issueRequest struct {
	authorityRequest
	passthrough                *apiPassthrough
	csr                        []byte
	algorithm, template, token string
	validity, notBefore        *validity
}

// Members declares IssueCertificate's request.
func (r *issueRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	aws.Struct(m, "ApiPassthrough", &r.passthrough)
	m.Blob("Csr", &r.csr, 1, maxCSR).Required()
	m.Enum("SigningAlgorithm", &r.algorithm, signingAlgorithms).Required()
	m.Text("TemplateArn", &r.template, minARN, maxARN).Matching(arnPattern)
	aws.Struct(m, "Validity", &r.validity).Required()
	aws.Struct(m, "ValidityNotBefore", &r.notBefore)
	m.Text("IdempotencyToken", &r.token, 1, 36).Matching(tokenPattern)
}

// issueCertificate issues at once: by the time of the answer the certificate
// is there, where AWS may still be at it.
func (f *front) issueCertificate(ctx context.Context, x *aws.Exchange, in *issueRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	req := &ca.IssueRequest{Authority: id, Token: in.token}
	if req.Inline, err = f.templateOf(in.template); err != nil {
		return err
	}
	if req.CSR, err = decodeCSR(in.csr); err != nil {
		return err
	}
	a, ok := f.authorities.ByID(id)
	if ok { // else Issue says so
		if req.Algorithm, err = parseSigning(in.algorithm, a.Spec); err != nil {
			return err
		}
	}
	if req.Validity, err = in.life(); err != nil {
		return err
	}
	if err := in.pass(req); err != nil {
		return err
	}
	issued, err := f.authorities.Issue(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	found, _ := wire.ParseResource(in.arn)
	x.Out.Text("CertificateArn", wire.CertificateARN(found.Realm, found.Region, id, issued.Serial))
	return nil
}

// pass adds what the caller passes through, which counts for templates that
// let it; others ignore it, as AWS's do.
func (r *issueRequest) pass(req *ca.IssueRequest) error {
	if r.passthrough == nil || !req.Inline.Passthrough.API {
		return nil
	}
	var err error
	if r.passthrough.subject != nil {
		if req.Subject, err = r.passthrough.subject.name(); err != nil {
			return err
		}
	}
	if r.passthrough.extensions != nil {
		req.Extensions, err = r.passthrough.extensions.core()
	}
	return err
}

// life returns the validity that is asked for.
func (r *issueRequest) life() (profile.Validity, error) {
	var out profile.Validity
	var err error
	switch v := r.validity; v.kind {
	case "DAYS", "MONTHS", "YEARS":
		const most = 1000 * 366 // days: more than a certificate can name
		if v.value > most {
			return out, invalidArgs("The validity is too long.")
		}
		n := int(v.value)
		out = map[string]profile.Validity{
			"DAYS": profile.Days(n), "MONTHS": {Months: n}, "YEARS": {Years: n},
		}[v.kind]
	default:
		if out.Until, err = v.at(); err != nil {
			return out, err
		}
	}
	if r.notBefore == nil {
		return out, nil
	}
	if out.NotBefore, err = r.notBefore.start(); err != nil {
		return out, err
	}
	return out, nil
}

// start returns the time of a ValidityNotBefore, which is no span.
func (v *validity) start() (time.Time, error) {
	if v.kind != "ABSOLUTE" && v.kind != "END_DATE" {
		return time.Time{}, invalidArgs("The type of ValidityNotBefore is ABSOLUTE or END_DATE.")
	}
	return v.at()
}

// decodeCSR returns the request of a PEM file in DER.
func decodeCSR(text []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "The CSR is not a certificate request in PEM.")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "There is more than one certificate request.")
	}
	return block.Bytes, nil
}
