package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The way of a certificate (or CRL) to its signature has two steps. prepare
// lets crypto/x509 encode what is to be signed, completes it with a throw-away
// signature, lints it, and gives a token. issue takes the token, once, and
// has the authority's key sign the very bytes that were linted: nothing is
// encoded a second time, so nothing can differ.
//
// The throw-away signature is a well-formed one of the issuer's kind, made
// over another message by a key that is thrown away with it. A lint judges
// its form; that it verifies for nobody is as it should be before the
// certificate is approved.

// linted is the token: bytes that passed, to be signed once.
type linted struct {
	tbs       []byte
	algorithm alg.Algorithm
	issuer    *x509.Certificate // its public key checks the signature
	warnings  []string
	used      atomic.Bool
}

// signatureAlgorithm returns crypto/x509's name of an algorithm.
func signatureAlgorithm(a alg.Algorithm) x509.SignatureAlgorithm {
	return map[alg.Algorithm]x509.SignatureAlgorithm{
		alg.PKCS1SHA256: x509.SHA256WithRSA, alg.PKCS1SHA384: x509.SHA384WithRSA, alg.PKCS1SHA512: x509.SHA512WithRSA,
		alg.PSSSHA256: x509.SHA256WithRSAPSS, alg.PSSSHA384: x509.SHA384WithRSAPSS, alg.PSSSHA512: x509.SHA512WithRSAPSS,
		alg.ECDSASHA256: x509.ECDSAWithSHA256, alg.ECDSASHA384: x509.ECDSAWithSHA384, alg.ECDSASHA512: x509.ECDSAWithSHA512,
		alg.Ed25519Pure: x509.PureEd25519,
	}[a]
}

// prepareCertificate encodes and lints a certificate of the template for the
// public key. For a self-signed one, issuer is the template itself.
func (s *Service) prepareCertificate(template, issuer *x509.Certificate, pub crypto.PublicKey, a alg.Algorithm) (*linted, error) {
	template.SignatureAlgorithm = signatureAlgorithm(a)
	tbs, err := capture(issuer.PublicKey, func(c *capturer) error {
		_, err := x509.CreateCertificate(rand.Reader, template, issuer, pub, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	der, err := s.throwAways.complete(tbs, issuer.PublicKey, a)
	if err != nil {
		return nil, err
	}
	found, err := s.lints.certificate(der, template == issuer)
	if err != nil {
		return nil, err
	}
	return &linted{tbs: tbs, algorithm: a, issuer: issuer, warnings: found.warnings}, nil
}

// maxLintedEntries is the size of a CRL above which it is not linted: the
// lints look at the list's own fields and repeat one check for each entry.
const maxLintedEntries = 1000

// prepareCRL encodes and lints a CRL.
func (s *Service) prepareCRL(template *x509.RevocationList, issuer *x509.Certificate, a alg.Algorithm) (*linted, error) {
	template.SignatureAlgorithm = signatureAlgorithm(a)
	tbs, err := capture(issuer.PublicKey, func(c *capturer) error {
		_, err := x509.CreateRevocationList(rand.Reader, template, issuer, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(template.RevokedCertificateEntries) <= maxLintedEntries {
		der, err := s.throwAways.complete(tbs, issuer.PublicKey, a)
		if err != nil {
			return nil, err
		}
		if err := s.lints.list(der); err != nil {
			return nil, err
		}
	}
	return &linted{tbs: tbs, algorithm: a, issuer: issuer}, nil
}

// issue has the signer sign what the token holds and returns the whole, its
// signature checked against the issuer's certificate. A token is good for one
// signature.
func (t *linted) issue(signer crypto.Signer) ([]byte, error) {
	if t.used.Swap(true) {
		return nil, &fault.Error{Kind: fault.Internal, Op: "ca.issue", Public: "a lint token was used twice"}
	}
	signature, err := signMessage(signer, t.algorithm, t.tbs)
	if err != nil {
		return nil, err
	}
	if err := t.issuer.CheckSignature(signatureAlgorithm(t.algorithm), t.tbs, signature); err != nil {
		return nil, &fault.Error{
			Kind: fault.Internal, Op: "ca.issue", Public: "the authority's key made a signature that does not verify", Err: err,
		}
	}
	return assemble(t.tbs, signature)
}

// signMessage signs a message with options that crypto/x509 would choose.
func signMessage(signer crypto.Signer, a alg.Algorithm, message []byte) ([]byte, error) {
	info := a.Info()
	var opts crypto.SignerOpts = info.Hash
	if info.Scheme == alg.PSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: info.Hash}
	}
	if info.Hash != 0 {
		h := info.Hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	return signer.Sign(rand.Reader, message, opts)
}

// assemble joins signed bytes, the algorithm named in them, and the
// signature: the SEQUENCE of three that certificates and CRLs both are (RFC
// 5280 sections 4.1.1 and 5.1.1).
func assemble(tbs, signature []byte) ([]byte, error) {
	algorithm, err := innerAlgorithm(tbs)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		asn1.RawValue{FullBytes: algorithm},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
}

// innerAlgorithm returns the AlgorithmIdentifier within a TBSCertificate (its
// third element, after the tagged version and the serial number) or a
// TBSCertList (its second, after the version).
func innerAlgorithm(tbs []byte) ([]byte, error) {
	input := cryptobyte.String(tbs)
	var body, algorithm cryptobyte.String
	ok := input.ReadASN1(&body, cbasn1.SEQUENCE) &&
		body.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) &&
		body.SkipASN1(cbasn1.INTEGER) &&
		body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE)
	if !ok {
		return nil, errors.New("what crypto/x509 encoded has no algorithm")
	}
	return algorithm, nil
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
