package material

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/importtoken"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// Life is how long the parameters of an import are good for.
const Life = 24 * time.Hour

// Parameters is what the owner of a key needs to send its material.
type Parameters struct {
	// Public is the SubjectPublicKeyInfo in DER of the RSA key to encrypt to.
	Public []byte
	// Token is to be given back with the material. Both are good until Expires.
	Token   []byte
	Expires time.Time
}

// Parameters makes an RSA key of the spec under, and the token that has it,
// for material that is to travel in the way how. Nothing of them is kept.
func (s *Engines) Parameters(ctx context.Context, k *key.Key, how alg.Wrapping, under alg.Spec) (*Parameters, error) {
	if !transfer.Fits(k.Spec, how, under) {
		return nil, fault.New(fault.InvalidArgument, "a key of spec %s does not travel by %s under a key of spec %s", k.Spec, how, under)
	}
	t := &importtoken.Token{Expires: s.now().UTC().Add(Life).Truncate(time.Second), Wrapping: how, Spec: under}
	_, _ = rand.Read(t.ID[:]) // never fails (crypto/rand.Read)
	m, err := s.first.Generate(ctx, t.Ref(k.Name), engine.Kind{Spec: under, Usage: alg.KeyTransfer})
	if err != nil {
		return nil, err
	}
	t.Wrapped = m.Wrapped
	return &Parameters{Public: m.Public, Token: t.Marshal(), Expires: t.Expires}, nil
}

// Arrival is material that came with a token.
type Arrival struct {
	// Wrapping is how it travelled, and Under the spec of the RSA key.
	Wrapping alg.Wrapping
	Under    alg.Spec
	// ID is Engines.ID of the material.
	ID string
	// plain is overwritten by Wipe.
	plain []byte
}

// Wipe overwrites the material.
func (a *Arrival) Wipe() { clear(a.plain) }

// Source returns where a version's material comes from: what arrived.
func (a *Arrival) Source() Source { return Importing(a.plain) }

// Receive decrypts material that comes with a token. For a moment it is
// material of the default engine, which checks it, and of which nothing is kept.
// The caller wipes what arrived. Material that cannot be decrypted is
// BadCiphertext, whatever is wrong with it; a token that is not for the key is
// InvalidArgument with InvalidImportToken, one that is too old with
// ExpiredImportToken, and material that is no key of the spec with
// IncorrectMaterial.
func (s *Engines) Receive(ctx context.Context, k *key.Key, token, encrypted []byte) (*Arrival, error) {
	t, opened, err := s.redeem(ctx, k, token)
	if err != nil {
		return nil, err
	}
	from, ok := s.first.(engine.Exporter)
	if !ok || opened.Unwrapper == nil {
		return nil, fault.New(fault.Unsupported, "engine %s takes no material from elsewhere", s.first.Name())
	}
	ref := t.Ref(k.Name)
	ref.Version++ // the material's, beside that of the RSA key
	m, err := opened.Unwrapper.Unwrap(ctx, ref, KindOf(k), t.Wrapping, encrypted)
	if err != nil {
		s.attempts.failed(t, s.now())
		return nil, unfit(err)
	}
	a := &Arrival{Wrapping: t.Wrapping, Under: t.Spec}
	if a.plain, err = from.Export(ctx, ref, k.Spec, m.Wrapped); err != nil {
		return nil, err
	}
	if a.ID, err = s.ID(ctx, k, a.plain, m.Public); err != nil {
		a.Wipe()
		return nil, err
	}
	return a, nil
}

// unfit says in the terms of an import that material is not what the key takes.
func unfit(err error) error {
	if f, ok := err.(*fault.Error); ok && f.Kind == fault.InvalidArgument && f.Reason == fault.Unspecified { //nolint:errorlint // only the fault itself
		f.Reason = fault.IncorrectMaterial
	}
	return err
}

// redeem opens the RSA key of a token.
func (s *Engines) redeem(ctx context.Context, k *key.Key, token []byte) (*importtoken.Token, *engine.Key, error) {
	t, err := importtoken.Parse(token)
	if err != nil {
		return nil, nil, err
	}
	opened, err := s.first.Open(ctx, t.Ref(k.Name), t.Spec, t.Wrapped)
	switch {
	case fault.KindOf(err) == fault.Unavailable:
		return nil, nil, err
	case err != nil: // changed, of another key, or of another server
		return nil, nil, importtoken.Invalid()
	case !s.now().Before(t.Expires):
		return nil, nil, fault.Because(fault.InvalidArgument, fault.ExpiredImportToken, "the import token has expired")
	case s.attempts.spent(t):
		return nil, nil, importtoken.Invalid()
	}
	return t, opened, nil
}

// realmSecrets is what the ids of a realm's secrets for ID begin with,
// beside the ids of keys.
const realmSecrets = "material-ids/"

// ID returns the id of material that is brought for a key: the same one
// whenever the same material comes to the same key. It is a MAC under a secret
// of the realm, so that nobody can tell by it whether a guess at the material is
// right. Where there is a public half it is over that one: a private key has many
// encodings.
func (s *Engines) ID(ctx context.Context, k *key.Key, plain, public []byte) (string, error) {
	if public != nil {
		plain = public
	}
	ref := engine.Ref{Realm: k.Name.Realm, ID: key.ID(realmSecrets + string(k.Name.Realm)), Version: 1}
	wrapped, err := s.keys.Once(ctx, ref.ID, func() ([]byte, error) {
		m, err := s.first.Generate(ctx, ref, engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
		return m.Wrapped, err
	})
	if err != nil {
		return "", err
	}
	opened, err := s.first.Open(ctx, ref, alg.HMAC256, wrapped)
	if err != nil {
		return "", err
	}
	message := append([]byte(k.Name.String()+"\n"), plain...)
	defer clear(message)
	code, err := opened.MAC.Sum(nil, message)
	return hex.EncodeToString(code), err
}

// maxAttempts is how much material that cannot be decrypted is taken with one
// token. PKCS #1 v1.5 tells whoever sends changed ciphertexts a little of the
// RSA key's secrets by each refusal (Bleichenbacher 1998): an attack needs many
// thousands, and each token has an RSA key of its own.
const maxAttempts = 16

// attempts counts failures by token. A restart forgets them, which gives an
// attacker another maxAttempts.
type attempts struct {
	mu     sync.Mutex // guards tokens
	tokens map[importtoken.ID]*failures
}

type failures struct {
	count   int
	expires time.Time
}

// failed counts a failure of PKCS #1 v1.5.
func (a *attempts) failed(t *importtoken.Token, now time.Time) {
	if t.Wrapping != alg.WrapPKCS1 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, f := range a.tokens {
		if !now.Before(f.expires) {
			delete(a.tokens, id)
		}
	}
	if a.tokens == nil {
		a.tokens = map[importtoken.ID]*failures{}
	}
	if a.tokens[t.ID] == nil {
		a.tokens[t.ID] = &failures{expires: t.Expires}
	}
	a.tokens[t.ID].count++
}

// spent reports whether a token has failed too often.
func (a *attempts) spent(t *importtoken.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tokens[t.ID]
	return f != nil && f.count >= maxAttempts
}
