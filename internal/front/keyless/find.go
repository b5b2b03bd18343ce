package keyless

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Certificates finds public keys by certificates. It asks for no decision: a
// name tells nobody anything, and the use of the key is authorised.
type Certificates interface {
	// Named returns the SubjectPublicKeyInfos in DER of the realm's certificates
	// for a server's name that are good now; those that end last come first.
	Named(ctx context.Context, realm key.RealmID, server string) ([][]byte, error)
	// Identified returns that of the realm's certificate with an id, nil for none.
	Identified(ctx context.Context, realm key.RealmID, id string) ([]byte, error)
}

// What certificates are found by.
const (
	byServer byte = iota
	byID
)

// What was found is remembered so long, for so many names. A certificate that is
// new or revoked is so after that time.
const (
	foundFor = 5 * time.Second
	foundMax = 4096
)

// question is what certificates are looked for by.
type question struct {
	realm key.RealmID
	kind  byte
	text  string
}

// candidate is a public key.
type candidate struct {
	ski    [wire.SKISize]byte
	family alg.Family
}

// found remembers which public keys certificates have.
type found struct {
	mu    sync.RWMutex // guards known
	known map[question]foundEntry
}

type foundEntry struct {
	candidates []candidate
	until      time.Time
}

func (f *found) get(q question, now time.Time) ([]candidate, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e, ok := f.known[q]
	return e.candidates, ok && now.Before(e.until)
}

func (f *found) put(q question, list []candidate, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= foundMax { // it fills again with what is asked for
		f.known = map[question]foundEntry{}
	}
	f.known[q] = foundEntry{list, now.Add(foundFor)}
}

// certified returns the SKIs of the family's keys that certificates have.
func (s *Store) certified(ctx context.Context, call *key.Call, kind byte, text string, family alg.Family) ([][wire.SKISize]byte, error) {
	q := question{call.Caller.Principal.Realm, kind, text}
	if kind == byServer {
		q.text = strings.ToLower(strings.TrimSuffix(text, "."))
	}
	list, ok := s.found.get(q, call.Time)
	if !ok {
		keys, err := s.lookUp(ctx, q)
		if err != nil {
			return nil, err
		}
		list = candidates(keys)
		s.found.put(q, list, call.Time)
	}
	var skis [][wire.SKISize]byte
	for _, c := range list {
		if c.family == family {
			skis = append(skis, c.ski)
		}
	}
	return skis, nil
}

func (s *Store) lookUp(ctx context.Context, q question) ([][]byte, error) {
	if q.kind == byServer {
		return s.config.Certificates.Named(ctx, q.realm, q.text)
	}
	one, err := s.config.Certificates.Identified(ctx, q.realm, q.text)
	if one == nil || err != nil {
		return nil, err
	}
	return [][]byte{one}, nil
}

// candidates reads public keys. Those of types that the protocol does not have
// are left out.
func candidates(keys [][]byte) []candidate {
	var list []candidate
	for _, der := range keys {
		ski, err := wire.SKIOf(der)
		if family := familyOf(der); err == nil && family != 0 {
			list = append(list, candidate{ski, family})
		}
	}
	return list
}

// familyOf returns the type of a SubjectPublicKeyInfo, 0 for one that the
// protocol does not have.
func familyOf(der []byte) alg.Family {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return 0
	}
	switch public.(type) {
	case *rsa.PublicKey:
		return alg.RSA
	case *ecdsa.PublicKey:
		return alg.EC
	case ed25519.PublicKey:
		return alg.EdDSA
	}
	return 0
}
