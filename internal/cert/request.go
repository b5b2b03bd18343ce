package cert

import (
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// CheckRequest checks that a certificate request (RFC 2986) was signed by the
// private half of the key in it, and returns that key. Signatures over MD2,
// MD5 and SHA-1 prove nothing. Its errors have the reason MalformedCSR; for
// keys that certificates are not for they are Unsupported.
func CheckRequest(r *x509.CertificateRequest) (*engine.PublicKey, error) {
	k, err := ParsePublic(r.RawSubjectPublicKeyInfo)
	if err != nil {
		if fault.KindOf(err) == fault.Unsupported {
			return nil, fault.Because(fault.Unsupported, fault.MalformedCSR,
				"the request's key is of a kind for which no certificates are issued")
		}
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the request's key cannot be read")
	}
	switch r.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR,
			"the certificate request is signed by %s, which is broken", r.SignatureAlgorithm)
	case x509.UnknownSignatureAlgorithm:
		err = checkOwn(signed{raw: r.Raw, tbs: r.RawTBSCertificateRequest, signature: r.Signature}, k)
	default:
		err = r.CheckSignature()
	}
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR,
			"the certificate request's own signature does not verify")
	}
	return k, nil
}
