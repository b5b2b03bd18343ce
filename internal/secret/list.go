package secret

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Field is what a filter of a listing looks at.
type Field uint8

// The fields. Their values begin with a filter's, with case, but for
// descriptions, and Anywhere: that looks for each word of the filter's value in
// all of them, without case.
const (
	Anywhere Field = iota + 1
	Description
	Name
	TagKey
	TagValue
	Owner // the service that a secret belongs to, of which there is none
	Home  // the region that a replica is of, of which there are none
)

// Filter chooses secrets of a listing: those for which one of the values fits,
// or, of a value that begins with "!", those for which it does not.
type Filter struct {
	Field  Field
	Values []string
}

// Order is what a listing is sorted by. What is equal is in the order of names.
type Order uint8

// The orders.
const (
	ByCreation Order = iota
	ByAccess
	ByChange
	ByName
)

// List is how a listing is filtered and ordered, and which page is wanted.
type List struct {
	Filters []Filter // all have to fit
	// Deleted lists those that wait for their end, too.
	Deleted bool
	Order   Order
	// Descending turns the order round.
	Descending bool
	Page       kms.Page
}

// MaxPage is the largest page of a listing.
const MaxPage = 100

// List returns a page of the secrets of the call's realm and region, and where
// the next one begins, "" at the end. The caller needs ListSecrets.
func (s *Service) List(ctx context.Context, call *key.Call, l *List) (list []*Secret, next string, err error) {
	list, err = guard.Do(ctx, s.Guard, call, key.ListSecrets, func(v *guard.Visit) ([]*Secret, error) {
		if err := v.Authorize(realmTarget(call, key.ListSecrets)); err != nil {
			return nil, err
		}
		return s.all(ctx, call, l)
	})
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(list, l.compare)
	if l.Page.After != "" {
		after, err := l.parseCursor(l.Page.After)
		if err != nil {
			return nil, "", err
		}
		at, found := slices.BinarySearchFunc(list, after, l.compare)
		if found {
			at++
		}
		list = list[at:]
	}
	limit := l.Page.Limit
	if limit < 1 || limit > MaxPage {
		limit = MaxPage
	}
	if len(list) > limit {
		list = list[:limit]
		next = l.cursor(list[limit-1])
	}
	return list, next, nil
}

// all returns the secrets that fit, in the order of their names.
func (s *Service) all(ctx context.Context, call *key.Call, l *List) ([]*Secret, error) {
	var list []*Secret
	q := store.Query{Column: "scope", Equal: scopeOf(call.Caller.Principal.Realm, call.Region)}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Secrets, q) {
			if err != nil {
				return err
			}
			x, err := readSecret(row)
			if err != nil {
				return err
			}
			if (l.Deleted || !x.deleted()) && !slices.ContainsFunc(l.Filters, func(f Filter) bool { return !f.fits(x) }) {
				list = append(list, x)
			}
		}
		return nil
	})
	return list, err
}

func (f *Filter) fits(x *Secret) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool {
		if wanted, ok := strings.CutPrefix(value, "!"); ok {
			return !f.matches(x, wanted)
		}
		return f.matches(x, value)
	})
}

func (f *Filter) matches(x *Secret, value string) bool {
	switch f.Field {
	case Anywhere:
		return x.mentions(value)
	case Description:
		return strings.HasPrefix(strings.ToLower(x.Description), strings.ToLower(value))
	case Name:
		return strings.HasPrefix(x.Name, value)
	case TagKey:
		return slices.ContainsFunc(x.Tags, func(t key.Tag) bool { return strings.HasPrefix(t.Key, value) })
	case TagValue:
		return slices.ContainsFunc(x.Tags, func(t key.Tag) bool { return strings.HasPrefix(t.Value, value) })
	case Owner, Home:
	}
	return false
}

// mentions reports whether every word of a text is somewhere in what is said
// of the secret.
func (x *Secret) mentions(text string) bool {
	said := []string{x.Name, x.Description}
	for _, t := range x.Tags {
		said = append(said, t.Key, t.Value)
	}
	whole := strings.ToLower(strings.Join(said, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if !strings.Contains(whole, word) {
			return false
		}
	}
	return true
}

// time returns the time that the listing is ordered by.
func (l *List) time(x *Secret) time.Time {
	switch l.Order {
	case ByCreation:
		return x.CreatedAt
	case ByAccess:
		return x.AccessedAt
	case ByChange:
		return x.ChangedAt
	case ByName:
	}
	return time.Time{}
}

func (l *List) compare(a, b *Secret) int {
	c := cmp.Or(l.time(a).Compare(l.time(b)), strings.Compare(a.Name, b.Name))
	if l.Descending {
		return -c
	}
	return c
}

// cursor returns where a page that ends with a secret ended: the time that the
// listing is ordered by, and the name.
func (l *List) cursor(x *Secret) string {
	return l.time(x).UTC().Format(store.TimeFormat) + " " + x.Name
}

func (l *List) parseCursor(text string) (*Secret, error) {
	stamp, name, _ := strings.Cut(text, " ")
	t, err := time.Parse(store.TimeFormat, stamp)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the page is of no such listing")
	}
	return &Secret{Name: name, CreatedAt: t, AccessedAt: t, ChangedAt: t}, nil
}
