package config

import (
	"net/mail"
	"path/filepath"
	"slices"
)

// Mail is the mail server that takes mail from here. Default: none, and no
// mail is sent.
type Mail struct {
	// Server is its name, with its port if that is not the usual one (587, 465 for
	// tls, 25 for none).
	Server string `yaml:"server"`
	// Security is starttls, tls, or for a server on this machine none. Default:
	// starttls, without which nothing is sent.
	Security string `yaml:"security"`
	// CACertificate is a PEM file with whom the server's certificate may be from.
	// Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
	// Auth is plain, login or xoauth2, with User and the password, or the access
	// token of xoauth2, in PasswordFile, which is read for every mail. Default:
	// none.
	Auth         string `yaml:"auth"`
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// Hello is the name by which this server greets. Default: the host's.
	Hello string `yaml:"hello"`
	// From is whom mail is from: "Holdfast <holdfast@example.com>".
	From string `yaml:"from"`
}

func (m *Mail) validate(refuse func(name, format string, args ...any)) {
	if *m == (Mail{}) {
		return
	}
	if m.Server == "" {
		refuse("mail", "server is missing")
	}
	if !slices.Contains([]string{"", "starttls", "tls", "none"}, m.Security) {
		refuse("mail", "security %q is none of starttls, tls, none", m.Security)
	}
	if !slices.Contains([]string{"", "plain", "login", "xoauth2"}, m.Auth) {
		refuse("mail", "auth %q is none of plain, login, xoauth2", m.Auth)
	}
	if given := m.Auth != ""; given != (m.User != "") || given != (m.PasswordFile != "") {
		refuse("mail", "auth, user and password_file go together")
	}
	checkAddress("mail.from", m.From, refuse)
	absolute("mail.ca_certificate", m.CACertificate, refuse)
	absolute("mail.password_file", m.PasswordFile, refuse)
}

func checkAddress(field, address string, refuse func(name, format string, args ...any)) {
	if _, err := mail.ParseAddress(address); err != nil {
		refuse(field, "%q is no address of mail", address)
	}
}

// absolute refuses the path of a file that depends on where the server was
// started.
func absolute(field, path string, refuse func(name, format string, args ...any)) {
	if path != "" && !filepath.IsAbs(path) {
		refuse(field, "%q is not an absolute path", path)
	}
}
