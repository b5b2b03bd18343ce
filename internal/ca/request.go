package ca

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/bits"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// maxRequestExtensions is how many extensions of the caller's a request has.
const maxRequestExtensions = 16

// AuthorityCSR returns a certificate request (PKCS #10, RFC 2986, in DER) for
// the authority's name and key, signed by that key. A pending authority has
// one, and always the same; another one gets a new one each time, for its
// renewal by an issuer that is not here.
func (s *Service) AuthorityCSR(ctx context.Context, call *key.Call, idOrName string) ([]byte, error) {
	return guard.Do(ctx, s.guard, call, key.GetAuthorityCSR, func(v *guard.Visit) ([]byte, error) {
		a, err := s.visit(call, v, key.GetAuthorityCSR, idOrName)
		if err != nil {
			return nil, err
		}
		if err := a.permit(key.GetAuthorityCSR, s.now()); err != nil {
			return nil, err
		}
		if a.CSR != nil {
			return a.CSR, nil
		}
		t, err := newRequest(Requested{KeyUsage: a.cert.KeyUsage}, a.cert.MaxPathLen)
		if err != nil {
			return nil, err
		}
		t.RawSubject = a.cert.RawSubject
		return s.signRequest(ctx, v, t, a)
	})
}

// requestTemplate returns the certificate request of a new authority.
func requestTemplate(req *CreateAuthorityRequest) (*x509.CertificateRequest, error) {
	pathLen, err := pathLenBelow(req.PathLen, nil)
	if err != nil {
		return nil, err
	}
	t, err := newRequest(req.Request, pathLen)
	if err == nil {
		t.Subject = req.Subject.Name()
	}
	return t, err
}

// newRequest returns a request that asks for what an authority needs: the
// basic constraints, with a path length unless it is -1, and a key usage.
func newRequest(r Requested, pathLen int) (*x509.CertificateRequest, error) {
	if r.KeyUsage == 0 {
		r.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	if r.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fault.New(fault.InvalidArgument, "an authority asks for the key usage of signing certificates")
	}
	if len(r.Extensions) > maxRequestExtensions {
		return nil, fault.New(fault.LimitExceeded, "a request has at most %d further extensions", maxRequestExtensions)
	}
	constraints, err := asn1.Marshal(basicConstraints{true, pathLen})
	if err != nil {
		return nil, fmt.Errorf("encoding basic constraints: %w", err)
	}
	usage, err := asn1.Marshal(usageBits(r.KeyUsage))
	if err != nil {
		return nil, fmt.Errorf("encoding a key usage: %w", err)
	}
	list := []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: constraints},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage},
	}
	for _, e := range r.Extensions {
		if slices.ContainsFunc(list, func(have pkix.Extension) bool { return have.Id.Equal(e.Id) }) {
			return nil, fault.New(fault.InvalidArgument, "the extension %s is there twice", e.Id)
		}
		list = append(list, e)
	}
	return &x509.CertificateRequest{ExtraExtensions: list}, nil
}

// basicConstraints is BasicConstraints (RFC 5280 section 4.2.1.9).
type basicConstraints struct {
	CA      bool
	PathLen int `asn1:"optional,default:-1"`
}

// usageBits returns a KeyUsage (RFC 5280 section 4.2.1.3), whose first bit is
// the highest of the first byte.
func usageBits(u x509.KeyUsage) asn1.BitString {
	reversed := bits.Reverse16(uint16(u)) //nolint:gosec // there are nine bits
	b := []byte{byte(reversed >> 8), byte(reversed)}
	if b[1] == 0 {
		b = b[:1]
	}
	return asn1.BitString{Bytes: b, BitLength: 16 - bits.LeadingZeros16(uint16(u))} //nolint:gosec // there are nine bits
}

// signRequest has the authority's key sign a request for itself.
func (s *Service) signRequest(ctx context.Context, v *guard.Visit, t *x509.CertificateRequest, a *authority) ([]byte, error) {
	token, err := s.lints.Request(t, a.public, a.Algorithm)
	if err != nil {
		return nil, err
	}
	if v.Call.DryRun {
		return nil, dryRun()
	}
	return s.sign(ctx, v.Call, a, token)
}

// signFirstRequest gives a new authority its request. It is Pending then.
func (s *Service) signFirstRequest(ctx context.Context, v *guard.Visit, f *founding) (err error) {
	if f.CSR, err = s.signRequest(ctx, v, f.request, f.authority); err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(f.CSR)
	if err != nil {
		return fmt.Errorf("reading the new request: %w", err)
	}
	f.Subject = csr.Subject.String()
	f.enter(Pending, f.now)
	return nil
}
