package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Signer is a key and its certificate.
type Signer struct {
	Key         crypto.Signer
	Certificate *x509.Certificate
	// Chain are certificates above it, which go into the message for whoever
	// verifies it. A root needs not be there.
	Chain []*x509.Certificate
	// Hash is SHA-256, SHA-384 or SHA-512; 0 is the one as strong as the key:
	// SHA-256 for RSA and P-256. Ed25519 has SHA-512.
	Hash crypto.Hash
	// PSS makes an RSA key sign by RSASSA-PSS instead of PKCS #1 v1.5.
	PSS bool
	// Time is when the signer says that it signed; zero: it does not say.
	Time time.Time
}

// Sign signs a content, which becomes part of the message, and returns that in
// DER.
func Sign(content []byte, signers ...*Signer) ([]byte, error) {
	d, err := sign(bytes.NewReader(content), signers)
	if err != nil {
		return nil, err
	}
	d.content = append([]byte{}, content...) // not nil: that is a detached one
	return d.Marshal()
}

// SignDetached signs a content that does not become part of the message. It is
// read once and not kept.
func SignDetached(content io.Reader, signers ...*Signer) ([]byte, error) {
	d, err := sign(content, signers)
	if err != nil {
		return nil, err
	}
	return d.Marshal()
}

// sign makes a message without the content.
func sign(content io.Reader, signers []*Signer) (*SignedData, error) {
	if len(signers) == 0 || len(signers) > maxSigners {
		return nil, fmt.Errorf("a message has 1 to %d signers, not %d", maxSigners, len(signers))
	}
	// RFC 5652 section 5.1: version 1 has data, and certificates only.
	d := &SignedData{ContentType: oidData(), version: 1, withChoice: true}
	schemes := make([]*scheme, len(signers))
	var used []digest
	for i, s := range signers {
		var err error
		if schemes[i], err = s.scheme(); err != nil {
			return nil, err
		}
		used = append(used, schemes[i].digest)
	}
	sums, err := hashAll(content, used)
	if err != nil {
		return nil, err
	}
	for i, s := range signers {
		info, err := s.sign(schemes[i], sums[schemes[i].digest.hash])
		if err != nil {
			return nil, err
		}
		d.Signers = append(d.Signers, info)
		d.addCertificates(append([]*x509.Certificate{s.Certificate}, s.Chain...))
		if a := (algorithm{schemes[i].digest.oid, nil}); !slices.ContainsFunc(d.digests, func(b algorithm) bool { return b.oid.Equal(a.oid) }) {
			d.digests = append(d.digests, a)
		}
	}
	d.sort()
	if len(d.choices) > maxCertificates {
		return nil, fmt.Errorf("a message has at most %d certificates", maxCertificates)
	}
	return d, nil
}

// scheme checks the signer, and returns how it signs.
func (s *Signer) scheme() (*scheme, error) {
	public := s.Key.Public()
	equal, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	if s.Certificate == nil || !ok || !equal.Equal(s.Certificate.PublicKey) {
		return nil, errors.New("the certificate is not for the key that signs")
	}
	return schemeFor(public, s.Hash, s.PSS)
}

// sign signs the attributes of a content with the digest.
func (s *Signer) sign(how *scheme, digest []byte) (*SignerInfo, error) {
	c := claims{contentType: oidData(), digest: digest, time: s.Time, certificate: sum(crypto.SHA256, s.Certificate.Raw)}
	info := &SignerInfo{
		Issuer: s.Certificate.RawIssuer, Serial: s.Certificate.SerialNumber,
		version: 1, digest: algorithm{how.digest.oid, nil}, attributes: c.marshal(), algorithm: how.algorithm,
	}
	var err error
	if info.signature, err = s.Key.Sign(rand.Reader, how.input(info.attributes), how.options); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return info, nil
}

// addCertificates adds those that are not there yet.
func (d *SignedData) addCertificates(all []*x509.Certificate) {
	for _, c := range all {
		if !slices.ContainsFunc(d.choices, func(raw []byte) bool { return bytes.Equal(raw, c.Raw) }) {
			d.choices = append(d.choices, c.Raw)
			d.Certificates = append(d.Certificates, c)
		}
	}
}

// sort brings the SETs into DER's order (X.690 section 11.6).
func (d *SignedData) sort() {
	slices.SortFunc(d.choices, bytes.Compare)
	slices.SortFunc(d.digests, func(a, b algorithm) int { return bytes.Compare(encode(a.add), encode(b.add)) })
	slices.SortFunc(d.Signers, func(a, b *SignerInfo) int { return bytes.Compare(encode(a.add), encode(b.add)) })
}

func encode(f cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	f(&b)
	return b.BytesOrPanic()
}

// hashAll reads a content once, for all digests.
func hashAll(content io.Reader, used []digest) (map[crypto.Hash][]byte, error) {
	hashes := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, d := range used {
		if hashes[d.hash] == nil {
			hashes[d.hash] = d.hash.New()
			all = append(all, hashes[d.hash])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), content); err != nil {
		return nil, err
	}
	sums := map[crypto.Hash][]byte{}
	for name, h := range hashes {
		sums[name] = h.Sum(nil)
	}
	return sums, nil
}
