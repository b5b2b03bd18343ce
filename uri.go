package holdfast

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

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

// URI names a key, or, without Key, a place where keys are. ParseURI reads it
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

// harmless are those of the parameters that a URI may have that is somebody
// else's: they name no file, no host and no credential.
var harmless = map[string][]string{
	SchemeAWS:      {"region"},
	SchemeGoogle:   {"protection"},
	SchemeVault:    {"mount", "version"},
	SchemeHoldfast: {"region"},
	SchemeFile:     {"spec"},
}

// vaults are the domains of Azure's vaults and Managed HSMs, in all its clouds.
var vaults = []string{
	".vault.azure.net", ".managedhsm.azure.net", ".vault.azure.cn", ".managedhsm.azure.cn",
	".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net",
}

// checkForeign refuses a URI with which somebody else would have this program
// load a library, read a file, or send a credential to a host of his choice. For
// that of a Holdfast server see aim.
func (u *URI) checkForeign() error {
	for name := range u.Query {
		if !slices.Contains(harmless[u.Scheme], name) {
			return &Error{Kind: PermissionDenied, Detail: "the parameter " + strconv.Quote(name) + " is not taken of a URI that is somebody else's"}
		}
	}
	switch {
	case u.Scheme == SchemeAWS && u.Host != "":
		return &Error{Kind: PermissionDenied, Detail: "an endpoint is not taken of a URI that is somebody else's"}
	case u.Scheme == SchemeAzure && !slices.ContainsFunc(vaults, func(domain string) bool { return strings.HasSuffix(u.Host, domain) }):
		return &Error{Kind: PermissionDenied, Detail: u.Host + " is no vault of Azure's, and the URI is somebody else's"}
	case u.Scheme == SchemePKCS11 && len(u.token.PIN) > 0:
		return &Error{Kind: PermissionDenied, Detail: "a PIN is not taken of a URI that is somebody else's"}
	}
	return nil
}

// also are parameters by the names that other programs give them.
var also = map[string]map[string]string{
	SchemeAWS:   {"aws-profile": "profile"},
	SchemeVault: {"engine": "mount"},
}

// maxURI is the longest URI in bytes.
const maxURI = 4096

// ParseURI reads a URI. A parameter that its scheme does not have is refused by
// name.
func ParseURI(text string) (*URI, error) {
	u, err := parseURI(text)
	if err != nil {
		return nil, failed("reading a URI", "", err)
	}
	return u, nil
}

// badURI is what is wrong with a URI. It never repeats all of it: a PIN may be
// in it.
func badURI(format string, args ...any) error {
	return &Error{Kind: InvalidArgument, Detail: "this is not the URI of a key: " + fmt.Sprintf(format, args...)}
}

