package ca

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Certificate is a certificate that an authority issued. It is never changed
// once handed out.
type Certificate struct {
	// Authority is the issuer's id, Serial the serial number in hexadecimal.
	Authority, Serial string
	DER               []byte
	Subject           string
	Names             []string // the subject alternative names as text
	Profile           string
	// Key is the id of the key when Holdfast has it, else nil.
	Key *key.ID
	// Requester is key.Principal.String of who asked for it.
	Requester                     string
	IssuedAt, NotBefore, NotAfter time.Time
	// Shard is the part of the authority's revocations that the certificate
	// belongs to, "" when they are not divided. Its CRL distribution point
	// names it, so that it never changes.
	Shard string
	// RevokedAt is nil for a certificate that is not revoked.
	RevokedAt *time.Time
	Reason    Reason
}

// Status is what a listing asks of a certificate's place in its life.
type Status string

// The statuses.
const (
	AnyStatus     Status = ""
	StatusValid   Status = "valid"   // neither revoked nor expired
	StatusExpired Status = "expired" // and not revoked
	StatusRevoked Status = "revoked"
)

// Status returns the certificate's status at a time.
func (c *Certificate) Status(now time.Time) Status {
	switch {
	case c.RevokedAt != nil:
		return StatusRevoked
	case now.After(c.NotAfter):
		return StatusExpired
	}
	return StatusValid
}

// insertCertificate stores a new certificate. The store refuses a serial
// number that the authority has used.
func (s *Service) insertCertificate(tx store.Tx, c *Certificate) error {
	if err := tx.Insert(store.Certificates, c.Row()); err != nil {
		return err
	}
	if f := s.issued.Load(); f != nil {
		(*f)(c)
	}
	return nil
}

// OnIssued has f called with each certificate that is stored from now on. It
// runs inside the transaction: it must be quick, must not use the store, and
// now and then is told of a certificate that is not stored after all.
func (s *Service) OnIssued(f func(*Certificate)) { s.issued.Store(&f) }

// Certificate returns one certificate of an authority.
func (s *Service) Certificate(ctx context.Context, call *key.Call, authority, serial string) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.GetCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitCertificate(call, v, key.GetCertificate, authority, serial)
		if err != nil {
			return nil, err
		}
		var c *Certificate
		err = s.store.View(ctx, func(r store.Reader) error {
			c, err = a.stored(r, serial)
			return err
		})
		return c, err
	})
}

// visitCertificate finds the authority, reads the serial number and
// authorises an action on the certificate, which need not exist.
func (s *Service) visitCertificate(call *key.Call, v *guard.Visit, action key.Action, authority, serial string) (*authority, string, error) {
	a, err := s.find(call, authority)
	if err != nil {
		v.About(resource(call.Caller.Principal.Realm, call.Region, key.KindAuthority, authority))
		return nil, "", err
	}
	if serial, err = cert.ParseSerial(serial); err != nil {
		v.About(a.Resource())
		return nil, "", err
	}
	t := a.Target(action)
	t.Resource = a.certificate(serial)
	return a, serial, s.authorize(v, t)
}

// stored reads one of the authority's certificates.
func (a *authority) stored(r store.Reader, serial string) (*Certificate, error) {
	row, err := r.Get(store.Certificates, CertificateID(a.ID, serial))
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil, &fault.Error{
			Kind: fault.NotFound, Resource: a.certificate(serial).String(), Public: "the certificate does not exist", Err: err,
		}
	}
	if err != nil {
		return nil, err
	}
	return ReadCertificate(row)
}
