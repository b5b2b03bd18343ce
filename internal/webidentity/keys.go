package webidentity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// algorithms are the signatures that tokens may have (RFC 7518 section 3.1, RFC
// 8037). Those by a shared secret, and none at all, are not among them: with
// them, whoever has the public keys could sign.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// publicKey is a key of an issuer's, and the algorithms that it is for.
type publicKey struct {
	id         string
	key        any
	algorithms []jose.SignatureAlgorithm
}

// Bounds of RSA keys in bits: shorter ones can be broken, longer ones cost too
// much time.
const (
	minRSA = 2048
	maxRSA = 8192
)

// parseKeys reads a JSON Web Key Set. Keys that are of no use to verify tokens
// are left out; a set without any other is an error.
func parseKeys(text []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) > MaxDocument {
		return nil, errors.New("the set of keys is too long")
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || k.Use != "" && k.Use != "sig" {
			continue
		}
		fits := fitting(k.Key)
		if k.Algorithm != "" {
			fits = slices.DeleteFunc(fits, func(a jose.SignatureAlgorithm) bool { return string(a) != k.Algorithm })
		}
		if len(fits) > 0 {
			keys = append(keys, publicKey{k.KeyID, k.Key, fits})
		}
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, errors.New("the set has no key that verifies tokens, or too many")
	}
	return keys, nil
}

// fitting returns the algorithms of a public key, none for anything else.
func fitting(k any) []jose.SignatureAlgorithm {
	switch k := k.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}

// candidates returns the keys that may have signed a token: those of its key
// id, or all when it names none.
func candidates(keys []publicKey, id string, a jose.SignatureAlgorithm) []publicKey {
	var found []publicKey
	for _, k := range keys {
		if (id == "" || k.id == id) && slices.Contains(k.algorithms, a) {
			found = append(found, k)
		}
	}
	return found
}

// Times of fetched keys.
const (
	refreshAfter = time.Hour        // they are asked for again
	retryAfter   = 30 * time.Second // the least time between two questions, whatever tokens say
	forgetAfter  = 24 * time.Hour   // and no longer used when the issuer does not answer
	fetchTime    = 10 * time.Second // for both documents
)

// keySet keeps the keys of an issuer that is asked for them.
type keySet struct {
	fetching sync.Mutex // is held by the one who asks

	mu      sync.Mutex // guards the rest
	keys    []publicKey
	fetched time.Time // when the keys came
	tried   time.Time // when they were last asked for
	failure error     // of that
}

// find returns the keys that may have signed a token. An unknown key id has
// the issuer asked again, but not more often than every retryAfter: strangers
// choose the ids.
func (i *Issuer) find(ctx context.Context, id string, a jose.SignatureAlgorithm, now time.Time) ([]publicKey, error) {
	if i.pinned != nil {
		return i.none(candidates(i.pinned, id, a), nil)
	}
	s := &i.keys
	found, due := s.look(id, a, now)
	switch {
	case !due:
	case len(found) == 0:
		s.fetching.Lock() // and so waits for whoever asks already
		if _, due = s.look(id, a, now); due {
			i.ask(ctx, now)
		}
		s.fetching.Unlock()
		found, _ = s.look(id, a, now)
	case s.fetching.TryLock():
		i.ask(ctx, now)
		s.fetching.Unlock()
		found, _ = s.look(id, a, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return i.none(found, s.failure)
}

// look returns what is known, and whether the issuer should be asked.
func (s *keySet) look(id string, a jose.SignatureAlgorithm, now time.Time) (found []publicKey, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.fetched) >= forgetAfter {
		s.keys = nil
	}
	found = candidates(s.keys, id, a)
	return found, (len(found) == 0 || now.Sub(s.fetched) >= refreshAfter) && now.Sub(s.tried) >= retryAfter
}

// ask fetches the keys. A caller that goes away does not end it: the answer is
// for the next one, too. The lock fetching is held.
func (i *Issuer) ask(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	keys, err := i.fetchKeys(ctx)
	s := &i.keys
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.failure = now, err
	if err == nil {
		s.keys, s.fetched = keys, now
	}
}

// none makes an error of having found no key.
func (i *Issuer) none(found []publicKey, failure error) ([]publicKey, error) {
	switch {
	case len(found) > 0:
		return found, nil
	case failure != nil:
		return nil, &fault.Error{
			Kind: fault.Unavailable, Reason: fault.IssuerUnreachable, Public: "the keys of the issuer " + i.URL + " cannot be fetched",
			Err: failure,
		}
	}
	return nil, invalid("the issuer has no key that the token could be signed with")
}
