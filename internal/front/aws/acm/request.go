package acm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type requestCertificateRequest struct {
	domain, method, token, authority, algorithm, manager string
	names                                                []string
	options                                              *options
	tags                                                 []tag
}

// Members declares RequestCertificate's request. ValidationMethod is taken
// and means nothing: a private certificate's domains are not validated.
func (r *requestCertificateRequest) Members(m *aws.Members) {
	m.Text("DomainName", &r.domain, 1, maxDomain).Matching(domainPattern).Required()
	m.Enum("ValidationMethod", &r.method, validationMethods)
	m.List("SubjectAlternativeNames", &r.names, managed.MaxNames, 1, maxDomain).AtLeast(1)
	m.Text("IdempotencyToken", &r.token, 1, maxToken).Matching(tokenPattern)
	m.Unsupported("DomainValidationOptions")
	aws.Struct(m, "Options", &r.options)
	m.Text("CertificateAuthorityArn", &r.authority, minARN, maxARN).Matching(authorityPattern)
	declareTags(m, &r.tags)
	m.Enum("KeyAlgorithm", &r.algorithm, keyAlgorithms)
	m.Enum("ManagedBy", &r.manager, managers)
}

// options are a certificate's CertificateOptions.
type options struct{ logging, export string }

// Members declares the structure.
func (o *options) Members(m *aws.Members) {
	m.Enum("CertificateTransparencyLoggingPreference", &o.logging, switches)
	m.Enum("Export", &o.export, switches)
}

func (f *front) requestCertificate(ctx context.Context, x *aws.Exchange, in *requestCertificateRequest) error {
	switch {
	case in.authority == "":
		return wire.Unsupported("Holdfast issues private certificates only: CertificateAuthorityArn is required.")
	case in.manager != "":
		return wire.Unsupported("Holdfast does not support the parameter ManagedBy.")
	}
	for _, name := range in.names {
		if !isDomain(name) {
			return aws.Validation("Value '" + name + "' at 'subjectAlternativeNames' is not a domain name.")
		}
	}
	req := &managed.Request{Domain: in.domain, Names: in.names, Tags: keyTags(in.tags), Token: in.token}
	var err error
	if req.Authority, err = authorityID(x, in.authority); err != nil {
		return err
	}
	if req.Spec, err = keyAlgorithm(in.algorithm); err != nil {
		return err
	}
	if in.options != nil {
		req.KeyStays, req.NotLogged = in.options.export == disabled, in.options.logging == disabled
	}
	c, err := f.certificates.Request(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	x.Out.Text("CertificateArn", arnOf(c))
	return nil
}

type importCertificateRequest struct {
	arn                     string
	certificate, key, chain []byte
	tags                    []tag
}

// Members declares ImportCertificate's request.
func (r *importCertificateRequest) Members(m *aws.Members) {
	m.Text("CertificateArn", &r.arn, minARN, maxARN).Matching(arnPattern)
	m.Blob("Certificate", &r.certificate, 1, maxCertificate).Required()
	m.Blob("PrivateKey", &r.key, 1, maxPrivateKey).Required()
	m.Blob("CertificateChain", &r.chain, 1, maxChain)
	declareTags(m, &r.tags)
}

func (f *front) importCertificate(ctx context.Context, x *aws.Exchange, in *importCertificateRequest) error {
	defer clear(in.key)
	req := &managed.Import{Tags: keyTags(in.tags)}
	if in.arn != "" {
		var err error
		if req.ID, err = (&certificateRequest{in.arn}).id(x); err != nil {
			return err
		}
	}
	list, err := keystore.ParseCertificates("certificate", in.certificate)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
			"the certificate field contains more than one certificate: put its issuers into the chain")
	}
	req.Certificate = list[0]
	if len(in.chain) > 0 {
		if req.Chain, err = keystore.ParseCertificates("certificate chain", in.chain); err != nil {
			return err
		}
	}
	if req.Key, err = keystore.ParseKey(in.key); err != nil {
		return err
	}
	defer clear(req.Key)
	c, err := f.certificates.Import(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	x.Out.Text("CertificateArn", arnOf(c))
	return nil
}
