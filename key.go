package holdfast

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/place"
)

// Key is an opened key. It is a crypto.Signer and a crypto.MessageSigner; a
// key that cannot sign says so when it is asked to, and at once by Signer. All
// methods may be called at the same time.
//
// Private operations have no context: WithTimeout bounds them.
type Key struct {
	uri        string
	spec       alg.Spec
	name       string // of the spec
	public     *engine.PublicKey
	key        *engine.Key
	algorithms []alg.Algorithm
	exchange   ecdh.KeyExchanger
	closer     func() error
}

var (
	_ crypto.Signer        = (*Key)(nil)
	_ crypto.MessageSigner = (*Key)(nil)
)

// newKey returns a Key of what a place has opened.
func newKey(uri string, o *place.Opened) *Key {
	k := &Key{
		uri: uri, spec: o.Spec, name: o.TypeName(), public: o.Public, key: o.Key, exchange: o.Exchange,
		algorithms: o.Key.Algorithms, closer: func() error { return nil },
	}
	if k.algorithms == nil {
		k.algorithms = o.Spec.For(o.Usage)
	}
	k.algorithms = slices.DeleteFunc(slices.Clone(k.algorithms), func(a alg.Algorithm) bool { return !k.spec.Lists(a) })
	return k
}

// URI returns the key's name. It has no PIN and no other secret.
func (k *Key) URI() string { return k.uri }

// Spec returns the key's type and size, such as "rsa-2048", "p-256",
// "ed25519", "aes-256" or "hmac-256".
func (k *Key) Spec() string { return k.name }

// Algorithms returns what the key does where it lives, such as "ecdsa-sha256",
// "rsa-pss-sha256", "rsa-oaep-sha256", "aes-256-gcm" or "hmac-sha256".
func (k *Key) Algorithms() []string {
	var names []string
	for _, a := range k.algorithms {
		names = append(names, a.String())
	}
	return names
}

// String returns the URI.
func (k *Key) String() string { return k.uri }

// GoString and Format show the URI: what is behind it is nobody's business.
func (k *Key) GoString() string { return "holdfast.Key(" + strconv.Quote(k.uri) + ")" }

// Format shows the URI, whatever the verb.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.uri) } // a Formatter has nowhere to report it

// Public returns the public half, nil of a symmetric key: an *rsa.PublicKey,
// *ecdsa.PublicKey, ed25519.PublicKey or *ecdh.PublicKey, or a *PublicKey of
// this package where Go has no type for it.
func (k *Key) Public() crypto.PublicKey {
	switch {
	case k.public != nil:
		return publicOf(k.public)
	case k.exchange != nil:
		return k.exchange.PublicKey()
	}
	return nil
}

// PublicDER returns the SubjectPublicKeyInfo (RFC 5280 section 4.1), nil of a
// symmetric key.
func (k *Key) PublicDER() []byte {
	if public := k.Public(); public != nil {
		der, err := publicDER(public)
		if err == nil {
			return der
		}
	}
	return nil
}

// PublicPEM returns the public half in PEM (RFC 7468 section 13), nil of a
// symmetric key.
func (k *Key) PublicPEM() []byte {
	der := k.PublicDER()
	if der == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Close gives up what the key keeps: its connection, if it has one of its own.
func (k *Key) Close() error { return k.closer() }

// failed says which key an error is about.
func (k *Key) failed(op string, err error) error { return failed(op, k.uri, err) }

// lacks says what a key does not do.
func (k *Key) lacks(op, what string) error {
	return refuse(Unsupported, op, k.uri, "the key (type "+k.name+") does not "+what)
}

// has refuses an algorithm that the key does not have. The further ones (SHA-1,
// say, for a program that must) are listed nowhere: the place says whether it has
// them when it is asked.
func (k *Key) has(op string, a alg.Algorithm) error {
	if slices.Contains(k.algorithms, a) || !k.spec.Lists(a) && len(k.of(a.Info().Usage)) > 0 {
		return nil
	}
	return refuse(Unsupported, op, k.uri, "the key does not have the algorithm "+a.String()+" where it lives")
}

// of returns the algorithms for a usage.
func (k *Key) of(u alg.Usage) []alg.Algorithm {
	return slices.DeleteFunc(slices.Clone(k.algorithms), func(a alg.Algorithm) bool { return a.Info().Usage != u })
}

// algorithm returns the one of a name, which goes with the key and the usage.
// Without a name it is the first that the key has.
func (k *Key) algorithm(op, name string, u alg.Usage) (alg.Algorithm, error) {
	all := k.of(u)
	if name == "" && len(all) > 0 {
		return all[0], nil
	}
	a := alg.ParseAlgorithm(name)
	switch {
	case len(all) == 0:
		return 0, k.lacks(op, "do that")
	case a == alg.NoAlgorithm:
		return 0, refuse(InvalidArgument, op, k.uri, "the algorithm "+strconv.Quote(name)+" is none")
	case !k.spec.Has(a) || a.Info().Usage != u:
		return 0, refuse(InvalidArgument, op, k.uri, "the algorithm "+name+" does not go with a key of type "+k.name)
	}
	return a, k.has(op, a)
}

// Signer returns the key as a crypto.Signer, which is a crypto.MessageSigner as
// well, or an error of the kind Unsupported when it does not sign.
func (k *Key) Signer() (crypto.Signer, error) {
	if k.key.Signer == nil || len(k.of(alg.SignVerify)) == 0 {
		return nil, k.lacks("signing with", "sign")
	}
	return k, nil
}

// Sign signs a digest, or with Ed25519 and ML-DSA the message. The salt of
// RSASSA-PSS is as long as the hash, also where opts leave its length to the
// signer. The random source is not used: the place has its own.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	const op = "signing with"
	if k.key.Signer == nil {
		return nil, k.lacks(op, "sign")
	}
	if pss, ok := opts.(*rsa.PSSOptions); ok && pss.SaltLength == rsa.PSSSaltLengthAuto {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: pss.Hash}
	}
	a, err := engine.SigningAlgorithm(k.spec, digest, opts)
	if err == nil {
		err = k.has(op, a)
	}
	if err != nil {
		return nil, k.failed(op, err)
	}
	signature, err := k.key.Signer.Sign(rand.Reader, digest, opts)
	return signature, k.failed(op, err)
}

