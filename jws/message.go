package jws

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxSignatures bounds the signatures of a message, and with them the
	// work that a stranger's message makes.
	maxSignatures = 32
	// maxCertificates bounds the header "x5c".
	maxCertificates = 16
)

// Message is a payload with its signatures, or the signatures alone of a
// payload that is elsewhere.
type Message struct {
	Signatures []*Signature
	payload    []byte // nil: detached
}

// Signature is one signature of a message. What it says is believed only once
// it was verified.
type Signature struct {
	Header Header
	// Unprotected has the fields that no signature covers, in JSON.
	Unprotected map[string]json.RawMessage

	protected string // base64url, as it is signed
	signature []byte
}

// Header is a protected header.
type Header struct {
	Algorithm    Algorithm
	KeyID        string
	Type         string
	ContentType  string
	Certificates []*x509.Certificate
	// Fields has all fields, in JSON, also those above.
	Fields map[string]json.RawMessage

	unencoded bool // RFC 7797
}

// Detached reports whether the payload is elsewhere.
func (m *Message) Detached() bool { return m.payload == nil }

// strict is base64url with one spelling for each value.
var strict = base64.RawURLEncoding.Strict()

// decode decodes base64url. Go's decoder skips line breaks; RFC 7515 section 2
// has none.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line break within base64url")
	}
	return strict.DecodeString(text)
}

// Parse reads a message in the compact or in a JSON serialization (RFC 7515
// section 7). White space around it is ignored.
func Parse(text []byte) (*Message, error) {
	text = bytes.TrimSpace(text)
	parse := parseCompact
	if bytes.HasPrefix(text, []byte("{")) {
		parse = parseJSON
	}
	m, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading a JWS: %w", err)
	}
	for _, s := range m.Signatures {
		if s.Header.unencoded != m.Signatures[0].Header.unencoded {
			return nil, errors.New("reading a JWS: the signatures do not agree about \"b64\" (RFC 7797 section 3)")
		}
		if s.Header.unencoded && m.payload != nil {
			return nil, errors.New("reading a JWS: a payload that is not in base64url is supported only detached")
		}
	}
	return m, nil
}

// parseCompact reads header.payload.signature.
func parseCompact(text []byte) (*Message, error) {
	parts := strings.Split(string(text), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("the compact form has 3 parts, this has %d", len(parts))
	}
	m := &Message{}
	s, err := newSignature(parts[0], parts[2], nil)
	if err != nil {
		return nil, err
	}
	m.Signatures = []*Signature{s}
	if parts[1] != "" { // an empty payload and none at all look the same
		m.payload, err = decode(parts[1])
	}
	return m, err
}

// parseJSON reads the general or the flattened form.
func parseJSON(text []byte) (*Message, error) {
	top, err := object(text)
	if err != nil {
		return nil, err
	}
	m := &Message{}
	if encoded, ok, err := stringField(top, "payload"); err != nil {
		return nil, err
	} else if ok {
		if m.payload, err = decode(encoded); err != nil {
			return nil, fmt.Errorf("the payload: %w", err)
		}
		m.payload = append([]byte{}, m.payload...) // not nil, also when empty
	}
	var all []json.RawMessage
	if raw, ok := top["signatures"]; !ok {
		all = append(all, text) // the flattened form
	} else {
		if slices.ContainsFunc([]string{"signature", "protected", "header"}, func(name string) bool { _, ok := top[name]; return ok }) {
			return nil, errors.New("it is in the general and in the flattened form at once")
		}
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, fmt.Errorf("the signatures: %w", err)
		}
	}
	if len(all) == 0 || len(all) > maxSignatures {
		return nil, fmt.Errorf("a message has 1 to %d signatures, not %d", maxSignatures, len(all))
	}
	for _, raw := range all {
		s, err := parseSignature(raw)
		if err != nil {
			return nil, err
		}
		m.Signatures = append(m.Signatures, s)
	}
	return m, nil
}

// parseSignature reads an object with the members of a signature.
func parseSignature(raw json.RawMessage) (*Signature, error) {
	members, err := object(raw)
	if err != nil {
		return nil, err
	}
	protected, _, err := stringField(members, "protected")
	if err != nil {
		return nil, err
	}
	signature, _, err := stringField(members, "signature")
	if err != nil {
		return nil, err
	}
	var unprotected map[string]json.RawMessage
	if raw, ok := members["header"]; ok {
		if unprotected, err = object(raw); err != nil {
			return nil, err
		}
	}
	return newSignature(protected, signature, unprotected)
}

