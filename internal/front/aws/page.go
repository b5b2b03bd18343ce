package aws

import (
	"encoding/base64"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// PageRequest is the part of a request that asks for a page of a listing. An
// API declares it under its own names.
type PageRequest struct {
	Limit  int
	Marker string
}

// Page returns the page that is asked for. Usual is the size of a page when
// the request does not say, and stray the API's text for a marker that is of
// another listing, or of none.
func (x *Exchange) Page(r PageRequest, usual int, stray string) (kms.Page, error) {
	page := kms.Page{Limit: r.Limit}
	if page.Limit == 0 {
		page.Limit = usual
	}
	if r.Marker == "" {
		return page, nil
	}
	after, ok := x.afterMarker(r.Marker)
	if !ok {
		return page, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "%s", stray)
	}
	page.After = after
	return page, nil
}

// NextMarker returns the marker of a page that begins after an entry.
//
// Format 1 is the operation's name and the name of the entry, in base64url. A
// marker holds nothing that its listing did not, and gives no access: the
// next page is authorised like the first.
func (x *Exchange) NextMarker(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(x.markerPrefix() + after))
}

// afterMarker returns the entry that a marker of the same operation's listing
// names.
func (x *Exchange) afterMarker(marker string) (after string, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(marker)
	after, ok = strings.CutPrefix(string(text), x.markerPrefix())
	return after, err == nil && ok && after != ""
}

func (x *Exchange) markerPrefix() string { return "1:" + x.Operation() + ":" }
