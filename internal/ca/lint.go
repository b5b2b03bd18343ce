package ca

import (
	"slices"
	"strings"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"
	_ "github.com/zmap/zlint/v3/lints/community" // registers its lints
	_ "github.com/zmap/zlint/v3/lints/rfc"       // registers its lints

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// lintSources are the authorities whose rules concern a private PKI: the
// RFCs of the certificate format, and the community's collection of mistakes.
// The rules of browsers and of the CA/Browser Forum are for public CAs;
// RFC 6962 is certificate transparency, which a private CA does not log to.
func lintSources() []lint.LintSource {
	return []lint.LintSource{
		lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC8813, lint.Community,
	}
}

// lintExceptions are the lints of those sources that are not run, each with
// the reason. Adding one is a decision about every certificate.
func lintExceptions() map[string]string {
	const public = "looks the name up in the public suffix list: a private name has no public suffix"
	return map[string]string{
		"n_san_iana_pub_suffix_empty":     public,
		"w_ian_iana_pub_suffix_empty":     public,
		"e_rfc_dnsname_hyphen_in_sld":     public + "; our own check of DNS names covers every label",
		"e_rfc_dnsname_underscore_in_sld": public + "; our own check of DNS names covers every label",
		"w_rfc_dnsname_underscore_in_trd": public + "; our own check of DNS names covers every label",
		"n_contains_redacted_dnsname":     "redaction was for certificate transparency logs",
	}
}

// linter holds the lints to run. Its lists are made once and only read.
type linter struct {
	certificates []*lint.CertificateLint
	lists        []*lint.RevocationListLint
}

// newLinter collects the lints.
func newLinter() *linter {
	l := &linter{}
	registry, except := lint.GlobalRegistry(), lintExceptions()
	for _, source := range lintSources() {
		for _, c := range registry.CertificateLints().BySource(source) {
			if _, skip := except[c.Name]; !skip {
				l.certificates = append(l.certificates, c)
			}
		}
		for _, c := range registry.RevocationListLints().BySource(source) {
			if _, skip := except[c.Name]; !skip {
				l.lists = append(l.lists, c)
			}
		}
	}
	return l
}

// findings are the names of lints that had something to say.
type findings struct{ errors, warnings []string }

// add sorts a lint's result in. Notices are remarks on lawful choices.
func (f *findings) add(name string, r *lint.LintResult) {
	switch r.Status { //nolint:exhaustive // the other results say nothing against the certificate
	case lint.Error, lint.Fatal:
		f.errors = append(f.errors, name)
	case lint.Warn:
		f.warnings = append(f.warnings, name)
	}
}

// err returns the refusal with the lints' names, or nil.
func (f *findings) err() error {
	if len(f.errors) == 0 {
		return nil
	}
	slices.Sort(f.errors)
	return fault.Because(fault.InvalidArgument, fault.LintFailed,
		"the certificate is refused by %s", strings.Join(f.errors, ", "))
}

// certificate lints a certificate in DER. What its signature is does not
// matter: no lint looks at it. selfIssued tells that the certificate's key
// will sign it, which zcrypto would find out by that signature.
func (l *linter) certificate(der []byte, selfSigned bool) (*findings, error) {
	c, err := zx509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.LintFailed,
			"the certificate is refused by the lint's parser: %v", err)
	}
	c.SelfSigned = selfSigned
	f, config := &findings{}, lint.NewEmptyConfig()
	for _, check := range l.certificates {
		f.add(check.Name, check.Execute(c, config))
	}
	return f, f.err()
}

// list lints a CRL in DER.
func (l *linter) list(der []byte) error {
	c, err := zx509.ParseRevocationList(der)
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Reason: fault.LintFailed, Op: "ca.lint", Err: err}
	}
	f, config := &findings{}, lint.NewEmptyConfig()
	for _, check := range l.lists {
		f.add(check.Name, check.Execute(c, config))
	}
	return f.err()
}
