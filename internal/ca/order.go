package ca

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// order is an IssueRequest on its way to a certificate.
type order struct {
	*IssueRequest
	issuer  *authority
	profile *profile.Profile
	now     time.Time
	request *profile.Request // what the CSR says
	draft   *profile.Draft
	pub     *engine.PublicKey
	spki    []byte
	key     *key.ID // the managed key
	ticket  *token.Ticket
}

// prepare reads the request, drafts its certificate and sees to its key. A
// new key is made last, when the same certificate for a throw-away key of its
// kind has passed the lint, so that a refused request leaves no key behind.
func (s *Service) prepare(ctx context.Context, call *key.Call, v *guard.Visit, o *order) error {
	if err := s.mayIssue(o.issuer, o.profile, o.now); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := s.findKey(ctx, call, v, o); err != nil {
		return err
	}
	if err := s.write(ctx, call, v, o); err != nil {
		return err
	}
	if o.NewKey == alg.NoSpec {
		return nil
	}
	if _, err := s.lint(o); err != nil { // the rehearsal
		return err
	}
	k, err := s.keys.CreateKey(ctx, call, &kms.CreateKeyRequest{
		Spec: o.NewKey, Usage: alg.SignVerify, Description: "certificate of " + o.draft.Subject.String(),
		Exportable: o.profile.Exportable, Alias: o.KeyAlias,
	})
	if err != nil {
		return err
	}
	return o.hold(v, k)
}

// check refuses a request with no key, or with more than one, and an
// algorithm that the authority's key does not have.
func (o *order) check() error {
	sources := 0
	for _, given := range []bool{o.CSR != nil, o.NewKey != alg.NoSpec, o.Key != nil} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return fault.New(fault.InvalidArgument, "a certificate is for the key of a CSR, for a new key or for an existing key: give one of the three")
	case o.KeyAlias != "" && o.NewKey == alg.NoSpec:
		return fault.New(fault.InvalidArgument, "an alias is given to a new key only")
	case o.Algorithm != alg.NoAlgorithm:
		return cert.CheckAlgorithm(o.issuer.Spec, o.Algorithm)
	}
	return nil
}

// algorithm returns what the authority signs with.
func (o *order) algorithm() alg.Algorithm {
	if o.Algorithm != alg.NoAlgorithm {
		return o.Algorithm
	}
	return o.issuer.Algorithm
}

// findKey sees to the order's public key: the CSR's, an existing key's, or
// that of a stand-in for the key to be made.
func (s *Service) findKey(ctx context.Context, call *key.Call, v *guard.Visit, o *order) (err error) {
	switch {
	case o.CSR != nil:
		if o.request, err = profile.ReadCSR(o.CSR); err != nil {
			return err
		}
		o.pub, o.spki = o.request.Key, o.request.SPKI
	case o.Key != nil:
		result, err := s.keys.PublicKey(ctx, call, *o.Key)
		if err != nil {
			return err
		}
		return o.hold(v, result.Key)
	default:
		if o.pub, err = s.lints.StandIn(o.NewKey); err != nil {
			return err
		}
		o.spki, err = engine.MarshalPublic(o.pub.Spec(), o.pub.Key())
	}
	return err
}

// hold makes the certificate one for a managed key.
func (o *order) hold(v *guard.Visit, k *key.Key) (err error) {
	if k.Usage != alg.SignVerify {
		return fault.Because(fault.InvalidArgument, fault.WrongUsage, "a certificate is for a signing key")
	}
	if err := cert.CheckSpec(k.Spec); err != nil {
		return err
	}
	o.key, o.spki = &k.Name.ID, k.Current().Public
	v.Note("key", k.Name.String())
	if o.pub, err = engine.ParsePublic(k.Spec, o.spki); err != nil {
		return fmt.Errorf("reading the public key of %s: %w", k.Name, err)
	}
	return nil
}

// write drafts the certificate and adds what only the authority knows: the
// serial number, and where it publishes.
func (s *Service) write(ctx context.Context, call *key.Call, v *guard.Visit, o *order) error {
	in := &profile.Input{
		Request: o.request, Key: o.pub, Subject: o.Subject, Names: o.Names, Extensions: o.Extensions, Validity: o.Validity,
		Caller: &call.Caller, Now: o.now, Room: profile.NoPathLimit,
	}
	if !o.profile.SelfSigned {
		in.Issuer, in.Room, in.Short = o.issuer.cert, room(o.issuer.path), o.issuer.short()
	}
	var err error
	if o.draft, err = o.profile.Draft(ctx, in); err != nil {
		return err
	}
	t := o.draft.Template
	if t.SerialNumber, err = cert.NewSerial(o.now, rand.Reader); err != nil {
		return err
	}
	if !o.profile.SelfSigned {
		s.pointTo(t, o.issuer)
		yield(t)
	}
	v.Note("serial", cert.SerialText(t.SerialNumber))
	v.Note("subject", o.draft.Subject.String())
	v.Note("names", strings.Join(o.draft.Names.Texts(), ", "))
	if len(o.draft.Ignored) > 0 {
		v.Note("ignored extensions", strings.Join(o.draft.Ignored, ", "))
	}
	return nil
}

// The extensions by which a certificate points to its issuer's publications
// (RFC 5280 sections 4.2.1.13 and 4.2.2.1).
var (
	oidCRLDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityInfoAccess   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
)

// yield drops pointers that passed through from a request where the authority
// has its own.
func yield(t *x509.Certificate) {
	t.ExtraExtensions = slices.DeleteFunc(t.ExtraExtensions, func(e pkix.Extension) bool {
		return len(t.CRLDistributionPoints) > 0 && e.Id.Equal(oidCRLDistributionPoints) ||
			len(t.IssuingCertificateURL)+len(t.OCSPServer) > 0 && e.Id.Equal(oidAuthorityInfoAccess)
	})
}

// lint has the order's certificate encoded and linted.
func (s *Service) lint(o *order) (*lint.Token, error) {
	if err := s.checkOwner(o); err != nil {
		return nil, err
	}
	t := o.draft.Template
	var err error
	if t.SubjectKeyId, err = cert.SubjectKeyID(o.spki); err != nil {
		return nil, err
	}
	issuer := o.issuer.cert
	if o.profile.SelfSigned {
		issuer = t
	}
	return s.lints.Certificate(t, issuer, o.issuer.public, o.pub, o.algorithm())
}

// checkOwner refuses keys of authorities: an end entity that has one could
// speak for it. An authority's key is for authorities' certificates, and the
// issuer's own for those that sign themselves.
func (s *Service) checkOwner(o *order) error {
	own, err := o.issuer.spki()
	if err != nil {
		return err
	}
	switch same := bytes.Equal(o.spki, own); {
	case o.profile.SelfSigned && !same:
		return violation("a certificate that signs itself is for the authority's own key")
	case same && !o.profile.SelfSigned:
		return violation("the key is the authority's own")
	case !o.profile.CA && s.known.hasKey(o.spki):
		return violation("the key is an authority's")
	}
	return nil
}

func violation(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.ProfileViolation, format, args...)
}

// spki returns the SubjectPublicKeyInfo of the CA key.
func (a *authority) spki() ([]byte, error) {
	if a.cert != nil {
		return a.cert.RawSubjectPublicKeyInfo, nil
	}
	if a.public == nil {
		return nil, Creating.refuse()
	}
	return engine.MarshalPublic(a.public.Spec(), a.public.Key())
}
