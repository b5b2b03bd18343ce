package acm

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type listCertificatesRequest struct {
	aws.PageRequest
	statuses       []string
	includes       *filters
	sortBy, sortIn string
}

// Members declares ListCertificates's request.
func (r *listCertificatesRequest) Members(m *aws.Members) {
	m.List("CertificateStatuses", &r.statuses, 0, 0, 0).OneOf(statuses)
	aws.Struct(m, "Includes", &r.includes)
	m.Text("NextToken", &r.Marker, 1, maxNextToken).Matching(markerPattern)
	m.Int("MaxItems", &r.Limit, 1, maxItems)
	m.Enum("SortBy", &r.sortBy, sortings)
	m.Enum("SortOrder", &r.sortIn, sortOrders)
}

// filters are what a listing is to have. Their names are in lower camel case
// in AWS's model, too.
type filters struct {
	types, usages, extended []string
	export, manager         string
}

// Members declares the structure.
func (r *filters) Members(m *aws.Members) {
	m.List("keyTypes", &r.types, 0, 0, 0).OneOf(keyAlgorithms)
	m.List("keyUsage", &r.usages, 0, 0, 0).OneOf(keyUsageFilters)
	m.List("extendedKeyUsage", &r.extended, 0, 0, 0).OneOf(extendedFilters)
	m.Enum("exportOption", &r.export, switches)
	m.Enum("managedBy", &r.manager, managers)
}

// usualTypes are the keys of a listing that does not say which: a trap of
// AWS's, which clients that want the others know to avoid.
func usualTypes() []alg.Spec { return []alg.Spec{alg.RSA2048} }

// usualPage is the size of a page when the request does not say. AWS does not
// document its own.
const usualPage = 100

func (f *front) listCertificates(ctx context.Context, x *aws.Exchange, in *listCertificatesRequest) error {
	if (in.sortBy == "") != (in.sortIn == "") {
		return aws.Validation("You must specify both SortBy and SortOrder, or neither.")
	}
	page, err := x.Page(in.PageRequest, usualPage, "the token is not of this listing")
	if err != nil {
		return err
	}
	l := managed.List{NewestFirst: in.sortIn == descending, Page: page}
	nothing := in.filter(&l.Filter)
	list, next, err := f.certificates.List(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	if nothing {
		list, next = nil, ""
	}
	return writeList(x, list, next)
}

// filter puts the request's wishes into the filter. It returns true for wishes
// that no certificate here fulfils.
func (r *listCertificatesRequest) filter(f *managed.Filter) (nothing bool) {
	var unknown bool
	f.States, unknown = values(states, r.statuses)
	nothing = unknown && len(f.States) == 0
	f.Specs = usualTypes()
	in := r.includes
	if in == nil {
		return nothing
	}
	if len(in.types) > 0 {
		f.Specs = nil
		for _, name := range in.types {
			if spec, err := keyAlgorithm(name); err == nil {
				f.Specs = append(f.Specs, spec)
			}
		}
		nothing = nothing || len(f.Specs) == 0
	}
	if !slices.Contains(in.usages, anyUsage) {
		f.Usages, unknown = values(usages, in.usages)
		nothing = nothing || unknown && len(f.Usages) == 0
	}
	if !slices.Contains(in.extended, anyUsage) {
		f.Extended, unknown = values(extended, in.extended)
		nothing = nothing || unknown && len(f.Extended) == 0
	}
	if in.export != "" {
		exportable := in.export == enabled
		f.Exportable = &exportable
	}
	return nothing || in.manager != ""
}

// values returns the values of names, and whether one of them is a name that
// only AWS has a use for.
func values[T comparable](table []named[T], names []string) (list []T, unknown bool) {
	for _, name := range names {
		if v, ok := valueOf(table, name); ok {
			list = append(list, v)
		} else {
			unknown = true
		}
	}
	return list, unknown
}

func writeList(x *aws.Exchange, list []*managed.Certificate, next string) error {
	var err error
	x.Out.Array("CertificateSummaryList", func() {
		for _, c := range list {
			x.Out.Object("", func() {
				if failed := writeSummary(x, c); failed != nil {
					err = failed
				}
			})
		}
	})
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
	return err
}

func writeSummary(x *aws.Exchange, c *managed.Certificate) error {
	out, now := &x.Out, x.Call.Time
	out.Text("CertificateArn", arnOf(c))
	out.Text("DomainName", c.Domain)
	writeTexts(out, "SubjectAlternativeNameSummaries", c.Names[:min(len(c.Names), managed.MaxNames)])
	out.Bool("HasAdditionalSubjectAlternativeNames", len(c.Names) > managed.MaxNames)
	out.Text("Status", nameOf(states, c.State(now)))
	out.Text("Type", nameOf(kinds, c.Kind))
	out.Text("KeyAlgorithm", wire.KeyAlgorithmName(c.Spec))
	out.Bool("InUse", len(c.UsedBy) > 0)
	out.Bool("Exported", !c.ExportedAt.IsZero())
	out.Text("ExportOption", onOff(c.Exportable))
	out.Text("RenewalEligibility", eligibility(c, now))
	writeTimes(out, c)
	if c.DER == nil {
		return nil
	}
	parsed, err := c.X509()
	if err != nil {
		return err
	}
	out.Array("KeyUsages", func() {
		for _, u := range usages {
			if parsed.KeyUsage&u.value != 0 {
				out.Text("", u.name)
			}
		}
	})
	out.Array("ExtendedKeyUsages", func() {
		for _, u := range extendedOf(parsed) {
			out.Text("", u.name)
		}
	})
	return nil
}
