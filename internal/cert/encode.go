package cert

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Where what depends on a key stands among the elements of what is signed.
const (
	certificateIdentifier = 2 // after the version and the serial number
	certificateSPKI       = 6 // after the issuer, the validity and the subject
	listIdentifier        = 1 // after the version
	requestSPKI           = 2 // after the version and the subject
)

// Encode returns the TBSCertificate (RFC 5280 section 4.1) of the template
// for the subject's key, to be signed by the issuer's key with the algorithm.
// For a self-signed one, issuer is the template itself. In others the
// authority key identifier is the issuer's subject key identifier. Neither
// template nor issuer is changed.
func Encode(t, issuer *x509.Certificate, issuerKey, subject *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	identifier, err := Identifier(issuerKey.Spec(), a)
	if err != nil {
		return nil, err
	}
	spki := subject.SPKI()
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	if issuer != t {
		template.AuthorityKeyId = issuer.SubjectKeyId
	}
	if template.IsCA && len(template.SubjectKeyId) == 0 { // else crypto/x509 takes the stand-in's
		if template.SubjectKeyId, err = SubjectKeyID(spki); err != nil {
			return nil, err
		}
	}
	tbs, err := capture(standIn(issuerKey), func(c *capturer) error {
		_, err := x509.CreateCertificate(rand.Reader, &template, nameAndKeyID(issuer), standIn(subject), c)
		return err
	})
	if err != nil {
		return nil, err
	}
	if issuerKey.Spec().Info().Family == alg.MLDSA {
		tbs, err = replaceElement(tbs, certificateIdentifier, identifier)
	}
	if err == nil && subject.Spec().Info().Family == alg.MLDSA {
		tbs, err = replaceElement(tbs, certificateSPKI, spki)
	}
	return tbs, err
}

// EncodeList returns the TBSCertList (RFC 5280 section 5.1) of the template.
func EncodeList(t *x509.RevocationList, issuer *x509.Certificate, issuerKey *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	identifier, err := Identifier(issuerKey.Spec(), a)
	if err != nil {
		return nil, err
	}
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	tbs, err := capture(standIn(issuerKey), func(c *capturer) error {
		_, err := x509.CreateRevocationList(rand.Reader, &template, issuer, c)
		return err
	})
	if err != nil || issuerKey.Spec().Info().Family != alg.MLDSA {
		return tbs, err
	}
	return replaceElement(tbs, listIdentifier, identifier)
}

// EncodeRequest returns the CertificationRequestInfo (RFC 2986 section 4.1)
// of the template for the key, which will sign it with the algorithm.
func EncodeRequest(t *x509.CertificateRequest, k *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	if err := CheckAlgorithm(k.Spec(), a); err != nil {
		return nil, err
	}
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	info, err := capture(standIn(k), func(c *capturer) error {
		_, err := x509.CreateCertificateRequest(rand.Reader, &template, c)
		return err
	})
	if err != nil || k.Spec().Info().Family != alg.MLDSA {
		return info, err
	}
	return replaceElement(info, requestSPKI, k.SPKI())
}

// standIn returns a key that crypto/x509 can encode: the key itself, or in
// the place of an ML-DSA one a shape of Ed25519 that is replaced afterwards.
// Go 1.27's crypto/x509 knows ML-DSA; this goes when Go 1.26 does.
func standIn(k *engine.PublicKey) crypto.PublicKey {
	if k.Spec().Info().Family == alg.MLDSA {
		return ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))
	}
	return k.Key()
}

// replaceElement returns the DER SEQUENCE with its n-th element, from 0 on,
// replaced.
func replaceElement(der []byte, n int, element []byte) ([]byte, error) {
	in := cryptobyte.String(der)
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("what crypto/x509 encoded is no SEQUENCE")
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(der)+len(element)+16))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := 0; !body.Empty(); i++ {
			var old cryptobyte.String
			var tag cbasn1.Tag
			if !body.ReadAnyASN1Element(&old, &tag) {
				b.SetError(errors.New("what crypto/x509 encoded cannot be read"))
				return
			}
			if i == n {
				old = element
			}
			b.AddBytes(old)
		}
	})
	return b.Bytes()
}

// nameAndKeyID returns what crypto/x509 takes from an issuer. A root that is
// yet to be has no public key for it to compare.
func nameAndKeyID(issuer *x509.Certificate) *x509.Certificate {
	return &x509.Certificate{RawSubject: issuer.RawSubject, Subject: issuer.Subject, SubjectKeyId: issuer.SubjectKeyId}
}

// Assemble joins signed bytes, the AlgorithmIdentifier of their signature and
// the signature: the SEQUENCE of three that certificates, CRLs and requests
// all are (RFC 5280 sections 4.1.1 and 5.1.1, RFC 2986 section 4.2). An OCSP
// response has one more element, its signer's certificates, in DER (RFC 6960
// section 4.2.1).
func Assemble(tbs, identifier, signature []byte, more ...byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(identifier)+len(signature)+len(more)+16))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(identifier)
		b.AddASN1BitString(signature)
		b.AddBytes(more)
	})
	return b.Bytes()
}

// errCaptured ends an encoding when its bytes are there.
var errCaptured = errors.New("captured")

// capturer is a crypto.MessageSigner that keeps the message instead of
// signing it. crypto/x509 hands a MessageSigner the whole message.
type capturer struct {
	public  crypto.PublicKey
	message []byte
}

// Public returns the issuer's public key, by which crypto/x509 chooses.
func (c *capturer) Public() crypto.PublicKey { return c.public }

// Sign is never called: crypto/x509 prefers SignMessage.
func (c *capturer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a digest cannot be captured")
}

// SignMessage keeps the message.
func (c *capturer) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	c.message = append([]byte(nil), message...)
	return nil, errCaptured
}

// capture returns the bytes that encode wants signed by the public key.
func capture(public crypto.PublicKey, encode func(*capturer) error) ([]byte, error) {
	c := &capturer{public: public}
	if err := encode(c); !errors.Is(err, errCaptured) {
		return nil, fmt.Errorf("encoding what is to be signed: %w", err)
	}
	return c.message, nil
}
