package holdfast

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// CSR returns a certificate request (RFC 2986) in DER, signed by the key that
// it is about: a *Key, or any other crypto.Signer. Of the template, the fields
// are used that x509.CreateCertificateRequest uses; a SignatureAlgorithm of zero
// is the key's first.
func CSR(key crypto.Signer, template *x509.CertificateRequest) ([]byte, error) {
	const op = "requesting a certificate for"
	s, err := signingKey(key, template.SignatureAlgorithm)
	if err != nil {
		return nil, failed(op, uriOf(key), err)
	}
	info, err := cert.EncodeRequest(template, s.public, s.algorithm)
	if err != nil {
		return nil, failed(op, uriOf(key), err)
	}
	der, err := s.complete(info)
	return der, failed(op, uriOf(key), err)
}

// SelfSigned returns a certificate in DER that a key signs for itself: that of
// a root, if the template says that it is an authority's. The fields of the
// template are those of SignCertificate.
func SelfSigned(key crypto.Signer, template *x509.Certificate) ([]byte, error) {
	return sign("self-signing with", key, template, nil, nil)
}

// SignCertificate returns a certificate in DER for a public key, signed by the
// key of its issuer, the parent. A *Key is taken as the public key, too.
//
// Of the template, the fields are used that x509.CreateCertificate uses. A serial
// number of nil becomes a random one (RFC 5280 section 4.1.2.2 has up to 20
// bytes), and a zero NotBefore is now; NotAfter has to be there. The key
// identifiers are set. The parent must be an authority whose key is the one
// given, and may not end before the certificate does.
func SignCertificate(parent *x509.Certificate, key crypto.Signer, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	const op = "signing a certificate with"
	if parent == nil || public == nil {
		return nil, refuse(InvalidArgument, op, uriOf(key), "a certificate needs its issuer's, and a public key")
	}
	return sign(op, key, template, parent, public)
}

// uriOf returns the URI of a key that has one.
func uriOf(key crypto.Signer) string {
	if k, ok := key.(*Key); ok {
		return k.uri
	}
	return ""
}

// sign makes a certificate. Without a parent it is self-signed.
func sign(op string, key crypto.Signer, template, parent *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	s, err := signingKey(key, template.SignatureAlgorithm)
	if err != nil {
		return nil, failed(op, uriOf(key), err)
	}
	subject := s.public
	if parent != nil {
		if subject, err = parsePublic(public); err != nil {
			return nil, failed(op, uriOf(key), err)
		}
	}
	t, err := completeTemplate(template, subject)
	if err == nil {
		err = checkParent(parent, t, s.public)
	}
	if err != nil {
		return nil, failed(op, uriOf(key), err)
	}
	issuer := parent
	if issuer == nil {
		issuer = t
	}
	tbs, err := cert.Encode(t, issuer, s.public, subject, s.algorithm)
	if err != nil {
		return nil, failed(op, uriOf(key), err)
	}
	der, err := s.complete(tbs)
	return der, failed(op, uriOf(key), err)
}

// completeTemplate returns a copy of a template with what it may leave out.
func completeTemplate(template *x509.Certificate, subject *engine.PublicKey) (*x509.Certificate, error) {
	t := *template
	var err error
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().UTC().Truncate(time.Second)
	}
	if t.SerialNumber == nil {
		if t.SerialNumber, err = cert.NewSerial(time.Now(), rand.Reader); err != nil {
			return nil, err
		}
	}
	if len(t.SubjectKeyId) == 0 {
		if t.SubjectKeyId, err = cert.SubjectKeyID(subject.SPKI()); err != nil {
			return nil, err
		}
	}
	if t.IsCA {
		t.BasicConstraintsValid = true
	}
	if !t.NotAfter.After(t.NotBefore) {
		return nil, &Error{Kind: InvalidArgument, Detail: "the certificate ends before it begins"}
	}
	return &t, nil
}

// checkParent refuses an issuer that cannot have issued a certificate.
func checkParent(parent, t *x509.Certificate, key *engine.PublicKey) error {
	switch {
	case parent == nil:
		return nil
	case !bytes.Equal(parent.RawSubjectPublicKeyInfo, key.SPKI()):
		return &Error{Kind: Conflict, Detail: "the issuer's certificate (" + parent.Subject.String() + ") is for another key"}
	case !parent.IsCA || !parent.BasicConstraintsValid || parent.KeyUsage != 0 && parent.KeyUsage&x509.KeyUsageCertSign == 0:
		return &Error{Kind: InvalidArgument, Detail: "the issuer (" + parent.Subject.String() + ") may not issue certificates"}
	case t.NotAfter.After(parent.NotAfter):
		return &Error{Kind: InvalidArgument, Detail: "the certificate would be valid longer than its issuer's"}
	case t.IsCA && parent.MaxPathLen == 0 && parent.MaxPathLenZero:
		return &Error{Kind: InvalidArgument, Detail: "the issuer (" + parent.Subject.String() + ") may not issue certificates for authorities"}
	}
	return nil
}

// issuing is a key that signs certificates and requests.
type issuing struct {
	signer    crypto.Signer
	public    *engine.PublicKey
	algorithm alg.Algorithm
}

// signingKey returns what signs with a key, and how: by the algorithm that is
// wanted, or by the key's first that certificates have.
func signingKey(key crypto.Signer, want x509.SignatureAlgorithm) (*issuing, error) {
	if key == nil {
		return nil, &Error{Kind: InvalidArgument, Detail: "there is no key"}
	}
	if k, ok := key.(*Key); ok {
		if _, err := k.Signer(); err != nil {
			return nil, err
		}
		return chooseAlgorithm(&issuing{signer: signerOf{k.key.Signer, k.public}, public: k.public}, k.of(alg.SignVerify), want)
	}
	public, err := parsePublic(key.Public())
	if err != nil {
		return nil, err
	}
	return chooseAlgorithm(&issuing{signer: key, public: public}, public.Spec().For(alg.SignVerify), want)
}

func chooseAlgorithm(s *issuing, all []alg.Algorithm, want x509.SignatureAlgorithm) (*issuing, error) {
	i := slices.IndexFunc(all, func(a alg.Algorithm) bool {
		known := cert.CheckAlgorithm(s.public.Spec(), a) == nil
		return known && (want == x509.UnknownSignatureAlgorithm || cert.Algorithm(a) == want)
	})
	if i < 0 {
		return nil, &Error{Kind: Unsupported, Detail: "the key (type " + s.public.Spec().String() + ") does not sign certificates, or not in this way"}
	}
	s.algorithm = all[i]
	return s, nil
}

// complete signs what is to be signed, checks the signature, and returns the
// two.
func (s *issuing) complete(tbs []byte) ([]byte, error) {
	signature, err := cert.SignMessage(s.signer, s.algorithm, tbs)
	if err != nil {
		return nil, err
	}
	if err := cert.CheckSignature(s.public, s.algorithm, tbs, signature); err != nil {
		return nil, err
	}
	identifier, err := cert.Identifier(s.public.Spec(), s.algorithm)
	if err != nil {
		return nil, err
	}
	return cert.Assemble(tbs, identifier, signature)
}
