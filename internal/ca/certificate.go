package ca

import (
	"context"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Certificate returns one certificate of an authority.
func (s *Service) Certificate(ctx context.Context, call *key.Call, issuer, serial string) (*Certificate, error) {
	return guard.Do(ctx, s.r.Guard, call, key.GetCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitCertificate(v, key.GetCertificate, issuer, serial)
		if err != nil {
			return nil, err
		}
		return s.stored(ctx, a, serial)
	})
}

// visitCertificate finds the authority, reads the serial number and
// authorises an action on the certificate, which need not exist. A decision
// is about the authority: its ARN is what AWS's policies name for these
// actions ("Actions defined by AWS Private Certificate Authority").
func (s *Service) visitCertificate(v *guard.Visit, action key.Action, issuer, serial string) (*authority.Entry, string, error) {
	a, err := s.r.Visit(v, issuer)
	if err != nil {
		return nil, "", err
	}
	if serial, err = cert.ParseSerial(serial); err != nil {
		v.About(a.Resource())
		return nil, "", err
	}
	if err := authority.Authorize(v, a.Target(action)); err != nil {
		return nil, "", err
	}
	v.About(resourceOf(a, serial))
	return a, serial, nil
}

// resourceOf returns one of the authority's certificates as the object of a
// decision.
func resourceOf(a *authority.Entry, serial string) key.Resource {
	return key.Resource{Kind: key.KindCertificate, Realm: a.Realm, Region: a.Region, ID: CertificateID(a.ID, serial)}
}

// Lookup returns a certificate by its authority's id and its serial number in
// hexadecimal. It asks for no decision. One that the authority did not issue
// is a NotFound error.
func (s *Service) Lookup(ctx context.Context, issuer, serial string) (*Certificate, error) {
	a, ok := s.r.Entry(issuer)
	if !ok {
		return nil, authority.NotFound()
	}
	return s.stored(ctx, a, serial)
}

// stored reads one of the authority's certificates.
func (s *Service) stored(ctx context.Context, a *authority.Entry, serial string) (*Certificate, error) {
	c, err := s.ledger.Read(ctx, a.ID, serial)
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.NotFound {
		e.Resource = resourceOf(a, serial).String()
	}
	return c, err
}
