package pca

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// pageRequest is the part of a request that asks for a page of a listing.
type pageRequest struct{ aws.PageRequest }

// page declares MaxResults and NextToken.
func (r *pageRequest) page(m *aws.Members) {
	m.Int("MaxResults", &r.Limit, 1, maxMaxResults)
	m.Text("NextToken", &r.Marker, 1, maxNextToken)
}

// usualPage is the size of a page when the request does not say. AWS does not
// document its own.
const usualPage = 100

// from returns the page that is asked for.
func (r *pageRequest) from(x *aws.Exchange) (kms.Page, error) {
	return x.Page(r.PageRequest, usualPage, "The token is not of this listing.")
}

// cut returns the page of a listing that is there as a whole, sorted by the
// names of its entries, and the name after which the next one begins, "" at
// the end.
func cut[T any](page kms.Page, list []T, name func(T) string) (part []T, next string) {
	for _, entry := range list {
		if name(entry) <= page.After {
			continue
		}
		if len(part) == page.Limit {
			return part, name(part[len(part)-1])
		}
		part = append(part, entry)
	}
	return part, ""
}

// writeNext adds where a listing goes on.
func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
}