func parseURI(text string) (*URI, error) {
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

// readers read what is between the scheme and the parameters. Beside the
// schemes of this package there are those that gocloud.dev, tink and step
// write for the same places.
var readers = map[string]func(u *URI, body string) error{
	SchemeAWS:       (*URI).readAWS,
	"aws-kms":       (*URI).readAWS,
	SchemeAzure:     (*URI).readAzure,
	"azurekeyvault": (*URI).readAzure,
	SchemeGoogle:    (*URI).readGoogle,
	"gcp-kms":       (*URI).readGoogle,
	"cloudkms":      (*URI).readGoogle,
	SchemeVault:     (*URI).readVault,
	"hcvault":       (*URI).readVaultPath,
	SchemeHoldfast:  (*URI).readHoldfast,
	SchemeFile:      (*URI).readFile,
}

// authority cuts a body into a host and a path.
func authority(body string) (host, rest string, ok bool) {
	body, ok = strings.CutPrefix(body, "//")
	host, rest, _ = strings.Cut(body, "/")
	return strings.ToLower(host), rest, ok
}

// hostPattern is a host name or address with or without a port.
var hostPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// uuidPattern is a key's id in AWS and Holdfast; the one with the prefix is of
// a multi-Region key.
var uuidPattern = regexp.MustCompile(`^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// checkHost refuses what is no host.
func checkHost(host string) error {
	if !hostPattern.MatchString(host) {
		return badURI("%q is no host", host)
	}
	return nil
}

// readAWS reads "//endpoint/key", "///key" and what gocloud.dev and tink
// write: "//alias/name", "//id" and "//arn:…".
func (u *URI) readAWS(body string) error {
	u.Scheme = SchemeAWS
	host, key, ok := authority(body)
	whole := strings.TrimPrefix(body, "//")
	switch {
	case !ok:
		return badURI("awskms: is followed by //")
	case strings.HasPrefix(whole, "arn:"), uuidPattern.MatchString(whole):
		host, key = "", whole
	case host == "alias":
		host, key = "", "alias/"+key
	}
	u.Host, u.Key = host, key
	if key == "alias/" {
		return badURI("alias/ is followed by a name")
	}
	if host == "" {
		return nil
	}
	return checkHost(host)
}

// readAzure reads "//vault.host/name[/version]", with or without the "keys/"
// of an identifier.
func (u *URI) readAzure(body string) error {
	u.Scheme = SchemeAzure
	host, key, ok := authority(body)
	if !ok {
		return badURI("azurekms: is followed by //")
	}
	if err := checkHost(host); err != nil {
		return err
	}
	u.Host = host
	u.Key = strings.TrimSuffix(strings.TrimPrefix(key, "keys/"), "/")
	if strings.Count(strings.TrimPrefix(u.Key, "certificates/"), "/") > 1 {
		return badURI("a key of a vault is name or name/version")
	}
	return nil
}

var googlePattern = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+(/cryptoKeys/[^/]+(/cryptoKeyVersions/[0-9]+)?)?$`)

// readGoogle reads "//resource" and ":resource", with sigstore's short
// "versions" as well.
func (u *URI) readGoogle(body string) error {
	u.Scheme = SchemeGoogle
	u.Key = strings.TrimSuffix(strings.TrimLeft(body, "/"), "/")
	if before, after, ok := strings.Cut(u.Key, "/versions/"); ok {
		u.Key = before + "/cryptoKeyVersions/" + after
	}
	if !googlePattern.MatchString(u.Key) {
		return badURI("a key of Google's is projects/P/locations/L/keyRings/R/cryptoKeys/K, with or without /cryptoKeyVersions/N")
	}
	return nil
}

// readVault reads "//key".
func (u *URI) readVault(body string) error {
	key, ok := strings.CutPrefix(body, "//")
	if !ok || strings.Contains(key, "/") {
		return badURI("hashivault: is followed by // and a key's name; the address and the mount are parameters")
	}
	u.Key = key
	return nil
}

// readVaultPath reads tink's "//host/mount/keys/key".
func (u *URI) readVaultPath(body string) error {
	host, rest, ok := authority(body)
	mount, key := path.Split(rest)
	mount, kept := strings.CutSuffix(strings.TrimSuffix(mount, "/"), "/keys")
	if !ok || !kept || mount == "" || key == "" {
		return badURI("hcvault: is followed by //host/mount/keys/name")
	}
	if err := checkHost(host); err != nil {
		return err
	}
	u.Scheme, u.Key = SchemeVault, key
	u.Query["address"], u.Query["mount"] = "https://"+host, mount
	return nil
}

// readHoldfast reads "//host/key" and "///key". A name that is no id and no ARN
// is an alias.
func (u *URI) readHoldfast(body string) error {
	host, key, ok := authority(body)
	if !ok {
		return badURI("holdfast: is followed by //")
	}
	u.Host, u.Key = host, key
	if key != "" && !uuidPattern.MatchString(key) && !strings.HasPrefix(key, "arn:") && !strings.HasPrefix(key, "alias/") {
		u.Key = "alias/" + key
	}
	if host == "" {
		return nil
	}
	return checkHost(host)
}

// readFile reads a path, which may be relative, and the "///path" of RFC 8089.
func (u *URI) readFile(body string) error {
	if rest, ok := strings.CutPrefix(body, "//"); ok {
		host, name, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return badURI("a file is on this machine: file: is followed by a path, or by // and an absolute path")
		}
		body = "/" + name
	}
	name, err := url.PathUnescape(body)
	if err != nil || name == "" || strings.ContainsRune(name, 0) {
		return badURI("file: is followed by a path")
	}
	u.Key = path.Clean(name)
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

// place returns the URI of the place where the key is, without parameters that
// are a key's own. A file may be one itself: a directory.
func (u *URI) place() *URI {
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

// bare reports whether the URI names a place and no key in it.
func (u *URI) bare() bool {
	switch u.Scheme {
	case SchemeGoogle:
		return !strings.Contains(u.Key, "/cryptoKeys/")
	case SchemePKCS11:
		return u.token.Object == "" && len(u.token.ID) == 0
	}
	return u.Key == ""
}

// named returns the URI of a key of the place u by the name that it has there.
func (u *URI) named(name string) (*URI, error) {
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
	return ParseURI(u.with(name).String())
}

// object returns the URI of an object of a token, by its attributes, such as
// "object=release", or by its label alone.
func (u *URI) object(name string) (*URI, error) {
	token := *u.token
	token.Object = name
	if strings.Contains(name, "=") {
		o, err := uri.Parse(SchemePKCS11 + ":" + name)
		if err != nil {
			return nil, failed("reading a URI", "", err)
		}
		token.Object, token.ID, token.Class = o.Object, o.ID, o.Class
	}
	return ofToken(&token), nil
}
