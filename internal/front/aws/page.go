package aws

import (
	"encoding/base64"
	"strings"
)

// NextMarker returns the marker of a page that begins after an entry.
//
// Format 1 is the operation's name and the name of the entry, in base64url. A
// marker holds nothing that its listing did not, and gives no access: the
// next page is authorised like the first.
func (x *Exchange) NextMarker(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(x.markerPrefix() + after))
}

// AfterMarker returns the entry that a marker of the same operation's listing
// names.
func (x *Exchange) AfterMarker(marker string) (after string, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(marker)
	after, ok = strings.CutPrefix(string(text), x.markerPrefix())
	return after, err == nil && ok && after != ""
}

func (x *Exchange) markerPrefix() string { return "1:" + x.Operation() + ":" }
