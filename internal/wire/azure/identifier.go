package azure

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Collection is a part of a vault, the first segment of a name's path.
type Collection string

// The collections.
const (
	Keys         Collection = "keys"
	Certificates Collection = "certificates"
	Secrets      Collection = "secrets"
	DeletedKeys  Collection = "deletedkeys"
)

// maxName is the longest name of an object in characters.
const maxName = 127

// Identifier names an object of a vault, such as
// https://contoso.vault.azure.net/keys/web/78deebed173b48e48f55abf87ed4cf71.
type Identifier struct {
	// Host is the vault's, with its port where that is not 443, in lower case.
	Host       string
	Collection Collection
	Name       string
	// Version is "" for the one that is current.
	Version string
}

// ParseIdentifier reads an identifier. It takes a slash at the end, as clients
// write it for the current version, and nothing else beside the parts.
func ParseIdentifier(text string) (Identifier, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") || u.RawPath != "" {
		return Identifier{}, errors.New("not the https URL of an object in a vault")
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if len(parts) == 2 {
		parts = append(parts, "")
	}
	if len(parts) != 3 {
		return Identifier{}, errors.New("the URL of an object in a vault has a collection, a name and perhaps a version")
	}
	id := Identifier{Host: strings.ToLower(u.Host), Collection: Collection(parts[0]), Name: parts[1], Version: parts[2]}
	return id, id.check()
}

func (id Identifier) check() error {
	switch id.Collection {
	case Keys, Certificates, Secrets, DeletedKeys:
	default:
		return fmt.Errorf("a vault has no %q", id.Collection)
	}
	if !validHost(id.Host) {
		return errors.New("the URL names no vault")
	}
	if !ValidName(id.Name) {
		return errors.New("a name in a vault has 1 to 127 letters, digits and hyphens")
	}
	if id.Version != "" && !ValidVersion(id.Version) {
		return errors.New("a version in a vault has letters and digits")
	}
	return nil
}

// validHost reports whether a host can stand in an identifier and be read back.
func validHost(host string) bool {
	u, err := url.Parse("https://" + host)
	return err == nil && host != "" && u.Host == host && u.Hostname() != "" && !strings.HasSuffix(host, ":") && !strings.ContainsAny(host, `\ %`)
}

// ValidName reports whether an object of a vault can have the name.
func ValidName(name string) bool {
	return len(name) >= 1 && len(name) <= maxName && alphanumeric(strings.ReplaceAll(name, "-", ""))
}

// ValidVersion reports whether text can be a version: in practice 32
// hexadecimal digits, which the service does not promise.
func ValidVersion(text string) bool { return text != "" && len(text) <= maxName && alphanumeric(text) }

func alphanumeric(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// String returns the identifier as the service writes it.
func (id Identifier) String() string {
	text := "https://" + id.Host + "/" + string(id.Collection) + "/" + id.Name
	if id.Version != "" {
		text += "/" + id.Version
	}
	return text
}

// Same reports whether two identifiers name the same object of the same vault,
// whatever the versions. Names do not differ by case.
func (id Identifier) Same(other Identifier) bool {
	return strings.EqualFold(id.Host, other.Host) && id.Collection == other.Collection && strings.EqualFold(id.Name, other.Name)
}

// ManagedHSMHost reports whether a host is a Managed HSM's by its name: in every
// cloud of Microsoft's one part of it is "managedhsm".
func ManagedHSMHost(host string) bool {
	parts := strings.Split(strings.ToLower(host), ".")
	for i, part := range parts {
		if i > 0 && part == "managedhsm" {
			return true
		}
	}
	return false
}
