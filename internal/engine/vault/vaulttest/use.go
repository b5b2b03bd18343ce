package vaulttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// input is what requests that use a key have. What is text there is text here,
// so that it is refused in Transit's words.
type input struct {
	Input          string  `json:"input"`
	Plaintext      *string `json:"plaintext"`
	Ciphertext     string  `json:"ciphertext"`
	Signature      string  `json:"signature"`
	HMAC           string  `json:"hmac"`
	AssociatedData string  `json:"associated_data"`
	KeyVersion     int     `json:"key_version"`
	Type           string  `json:"type"`
	Algorithm      string  `json:"algorithm"`
	HashAlgorithm  string  `json:"hash_algorithm"`
	Prehashed      bool    `json:"prehashed"`
	Scheme         string  `json:"signature_algorithm"`
	SaltLength     string  `json:"salt_length"`
	Marshaling     string  `json:"marshaling_algorithm"`

	key     *key
	data    []byte
	version int
	hash    crypto.Hash
}

// missing are the texts for a key that is not there.
var missing = map[string]string{"sign": wire.TextNoSigningKey, "verify": wire.TextNoVerifyKey}

// use answers what is done with a key: VERB/NAME, or VERB/NAME/HASH.
func (s *Server) use(r *request, path []string) (*result, *wire.Error) {
	var in input
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	verb := path[0]
	if len(path) == 3 {
		in.HashAlgorithm, in.Algorithm = path[2], path[2]
	}
	in.key = s.keys[r.namespace][path[1]]
	if in.key == nil && verb == "encrypt" {
		if refusal := s.upsert(r, path[1], &in); refusal != nil {
			return nil, refusal
		}
	}
	switch text, ok := missing[verb]; {
	case in.key == nil && ok:
		return nil, bad("%s", text)
	case in.key == nil:
		return nil, bad("%s", wire.TextNoKey)
	}
	if refusal := in.prepare(verb); refusal != nil {
		return nil, refusal
	}
	switch verb {
	case "sign":
		return in.sign()
	case "verify":
		return in.verify()
	case "encrypt":
		return in.encrypt()
	case "decrypt":
		return in.decrypt()
	case "hmac":
		return in.code()
	}
	return nil, noPath()
}

// upsert makes the key that an encryption is under, as Transit does.
func (s *Server) upsert(r *request, name string, in *input) *wire.Error {
	spec, t, refusal := specOf(in.Type, 0)
	if refusal != nil {
		return refusal
	}
	if spec != alg.AES256 {
		return bad("key type %s not supported for this operation", in.Type)
	}
	in.key = newKey(name, spec, t)
	if err := in.key.rotate(s.flavour.rsa); err != nil {
		return wire.Framed(http.StatusInternalServerError, err.Error())
	}
	s.keys[r.namespace][name] = in.key
	return nil
}

// prepare reads what all verbs have.
func (in *input) prepare(verb string) *wire.Error {
	if in.key.SoftDeleted {
		return bad("%s", wire.TextSoftDeleted)
	}
	if in.HMAC != "" || verb == "hmac" {
		in.HashAlgorithm = in.Algorithm
	}
	var ok bool
	if in.hash, ok = wire.ParseHash(in.HashAlgorithm); !ok {
		return bad("invalid hash algorithm %q", in.HashAlgorithm)
	}
	var err error
	if in.data, err = base64.StdEncoding.DecodeString(in.Input); err != nil {
		return bad("unable to decode input as base64: %s", err)
	}
	in.version = in.KeyVersion
	noun := map[string]string{"sign": "signing", "encrypt": "encryption", "hmac": "signing"}[verb]
	switch {
	case noun == "": // the version is in what was made
	case in.version == 0:
		in.version = in.key.LatestVersion
	case in.version < 0:
		return bad("requested version for %s is negative", noun)
	case in.version > in.key.LatestVersion:
		return bad("requested version for %s %s", noun, wire.TextAboveLatest)
	case in.version < in.key.MinEncryptionVersion:
		return bad("requested version for %s %s", noun, wire.TextBelowMinimum)
	}
	return nil
}

// made returns what was made before, and checks its version.
func (in *input) made(text, noun string) ([]byte, *wire.Error) {
	if !strings.HasPrefix(text, "vault:v") {
		return nil, bad("invalid %s: %s", noun, wire.TextNoPrefix)
	}
	v, err := wire.ParseVersioned(text)
	if err != nil {
		return nil, bad("invalid %s: could not decode base64", noun)
	}
	in.version = v.Version
	switch {
	case v.Version > in.key.LatestVersion:
		return nil, bad("invalid %s: %s", noun, wire.TextTooNew)
	case v.Version < in.key.MinDecryptionVersion:
		return nil, bad("ciphertext or signature version %s", wire.TextTooOld)
	}
	return v.Bytes, nil
}

