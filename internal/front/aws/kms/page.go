package kms

import (
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// pageRequest is the part of a request that asks for a page of a listing.
type pageRequest struct {
	limit  int
	marker string
}

// page declares Limit and Marker.
func (r *pageRequest) page(m *aws.Members, most int) {
	m.Int("Limit", &r.limit, 1, most)
	m.Text("Marker", &r.marker, 1, 1024)
}

// from returns the page that is asked for; usual is the size of a page when
// the request does not say.
func (r *pageRequest) from(x *aws.Exchange, usual int) (kms.Page, error) {
	page := kms.Page{Limit: r.limit}
	if page.Limit == 0 {
		page.Limit = usual
	}
	if r.marker == "" {
		return page, nil
	}
	after, ok := x.AfterMarker(r.marker)
	if !ok {
		return page, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "The marker is not of this listing.")
	}
	page.After = after
	return page, nil
}

// writeNext adds what tells whether and where a listing goes on.
func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Out.Text("NextMarker", x.NextMarker(next))
	}
	x.Out.Bool("Truncated", next != "")
}
