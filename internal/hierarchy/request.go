package hierarchy

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// AuthorityCSR returns a certificate request (PKCS #10, RFC 2986, in DER) for
// the authority's name and key, signed by that key. A pending authority has
// one, and always the same; another one gets a new one each time, for its
// renewal by an issuer that is not here.
func (s *Service) AuthorityCSR(ctx context.Context, call *key.Call, idOrName string) ([]byte, error) {
	return guard.Do(ctx, s.r.Guard, call, key.GetAuthorityCSR, func(v *guard.Visit) ([]byte, error) {
		a, err := s.r.Admit(v, key.GetAuthorityCSR, idOrName)
		if err != nil {
			return nil, err
		}
		if err := a.Permit(key.GetAuthorityCSR, s.r.Now()); err != nil {
			return nil, err
		}
		if a.CSR != nil {
			return a.CSR, nil
		}
		t, err := authority.NewRequest(authority.Requested{KeyUsage: a.X509().KeyUsage}, a.X509().MaxPathLen)
		if err != nil {
			return nil, err
		}
		t.RawSubject = a.X509().RawSubject
		return s.signRequest(ctx, v, t, a)
	})
}

// requestTemplate returns the certificate request of a new authority.
func requestTemplate(req *CreateAuthorityRequest) (*x509.CertificateRequest, error) {
	pathLen, err := pathLenBelow(req.PathLen, nil)
	if err != nil {
		return nil, err
	}
	t, err := authority.NewRequest(req.Request, pathLen)
	if err == nil {
		t.Subject = req.Subject.Name()
	}
	return t, err
}

// signRequest has the authority's key sign a request for itself.
func (s *Service) signRequest(ctx context.Context, v *guard.Visit, t *x509.CertificateRequest, a *authority.Entry) ([]byte, error) {
	token, err := s.r.Lints.Request(t, a.Public(), a.Algorithm)
	if err != nil {
		return nil, err
	}
	if v.Call.DryRun {
		return nil, authority.DryRun()
	}
	return s.r.Sign(ctx, v.Call, a, token)
}

// signFirstRequest gives a new authority its request. It is Pending then.
func (s *Service) signFirstRequest(ctx context.Context, v *guard.Visit, f *founding) (err error) {
	if f.CSR, err = s.signRequest(ctx, v, f.request, f.Entry); err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(f.CSR)
	if err != nil {
		return fmt.Errorf("reading the new request: %w", err)
	}
	f.Subject = csr.Subject.String()
	f.Enter(authority.Pending, f.now)
	return nil
}
