package gcp

import (
	"fmt"
	"strconv"
	"strings"
)

// The names of resources, as the API's reference spells them:
//
//	projects/P/locations/L
//	projects/P/locations/L/keyRings/R
//	projects/P/locations/L/keyRings/R/cryptoKeys/K
//	projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V
//	projects/P/locations/L/keyRings/R/importJobs/J
//
// What a Parse function reads, String prints the same.

// LocationName names a place of a project's.
type LocationName struct{ Project, Location string }

// KeyRingName names a key ring.
type KeyRingName struct {
	LocationName
	KeyRing string
}

// CryptoKeyName names a key.
type CryptoKeyName struct {
	KeyRingName
	CryptoKey string
}

// CryptoKeyVersionName names a version of a key. Versions are counted from 1.
type CryptoKeyVersionName struct {
	CryptoKeyName
	Version uint64
}

// ImportJobName names an import job.
type ImportJobName struct {
	KeyRingName
	ImportJob string
}

// String returns the name as the API has it.
func (n LocationName) String() string { return "projects/" + n.Project + "/locations/" + n.Location }

// String returns the name as the API has it.
func (n KeyRingName) String() string { return n.LocationName.String() + "/keyRings/" + n.KeyRing }

// String returns the name as the API has it.
func (n CryptoKeyName) String() string { return n.KeyRingName.String() + "/cryptoKeys/" + n.CryptoKey }

// String returns the name as the API has it.
func (n CryptoKeyVersionName) String() string {
	return n.CryptoKeyName.String() + "/cryptoKeyVersions/" + strconv.FormatUint(n.Version, 10)
}

// String returns the name as the API has it.
func (n ImportJobName) String() string { return n.KeyRingName.String() + "/importJobs/" + n.ImportJob }

// Key returns the name of a key of the ring.
func (n KeyRingName) Key(id string) CryptoKeyName { return CryptoKeyName{n, id} }

// Job returns the name of an import job of the ring.
func (n KeyRingName) Job(id string) ImportJobName { return ImportJobName{n, id} }

// At returns the name of a version of the key.
func (n CryptoKeyName) At(version uint64) CryptoKeyVersionName {
	return CryptoKeyVersionName{n, version}
}

// ParseLocation reads the name of a location.
func ParseLocation(s string) (LocationName, error) {
	var n LocationName
	p, err := parse(s, "projects", "locations")
	if err == nil {
		n = locationOf(p)
	}
	return n, err
}

// ParseKeyRing reads the name of a key ring.
func ParseKeyRing(s string) (KeyRingName, error) {
	var n KeyRingName
	p, err := parse(s, "projects", "locations", "keyRings")
	if err == nil {
		n = ringOf(p)
	}
	return n, err
}

// ParseCryptoKey reads the name of a key.
func ParseCryptoKey(s string) (CryptoKeyName, error) {
	var n CryptoKeyName
	p, err := parse(s, "projects", "locations", "keyRings", "cryptoKeys")
	if err == nil {
		n = ringOf(p).Key(p[3])
	}
	return n, err
}

// ParseCryptoKeyVersion reads the name of a version of a key.
func ParseCryptoKeyVersion(s string) (CryptoKeyVersionName, error) {
	p, err := parse(s, "projects", "locations", "keyRings", "cryptoKeys", "cryptoKeyVersions")
	if err != nil {
		return CryptoKeyVersionName{}, err
	}
	version, err := ParseVersion(p[4])
	if err != nil {
		return CryptoKeyVersionName{}, err
	}
	return ringOf(p).Key(p[3]).At(version), nil
}

// ParseImportJob reads the name of an import job.
func ParseImportJob(s string) (ImportJobName, error) {
	var n ImportJobName
	p, err := parse(s, "projects", "locations", "keyRings", "importJobs")
	if err == nil {
		n = ringOf(p).Job(p[3])
	}
	return n, err
}

// ParseAny reads the name of a key or of a version of one, which is 0 for a
// key. It takes the version as sigstore's tools spell it, too
// (…/cryptoKeys/K/versions/V).
func ParseAny(s string) (key CryptoKeyName, version uint64, err error) {
	if head, last, ok := strings.Cut(s, "/versions/"); ok {
		s = head + "/cryptoKeyVersions/" + last
	}
	if strings.Contains(s, "/cryptoKeyVersions/") {
		n, err := ParseCryptoKeyVersion(s)
		return n.CryptoKeyName, n.Version, err
	}
	key, err = ParseCryptoKey(s)
	return key, 0, err
}

// ParseVersion reads the id of a version: a decimal number from 1, without
// zeros before it.
func ParseVersion(s string) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v == 0 || s[0] == '0' || s[0] == '+' {
		return 0, fmt.Errorf("%.40q is not the number of a key's version", s)
	}
	return v, nil
}

func locationOf(p []string) LocationName { return LocationName{p[0], p[1]} }

func ringOf(p []string) KeyRingName { return KeyRingName{locationOf(p), p[2]} }

// maxName is longer than any name can be.
const maxName = 512

// parse returns the ids of a name whose collections are these.
func parse(s string, collections ...string) ([]string, error) {
	parts := strings.Split(s, "/")
	if len(s) > maxName || len(parts) != 2*len(collections) {
		return nil, malformed(s, collections)
	}
	var ids []string
	for i, c := range collections {
		id := parts[2*i+1]
		if parts[2*i] != c || !valid(c, id) {
			return nil, malformed(s, collections)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// valid reports whether an id can be one of the collection. What is in a key
// ring, and the ring, has ids of a pattern of its own; a project's id may have
// the domain that it belongs to before it ("example.com:project").
func valid(collection, id string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if collection == "projects" {
		return id != "" && len(id) <= 128 && strings.Trim(id, letters+".:") == ""
	}
	return ValidID(id)
}

// ValidID reports whether an id matches [a-zA-Z0-9_-]{1,63}, as those of key
// rings, keys and import jobs do.
func ValidID(id string) bool {
	if id == "" || len(id) > 63 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func malformed(s string, collections []string) error {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return fmt.Errorf("%q is not a name of the form %s/ID", s, strings.Join(collections, "/ID/"))
}
