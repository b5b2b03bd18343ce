// Package ledger is what authorities have issued and revoked: the records of
// certificates and of their revocations, as rows of the store.
//
// Start with Certificate. reason.go has the reasons of revocations, the files
// with record in their names the formats of what is stored.
package ledger

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
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

// Issued is a new certificate. Chain is what to present beside it: its
// issuers without the root, which whoever verifies has already.
type Issued struct {
	*Certificate
	Chain [][]byte
}

// Ledger writes the records of certificates, and reads them. All methods may
// be called at the same time.
type Ledger struct {
	store  store.Store
	issued atomic.Pointer[func(*Certificate)] // see OnIssued
}

// New returns the ledger that is kept in the store.
func New(s store.Store) *Ledger { return &Ledger{store: s} }

// Insert stores new certificates. The store refuses a serial number that the
// authority has used.
func (l *Ledger) Insert(tx store.Tx, list ...*Certificate) error {
	for _, c := range list {
		if err := tx.Insert(store.Certificates, c.Row()); err != nil {
			return err
		}
		if f := l.issued.Load(); f != nil {
			(*f)(c)
		}
	}
	return nil
}

// OnIssued has f called with each certificate that is stored from now on. It
// runs inside the transaction: it must be quick, must not use the store, and
// now and then is told of a certificate that is not stored after all.
func (l *Ledger) OnIssued(f func(*Certificate)) { l.issued.Store(&f) }

// Read returns the certificate of an authority with the serial number in
// hexadecimal. One that the authority did not issue is a NotFound error.
func (l *Ledger) Read(ctx context.Context, authority, serial string) (c *Certificate, err error) {
	err = l.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Certificates, CertificateID(authority, serial))
		if err != nil {
			return err
		}
		c, err = ReadCertificate(row)
		return err
	})
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, &fault.Error{Kind: fault.NotFound, Public: "the certificate does not exist", Err: err}
	}
	return c, err
}
