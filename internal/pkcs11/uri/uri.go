// Package uri reads and writes PKCS #11 URIs (RFC 7512), of which it supports
// what names a token, an object, a library and a PIN's file.
//
// Start with Parse. The package is internal and may change with any release.
package uri

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// URI is a PKCS #11 URI (RFC 7512): which token, which object in it, and how to
// reach it. An empty field matches everything.
type URI struct {
	// Token is the token's label, beside its maker, model and serial number.
	Token, Manufacturer, Model, Serial string
	// Slot is the slot's id (slot-id).
	Slot *uint64
	// Object is the object's label, ID its CKA_ID, Class its type.
	Object string
	ID     []byte
	Class  *pkcs11.Class
	// ModulePath is the library's absolute path (module-path); ModuleName its
	// name without "lib" and the suffix (module-name).
	ModulePath, ModuleName string
	// PINSource is the absolute path of a file with the PIN (pin-source): the
	// URI has it as a path or as a file: URI.
	PINSource string
	// PIN is the PIN itself (pin-value), only of ParseWithPIN.
	PIN PIN
}

// PIN is a PIN that shows itself to nobody who prints it.
type PIN []byte

// String returns that there is a PIN, or none.
func (p PIN) String() string {
	if len(p) == 0 {
		return "no PIN"
	}
	return "a PIN"
}

// Format shows what String does, whatever the verb.
func (p PIN) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(p.String())) } // a Formatter has nowhere to report it

// LogValue shows what String does.
func (p PIN) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalJSON shows what String does.
func (p PIN) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, p.String()), nil }

// maxURI is the longest URI in bytes.
const maxURI = 4096

// Parse reads a URI. What RFC 7512 has and Holdfast does not use is refused
// by name, and so are attributes that it does not have: a URI that means more
// than is looked at may find the wrong key. A pin-value is refused.
func Parse(text string) (*URI, error) { return parse(text, false) }

// ParseWithPIN is Parse for the few places whose documentation allows a
// PIN in the URI itself.
func ParseWithPIN(text string) (*URI, error) { return parse(text, true) }

func parse(text string, pin bool) (*URI, error) {
	rest, ok := cutScheme(text)
	if !ok {
		return nil, badURI("it does not begin with pkcs11:")
	}
	if len(text) > maxURI {
		return nil, badURI("it is longer than %d bytes", maxURI)
	}
	u := &URI{}
	path, query, hasQuery := strings.Cut(rest, "?")
	seen := map[string]bool{}
	if err := attributes(path, ";", pathChars, seen, u.setPath); err != nil {
		return nil, err
	}
	if hasQuery {
		set := func(name, value string) error { return u.setQuery(name, value, pin) }
		if err := attributes(query, "&", queryChars, seen, set); err != nil {
			return nil, err
		}
	}
	if u.PINSource != "" && len(u.PIN) > 0 {
		return nil, badURI("it has both pin-source and pin-value") // RFC 7512 2.4
	}
	return u, nil
}

// cutScheme cuts the scheme off, whose case does not matter (RFC 3986 3.1).
func cutScheme(text string) (string, bool) {
	const scheme = "pkcs11:"
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return "", false
	}
	return text[len(scheme):], true
}

func badURI(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, "this is not a PKCS #11 URI that can be used: %s", fmt.Sprintf(format, args...))
}

// What may stand in values as it is, beside letters, digits and "-._~" (RFC
// 7512 2.3).
const (
	pathChars  = ":[]@!$'()*+,=&"
	queryChars = ":[]@!$'()*+,=/?|"
)

