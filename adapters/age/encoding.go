package age

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age/plugin"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
)

// Name is the plug-in's name: "holdfast" in age1holdfast1… and in the name of
// its program, age-plugin-holdfast. Stanzas have the type of the same name.
const Name = "holdfast"

// version is the first byte of what identities and recipients are made of.
const version = 1

// canonical returns a URI as identities, recipients and files have it.
func canonical(text string) (string, error) {
	u, err := holdfast.ParseURI(text)
	if err != nil {
		return "", err
	}
	if u.Scheme == holdfast.SchemePKCS11 && strings.Contains(text, "pin-value") {
		return "", errors.New("a PIN is not kept in identities and recipients: use pin-source, or the variable " + holdfast.PINVariable)
	}
	c := u.String()
	if !printable(c) {
		return "", errors.New("a URI has printable characters of ASCII alone: others are written as %XX")
	}
	return c, nil
}

// isCanonical reports what speaks against a URI that is to be in its one form.
func isCanonical(uri string) error {
	c, err := canonical(uri)
	if err == nil && c != uri {
		err = fmt.Errorf("the URI is not written as %s", c)
	}
	return err
}

// printable reports whether s can be an argument of a stanza.
func printable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// address is what the string of a recipient has: where a key is, and how file
// keys are wrapped for it.
type address struct {
	method envelope.Method
	uri    string
	public []byte // SubjectPublicKeyInfo in DER, empty of a symmetric key
}

// check finds what no recipient may have.
func (a *address) check() error {
	if !printable(string(a.method)) || len(a.method) > 255 {
		return fmt.Errorf("%q is no method", a.method)
	}
	if (a.method == envelope.AEADMethod) != (len(a.public) == 0) {
		return fmt.Errorf("the method %s does not go with a public key of %d bytes", a.method, len(a.public))
	}
	return isCanonical(a.uri)
}

func (a *address) String() string {
	b := []byte{version, byte(len(a.method))} //nolint:gosec // check bounds it
	b = append(b, a.method...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(a.uri))) //nolint:gosec // a URI has at most 4 KiB
	b = append(b, a.uri...)
	return plugin.EncodeRecipient(Name, append(b, a.public...))
}

// errShort is about a string that lacks bytes.
var errShort = errors.New("it is cut short")

// parseAddress reads the bytes of a recipient.
func parseAddress(b []byte) (*address, error) {
	if len(b) < 2 {
		return nil, errShort
	}
	if b[0] != version {
		return nil, fmt.Errorf("its version is %d, and this program knows only %d: is there a newer release?", b[0], version)
	}
	n, b := int(b[1]), b[2:]
	if len(b) < n+2 {
		return nil, errShort
	}
	method, b := envelope.Method(b[:n]), b[n:]
	n, b = int(binary.BigEndian.Uint16(b)), b[2:]
	if len(b) < n {
		return nil, errShort
	}
	a := &address{method, string(b[:n]), b[n:]}
	return a, a.check()
}

// identityOf returns the string of an identity.
func identityOf(uri string) string {
	if uri == "" {
		return plugin.EncodeIdentity(Name, nil)
	}
	return plugin.EncodeIdentity(Name, append([]byte{version}, uri...))
}

// parseIdentity reads the bytes of an identity. The URI is empty if there are
// none.
func parseIdentity(b []byte) (uri string, err error) {
	if len(b) == 0 {
		return "", nil
	}
	if b[0] != version {
		return "", fmt.Errorf("its version is %d, and this program knows only %d: is there a newer release?", b[0], version)
	}
	uri = string(b[1:])
	return uri, isCanonical(uri)
}

// decode returns the bytes of a string that is this plug-in's.
func decode(text string, parse func(string) (string, []byte, error)) ([]byte, error) {
	name, b, err := parse(text)
	if err == nil && name != Name {
		err = fmt.Errorf("it is for the plug-in age-plugin-%s", name)
	}
	return b, err
}
