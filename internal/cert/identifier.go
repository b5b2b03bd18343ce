package cert

import (
	"bytes"
	"crypto"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The arcs of the object identifiers below.
func pkcs1(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n} } // RFC 8017 appendix C

func ecdsaSHA2(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, n} } // RFC 5758 section 3.2

func nistHash(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}
}

func nistSigAlg(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, n}
} // RFC 9881 section 2

// Identifier returns the AlgorithmIdentifier (RFC 5280 section 4.1.1.2) in DER
// of a signature by a key of the spec: PKCS #1 v1.5 with the parameters NULL,
// PSS with its three parameters spelt out (RFC 4055 sections 3.1 and 5), the
// others without parameters (RFC 5758 section 3.2, RFC 8410 section 3, RFC
// 9881 section 2). Its errors are those of CheckAlgorithm.
func Identifier(spec alg.Spec, a alg.Algorithm) ([]byte, error) {
	if err := CheckAlgorithm(spec, a); err != nil {
		return nil, err
	}
	return identifier(spec, a)
}

func identifier(spec alg.Spec, a alg.Algorithm) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		switch a { //nolint:exhaustive // the others sign no certificates
		case alg.PKCS1SHA256, alg.PKCS1SHA384, alg.PKCS1SHA512:
			b.AddASN1ObjectIdentifier(pkcs1(11 + int(a-alg.PKCS1SHA256)))
			b.AddASN1NULL()
		case alg.PSSSHA256, alg.PSSSHA384, alg.PSSSHA512:
			b.AddASN1ObjectIdentifier(pkcs1(10))
			addPSSParameters(b, a.Info().Hash)
		case alg.ECDSASHA256, alg.ECDSASHA384, alg.ECDSASHA512:
			b.AddASN1ObjectIdentifier(ecdsaSHA2(2 + int(a-alg.ECDSASHA256)))
		case alg.Ed25519Pure:
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 101, 112})
		case alg.MLDSAPure:
			b.AddASN1ObjectIdentifier(nistSigAlg(17 + int(spec-alg.MLDSA44)))
		}
	})
	return b.Bytes()
}

// addPSSParameters writes RSASSA-PSS-params (RFC 4055 section 3.1): the hash,
// MGF1 with the same hash, a salt as long as the hash. The trailer field is
// its default.
func addPSSParameters(b *cryptobyte.Builder, h crypto.Hash) {
	number := map[crypto.Hash]int{crypto.SHA256: 1, crypto.SHA384: 2, crypto.SHA512: 3}[h]
	hash := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(nistHash(number))
			b.AddASN1NULL()
		})
	}
	field := func(b *cryptobyte.Builder, n uint8, f cryptobyte.BuilderContinuation) {
		b.AddASN1(cbasn1.Tag(n).ContextSpecific().Constructed(), f)
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		field(b, 0, hash)
		field(b, 1, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(pkcs1(8)) // id-mgf1
				hash(b)
			})
		})
		field(b, 2, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(h.Size())) })
	})
}

// AlgorithmOf returns the algorithm of an AlgorithmIdentifier in DER, which
// has to be as Identifier writes it. Others are Unsupported.
func AlgorithmOf(algorithmIdentifier []byte) (alg.Algorithm, error) {
	for _, spec := range Specs() {
		for _, a := range spec.For(alg.SignVerify) {
			der, err := Identifier(spec, a)
			if err == nil && bytes.Equal(der, algorithmIdentifier) {
				return a, nil
			}
		}
	}
	return 0, fault.New(fault.Unsupported, "the signature is of an algorithm that is not supported")
}