// output returns what is made in its text form.
func (in *input) output(b []byte) wire.Versioned {
	return wire.Versioned{Version: in.version, Bytes: b}
}

// digest returns what is signed.
func (in *input) digest() []byte {
	if in.Prehashed || in.key.spec == alg.Ed25519 {
		return in.data
	}
	h := in.hash.New()
	h.Write(in.data)
	return h.Sum(nil)
}

// options returns those of an RSA signature.
func (in *input) options() (crypto.SignerOpts, *wire.Error) {
	scheme, ok := wire.ParseScheme(in.Scheme)
	if !ok {
		return nil, wire.Framed(http.StatusInternalServerError, "unsupported rsa signature algorithm "+in.Scheme)
	}
	if scheme == alg.PKCS1 {
		return in.hash, nil
	}
	switch in.SaltLength {
	case "", wire.SaltAuto:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: in.hash}, nil
	case wire.SaltHash:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: in.hash}, nil
	}
	return nil, bad("salt length neither 'auto', 'hash', nor an int: %s", in.SaltLength)
}

func (in *input) sign() (*result, *wire.Error) {
	if !in.key.SupportsSigning {
		return nil, bad("key type %s %s signing", in.key.Type, wire.TextNotSupported)
	}
	private, opts := in.key.versions[in.version].private, crypto.SignerOpts(crypto.Hash(0))
	switch private.(type) {
	case *rsa.PrivateKey:
		var refusal *wire.Error
		if opts, refusal = in.options(); refusal != nil {
			return nil, refusal
		}
	case *ecdsa.PrivateKey:
		opts = nil // a digest of any length
		if in.Marshaling != "" && in.Marshaling != wire.MarshalASN1 {
			return nil, bad("invalid marshaling type %q", in.Marshaling)
		}
	}
	signature, err := private.Sign(rand.Reader, in.digest(), opts)
	if err != nil {
		return nil, wire.Framed(http.StatusInternalServerError, err.Error())
	}
	return &result{data: wire.Signature{Signature: in.output(signature), KeyVersion: in.version}}, nil
}

func (in *input) verify() (*result, *wire.Error) {
	if in.HMAC != "" {
		code, refusal := in.made(in.HMAC, "HMAC")
		if refusal != nil {
			return nil, refusal
		}
		return &result{data: wire.Verified{Valid: hmac.Equal(in.sum(), code)}}, nil
	}
	if !in.key.SupportsSigning {
		return nil, bad("key type %s %s verification", in.key.Type, wire.TextNotSupported)
	}
	if in.Signature == "" {
		return nil, bad("neither a 'signature' nor an 'hmac' were given to verify")
	}
	signature, refusal := in.made(in.Signature, "signature")
	if refusal != nil {
		return nil, refusal
	}
	valid := false
	switch public := in.key.versions[in.version].private.Public().(type) {
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, in.data, signature)
	case *ecdsa.PublicKey:
		if len(signature) == 0 || signature[0] != 0x30 {
			return nil, bad("%s is invalid", wire.TextSuppliedSignature)
		}
		valid = ecdsa.VerifyASN1(public, in.digest(), signature)
	case *rsa.PublicKey:
		opts, refusal := in.options()
		if refusal != nil {
			return nil, refusal
		}
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			valid = rsa.VerifyPSS(public, in.hash, in.digest(), signature, pss) == nil
		} else {
			valid = rsa.VerifyPKCS1v15(public, in.hash, in.digest(), signature) == nil
		}
	}
	return &result{data: wire.Verified{Valid: valid}}, nil
}

func (in *input) sum() []byte {
	h := hmac.New(in.hash.New, in.key.versions[in.version].secret)
	h.Write(in.data)
	return h.Sum(nil)
}

func (in *input) code() (*result, *wire.Error) {
	if in.key.spec.Info().Family != alg.HMAC {
		return nil, bad("this server computes codes with keys of type hmac only")
	}
	return &result{data: wire.HMAC{HMAC: in.output(in.sum())}}, nil
}

func randomBytes(r *request) (*result, *wire.Error) {
	in := wire.RandomRequest{Bytes: 32}
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	switch {
	case in.Bytes < 1:
		return nil, bad("'bytes' cannot be less than 1")
	case in.Bytes > wire.MaxRandom:
		return nil, bad("'bytes' should be less than %d", wire.MaxRandom)
	case in.Format != "" && in.Format != "base64":
		return nil, bad("unsupported encoding format %q; must be \"hex\" or \"base64\"", in.Format)
	}
	b := make([]byte, in.Bytes)
	_, _ = rand.Read(b) // never fails
	return &result{data: wire.Random{RandomBytes: b}}, nil
}
