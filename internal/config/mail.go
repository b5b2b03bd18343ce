package config

import (
	"net/mail"
	"slices"
)

// MailServer takes mail from here.
type MailServer struct {
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
	// From is the address that the mail is from.
	From string `yaml:"from"`
}

func (m *MailServer) validate(field string, refuse func(name, format string, args ...any)) {
	if m.Server == "" {
		refuse(field, "server is missing")
	}
	if !slices.Contains([]string{"", "starttls", "tls", "none"}, m.Security) {
		refuse(field, "security %q is none of starttls, tls, none", m.Security)
	}
	if !slices.Contains([]string{"", "plain", "login", "xoauth2"}, m.Auth) {
		refuse(field, "auth %q is none of plain, login, xoauth2", m.Auth)
	}
	if given := m.Auth != ""; given != (m.User != "") || given != (m.PasswordFile != "") {
		refuse(field, "auth, user and password_file go together")
	}
	checkAddresses(field, []string{m.From}, refuse)
	absolute(field+".ca_certificate", m.CACertificate, refuse)
	absolute(field+".password_file", m.PasswordFile, refuse)
}

// checkAddresses refuses what is no address of mail.
func checkAddresses(field string, list []string, refuse func(name, format string, args ...any)) {
	for _, address := range list {
		if _, err := mail.ParseAddress(address); err != nil {
			refuse(field, "%q is no address of mail", address)
		}
	}
}

// Topics is what topics need to reach their subscribers, beside Egress
// (docs/aws-sns.md).
type Topics struct {
	// Mail is the mail server for subscriptions by e-mail. Default: none, and such
	// subscriptions are refused.
	Mail *MailServer `yaml:"mail"`
}

func (t *Topics) validate(refuse func(name, format string, args ...any)) {
	if t.Mail != nil {
		t.Mail.validate("topics.mail", refuse)
	}
}
