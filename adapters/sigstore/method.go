package sigstore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"slices"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/holdfast-kms/holdfast"
)

// call is what the options of one call say.
type call struct {
	ctx    context.Context
	opts   crypto.SignerOpts
	remote bool
}

// callOf reads options.
func callOf[O signature.RPCOption](given []O) (*call, error) {
	c := &call{ctx: context.Background()}
	rpc := make([]signature.RPCOption, 0, len(given))
	for _, o := range given {
		rpc = append(rpc, o)
		if m, ok := any(o).(signature.MessageOption); ok {
			m.ApplyCryptoSignerOpts(&c.opts)
		}
	}
	return c, c.apply(rpc)
}

// apply refuses the options that the URI of a key, and the environment, are
// there for: to leave them out would sign with something else.
func (c *call) apply(opts []signature.RPCOption) error {
	var version string
	var auth options.RPCAuth
	for _, o := range opts {
		o.ApplyContext(&c.ctx)
		o.ApplyRemoteVerification(&c.remote)
		o.ApplyKeyVersion(&version)
		o.ApplyRPCAuthOpts(&auth)
	}
	switch {
	case version != "":
		return errors.New("the option KeyVersion is not supported: the version is a part of the key's URI")
	case auth != options.RPCAuth{}:
		return errors.New("the option RPCAuth is not supported: the environment has the credential")
	}
	return nil
}

// method is a way in which a key signs.
type method struct {
	// family is the algorithm without its hash: "ecdsa", "rsa-pkcs1", "rsa-pss"
	// or "ed25519".
	family string
	// hashes are those that the key has for it. 0 stands for a message that is
	// signed as it is.
	hashes []crypto.Hash
}

// suffixes are what the hashes are called in the names of algorithms.
var suffixes = map[crypto.Hash]string{crypto.SHA256: "-sha256", crypto.SHA384: "-sha384", crypto.SHA512: "-sha512"}

// methodOf chooses how a key signs. A type of key that sigstore does not know
// is an error.
func methodOf(key *holdfast.Key, opts crypto.SignerOpts) (*method, error) {
	var families []string
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		families = []string{"ecdsa"}
	case ed25519.PublicKey:
		families = []string{"ed25519"}
	case *rsa.PublicKey:
		families = []string{"rsa-pkcs1", "rsa-pss"}
		if _, ok := opts.(*rsa.PSSOptions); ok {
			families = families[1:]
		}
	}
	for _, f := range families {
		if m := (&method{family: f}).of(key); len(m.hashes) > 0 {
			return m, nil
		}
	}
	return nil, &holdfast.Error{
		Kind: holdfast.Unsupported, Op: "signing with", URI: key.URI(),
		Detail: "a key of the type " + key.Spec() + " does not sign in a way that sigstore has",
	}
}

// of finds out which hashes the key has.
func (m *method) of(key *holdfast.Key) *method {
	names := key.Algorithms()
	for _, h := range []crypto.Hash{0, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if name := m.algorithm(h); name != "" && slices.Contains(names, name) {
			m.hashes = append(m.hashes, h)
		}
	}
	return m
}

// algorithm returns the name that package holdfast has for the method with a
// hash, or "". Ed25519 is pure without a hash and Ed25519ph with SHA-512, as in
// crypto/ed25519.
func (m *method) algorithm(h crypto.Hash) string {
	switch {
	case m.family != "ed25519":
		if suffixes[h] == "" {
			return ""
		}
		return m.family + suffixes[h]
	case h == 0:
		return "ed25519"
	case h == crypto.SHA512:
		return "ed25519ph"
	}
	return ""
}

// preferred returns the hash to use where nobody chooses one for a message.
func (m *method) preferred(h crypto.Hash) crypto.Hash {
	if m.family != "ed25519" && slices.Contains(m.hashes, h) {
		return h
	}
	return m.hashes[0]
}

// verify checks a signature with the public half.
func (m *method) verify(public crypto.PublicKey, h crypto.Hash, input, sig []byte) error {
	good := false
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(p, input, sig)
	case ed25519.PublicKey:
		good = ed25519.VerifyWithOptions(p, input, sig, &ed25519.Options{Hash: h}) == nil
	case *rsa.PublicKey:
		if m.family == "rsa-pss" {
			good = rsa.VerifyPSS(p, h, input, sig, nil) == nil
		} else {
			good = rsa.VerifyPKCS1v15(p, h, input, sig) == nil
		}
	}
	if !good {
		return &holdfast.Error{Kind: holdfast.BadSignature, Op: "verifying", Detail: "the signature is wrong"}
	}
	return nil
}
