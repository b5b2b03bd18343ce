// Package lint judges what an authority is about to sign, before its key has
// signed anything. It is the only maker of a Token, and a Token is the only
// thing that an authority's key signs.
//
// The way of a certificate (or CRL) to its signature has two steps. A Linter
// has it encoded, completes it with a throw-away signature, lints it, and
// gives a Token. Token.Sign, once, has the authority's key sign the very bytes
// that were linted: nothing is encoded a second time, so nothing can differ.
//
// The throw-away signature is a well-formed one of the issuer's kind, made
// over another message by a key that is thrown away with it. A lint judges
// its form; that it verifies for nobody is as it should be before the
// certificate is approved.
package lint

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"
	_ "github.com/zmap/zlint/v3/lints/community" // registers its lints
	_ "github.com/zmap/zlint/v3/lints/rfc"       // registers its lints

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Sources are the authorities whose rules concern a private PKI: the
// RFCs of the certificate format, and the community's collection of mistakes.
// The rules of browsers and of the CA/Browser Forum are for public CAs;
// RFC 6962 is certificate transparency, which a private CA does not log to.
func Sources() []lint.LintSource {
	return []lint.LintSource{
		lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC8813, lint.Community,
	}
}

// Exceptions are the lints of those sources that are not run, each with
// the reason. Adding one is a decision about every certificate.
func Exceptions() map[string]string {
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

// Linter holds the lints to run. Its lists are made once and only read; all
// methods may be called at the same time.
type Linter struct {
	certificates []check
	lists        []*lint.RevocationListLint
	own          []ownLint
	config       lint.Configuration // empty
	throwAways   *throwAways
	known        Knowledge
}

// Knowledge is what a Linter is told of the installation. Every field may be
// nil.
type Knowledge struct {
	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// Above returns the certificates above an issuer's own, up to the root's.
	Above func(issuer *x509.Certificate) []*x509.Certificate
	// HasKey reports whether an authority has the public key, in DER.
	HasKey func(spki []byte) bool
	// Published are keys whose private halves are published.
	Published *weakkey.Blocklist
}

// Know tells the Linter of the installation. It is called before the first
// lint, if it is.
func (l *Linter) Know(k Knowledge) {
	if k.Now == nil {
		k.Now = time.Now
	}
	l.known = k
}

// notice begins the names of lints that give notices and nothing else.
const notice = "n_"

// New collects the lints.
func New() *Linter {
	l := &Linter{own: ownLints(), config: lint.NewEmptyConfig(), throwAways: newThrowAways(), known: Knowledge{Now: time.Now}}
	registry, except, needs := lint.GlobalRegistry(), Exceptions(), extensionLints()
	for _, source := range Sources() {
		for _, c := range registry.CertificateLints().BySource(source) {
			if _, skip := except[c.Name]; !skip && !strings.HasPrefix(c.Name, notice) {
				l.certificates = append(l.certificates, newCheck(c, needs))
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

// Findings are the names of lints that had something to say, sorted.
type Findings struct{ Errors, Warnings []string }

// add sorts a lint's result in. Notices are remarks on lawful choices.
func (f *Findings) add(name string, r *lint.LintResult) {
	switch r.Status { //nolint:exhaustive // the other results say nothing against the certificate
	case lint.Error, lint.Fatal:
		f.Errors = append(f.Errors, name)
	case lint.Warn:
		f.Warnings = append(f.Warnings, name)
	}
}

// refusal returns the error with the lints' names, or nil.
func (f *Findings) refusal(what string) error {
	if len(f.Errors) == 0 {
		return nil
	}
	return fault.Because(fault.InvalidArgument, fault.LintFailed,
		"the %s is refused by %s", what, strings.Join(f.Errors, ", "))
}

// Judge lints a certificate in DER from anywhere. What its signature is does
// not matter: no lint looks at it, but for whether the certificate signed
// itself.
func (l *Linter) Judge(der []byte) (*Findings, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "the certificate cannot be read: %v", err)
	}
	k, err := cert.PublicOf(c)
	if err != nil {
		k = nil // a key of a kind that is not issued for: the other lints apply
	}
	return l.certificate(der, cert.CheckFrom(c, c) == nil, &subject{spec: specOf(k)})
}

// specOf returns the spec of a key, which may be nil.
func specOf(k *engine.PublicKey) alg.Spec {
	if k == nil {
		return alg.NoSpec
	}
	return k.Spec()
}

// certificate lints a certificate in DER against what the subject says.
// selfSigned tells that the certificate's key will sign it, which zcrypto
// would find out by that signature.
func (l *Linter) certificate(der []byte, selfSigned bool, s *subject) (*Findings, error) {
	c, err := zx509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.LintFailed,
			"the certificate is refused by the lint's parser: %v", err)
	}
	c.SelfSigned = selfSigned
	f := &Findings{}
	l.runAll(c, f)
	s.Certificate, s.now = c, l.known.Now()
	for _, check := range l.own {
		switch {
		case !check.broken(s):
		case strings.HasPrefix(check.name, "w_"):
			f.Warnings = append(f.Warnings, check.name)
		default:
			f.Errors = append(f.Errors, check.name)
		}
	}
	slices.Sort(f.Errors)
	slices.Sort(f.Warnings)
	return f, nil
}

// list lints a CRL in DER.
func (l *Linter) list(der []byte) error {
	c, err := zx509.ParseRevocationList(der)
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Reason: fault.LintFailed, Op: "lint.List", Err: err}
	}
	f := &Findings{}
	for _, check := range l.lists {
		f.add(check.Name, check.Execute(c, l.config))
	}
	slices.Sort(f.Errors)
	return f.refusal("CRL")
}