// attributes sets the attributes of one part of a URI.
func attributes(part, separator, allowed string, seen map[string]bool, set func(name, value string) error) error {
	if part == "" {
		return nil
	}
	for attribute := range strings.SplitSeq(part, separator) {
		name, raw, ok := strings.Cut(attribute, "=")
		if !ok || name == "" {
			return badURI("an attribute is not name=value")
		}
		if seen[name] {
			return badURI("%q is there twice", name)
		}
		seen[name] = true
		value, err := unescape(raw, allowed)
		if err != nil {
			return badURI("the value of %q: %v", name, err)
		}
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// unescape reads a value. Its errors show nothing of it.
func unescape(raw, allowed string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '%' && i+2 < len(raw):
			n, err := strconv.ParseUint(raw[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("byte %d begins no escape", i)
			}
			out.WriteByte(byte(n))
			i += 2
		case unreserved(c), strings.IndexByte(allowed, c) >= 0:
			out.WriteByte(c)
		default:
			return "", fmt.Errorf("byte %d has to be escaped", i)
		}
	}
	return out.String(), nil
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// types are the classes by RFC 7512's names.
var types = []struct {
	name  string
	class pkcs11.Class
}{
	{"public", pkcs11.ClassPublicKey},
	{"private", pkcs11.ClassPrivateKey},
	{"cert", pkcs11.ClassCertificate},
	{"secret-key", pkcs11.ClassSecretKey},
	{"data", pkcs11.ClassData},
}

func (u *URI) setPath(name, value string) error {
	texts := map[string]*string{
		"token": &u.Token, "manufacturer": &u.Manufacturer, "model": &u.Model, "serial": &u.Serial, "object": &u.Object,
	}
	switch name {
	case "token", "manufacturer", "model", "serial", "object":
		if value == "" || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return badURI("%q is empty, or no text", name)
		}
		*texts[name] = value
	case "id":
		if value == "" {
			return badURI("%q is empty", name)
		}
		u.ID = []byte(value)
	case "slot-id":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || value[0] == '+' {
			return badURI("slot-id is not a number")
		}
		u.Slot = &n
	case "type":
		for _, t := range types {
			if t.name == value {
				u.Class = &t.class
				return nil
			}
		}
		return badURI("type %q is none", value)
	default:
		return fault.New(fault.Unsupported, "the attribute %q of PKCS #11 URIs is not supported", name)
	}
	return nil
}

func (u *URI) setQuery(name, value string, pin bool) error {
	switch name {
	case "module-path":
		if !filepath.IsAbs(value) {
			return badURI("module-path is not absolute")
		}
		u.ModulePath = value
	case "module-name":
		if value == "" || strings.ContainsAny(value, "/\x00") {
			return badURI("module-name is empty, or a path")
		}
		u.ModuleName = value
	case "pin-source":
		path := strings.TrimPrefix(strings.TrimPrefix(value, "file://"), "file:")
		if !filepath.IsAbs(path) {
			return fault.New(fault.Unsupported, "pin-source of a PKCS #11 URI is supported only as a file's absolute path")
		}
		u.PINSource = path
	case "pin-value":
		if !pin {
			return fault.New(fault.Unsupported, "pin-value of PKCS #11 URIs is not supported here: a PIN in a URI is shown in too many places")
		}
		if value == "" {
			return badURI("pin-value is empty")
		}
		u.PIN = PIN(value)
	default:
		return fault.New(fault.Unsupported, "the attribute %q of PKCS #11 URIs is not supported", name)
	}
	return nil
}

// String returns the URI, without a PIN.
func (u *URI) String() string {
	var path, query []string
	for _, a := range []struct{ name, value string }{
		{"token", u.Token},
		{"manufacturer", u.Manufacturer},
		{"model", u.Model},
		{"serial", u.Serial},
	} {
		if a.value != "" {
			path = append(path, a.name+"="+escape(a.value, pathChars))
		}
	}
	if u.Slot != nil {
		path = append(path, "slot-id="+strconv.FormatUint(*u.Slot, 10))
	}
	if u.Object != "" {
		path = append(path, "object="+escape(u.Object, pathChars))
	}
	if len(u.ID) > 0 {
		path = append(path, "id="+escape(string(u.ID), "")) // RFC 7512 2.3: the whole id is escaped
	}
	if u.Class != nil {
		for _, t := range types {
			if t.class == *u.Class {
				path = append(path, "type="+t.name)
			}
		}
	}
	for _, a := range []struct{ name, value string }{
		{"module-path", u.ModulePath},
		{"module-name", u.ModuleName},
		{"pin-source", u.PINSource},
	} {
		if a.value != "" {
			query = append(query, a.name+"="+escape(a.value, queryChars))
		}
	}
	text := "pkcs11:" + strings.Join(path, ";")
	if len(query) > 0 {
		text += "?" + strings.Join(query, "&")
	}
	return text
}

// escape writes a value so that unescape reads it. An id, of which nothing is
// allowed as it is, is escaped whole.
func escape(value, allowed string) string {
	var out strings.Builder
	for i := range len(value) {
		c := value[i]
		if allowed != "" && (unreserved(c) || strings.IndexByte(allowed, c) >= 0) {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

// Matches reports whether the URI means a token.
func (u *URI) Matches(slot uint64, info *pkcs11.TokenInfo) bool {
	for _, a := range []struct{ want, has string }{
		{u.Token, info.Label},
		{u.Manufacturer, info.Manufacturer},
		{u.Model, info.Model},
		{u.Serial, info.Serial},
	} {
		if a.want != "" && a.want != a.has {
			return false
		}
	}
	return u.Slot == nil || *u.Slot == slot
}
