package step

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-kms/holdfast"
)

// Scheme is that of the names of keys, and the type of the KMS.
const Scheme = "holdfast"

// uriOf returns the URI of package holdfast that a name stands for.
func uriOf(name string) (string, error) {
	if attributes, ok := strings.CutPrefix(name, Scheme+":"); ok && !strings.HasPrefix(attributes, "//") {
		value, ok := strings.CutPrefix(attributes, "uri=")
		uri, err := url.QueryUnescape(value)
		if !ok || err != nil || strings.Contains(value, ";") {
			return "", fmt.Errorf("%s: is followed by //host/key, or by uri= and a percent-encoded URI, and nothing else", Scheme)
		}
		name = uri
	}
	if _, err := holdfast.ParseURI(name); err != nil {
		return "", err
	}
	return name, nil
}

// nameOf returns the name of a key by its URI: uriOf backwards.
func nameOf(uri string) string {
	if strings.HasPrefix(uri, Scheme+"://") {
		return uri
	}
	return Scheme + ":uri=" + url.QueryEscape(uri)
}
