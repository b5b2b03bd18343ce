package ca

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Proof shows that somebody has a certificate's private key and wants the
// certificate revoked: one of its two forms. Both are over ProofText, which
// names the certificate, so that nothing else that the key ever signed (the
// request that it was issued for, a handshake) is a proof.
type Proof struct {
	// Request is a PKCS #10 request in DER, signed by the key, whose subject is
	// nothing but a common name: ProofText.
	Request []byte
	// Signature is the key's signature of ProofText with Algorithm.
	Signature []byte
	Algorithm alg.Algorithm
}

// ProofText is what a Proof for the certificate with the serial number (in
// lower-case hexadecimal, as certificates are listed) is about.
func ProofText(serial string) string { return "holdfast revoke " + serial }

// RevokeWithProof revokes a certificate for whoever has its private key, such
// as one who finds that key where it should not be. The caller is
// authenticated, for the record, and needs no permission. A hold, which could
// be taken back, is not offered, nor is what only the authority can know.
func (s *Service) RevokeWithProof(
	ctx context.Context, call *key.Call, issuer, serial string, reason Reason, proof *Proof,
) (*Certificate, error) {
	return guard.Do(ctx, s.r.Guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, err := s.r.Visit(v, issuer)
		if err != nil {
			return nil, err
		}
		if serial, err = cert.ParseSerial(serial); err != nil {
			v.About(a.Resource())
			return nil, err
		}
		v.About(resourceOf(a, serial))
		switch reason {
		case CertificateHold, CACompromise, AACompromise:
			return nil, fault.New(fault.InvalidArgument, "the holder of a key does not revoke for the reason %s", reason)
		case Unspecified, KeyCompromise, AffiliationChanged, Superseded, CessationOfOperation, PrivilegeWithdrawn, RemoveFromCRL:
		}
		if err := a.Permit(key.RevokeCertificate, s.r.Now()); err != nil {
			return nil, err
		}
		c, err := s.Lookup(ctx, a.ID, serial)
		if err != nil {
			return nil, err
		}
		if err := proof.check(c); err != nil {
			return nil, err
		}
		v.Permit(resourceOf(a, serial), "the caller has the certificate's private key")
		return s.revoke(ctx, v, a, serial, reason)
	})
}

// check returns a BadSignature error for what does not prove that its maker
// has the certificate's key.
func (p *Proof) check(c *Certificate) error {
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return fmt.Errorf("reading certificate %s/%s: %w", c.Authority, c.Serial, err)
	}
	public, err := cert.PublicOf(parsed)
	if err != nil {
		return err
	}
	switch {
	case (p.Request == nil) == (p.Signature == nil):
		return fault.New(fault.InvalidArgument, "a proof is either a certificate request or a signature")
	case p.Signature != nil && !public.Spec().Lists(p.Algorithm):
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "the certificate's key does not sign with %s", p.Algorithm)
	case p.Signature != nil:
		return cert.CheckSignature(public, p.Algorithm, []byte(ProofText(c.Serial)), p.Signature)
	}
	return p.checkRequest(c, parsed)
}

// checkRequest checks a proof that is a certificate request.
func (p *Proof) checkRequest(c *Certificate, parsed *x509.Certificate) error {
	request, err := x509.ParseCertificateRequest(p.Request)
	if err != nil {
		return &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.MalformedCSR, Op: "ca.Proof", Public: "the certificate request cannot be read", Err: err,
		}
	}
	if len(request.Subject.Names) != 1 || request.Subject.CommonName != ProofText(c.Serial) {
		return fault.New(fault.BadSignature, "the request's subject is not the common name %q", ProofText(c.Serial))
	}
	if string(request.RawSubjectPublicKeyInfo) != string(parsed.RawSubjectPublicKeyInfo) {
		return fault.New(fault.BadSignature, "the request is not of the certificate's key")
	}
	if _, err := cert.CheckRequest(request); err != nil {
		return fault.New(fault.BadSignature, "the request's own signature does not verify")
	}
	return nil
}
