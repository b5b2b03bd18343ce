package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the digests
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// digest is a hash, with its names.
type digest struct {
	hash  crypto.Hash
	oid   asn1.ObjectIdentifier // RFC 5754 section 2
	rsa   asn1.ObjectIdentifier // with RSASSA-PKCS1-v1_5, section 3.2
	ecdsa asn1.ObjectIdentifier // with ECDSA, section 3.3
}

// digests are the hashes that are accepted.
func digests() []digest {
	nist := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n} }
	pkcs1 := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n} }
	ecdsa := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, n} }
	return []digest{
		{crypto.SHA256, nist(1), pkcs1(11), ecdsa(2)},
		{crypto.SHA384, nist(2), pkcs1(12), ecdsa(3)},
		{crypto.SHA512, nist(3), pkcs1(13), ecdsa(4)},
	}
}

func oidRSA() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} }  // RFC 8017 appendix A
func oidMGF1() asn1.ObjectIdentifier    { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8} }  // the same
func oidPSS() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} } // the same
func oidEd25519() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 101, 112} }              // RFC 8410

// digestFor returns the digest of a hash.
func digestFor(h crypto.Hash) (digest, error) {
	for _, d := range digests() {
		if d.hash == h {
			return d, nil
		}
	}
	return digest{}, fmt.Errorf("the hash %s is not supported: use SHA-256, SHA-384 or SHA-512", h)
}

// algorithm is an AlgorithmIdentifier: a name, and parameters in DER or none.
type algorithm struct {
	oid        asn1.ObjectIdentifier
	parameters []byte
}

// null are the parameters that say nothing.
func null() []byte { return []byte{5, 0} }

func (a algorithm) add(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		b.AddBytes(a.parameters)
	})
}

func readAlgorithm(s *cryptobyte.String) (a algorithm, ok bool) {
	var body cryptobyte.String
	if !s.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&a.oid) {
		return a, false
	}
	if len(body) > 0 {
		a.parameters = body
		var parameters cryptobyte.String
		var tag der.Tag
		return a, body.ReadAnyASN1Element(&parameters, &tag) && body.Empty()
	}
	return a, true
}

// digest returns the digest that an algorithm is. Its parameters are absent,
// or NULL (RFC 5754 section 2).
func (a algorithm) digest() (digest, error) {
	for _, d := range digests() {
		if a.oid.Equal(d.oid) && a.empty() {
			return d, nil
		}
	}
	return digest{}, fmt.Errorf("the digest algorithm %s is not supported", a.oid)
}

func (a algorithm) empty() bool {
	return len(a.parameters) == 0 || string(a.parameters) == string(null())
}

// scheme is how signed attributes are signed.
type scheme struct {
	digest    digest
	algorithm algorithm
	options   crypto.SignerOpts
}

// schemeFor returns how a key signs. Without a hash it is the one as strong as
// the key.
func schemeFor(public crypto.PublicKey, hash crypto.Hash, pss bool) (*scheme, error) {
	natural := crypto.SHA256
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P384():
			natural = crypto.SHA384
		case elliptic.P521():
			natural = crypto.SHA512
		}
	case ed25519.PublicKey:
		natural = crypto.SHA512 // RFC 8419 section 2.3
		if hash != 0 && hash != natural {
			return nil, errors.New("Ed25519 goes with SHA-512 only (RFC 8419)")
		}
	}
	if hash == 0 {
		hash = natural
	}
	d, err := digestFor(hash)
	if err != nil {
		return nil, err
	}
	s := &scheme{digest: d, options: hash}
	switch public.(type) {
	case *rsa.PublicKey:
		s.algorithm = algorithm{oidRSA(), null()}
		if pss {
			s.algorithm = algorithm{oidPSS(), pssParameters(d)}
			s.options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
	case *ecdsa.PublicKey:
		s.algorithm = algorithm{d.ecdsa, nil}
	case ed25519.PublicKey:
		s.algorithm, s.options = algorithm{oidEd25519(), nil}, crypto.Hash(0)
	default:
		return nil, fmt.Errorf("keys of the type %T do not sign CMS here", public)
	}
	return s, nil
}

