package cert

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Bounds on the search for a chain, against collections that are made to
// take long.
const (
	maxChain  = 10  // certificates in a chain
	maxChecks = 200 // signatures checked for one leaf
)

// Trust says what Verify goes by.
type Trust struct {
	Roots, Intermediates []*x509.Certificate
	// At is the time for which to verify, now when zero.
	At time.Time
	// DNSName, when it is set, has to be one of the leaf's names; it may be an
	// IP address.
	DNSName string
	// KeyUsages are what the leaf may be used for, any one of them; any usage
	// at all when there are none.
	KeyUsages []x509.ExtKeyUsage
}

// Verify finds a chain from the leaf to one of the roots and verifies it (RFC
// 5280 section 6): signatures of every algorithm that we have, also mixed
// ones, names, times, path lengths, usages and name constraints. It returns
// the chain, leaf first. Its errors are InvalidArgument with the reason
// MalformedCertificate.
//
// Signatures are checked here. All other rules are crypto/x509's: it is given
// the same certificates with stand-in keys and signatures of Ed25519, so that
// ML-DSA, which it does not know, makes no difference.
func Verify(leaf *x509.Certificate, trust *Trust) ([]*x509.Certificate, error) {
	s := &search{trust: trust, shadow: &shadow{keys: map[string]ed25519.PrivateKey{}}}
	if chain := s.extend([]*x509.Certificate{leaf}); chain != nil {
		return chain, nil
	}
	if s.last == nil {
		s.last = errors.New("it leads to none of the trusted roots")
	}
	return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
		"the certificate of %s does not verify: %v", leaf.Subject, s.last)
}

// search is the search for a chain.
type search struct {
	trust  *Trust
	shadow *shadow
	checks int
	last   error // why the last candidate was none
}

// extend returns a chain that begins with the certificates and verifies, nil
// if there is none.
func (s *search) extend(path []*x509.Certificate) []*x509.Certificate {
	end := path[len(path)-1]
	for _, root := range s.trust.Roots {
		if end.Equal(root) || s.signed(end, root) {
			full := path
			if !end.Equal(root) {
				full = append(slices.Clip(path), root)
			}
			if s.last = s.verify(full); s.last == nil {
				return full
			}
		}
	}
	if len(path) == maxChain-1 {
		return nil
	}
	for _, next := range s.trust.Intermediates {
		if slices.ContainsFunc(path, next.Equal) || !s.signed(end, next) {
			continue
		}
		if full := s.extend(append(slices.Clip(path), next)); full != nil {
			return full
		}
	}
	return nil
}

// signed reports whether the issuer signed the child.
func (s *search) signed(child, issuer *x509.Certificate) bool {
	if !bytes.Equal(child.RawIssuer, issuer.RawSubject) {
		return false
	}
	if s.checks++; s.checks > maxChecks {
		s.last = errors.New("the search for its issuers takes too long")
		return false
	}
	if err := CheckFrom(child, issuer); err != nil {
		s.last = err
		return false
	}
	return true
}

// verify has crypto/x509 verify the shadow of a chain whose signatures were
// checked.
func (s *search) verify(chain []*x509.Certificate) error {
	opts := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: s.trust.At, DNSName: s.trust.DNSName, KeyUsages: s.trust.KeyUsages,
	}
	if len(opts.KeyUsages) == 0 {
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	var leaf *x509.Certificate
	for i, c := range chain {
		issuer := c
		if i+1 < len(chain) {
			issuer = chain[i+1]
		}
		copied, err := s.shadow.of(c, issuer)
		if err != nil {
			return err
		}
		if i == 0 {
			leaf = copied
		}
		switch {
		case i == len(chain)-1:
			opts.Roots.AddCert(copied)
		case i > 0:
			opts.Intermediates.AddCert(copied)
		}
	}
	_, err := leaf.Verify(opts)
	return err
}

// shadow makes copies of certificates with other keys and signatures.
type shadow struct {
	keys map[string]ed25519.PrivateKey // by the SubjectPublicKeyInfo that they stand for
}

// key returns the stand-in of a key.
func (s *shadow) key(c *x509.Certificate) (ed25519.PrivateKey, error) {
	if k, ok := s.keys[string(c.RawSubjectPublicKeyInfo)]; ok {
		return k, nil
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a stand-in key: %w", err)
	}
	s.keys[string(c.RawSubjectPublicKeyInfo)] = k
	return k, nil
}

// of returns the certificate with the stand-ins of its key and its issuer's.
func (s *shadow) of(c, issuer *x509.Certificate) (*x509.Certificate, error) {
	own, err := s.key(c)
	if err != nil {
		return nil, err
	}
	above, err := s.key(issuer)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(own.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding a stand-in key: %w", err)
	}
	identifier, err := identifier(alg.Ed25519, alg.Ed25519Pure)
	if err != nil {
		return nil, err
	}
	shift := 0
	if !versioned(c.RawTBSCertificate) {
		shift = 1 // version 1 is left out
	}
	tbs, err := replaceElement(c.RawTBSCertificate, certificateIdentifier-shift, identifier)
	if err != nil {
		return nil, err
	}
	if tbs, err = replaceElement(tbs, certificateSPKI-shift, spki); err != nil {
		return nil, err
	}
	der, err := Assemble(tbs, identifier, ed25519.Sign(above, tbs))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// versioned reports whether a TBSCertificate begins with its version.
func versioned(tbs cryptobyte.String) bool {
	var body cryptobyte.String
	return tbs.ReadASN1(&body, cbasn1.SEQUENCE) && body.PeekASN1Tag(tagged0)
}