// SignMessage signs a message of any length, which is hashed here as opts say.
func (k *Key) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil && opts.HashFunc() != 0 {
		h := opts.HashFunc()
		if !h.Available() {
			return nil, refuse(Unsupported, "signing with", k.uri, "the hash "+h.String()+" is not linked into this program")
		}
		w := h.New()
		w.Write(message)
		message = w.Sum(nil)
	}
	return k.Sign(nil, message, opts)
}

// SignWith signs a message of any length with an algorithm by its name, as
// Algorithms has them; "" is the first one. ECDSA signatures are DER.
func (k *Key) SignWith(ctx context.Context, algorithm string, message []byte) ([]byte, error) {
	return k.signAs(ctx, algorithm, engine.Message{Form: alg.Raw, Bytes: message})
}

// SignDigestWith signs what the algorithm's hash made of a message.
func (k *Key) SignDigestWith(ctx context.Context, algorithm string, digest []byte) ([]byte, error) {
	return k.signAs(ctx, algorithm, engine.Message{Form: alg.Digest, Bytes: digest})
}

func (k *Key) signAs(ctx context.Context, algorithm string, m engine.Message) ([]byte, error) {
	const op = "signing with"
	if k.key.Signer == nil {
		return nil, k.lacks(op, "sign")
	}
	a, err := k.algorithm(op, algorithm, alg.SignVerify)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, k.failed(op, err)
	}
	signature, err := engine.Sign(signerOf{k.key.Signer, k.public}, a, m)
	return signature, k.failed(op, err)
}

// signerOf is a signer of a place with the public half as package engine knows
// it.
type signerOf struct {
	crypto.Signer
	public *engine.PublicKey
}

// Public returns the public half.
func (s signerOf) Public() crypto.PublicKey { return s.public.Key() }

// Verify checks a signature of a message: nil, or an error of the kind
// BadSignature. It is checked where the key lives if the place does that,
// which needs permission and shows that the key is still there; else here, with
// the public half.
func (k *Key) Verify(ctx context.Context, algorithm string, message, signature []byte) error {
	return k.verify(ctx, algorithm, engine.Message{Form: alg.Raw, Bytes: message}, signature)
}

// VerifyDigest checks a signature of what the algorithm's hash made of a
// message.
func (k *Key) VerifyDigest(ctx context.Context, algorithm string, digest, signature []byte) error {
	return k.verify(ctx, algorithm, engine.Message{Form: alg.Digest, Bytes: digest}, signature)
}

func (k *Key) verify(ctx context.Context, algorithm string, m engine.Message, signature []byte) error {
	const op = "verifying with"
	if k.public == nil {
		return k.lacks(op, "verify signatures")
	}
	a, err := k.algorithm(op, algorithm, alg.SignVerify)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return k.failed(op, err)
	}
	if h := a.Info().Hash; m.Form == alg.Raw && h != 0 {
		w := h.New()
		w.Write(m.Bytes)
		m = engine.Message{Form: alg.Digest, Bytes: w.Sum(nil)}
	}
	if k.key.Verifier != nil {
		return k.failed(op, k.key.Verifier.Verify(a, m, signature))
	}
	return k.failed(op, k.public.Verify(a, m, signature))
}

// Decrypter returns the key as a crypto.Decrypter, whose options are
// *rsa.OAEPOptions, or an error of the kind Unsupported.
func (k *Key) Decrypter() (crypto.Decrypter, error) {
	if k.key.Decrypter == nil || len(k.of(alg.EncryptDecrypt)) == 0 {
		return nil, k.lacks("decrypting with", "decrypt what was encrypted with its public half")
	}
	return decrypter{k}, nil
}

type decrypter struct{ key *Key }

// Public returns the public half.
func (d decrypter) Public() crypto.PublicKey { return d.key.Public() }

// Decrypt undoes RSAES-OAEP.
func (d decrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	const op = "decrypting with"
	a, err := engine.DecryptionAlgorithm(d.key.spec, opts)
	if err == nil {
		err = d.key.has(op, a)
	}
	if err != nil {
		return nil, d.key.failed(op, err)
	}
	plaintext, err := d.key.key.Decrypter.Decrypt(rand.Reader, ciphertext, opts)
	return plaintext, d.key.failed(op, err)
}

// Encrypt encrypts with the public half of an RSA key, here: "" stands for the
// first of the key's "rsa-oaep-sha1" and "rsa-oaep-sha256" that is not SHA-1, if
// it has such. The key's Decrypter undoes it.
func (k *Key) Encrypt(algorithm string, plaintext []byte) ([]byte, error) {
	const op = "encrypting with"
	if k.public == nil {
		return nil, k.lacks(op, "have a public half to encrypt with")
	}
	if algorithm == "" && slices.Contains(k.algorithms, alg.OAEPSHA256) {
		algorithm = alg.OAEPSHA256.String()
	}
	a, err := k.algorithm(op, algorithm, alg.EncryptDecrypt)
	if err != nil {
		return nil, err
	}
	ciphertext, err := k.public.Encrypt(a, plaintext)
	return ciphertext, k.failed(op, err)
}