// input returns what the key signs: the message's digest, or for Ed25519 the
// message itself.
func (s *scheme) input(message []byte) []byte {
	if s.options.HashFunc() == 0 {
		return message
	}
	return sum(s.digest.hash, message)
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}

// pssParameters returns RSASSA-PSS-params with one hash for all, and a salt as
// long as it (RFC 4056, RFC 4055 section 3.1).
func pssParameters(d digest) []byte {
	var b cryptobyte.Builder
	hash := algorithm{d.oid, null()}
	explicit := func(b *cryptobyte.Builder, tag uint8, f cryptobyte.BuilderContinuation) {
		b.AddASN1(der.Tag(tag).Constructed().ContextSpecific(), f)
	}
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		explicit(b, 0, hash.add)
		explicit(b, 1, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidMGF1())
				hash.add(b)
			})
		})
		explicit(b, 2, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(d.hash.Size())) })
	})
	return b.BytesOrPanic()
}

// checkPSS checks that parameters have the digest everywhere (RFC 4056 section
// 3), and returns the length of the salt. There has to be one: crypto/rsa takes
// 0 for any.
func checkPSS(parameters []byte, want digest) (saltLength int, err error) {
	bad := errors.New("the parameters of RSASSA-PSS are not supported")
	in := cryptobyte.String(parameters)
	var body cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() {
		return 0, bad
	}
	var hash, mgf, salt, trailer cryptobyte.String
	for tag, to := range []*cryptobyte.String{&hash, &mgf, &salt, &trailer} {
		var present bool
		if !body.ReadOptionalASN1(to, &present, der.Tag(uint8(tag)).Constructed().ContextSpecific()) {
			return 0, bad
		}
	}
	var generator cryptobyte.String
	var oid asn1.ObjectIdentifier
	own, ok := readAlgorithm(&hash)
	ok = ok && mgf.ReadASN1(&generator, der.SEQUENCE) && generator.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidMGF1())
	inner, okInner := readAlgorithm(&generator)
	if !ok || !okInner || !own.oid.Equal(want.oid) || !inner.oid.Equal(want.oid) || !own.empty() || !inner.empty() {
		return 0, bad
	}
	saltLength, one := 20, 1 // the defaults
	if (len(salt) > 0 && !salt.ReadASN1Integer(&saltLength)) || (len(trailer) > 0 && !trailer.ReadASN1Integer(&one)) ||
		saltLength <= 0 || one != 1 || !body.Empty() {
		return 0, bad
	}
	return saltLength, nil
}

// verify checks a signature of a message under a digest and an algorithm that
// the message names: they have to be the key's.
func verify(public crypto.PublicKey, d digest, a algorithm, message, signature []byte) error {
	valid, known := false, false
	switch p := public.(type) {
	case *rsa.PublicKey:
		if a.oid.Equal(oidPSS()) {
			salt, err := checkPSS(a.parameters, d)
			if err != nil {
				return err
			}
			known = true
			valid = rsa.VerifyPSS(p, d.hash, sum(d.hash, message), signature, &rsa.PSSOptions{SaltLength: salt}) == nil
		} else {
			known = (a.oid.Equal(oidRSA()) || a.oid.Equal(d.rsa)) && a.empty()
			valid = rsa.VerifyPKCS1v15(p, d.hash, sum(d.hash, message), signature) == nil
		}
	case *ecdsa.PublicKey:
		known = a.oid.Equal(d.ecdsa) && a.empty()
		valid = ecdsa.VerifyASN1(p, sum(d.hash, message), signature)
	case ed25519.PublicKey:
		known = a.oid.Equal(oidEd25519()) && len(a.parameters) == 0 && d.hash == crypto.SHA512
		valid = ed25519.Verify(p, message, signature)
	}
	if !known {
		return fmt.Errorf("the signature algorithm %s with %s is not supported, or not one of the key (%T)", a.oid, d.hash, public)
	}
	if !valid {
		return errors.New("the signature is another key's, or of something else")
	}
	return nil
}
