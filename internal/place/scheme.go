package place

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

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