// newSignature checks the parts of a signature.
func newSignature(protected, signature string, unprotected map[string]json.RawMessage) (*Signature, error) {
	text, err := decode(protected)
	if err != nil {
		return nil, fmt.Errorf("the protected header: %w", err)
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	for name := range unprotected {
		if _, ok := h.Fields[name]; ok || name == "crit" || name == "b64" {
			return nil, fmt.Errorf("the unprotected header has %q, which the protected one has or needs to have", name)
		}
	}
	s := &Signature{Header: *h, Unprotected: unprotected, protected: protected}
	if s.signature, err = decode(signature); err != nil {
		return nil, fmt.Errorf("the signature: %w", err)
	}
	return s, nil
}

// parseHeader reads a protected header.
func parseHeader(text []byte) (*Header, error) {
	fields, err := object(text)
	if err != nil {
		return nil, fmt.Errorf("the protected header: %w", err)
	}
	h := &Header{Fields: fields}
	algorithm := ""
	for name, to := range map[string]*string{"alg": &algorithm, "kid": &h.KeyID, "typ": &h.Type, "cty": &h.ContentType} {
		if *to, _, err = stringField(fields, name); err != nil {
			return nil, err
		}
	}
	h.Algorithm = Algorithm(algorithm)
	if _, ok := h.Algorithm.scheme(); !ok {
		return nil, fmt.Errorf("the algorithm %q is not supported", algorithm)
	}
	if err := h.critical(); err != nil {
		return nil, err
	}
	return h, h.certificates()
}

// critical reads the headers "crit" (RFC 7515 section 4.1.11) and "b64", the
// only one that may be critical.
func (h *Header) critical() error {
	encoded := true
	b64, present := h.Fields["b64"]
	if present {
		if err := json.Unmarshal(b64, &encoded); err != nil || string(b64) == "null" {
			return errors.New("the header \"b64\" is neither true nor false")
		}
	}
	h.unencoded = !encoded
	raw, ok := h.Fields["crit"]
	if !ok {
		if h.unencoded {
			return errors.New("the header \"b64\" is there, and \"crit\" does not name it (RFC 7797 section 6)")
		}
		return nil
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil || len(names) == 0 {
		return errors.New("the header \"crit\" is no list of names")
	}
	if len(names) > 1 || names[0] != "b64" || !present {
		return fmt.Errorf("the critical headers %q are not all supported", names)
	}
	return nil
}

// certificates reads the header "x5c".
func (h *Header) certificates() error {
	raw, ok := h.Fields["x5c"]
	if !ok {
		return nil
	}
	var chain [][]byte // JSON has them in base64 as encoding/json wants it
	if err := json.Unmarshal(raw, &chain); err != nil || len(chain) == 0 || len(chain) > maxCertificates {
		return fmt.Errorf("the header \"x5c\" is no list of 1 to %d certificates", maxCertificates)
	}
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("the header \"x5c\": %w", err)
		}
		h.Certificates = append(h.Certificates, c)
	}
	return nil
}

// object reads a JSON object whose names are there once each. Names are
// compared as they are: JSON's own decoder would take "ALG" for "alg".
func object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not in UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if _, twice := fields[name]; !ok || twice {
			return nil, fmt.Errorf("the member %q is there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}

// stringField returns a member that is a string, and whether it is there.
func stringField(fields map[string]json.RawMessage, name string) (string, bool, error) {
	raw, ok := fields[name]
	if !ok {
		return "", false, nil
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil || !bytes.HasPrefix(raw, []byte(`"`)) {
		return "", false, fmt.Errorf("the member %q is no string", name)
	}
	return value, true, nil
}

// Compact returns the compact serialization, which a message with one
// signature has. Of a detached one the middle part is empty.
func (m *Message) Compact() (string, error) {
	if len(m.Signatures) != 1 || m.Signatures[0].Unprotected != nil {
		return "", errors.New("the compact form has one signature, and no unprotected header")
	}
	if m.payload != nil && len(m.payload) == 0 {
		return "", errors.New("the compact form of an empty payload looks like that of a detached one")
	}
	s := m.Signatures[0]
	return s.protected + "." + strict.EncodeToString(m.payload) + "." + strict.EncodeToString(s.signature), nil
}

// MarshalJSON returns the general JSON serialization.
func (m *Message) MarshalJSON() ([]byte, error) {
	type signature struct {
		Protected string                     `json:"protected"`
		Header    map[string]json.RawMessage `json:"header,omitempty"`
		Signature string                     `json:"signature"`
	}
	var out struct {
		Payload    *string     `json:"payload,omitempty"`
		Signatures []signature `json:"signatures"`
	}
	if m.payload != nil {
		payload := strict.EncodeToString(m.payload)
		out.Payload = &payload
	}
	for _, s := range m.Signatures {
		out.Signatures = append(out.Signatures, signature{s.protected, maps.Clone(s.Unprotected), strict.EncodeToString(s.signature)})
	}
	return json.Marshal(out)
}
