package kms

import (
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // a name, not a protection (RFC 5280 section 4.2.1.2)
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// PublicName names a key by its public half: one of the fields is not zero.
type PublicName struct {
	// SKI is the SHA-1 of the bit string in the SubjectPublicKeyInfo.
	SKI [20]byte
	// Modulus is the SHA-256 of an RSA modulus in upper-case hexadecimal.
	Modulus [32]byte
}

// ByPublic returns the key with a public half. It only names the key, and asks
// for no decision. It looks at every key, until the catalog has an index.
func (s *Service) ByPublic(call *key.Call, p PublicName) (name key.Name, ok bool) {
	s.keys.All(func(e *catalog.Entry) bool {
		if len(e.Key.Versions) > 0 && p.of(e.Key.Current().Public) {
			name, ok = e.Key.Name, true
		}
		return !ok || name.Realm != call.Caller.Principal.Realm
	})
	return name, ok
}

func (p PublicName) of(spki []byte) bool {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return false
	}
	if p.SKI != [20]byte{} {
		return sha1.Sum(info.Key.Bytes) == p.SKI //nolint:gosec // a name
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	modulus, is := public.(*rsa.PublicKey)
	return err == nil && is && sha256.Sum256([]byte(strings.ToUpper(modulus.N.Text(16)))) == p.Modulus
}
