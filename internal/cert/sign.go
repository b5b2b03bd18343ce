package cert

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"

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
		message = h.Sum(nil)
	}
	return s.Sign(rand.Reader, message, engine.Options(a, alg.Raw))
}

// CheckSignature checks a signature of a message: nil, or a BadSignature
// error.
func CheckSignature(k *engine.PublicKey, a alg.Algorithm, message, signature []byte) error {
	return k.Verify(a, engine.Message{Form: alg.Raw, Bytes: message}, signature)
}

// CheckFrom checks that the issuer's key signed the child and that the names
// agree. It does not look at times, nor at what the issuer may do.
func CheckFrom(child, issuer *x509.Certificate) error {
	if string(child.RawIssuer) != string(issuer.RawSubject) {
		return fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
			"the certificate's issuer, %s, is not %s", child.Issuer, issuer.Subject)
	}
	if err := issuer.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature); err != nil {
		return &fault.Error{
			Kind: fault.BadSignature, Reason: fault.MalformedCertificate, Op: "cert.CheckFrom",
			Public: "the certificate's signature does not verify", Err: err,
		}
	}
	return nil
}
