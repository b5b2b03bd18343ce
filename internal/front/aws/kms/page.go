package kms

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// pageRequest is the part of a request that asks for a page of a listing.
type pageRequest struct{ aws.PageRequest }

// page declares Limit and Marker.
func (r *pageRequest) page(m *aws.Members, most int) {
	m.Int("Limit", &r.Limit, 1, most)
	m.Text("Marker", &r.Marker, 1, 1024)
}

const strayMarker = "The marker is not of this listing."

// from returns the page that is asked for; usual is the size of a page when
// the request does not say.
func (r *pageRequest) from(x *aws.Exchange, usual int) (kms.Page, error) {
	return x.Page(r.PageRequest, usual, strayMarker)
}

// writeNext adds what tells whether and where a listing goes on.
func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Out.Text("NextMarker", x.NextMarker(next))
	}
	x.Out.Bool("Truncated", next != "")
}
