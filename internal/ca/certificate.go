package ca

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
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
func insertCertificate(tx store.Tx, c *Certificate) error {
	return tx.Insert(store.Certificates, c.row())
}

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

// Filter chooses certificates of a listing. A zero field asks for nothing.
type Filter struct {
	// Authority is an issuer's id or name; "" lists all of the realm.
	Authority string
	// Text is a part of the subject or of a name, in any case.
	Text   string
	Status Status
	// ExpiresBefore wants certificates that end before it.
	ExpiresBefore time.Time
}

// maxScan is how many certificates one page looks at. A page of a narrow
// filter may so be short, or even empty, and still not be the last.
const maxScan = 20000

// Certificates returns a page of certificates in the order of their
// authorities' ids and then of their making, and where the next page begins,
// "" at the end.
func (s *Service) Certificates(ctx context.Context, call *key.Call, f Filter, page kms.Page) ([]*Certificate, string, error) {
	var list []*Certificate
	next, err := guard.Do(ctx, s.guard, call, key.ListCertificates, func(v *guard.Visit) (string, error) {
		from, err := s.listable(call, v, f)
		if err != nil {
			return "", err
		}
		l := lister{filter: f, now: s.now(), after: page.After, limit: limitOf(page), budget: maxScan}
		l.filter.Text = strings.ToLower(f.Text)
		err = s.store.View(ctx, func(r store.Reader) error { return l.run(r, from) })
		list = l.list
		return l.next, err
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

// listable authorises a listing and returns the authorities that it is of.
func (s *Service) listable(call *key.Call, v *guard.Visit, f Filter) ([]*authority, error) {
	if !slices.Contains([]Status{AnyStatus, StatusValid, StatusExpired, StatusRevoked}, f.Status) {
		return nil, fault.New(fault.InvalidArgument, "%q is no status: valid, expired or revoked", f.Status)
	}
	if f.Authority != "" {
		a, err := s.visit(call, v, key.ListCertificates, f.Authority)
		return []*authority{a}, err
	}
	realm := call.Caller.Principal.Realm
	return s.realm(realm), v.Authorize(guard.Target{
		Action: key.ListCertificates, Resource: key.Resource{Realm: realm, Region: call.Region},
	})
}

// lister goes through certificates for one page.
type lister struct {
	filter Filter
	now    time.Time
	after  string // the id of the last row seen by the page before
	limit  int
	budget int
	list   []*Certificate
	next   string
}

// run collects the page from the authorities' certificates.
func (l *lister) run(r store.Reader, from []*authority) error {
	last := ""
	for _, a := range from {
		// "0" follows "/" in ASCII: the range is every id that begins with "id/".
		q := store.Query{From: a.ID + "/", To: a.ID + "0", After: l.after, Limit: l.budget}
		if l.after >= q.To {
			continue
		}
		for row, err := range r.Scan(store.Certificates, q) {
			if err != nil {
				return err
			}
			if len(l.list) == l.limit || l.budget == 0 {
				l.next = last
				return nil
			}
			last = row.ID
			l.budget--
			if err := l.look(row); err != nil {
				return err
			}
		}
		if l.budget == 0 {
			l.next = last
			return nil
		}
	}
	return nil
}

// look takes a row into the page if the filter wants it.
func (l *lister) look(row store.Row) error {
	expires := row.Columns[0]
	if !l.filter.ExpiresBefore.IsZero() && expires >= ExpiresColumn(row.ID[:strings.IndexByte(row.ID, '/')], l.filter.ExpiresBefore) {
		return nil
	}
	c, err := ReadCertificate(row)
	if err != nil {
		return err
	}
	if l.filter.Status != AnyStatus && c.Status(l.now) != l.filter.Status {
		return nil
	}
	if t := l.filter.Text; t != "" && !strings.Contains(strings.ToLower(c.Subject+"\n"+strings.Join(c.Names, "\n")), t) {
		return nil
	}
	l.list = append(l.list, c)
	return nil
}
