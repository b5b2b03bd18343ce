package sshkey

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Type says for what a certificate is.
type Type uint32

// The types.
const (
	User Type = ssh.UserCert
	Host Type = ssh.HostCert
)

// String returns "user" or "host".
func (t Type) String() string {
	switch t {
	case User:
		return "user"
	case Host:
		return "host"
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// ParseType reads "user" or "host".
func ParseType(s string) (Type, error) {
	for _, t := range []Type{User, Host} {
		if t.String() == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("a certificate is for a user or a host, not for %q", s)
}

// Template says what a certificate is to have (OpenSSH's PROTOCOL.certkeys).
type Template struct {
	Key  ssh.PublicKey
	Type Type
	// ID is for logs: sshd writes it with each login.
	ID string
	// Serial is random when 0.
	Serial uint64
	// Principals are the users or hosts as whom the key is good. A
	// certificate without any is good as all of them, and refused here.
	Principals []string
	// NotBefore and NotAfter bound the validity, in whole seconds. Both are
	// needed: a certificate that is always valid is refused.
	NotBefore, NotAfter time.Time
	// CriticalOptions restrict the key's use, such as "force-command" and
	// "source-address", for users.
	CriticalOptions map[string]string
	// Extensions permit things, for users; most have an empty value. Nil is
	// what UserExtensions returns.
	Extensions map[string]string
}

// UserExtensions returns what user certificates permit where nothing else is
// asked for, as ssh-keygen has it.
func UserExtensions() map[string]string {
	return map[string]string{
		"permit-X11-forwarding": "", "permit-agent-forwarding": "", "permit-port-forwarding": "", "permit-pty": "", "permit-user-rc": "",
	}
}

// SignCertificate makes a certificate.
func SignCertificate(t *Template, authority *Signer) (*ssh.Certificate, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	c := &ssh.Certificate{
		Key:             t.Key,
		Serial:          t.Serial,
		CertType:        uint32(t.Type),
		KeyId:           t.ID,
		ValidPrincipals: slices.Clone(t.Principals),
		ValidAfter:      uint64(t.NotBefore.Unix()), //nolint:gosec // check wants it after 1970
		ValidBefore:     uint64(t.NotAfter.Unix()),  //nolint:gosec // the same
		Permissions: ssh.Permissions{
			CriticalOptions: maps.Clone(t.CriticalOptions),
			Extensions:      maps.Clone(t.Extensions),
		},
	}
	if t.Extensions == nil && t.Type == User {
		c.Extensions = UserExtensions()
	}
	for c.Serial == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // it never fails
		c.Serial = binary.BigEndian.Uint64(b[:]) >> 1
	}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return c, nil
}

// check finds what would make a certificate that is good for too much, or for
// nothing.
func (t *Template) check() error {
	switch {
	case t.Key == nil:
		return errors.New("a certificate needs the public key that it is for")
	case t.Type != User && t.Type != Host:
		return fmt.Errorf("a certificate is for a user or a host, not of %s", t.Type)
	case len(t.Principals) == 0:
		return errors.New("a certificate without a principal would be good as everyone: name at least one")
	case t.NotBefore.Unix() <= 0 || t.NotAfter.IsZero():
		return errors.New("a certificate needs the begin and the end of its validity")
	case t.NotAfter.Unix() <= t.NotBefore.Unix():
		return fmt.Errorf("the certificate would end (%s) before it begins (%s)", t.NotAfter.Format(time.RFC3339), t.NotBefore.Format(time.RFC3339))
	case t.Type == Host && len(t.CriticalOptions)+len(t.Extensions) > 0:
		return errors.New("options and extensions are for user certificates only")
	}
	if _, ok := t.Key.(*ssh.Certificate); ok {
		return errors.New("the key is a certificate itself: give the public key alone")
	}
	for _, p := range t.Principals {
		// sshd takes a comma in AuthorizedPrincipals for the end of a name.
		if p == "" || strings.ContainsAny(p, ", \t\n") {
			return fmt.Errorf("the principal %q is empty, or has a comma or a space in it", p)
		}
	}
	return nil
}

// ParseCertificate reads a certificate as OpenSSH writes it to files that end
// in -cert.pub: one line, with a comment at its end.
func ParseCertificate(line []byte) (c *ssh.Certificate, comment string, err error) {
	key, comment, _, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", fmt.Errorf("reading an SSH certificate: %w", err)
	}
	c, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, "", fmt.Errorf("reading an SSH certificate: it is a public key (%s)", key.Type())
	}
	if len(strings.TrimSpace(string(rest))) > 0 {
		return nil, "", errors.New("reading an SSH certificate: more than one line")
	}
	return c, comment, nil
}

// MarshalLine returns a public key or a certificate as a line of a file, with
// a comment.
func MarshalLine(key ssh.PublicKey, comment string) []byte {
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
	if comment = strings.Join(strings.Fields(comment), " "); comment != "" {
		line += " " + comment
	}
	return []byte(line + "\n")
}
