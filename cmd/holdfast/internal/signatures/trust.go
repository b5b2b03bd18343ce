package signatures

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/jws"
)

// jwsTrust is what the flags of jws verify say of whom to trust.
type jwsTrust struct{ uri, file, kid, ca string }

// trusted returns the keys that the flags trust.
func (a *app) trusted(cmd *cobra.Command, t *jwsTrust, m *jws.Message) ([]jws.Key, error) {
	var keys []jws.Key
	var err error
	switch {
	case t.uri != "":
		k, err := a.OpenKey(cmd.Context(), t.uri)
		if err != nil {
			return nil, err
		}
		keys = []jws.Key{{Public: k.Public()}}
		if err := k.Close(); err != nil {
			return nil, err
		}
	case t.file != "":
		if keys, err = a.publicKeys(t.file); err != nil {
			return nil, fmt.Errorf("%s: %w", t.file, err)
		}
	default:
		if keys, err = a.certified(t.ca, m); err != nil {
			return nil, err
		}
	}
	if t.kid == "" {
		return keys, nil
	}
	for i := range keys {
		if keys[i].ID == "" {
			keys[i].ID = t.kid
		}
	}
	return slices.DeleteFunc(keys, func(k jws.Key) bool { return k.ID != t.kid }), nil
}

// certified returns the keys of the certificates of a message that lead to a
// trusted one.
func (a *app) certified(ca string, m *jws.Message) ([]jws.Key, error) {
	roots, err := a.roots(ca)
	if err != nil {
		return nil, err
	}
	var keys []jws.Key
	var failures []error
	for _, s := range m.Signatures {
		k, err := s.Chain(x509.VerifyOptions{Roots: roots})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.Join(failures...)
	}
	return keys, nil
}

// publicKeys reads public keys: PEM, certificates, a JWK or a set of them.
func (a *app) publicKeys(path string) ([]jws.Key, error) {
	data, err := a.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return webKeys(data)
	}
	var keys []jws.Key
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PUBLIC KEY":
			public, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			keys = append(keys, jws.Key{Public: public})
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			keys = append(keys, jws.Key{Public: c.PublicKey})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key in it")
	}
	return keys, nil
}

// webKeys reads a JWK (RFC 7517) or a set of them. Keys that are for
// encryption are left out.
func webKeys(data []byte) ([]jws.Key, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		var one jose.JSONWebKey
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, one)
	}
	var keys []jws.Key
	for _, k := range set.Keys {
		if k.Use == "enc" || !k.Valid() || !k.IsPublic() {
			continue
		}
		keys = append(keys, jws.Key{Public: k.Key, ID: k.KeyID, Algorithm: jws.Algorithm(k.Algorithm)})
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key for signatures in it")
	}
	return keys, nil
}
