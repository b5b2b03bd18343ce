package place

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
)

// The schemes of URIs.
const (
	SchemeAWS      = "awskms"
	SchemeAzure    = "azurekms"
	SchemeGoogle   = "gcpkms"
	SchemeVault    = "hashivault"
	SchemePKCS11   = "pkcs11"
	SchemeHoldfast = "holdfast"
	SchemeFile     = "file"
)

// URI names a key, or, without Key, a place where keys are. Parse reads it
// as several programs write it, and String writes it in one way.
type URI struct {
	// Scheme is one of the constants.
	Scheme string
	// Host is the service's endpoint: of awskms and holdfast a host with or
	// without a port, or empty; of azurekms that of the vault.
	Host string
	// Key is the key in the place's own words: an id, ARN or "alias/…" of
	// awskms; "name" or "name/version" of azurekms; a resource name of gcpkms,
	// which may end at its key ring; the name of hashivault; an id, ARN or
	// "alias/…" of holdfast; the path of file; all attributes before the "?" of
	// pkcs11.
	Key string
	// Query has the parameters, each once. Those of pkcs11 are there as RFC 7512
	// has them, but for pin-value.
	Query map[string]string

	token *uri.URI // of pkcs11, with the PIN
}

// parameters are those that each scheme has.
var parameters = map[string][]string{
	SchemeAWS:      {"region", "profile", "endpoint", "sts-endpoint", "role", "external-id", "web-identity-token-file", "ca"},
	SchemeAzure:    {"tenant", "client-id", "client-certificate", "managed-identity", "authority", "hsm", "challenge", "ca"},
	SchemeGoogle:   {"credentials", "quota-project", "endpoint", "protection", "ca"},
	SchemeVault:    {"address", "mount", "namespace", "version", "token-file", "role-id", "secret-id-file", "kubernetes-role", "ca"},
	SchemeHoldfast: {"region", "ca"},
	SchemeFile:     {"spec"},
}

// also are parameters by the names that other programs give them.
var also = map[string]map[string]string{
	SchemeAWS:   {"aws-profile": "profile"},
	SchemeVault: {"engine": "mount"},
}

// maxURI is the longest URI in bytes.
const maxURI = 4096

// badURI is what is wrong with a URI. It never repeats all of it: a PIN may be
// in it.
func badURI(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, "this is not the URI of a key: %s", fmt.Sprintf(format, args...))
}

// Parse reads a URI. A parameter that its scheme does not have is refused by
// name.
func Parse(text string) (*URI, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	if !ok || len(text) > maxURI || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, badURI("it has no scheme such as awskms:, is longer than %d bytes, or has control characters", maxURI)
	}
	if scheme == SchemePKCS11 {
		return parsePKCS11(text)
	}
	read, ok := readers[scheme]
	if !ok {
		return nil, badURI("the scheme %q is not known", scheme)
	}
	body, raw, _ := strings.Cut(rest, "?")
	if scheme != SchemeFile && strings.ContainsAny(body, " %#\"<>\\") {
		return nil, badURI("there are characters in it that no name of a key has")
	}
	u := &URI{Scheme: scheme, Query: map[string]string{}}
	if err := read(u, body); err != nil {
		return nil, err
	}
	if err := u.setQuery(raw); err != nil {
		return nil, err
	}
	return u, nil
}

// setQuery reads the parameters.
func (u *URI) setQuery(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return badURI("its parameters cannot be read")
	}
	for name, given := range values {
		if known, ok := also[u.Scheme][name]; ok {
			name = known
		}
		_, twice := u.Query[name]
		switch {
		case !slices.Contains(parameters[u.Scheme], name):
			return badURI("%s has no parameter %q; it has %s", u.Scheme, name, strings.Join(parameters[u.Scheme], ", "))
		case twice || len(given) != 1 || given[0] == "":
			return badURI("the parameter %q is empty, or there twice", name)
		}
		u.Query[name] = given[0]
	}
	return nil
}

// parsePKCS11 reads a URI of RFC 7512.
func parsePKCS11(text string) (*URI, error) {
	token, err := uri.ParseWithPIN(text)
	if err != nil {
		return nil, err
	}
	return ofToken(token), nil
}

// ofToken returns the URI of what a PKCS #11 URI names.
func ofToken(token *uri.URI) *URI {
	u := &URI{Scheme: SchemePKCS11, Query: map[string]string{}, token: token}
	shown := strings.TrimPrefix(token.String(), SchemePKCS11+":")
	u.Key, _, _ = strings.Cut(shown, "?")
	for name, value := range map[string]string{
		"module-path": token.ModulePath, "module-name": token.ModuleName, "pin-source": token.PINSource,
	} {
		if value != "" {
			u.Query[name] = value
		}
	}
	return u
}

// String returns the URI in the form of this package. It has no PIN.
func (u *URI) String() string {
	if u.token != nil {
		return u.token.String()
	}
	text := u.Scheme + ":"
	switch u.Scheme {
	case SchemeFile:
		text += (&url.URL{Path: u.Key}).EscapedPath()
	case SchemeGoogle, SchemeVault:
		text += "//" + u.Key
	default:
		text += "//" + u.Host + "/" + u.Key
	}
	if len(u.Query) == 0 {
		return text
	}
	values := url.Values{}
	for name, value := range u.Query {
		values.Set(name, value)
	}
	return text + "?" + values.Encode()
}

// with returns the URI of another key of the same place.
func (u *URI) with(key string) *URI {
	other := *u
	other.Key = key
	return &other
}

// Of returns the URI of the place where a key is, without parameters that
// are a key's own. A file may be one itself: a directory.
func Of(u *URI) *URI {
	bare := *u
	bare.Query = maps.Clone(u.Query)
	delete(bare.Query, "version")
	delete(bare.Query, "spec")
	u = &bare
	switch u.Scheme {
	case SchemeFile:
		return u
	case SchemeGoogle:
		ring, _, _ := strings.Cut(u.Key, "/cryptoKeys/")
		return u.with(ring)
	case SchemePKCS11:
		token := *u.token
		token.Object, token.ID, token.Class = "", nil, nil
		return ofToken(&token)
	}
	return u.with("")
}

// Bare reports whether a URI names a place and no key in it.
func Bare(u *URI) bool {
	switch u.Scheme {
	case SchemeGoogle:
		return !strings.Contains(u.Key, "/cryptoKeys/")
	case SchemePKCS11:
		return u.token.Object == "" && len(u.token.ID) == 0
	}
	return u.Key == ""
}

// Named returns the URI of a key of the place u by the name that it has there.
func Named(u *URI, name string) (*URI, error) {
	switch u.Scheme {
	case SchemeFile:
		if !path.IsAbs(name) {
			name = path.Join(u.Key, name)
		}
	case SchemeGoogle:
		if !strings.HasPrefix(name, "projects/") {
			name = u.Key + "/cryptoKeys/" + strings.TrimPrefix(name, "cryptoKeys/")
		}
	case SchemePKCS11:
		return u.object(name)
	}
	return Parse(u.with(name).String())
}

// object returns the URI of an object of a token, by its attributes, such as
// "object=release", or by its label alone.
func (u *URI) object(name string) (*URI, error) {
	token := *u.token
	token.Object = name
	if strings.Contains(name, "=") {
		o, err := uri.Parse(SchemePKCS11 + ":" + name)
		if err != nil {
			return nil, err
		}
		token.Object, token.ID, token.Class = o.Object, o.ID, o.Class
	}
	return ofToken(&token), nil
}
