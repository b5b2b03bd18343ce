package hierarchy

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/ledger"
)

// maxCross is how many cross certificates an authority's record keeps.
const maxCross = 16

// CrossSignRequest asks an authority to certify another one that has an issuer
// already. Exactly one of Authority, Certificate and CSR says which.
type CrossSignRequest struct {
	// Issuer is the id or name of who signs.
	Issuer string
	// Authority is the id or name of an authority here, which keeps the new
	// certificate in Cross; Certificate is the one of an authority elsewhere,
	// CSR its PKCS #10 request, both in DER.
	Authority   string
	Certificate []byte
	CSR         []byte
	Validity    time.Duration // 0 for the default
	// PathLen is how many authorities may stand below; nil is what the
	// authority's own certificate says, as far as the issuer's allows.
	PathLen *int
}

// CrossSign issues a certificate for the name and key of another authority,
// so that whoever trusts the issuer can verify what that one issued. Its name
// constraints, policies and further extensions are those of its own
// certificate. The caller needs IssueCertificate on the issuer, and
// ImportAuthorityCertificate on an authority here.
func (s *Service) CrossSign(ctx context.Context, call *key.Call, req *CrossSignRequest) (*ledger.Issued, error) {
	return guard.Do(ctx, s.r.Guard, call, key.IssueCertificate, func(v *guard.Visit) (*ledger.Issued, error) {
		of, t, public, err := s.crossed(v, req)
		if err != nil {
			return nil, err
		}
		by, err := s.parent(v, req.Issuer)
		if err != nil {
			return nil, err
		}
		if by == nil {
			return nil, fault.New(fault.InvalidArgument, "a cross certificate has an issuer")
		}
		now := s.r.Now().UTC()
		v.Note("subject", t.Subject.String())
		if err := shapeCross(t, by, public, req.PathLen); err != nil {
			return nil, err
		}
		if err := s.date(t, by, req.Validity, now); err != nil {
			return nil, err
		}
		der, err := s.signBelow(ctx, v, t, by, public)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		v.Note("serial", cert.SerialText(c.SerialNumber))
		issued := s.certificateOf(v, by, c, nil, now)
		return &ledger.Issued{Certificate: issued, Chain: by.Presented()}, s.takeCross(ctx, v, of, issued, now)
	})
}

// crossed returns the authority to be certified, nil for one elsewhere, what
// its certificate shall hold, and its public key.
func (s *Service) crossed(v *guard.Visit, req *CrossSignRequest) (*authority.Entry, *x509.Certificate, *engine.PublicKey, error) {
	sources := 0
	for _, given := range []bool{req.Authority != "", req.Certificate != nil, req.CSR != nil} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		return nil, nil, nil, fault.New(fault.InvalidArgument, "a cross certificate is for an authority here, for a certificate or for a request: give one of the three")
	}
	if req.CSR != nil {
		t, public, err := crossedRequest(req.CSR)
		return nil, t, public, err
	}
	var of *authority.Entry
	der := req.Certificate
	if req.Authority != "" {
		var err error
		if of, err = s.r.Admit(v, key.ImportAuthorityCertificate, req.Authority); err != nil {
			return nil, nil, nil, err
		}
		if err := of.Permit(key.RenewAuthority, s.r.Now()); err != nil {
			return nil, nil, nil, err
		}
		der = of.Certificate
	}
	c, err := authority.ParseCertificate(der)
	if err != nil {
		return nil, nil, nil, err
	}
	if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, nil, nil, authority.Malformed("the certificate of %s is not one of an authority", c.Subject)
	}
	public, err := cert.PublicOf(c)
	return of, authority.Renewal(c), public, err
}

// crossedRequest reads the request of an authority elsewhere.
func crossedRequest(der []byte) (*x509.Certificate, *engine.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || len(der) > authority.MaxCertificate {
		return nil, nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the certificate request cannot be read, or is longer than %d bytes", authority.MaxCertificate)
	}
	public, err := cert.CheckRequest(csr)
	return &x509.Certificate{
		RawSubject: csr.RawSubject, Subject: csr.Subject, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1,
	}, public, err
}

// shapeCross gives a cross certificate its path length, and refuses one of an
// authority for itself.
func shapeCross(t *x509.Certificate, by *authority.Entry, public *engine.PublicKey, asked *int) error {
	if len(t.Subject.Names) == 0 {
		return fault.New(fault.InvalidArgument, "an authority needs a subject")
	}
	spki, err := engine.MarshalPublic(public.Spec(), public.Key())
	if err != nil {
		return err
	}
	if bytes.Equal(spki, by.X509().RawSubjectPublicKeyInfo) {
		return fault.New(fault.InvalidArgument, "an authority does not cross-sign its own key")
	}
	most, err := pathLenBelow(asked, by)
	if err != nil {
		return err
	}
	if asked != nil {
		t.MaxPathLen = most
	} else if left := by.Room(); left > 0 && (t.MaxPathLen < 0 || t.MaxPathLen >= left) {
		t.MaxPathLen = left - 1
	}
	t.MaxPathLenZero = t.MaxPathLen == 0
	return nil
}

// takeCross stores a cross certificate in its issuer's inventory and with the
// authority that it is for, nil for one elsewhere.
func (s *Service) takeCross(ctx context.Context, v *guard.Visit, of *authority.Entry, c *ledger.Certificate, now time.Time) error {
	defer s.r.Hold()()
	if of == nil {
		return s.commit(ctx, v, now, s.insertAll(c))
	}
	a, err := s.unchanged(of, key.RenewAuthority, now)
	if err != nil {
		return err
	}
	if len(a.Cross) >= maxCross {
		return fault.New(fault.LimitExceeded, "an authority has at most %d cross certificates", maxCross)
	}
	c.Key = &a.Key
	next := *a
	next.Cross = append(slices.Clone(a.Cross), c.DER)
	return s.commit(ctx, v, now, s.insertAll(c), &next)
}
