package managed

import (
	"context"
	"crypto/x509"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Describe returns a managed certificate.
func (s *Service) Describe(ctx context.Context, call *key.Call, id string) (*Certificate, error) {
	return s.show(ctx, call, key.DescribeManaged, id)
}

// Get returns a managed certificate to who wants its content: one that failed
// is a WrongState error.
func (s *Service) Get(ctx context.Context, call *key.Call, id string) (*Certificate, error) {
	c, err := s.show(ctx, call, key.GetManaged, id)
	if err == nil && c.DER == nil {
		return nil, &fault.Error{
			Kind: fault.WrongState, Resource: c.Resource().String(), Public: "the certificate was not issued",
		}
	}
	return c, err
}

// Tags returns a managed certificate with its tags.
func (s *Service) Tags(ctx context.Context, call *key.Call, id string) (*Certificate, error) {
	return s.show(ctx, call, key.ListManagedTags, id)
}

func (s *Service) show(ctx context.Context, call *key.Call, action key.Action, id string) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Certificate, error) {
		return s.visit(ctx, v, action, id)
	})
}

// Filter chooses certificates of a listing. An empty field asks for nothing;
// of a list, one value has to fit.
type Filter struct {
	States []State
	Specs  []alg.Spec
	// Usages and Extended are usages of which the certificate has one.
	Usages   []x509.KeyUsage
	Extended []x509.ExtKeyUsage
	// Exportable, where it is given, is whether the key may leave.
	Exportable *bool
}

// List is how a listing is ordered and which page of it is wanted.
type List struct {
	Filter Filter
	// NewestFirst turns the order round, which is that of the certificates'
	// making.
	NewestFirst bool
	Page        kms.Page
}

// MaxPage is the largest page of a listing.
const MaxPage = 1000

// List returns a page of the call's realm's certificates in its region, and
// where the next page begins, "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, l List) (list []*Certificate, next string, err error) {
	if l.Page.Limit < 1 || l.Page.Limit > MaxPage {
		l.Page.Limit = MaxPage
	}
	list, err = guard.Do(ctx, s.guard, call, key.ListManaged, func(v *guard.Visit) ([]*Certificate, error) {
		if err := v.Authorize(realmTarget(call, key.ListManaged)); err != nil {
			return nil, err
		}
		return s.all(ctx, call, &l)
	})
	if err != nil {
		return nil, "", err
	}
	if len(list) > l.Page.Limit {
		list = list[:l.Page.Limit]
		next = list[l.Page.Limit-1].ID
	}
	return list, next, nil
}

// all returns the certificates of a listing from its page on.
func (s *Service) all(ctx context.Context, call *key.Call, l *List) ([]*Certificate, error) {
	var list []*Certificate
	q := store.Query{Column: "scope", Equal: scopeOf(call.Caller.Principal.Realm, call.Region)}
	if !l.NewestFirst {
		q.After = l.Page.After
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Managed, q) {
			if err != nil {
				return err
			}
			if l.ends(row.ID, len(list)) {
				return nil
			}
			if list, err = s.add(list, r, row, &l.Filter); err != nil {
				return err
			}
		}
		return nil
	})
	if l.NewestFirst {
		slices.Reverse(list)
	}
	return list, err
}

// ends reports whether a row, met after so many fitting ones, is beyond the
// page: one more than the page is wanted, to know whether there is another.
func (l *List) ends(id string, have int) bool {
	if l.NewestFirst {
		return l.Page.After != "" && id >= l.Page.After
	}
	return have > l.Page.Limit
}

// add appends a row's certificate to the list if the filter wants it.
func (s *Service) add(list []*Certificate, r store.Reader, row store.Row, f *Filter) ([]*Certificate, error) {
	c, err := s.current(r, row)
	if err != nil {
		return nil, err
	}
	if fits, err := s.fits(c, f); err != nil || !fits {
		return list, err
	}
	return append(list, c), nil
}

// fits reports whether the filter wants the certificate.
func (s *Service) fits(c *Certificate, f *Filter) (bool, error) {
	if len(f.States) > 0 && !slices.Contains(f.States, c.State(s.now())) ||
		len(f.Specs) > 0 && !slices.Contains(f.Specs, c.Spec) ||
		f.Exportable != nil && *f.Exportable != c.Exportable {
		return false, nil
	}
	if len(f.Usages) == 0 && len(f.Extended) == 0 {
		return true, nil
	}
	if c.DER == nil {
		return false, nil
	}
	parsed, err := c.X509()
	if err != nil {
		return false, err
	}
	usage := len(f.Usages) == 0 || slices.ContainsFunc(f.Usages, func(u x509.KeyUsage) bool { return parsed.KeyUsage&u != 0 })
	extended := len(f.Extended) == 0 || slices.ContainsFunc(f.Extended, func(u x509.ExtKeyUsage) bool {
		return slices.Contains(parsed.ExtKeyUsage, u)
	})
	return usage && extended, nil
}

// Exported is a managed certificate with its private key.
type Exported struct {
	*Certificate
	// PrivateKey is unencrypted PKCS #8 in DER, for the caller to encrypt and
	// Wipe.
	PrivateKey key.Secret
}

// Export returns a managed certificate with its key. The caller needs
// ExportManaged on it, and the key has to be exportable. From then on, an issued
// certificate is renewed before it expires.
func (s *Service) Export(ctx context.Context, call *key.Call, id string) (*Exported, error) {
	return guard.Do(ctx, s.guard, call, key.ExportManaged, func(v *guard.Visit) (*Exported, error) {
		defer s.locks.lock(id)()
		c, err := s.visit(ctx, v, key.ExportManaged, id)
		if err != nil {
			return nil, err
		}
		if err := c.exportable(); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.Note("serial", c.Serial)
		k, err := s.keys.ExportEntrusted(ctx, call, grantee(c.ID), c.Key)
		if err != nil {
			return nil, err
		}
		next := c.clone()
		next.ExportedAt = s.now().UTC()
		if err := s.put(ctx, v, next, nil); err != nil {
			k.Material.Wipe()
			return nil, err
		}
		return &Exported{Certificate: next, PrivateKey: k.Material}, nil
	})
}

// exportable refuses certificates whose key is not there to leave.
func (c *Certificate) exportable() error {
	switch {
	case c.DER == nil:
		return &fault.Error{Kind: fault.WrongState, Resource: c.Resource().String(), Public: "the certificate was not issued"}
	case !c.Exportable:
		return &fault.Error{
			Kind: fault.WrongState, Reason: fault.NotExportable, Resource: c.Resource().String(),
			Public: "the certificate's key was not made exportable",
		}
	}
	return nil
}
