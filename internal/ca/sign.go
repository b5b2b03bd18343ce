package ca

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/lint"
)

// lintAuthority has the certificate of an authority encoded and linted for its
// public key. parent issues it; nil is the authority itself, with the
// algorithm.
func (s *Service) lintAuthority(t *x509.Certificate, parent *authority, subject *engine.PublicKey, a alg.Algorithm) (*lint.Token, error) {
	spki, err := engine.MarshalPublic(subject.Spec(), subject.Key())
	if err != nil {
		return nil, err
	}
	if len(t.SubjectKeyId) == 0 || parent == nil {
		if t.SubjectKeyId, err = cert.SubjectKeyID(spki); err != nil {
			return nil, err
		}
	}
	if parent == nil {
		return s.lints.Certificate(t, t, subject, subject, a)
	}
	return s.lints.Certificate(t, parent.cert, parent.public, subject, parent.Algorithm)
}

// signAuthority lints the certificate of an authority and has its parent sign
// it, or, where that is nil, itself.
func (s *Service) signAuthority(ctx context.Context, v *guard.Visit, t *x509.Certificate, parent, a *authority) ([]byte, error) {
	by := parent
	if parent == nil {
		by = a
	}
	token, err := s.lintAuthority(t, parent, a.public, by.Algorithm)
	if err != nil {
		return nil, err
	}
	if v.Call.DryRun {
		return nil, dryRun()
	}
	return s.sign(ctx, v.Call, by, token)
}

// renewal returns what a further certificate for the key of one that an
// authority has shall hold: all that does not come from its issuer or its
// time.
func renewal(c *x509.Certificate) *x509.Certificate {
	t := &x509.Certificate{
		RawSubject: c.RawSubject, Subject: c.Subject, SubjectKeyId: c.SubjectKeyId, KeyUsage: c.KeyUsage,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: c.MaxPathLen, MaxPathLenZero: c.MaxPathLen == 0,
	}
	for _, e := range c.Extensions {
		if !slices.ContainsFunc(ownExtensions(), e.Id.Equal) {
			t.ExtraExtensions = append(t.ExtraExtensions, e)
		}
	}
	return t
}

// ownExtensions are the extensions that belong to one certificate: those that
// its issuer makes anew, and the proof that a log knows it.
func ownExtensions() []asn1.ObjectIdentifier {
	return []asn1.ObjectIdentifier{
		{2, 5, 29, 14},                     // subject key identifier
		{2, 5, 29, 15},                     // key usage
		{2, 5, 29, 19},                     // basic constraints
		{2, 5, 29, 31},                     // CRL distribution points
		{2, 5, 29, 35},                     // authority key identifier
		{2, 5, 29, 46},                     // freshest CRL
		{1, 3, 6, 1, 5, 5, 7, 1, 1},        // authority information access
		{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, // signed certificate timestamps (RFC 6962)
	}
}
