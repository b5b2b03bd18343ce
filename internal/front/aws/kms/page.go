package kms

import (
	"encoding/base64"
	"strings"

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
	text, err := base64.RawURLEncoding.Strict().DecodeString(r.marker)
	after, ok := strings.CutPrefix(string(text), markerPrefix(x))
	if err != nil || !ok || after == "" {
		return page, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "The marker is not of this listing.")
	}
	page.After = after
	return page, nil
}

// markerPrefix begins the markers of an operation, format 1: a name of an
// entry, which the next page begins after, in base64url. A marker holds
// nothing that its listing did not, and gives no access: the next page is
// authorised like the first.
func markerPrefix(x *aws.Exchange) string { return "1:" + x.Operation() + ":" }

// writeNext adds what tells whether and where a listing goes on.
func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Out.Text("NextMarker", base64.RawURLEncoding.EncodeToString([]byte(markerPrefix(x)+next)))
	}
	x.Out.Bool("Truncated", next != "")
}
