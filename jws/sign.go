package jws

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Signer is a key and what it says about itself in the protected header.
type Signer struct {
	Key crypto.Signer
	// Algorithm is the first of Algorithms when empty.
	Algorithm Algorithm
	// KeyID is the header "kid": by which the verifier finds the key.
	KeyID string
	// Type is the header "typ", such as "JWT".
	Type string
	// ContentType is the header "cty".
	ContentType string
	// Certificates is the header "x5c": the key's certificate first, then
	// those above it.
	Certificates []*x509.Certificate
	// Header has other fields of the protected header, by their names. The
	// values are as encoding/json wants them.
	Header map[string]any
}

// Sign signs a payload, which becomes part of the message.
func Sign(payload []byte, signers ...*Signer) (*Message, error) {
	m, err := newMessage(signers, true)
	if err != nil {
		return nil, err
	}
	m.payload = append([]byte{}, payload...) // not nil: that is a detached one
	return m, m.sign(func(w io.Writer) error { _, err := w.Write(payload); return err }, signers)
}

// SignDetached signs a payload that does not become part of the message (RFC
// 7515 appendix F). It is read once, and not kept, except for Ed25519, which
// signs a message only as a whole.
func SignDetached(payload io.Reader, signers ...*Signer) (*Message, error) {
	m, err := newMessage(signers, true)
	if err != nil {
		return nil, err
	}
	return m, m.sign(copying(payload), signers)
}

// SignUnencoded is SignDetached without base64url: the payload is signed as it
// is (RFC 7797), which the headers "b64" and "crit" say. Not every verifier
// knows that.
func SignUnencoded(payload io.Reader, signers ...*Signer) (*Message, error) {
	m, err := newMessage(signers, false)
	if err != nil {
		return nil, err
	}
	return m, m.sign(copying(payload), signers)
}

// copying returns what writes a payload that is read.
func copying(payload io.Reader) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.Copy(w, payload); return err }
}

// newMessage returns a message with the signers' headers.
func newMessage(signers []*Signer, encoded bool) (*Message, error) {
	if len(signers) == 0 || len(signers) > maxSignatures {
		return nil, fmt.Errorf("a message has 1 to %d signatures, not %d", maxSignatures, len(signers))
	}
	m := &Message{}
	for _, s := range signers {
		protected, err := s.header(encoded)
		if err != nil {
			return nil, err
		}
		parsed, err := parseHeader(protected)
		if err != nil {
			return nil, err
		}
		m.Signatures = append(m.Signatures, &Signature{Header: *parsed, protected: base64.RawURLEncoding.EncodeToString(protected)})
	}
	return m, nil
}

// sign reads the payload and fills in the signatures.
func (m *Message) sign(payload func(io.Writer) error, signers []*Signer) error {
	digests, err := m.digests(payload)
	if err != nil {
		return err
	}
	for i, s := range signers {
		scheme, _ := m.Signatures[i].Header.Algorithm.scheme() // parseHeader has seen it
		signature, err := s.Key.Sign(rand.Reader, digests[i], scheme.options())
		if err == nil && scheme.family == elliptical {
			signature, err = scheme.raw(signature)
		}
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		m.Signatures[i].signature = signature
	}
	return nil
}

// header returns the protected header in JSON.
func (s *Signer) header(encoded bool) ([]byte, error) {
	public := s.Key.Public()
	algorithm := s.Algorithm
	if algorithm == "" {
		all, err := Algorithms(public)
		if err != nil {
			return nil, err
		}
		algorithm = all[0]
	}
	if err := algorithm.fits(public); err != nil {
		return nil, err
	}
	fields := map[string]any{"alg": algorithm}
	for name, value := range map[string]string{"kid": s.KeyID, "typ": s.Type, "cty": s.ContentType} {
		if value != "" {
			fields[name] = value
		}
	}
	if len(s.Certificates) > 0 {
		chain, err := s.chain()
		if err != nil {
			return nil, err
		}
		fields["x5c"] = chain
	}
	if !encoded {
		fields["b64"], fields["crit"] = false, []string{"b64"}
	}
	for name, value := range s.Header {
		if _, ok := fields[name]; ok || name == "b64" || name == "crit" {
			return nil, fmt.Errorf("the header %q is not to be set like this", name)
		}
		fields[name] = value
	}
	return json.Marshal(fields)
}

// chain returns the header "x5c" (RFC 7515 section 4.1.6).
func (s *Signer) chain() ([]string, error) {
	if public, ok := s.Key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(s.Certificates[0].PublicKey) {
		return nil, errors.New("the first certificate is not for the key that signs")
	}
	chain := make([]string, len(s.Certificates))
	for i, c := range s.Certificates {
		chain[i] = base64.StdEncoding.EncodeToString(c.Raw)
	}
	return chain, nil
}
