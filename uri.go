package holdfast

import "github.com/holdfast-kms/holdfast/internal/place"

// The schemes of URIs.
const (
	SchemeAWS      = place.SchemeAWS
	SchemeAzure    = place.SchemeAzure
	SchemeGoogle   = place.SchemeGoogle
	SchemeVault    = place.SchemeVault
	SchemePKCS11   = place.SchemePKCS11
	SchemeHoldfast = place.SchemeHoldfast
	SchemeFile     = place.SchemeFile
)

// URI names a key, or, without Key, a place where keys are: with the fields
// Scheme, Host, Key (in the place's own words) and Query. ParseURI reads it as
// several programs write it, and String writes it in one way, without a PIN.
type URI = place.URI

// ParseURI reads a URI. A parameter that its scheme does not have is refused by
// name.
func ParseURI(text string) (*URI, error) {
	u, err := place.Parse(text)
	if err != nil {
		return nil, failed("reading a URI", "", err)
	}
	return u, nil
}

// CheckForeign refuses (PermissionDenied) a URI with which somebody else would
// have this program load a library, read a file, or send a credential to a host
// of his choice, as that in the header of a file. See WithForeignURI.
func CheckForeign(u *URI) error { return failed("", "", place.CheckForeign(u)) }
