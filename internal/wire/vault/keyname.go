package vault

import (
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// maxName is how long a key's name may be here: it is a path's segment and a
// file's name in some of Vault's stores.
const maxName = 255

// KeyName names a key, or one version of it. Its text is "name" or
// "name/version", as in the path of transit/export/TYPE/NAME/VERSION.
type KeyName struct {
	Name string
	// Version is 0 where none is named.
	Version int
}

// ParseKeyName reads a key's name. The path of the key ("transit/keys/name",
// which is Terraform's id of it) is read too, when mount is that of the engine.
func ParseKeyName(mount, text string) (KeyName, error) {
	name := strings.TrimPrefix(text, strings.Trim(mount, "/")+"/keys/")
	name, version, pinned := strings.Cut(name, "/")
	k := KeyName{Name: name}
	if pinned {
		n, err := ParseVersion(version)
		if err != nil {
			return KeyName{}, fault.New(fault.InvalidArgument, "%.40q is no version of a Transit key", version)
		}
		k.Version = n
	}
	if !ValidName(name) {
		return KeyName{}, fault.New(fault.InvalidArgument, "%.40q is no name of a Transit key", name)
	}
	return k, nil
}

// String returns the text that ParseKeyName reads.
func (k KeyName) String() string {
	if k.Version == 0 {
		return k.Name
	}
	return k.Name + "/" + strconv.Itoa(k.Version)
}

// ValidName reports whether Transit takes a name for a key: letters, digits and
// "_", and within it "-" and "." too.
func ValidName(name string) bool {
	for i, c := range []byte(name) {
		edge := i == 0 || i == len(name)-1
		word := c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !word && (edge || c != '-' && c != '.') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// ParseVersion reads the number of a version: from 1, in decimal, without a
// sign or leading zeros.
func ParseVersion(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != text {
		return 0, fault.New(fault.InvalidArgument, "%.20q is no version number", text)
	}
	return int(n), nil
}
