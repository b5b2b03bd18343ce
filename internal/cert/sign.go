package cert

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// SignMessage signs a message with an algorithm that X.509 has: the signer
// gets the message's digest where the algorithm hashes, else the message.
func SignMessage(s crypto.Signer, a alg.Algorithm, message []byte) ([]byte, error) {
	if hash := a.Info().Hash; hash != 0 {
		h := hash.New()
		h.Write(message)
		return SignDigest(s, a, engine.Message{Form: alg.Digest, Bytes: h.Sum(nil)})
	}
	return SignDigest(s, a, engine.Message{Form: alg.Raw, Bytes: message})
}

// SignDigest signs what an engine.Digester made of a message.
func SignDigest(s crypto.Signer, a alg.Algorithm, m engine.Message) ([]byte, error) {
	return s.Sign(rand.Reader, m.Bytes, engine.Options(a, m.Form))
}

// CheckSignature checks a signature of a message: nil, or a BadSignature
// error.
func CheckSignature(k *engine.PublicKey, a alg.Algorithm, message, signature []byte) error {
	return k.Verify(a, engine.Message{Form: alg.Raw, Bytes: message}, signature)
}

// CheckFrom checks that the issuer's key signed the child and that the names
// agree, whatever the algorithms are. It does not look at times, nor at what
// the issuer may do: see Verify. Its errors have the reason
// MalformedCertificate.
func CheckFrom(child, issuer *x509.Certificate) error {
	if string(child.RawIssuer) != string(issuer.RawSubject) {
		return fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
			"the certificate's issuer, %s, is not %s", child.Issuer, issuer.Subject)
	}
	return checkSigned(signed{child.SignatureAlgorithm, child.Raw, child.RawTBSCertificate, child.Signature}, issuer)
}

// CheckListFrom checks that the issuer's key signed the revocation list and
// that the names agree.
func CheckListFrom(list *x509.RevocationList, issuer *x509.Certificate) error {
	if string(list.RawIssuer) != string(issuer.RawSubject) {
		return fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
			"the list's issuer, %s, is not %s", list.Issuer, issuer.Subject)
	}
	return checkSigned(signed{list.SignatureAlgorithm, list.Raw, list.RawTBSRevocationList, list.Signature}, issuer)
}

// signed is a SEQUENCE of what is signed, its algorithm and a signature.
type signed struct {
	algorithm      x509.SignatureAlgorithm
	raw            []byte
	tbs, signature []byte
}

func checkSigned(s signed, issuer *x509.Certificate) error {
	var err error
	if s.algorithm != x509.UnknownSignatureAlgorithm {
		err = issuer.CheckSignature(s.algorithm, s.tbs, s.signature)
	} else if k, bad := PublicOf(issuer); bad != nil {
		err = bad
	} else {
		err = checkOwn(s, k)
	}
	if err != nil {
		return &fault.Error{
			Kind: fault.BadSignature, Reason: fault.MalformedCertificate, Op: "cert.CheckFrom",
			Public: "the signature does not verify under the key of " + issuer.Subject.String(), Err: err,
		}
	}
	return nil
}

// checkOwn checks a signature of an algorithm that crypto/x509 does not have.
// The AlgorithmIdentifier has to be that of the key's own spec.
func checkOwn(s signed, k *engine.PublicKey) error {
	identifier, a, err := algorithmIn(s.raw)
	if err != nil {
		return err
	}
	want, err := Identifier(k.Spec(), a)
	if err != nil {
		return err
	}
	if string(want) != string(identifier) {
		return fault.New(fault.BadSignature, "the signature's algorithm is of another key's parameters")
	}
	return CheckSignature(k, a, s.tbs, s.signature)
}

// SignedBy returns the algorithm by which a certificate is signed, also where
// crypto/x509 has no name for it.
func SignedBy(c *x509.Certificate) (alg.Algorithm, error) {
	_, a, err := algorithmIn(c.Raw)
	return a, err
}

// algorithmIn returns the AlgorithmIdentifier that stands in something signed,
// and what it is.
func algorithmIn(raw []byte) (cryptobyte.String, alg.Algorithm, error) {
	in := cryptobyte.String(raw)
	var body, identifier cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&identifier, cbasn1.SEQUENCE) {
		return nil, alg.NoAlgorithm, fault.New(fault.InvalidArgument, "the signature has no algorithm")
	}
	a, err := AlgorithmOf(identifier)
	return identifier, a, err
}
