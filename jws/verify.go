package jws

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ErrVerification is in the chain of errors about signatures of which none
// verifies.
var ErrVerification = errors.New("no signature verifies")

// Key is a public key that is trusted.
type Key struct {
	Public crypto.PublicKey
	// ID is the key's "kid"; a signature with another one is not tried with
	// it. Empty, either of them fits all.
	ID string
	// Algorithm is the only one that is accepted, if it is not empty.
	Algorithm Algorithm
}

// Verified is a signature that verified, and the key by which it did.
type Verified struct {
	*Signature
	Key Key
}

// Verify returns the payload of a message when at least one of its signatures
// verifies with one of the keys, and all those that do.
func (m *Message) Verify(keys ...Key) ([]byte, []Verified, error) {
	if m.Detached() {
		return nil, nil, errors.New("the message has no payload: it is detached, or empty")
	}
	by, err := m.verify(func(w io.Writer) error { _, err := w.Write(m.payload); return err }, keys)
	if err != nil {
		return nil, nil, err
	}
	return bytes.Clone(m.payload), by, nil
}

// VerifyDetached checks the signatures of a payload that is elsewhere, as
// Verify does. It is read once, and not kept, except for Ed25519.
func (m *Message) VerifyDetached(payload io.Reader, keys ...Key) ([]Verified, error) {
	if !m.Detached() {
		return nil, errors.New("the message has a payload of its own")
	}
	return m.verify(copying(payload), keys)
}

func (m *Message) verify(payload func(io.Writer) error, keys []Key) ([]Verified, error) {
	digests, err := m.digests(payload)
	if err != nil {
		return nil, err
	}
	var verified []Verified
	var failures []error
	for i, s := range m.Signatures {
		key, err := s.verify(digests[i], keys)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		verified = append(verified, Verified{s, key})
	}
	if len(verified) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrVerification, errors.Join(failures...))
	}
	return verified, nil
}

// verify finds the key by which the signature verifies.
func (s *Signature) verify(digest []byte, keys []Key) (Key, error) {
	algorithm := s.Header.Algorithm
	scheme, _ := algorithm.scheme() // parseHeader has seen it
	id, _, err := stringField(s.Unprotected, "kid")
	if err != nil {
		return Key{}, err
	}
	if s.Header.KeyID != "" {
		id = s.Header.KeyID
	}
	tried := 0
	for _, k := range keys {
		if (k.ID != "" && id != "" && k.ID != id) || (k.Algorithm != "" && k.Algorithm != algorithm) || algorithm.fits(k.Public) != nil {
			continue
		}
		tried++
		if scheme.verify(k.Public, digest, s.signature) {
			return k, nil
		}
	}
	if tried == 0 {
		return Key{}, fmt.Errorf("no trusted key is for the algorithm %s and the key id %q", algorithm, id)
	}
	return Key{}, fmt.Errorf("the signature (%s, key id %q) is another key's, or of other data", algorithm, id)
}

// Chain returns the key of the first certificate of the header "x5c", which
// has to verify by the options. Those that follow it serve as intermediates
// beside those of the options. Without Roots the system's are trusted; without
// KeyUsages every extended key usage will do.
func (s *Signature) Chain(o x509.VerifyOptions) (Key, error) {
	chain := s.Header.Certificates
	if len(chain) == 0 {
		return Key{}, errors.New("the signature names no certificate (\"x5c\")")
	}
	intermediates := x509.NewCertPool()
	if o.Intermediates != nil {
		intermediates = o.Intermediates.Clone()
	}
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	o.Intermediates = intermediates
	if len(o.KeyUsages) == 0 {
		o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	if _, err := chain[0].Verify(o); err != nil {
		return Key{}, err
	}
	if usage := chain[0].KeyUsage; usage != 0 && usage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return Key{}, fmt.Errorf("the certificate of %s is not for signatures", chain[0].Subject)
	}
	return Key{Public: chain[0].PublicKey, ID: s.Header.KeyID}, nil
}

// digests returns what each signature signs: the hash of its header, a dot
// and the payload (RFC 7515 section 5.1), or all that itself.
func (m *Message) digests(payload func(io.Writer) error) ([][]byte, error) {
	if len(m.Signatures) == 0 {
		return nil, errors.New("the message has no signature")
	}
	inputs := make([]io.Writer, len(m.Signatures))
	for i, s := range m.Signatures {
		scheme, ok := s.Header.Algorithm.scheme()
		if !ok {
			return nil, fmt.Errorf("the algorithm %q is not supported", s.Header.Algorithm)
		}
		inputs[i] = &bytes.Buffer{}
		if scheme.hash != 0 {
			inputs[i] = scheme.hash.New()
		}
		_, _ = io.WriteString(inputs[i], s.protected+".") // neither fails
	}
	all := io.MultiWriter(inputs...)
	if m.Signatures[0].Header.unencoded {
		if err := payload(all); err != nil {
			return nil, err
		}
	} else {
		encoder := base64.NewEncoder(base64.RawURLEncoding, all)
		if err := payload(encoder); err != nil {
			return nil, err
		}
		if err := encoder.Close(); err != nil {
			return nil, err
		}
	}
	digests := make([][]byte, len(inputs))
	for i, in := range inputs {
		if h, ok := in.(hash.Hash); ok {
			digests[i] = h.Sum(nil)
		} else if b, ok := in.(*bytes.Buffer); ok {
			digests[i] = b.Bytes()
		}
	}
	return digests, nil
}
