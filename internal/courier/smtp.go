package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// Security says how a connection to a mail server is protected.
type Security string

// The ways.
const (
	// StartTLS has the connection turn to TLS before anything is said; a server
	// that cannot is not used (RFC 3207).
	StartTLS Security = "starttls"
	// ImplicitTLS begins with TLS (RFC 8314).
	ImplicitTLS Security = "tls"
	// NoTLS is for a mail server on this machine only.
	NoTLS Security = "none"
)

// Ports that mail servers take messages at.
const (
	portStartTLS = 587
	portImplicit = 465
	portPlain    = 25
)

// smtpTimeout bounds each step of a delivery unless SMTPOptions say so.
const smtpTimeout = 15 * time.Second

// MaxMail is the longest text of a mail in bytes.
const MaxMail = 1 << 20

// SMTPOptions are the settings of an SMTP.
type SMTPOptions struct {
	// Host is the mail server's name, which its certificate has; Port is 587,
	// 465 or 25 by Security when it is 0.
	Host     string
	Port     int
	Security Security // "" is StartTLS
	// Roots are whom the server's certificate may be from, nil for the system's.
	Roots *x509.CertPool
	// Method is how to authenticate: "plain", "login" or "xoauth2"; "" is not.
	Method string
	User   string
	// Password returns the password, or the access token of xoauth2: it is
	// called for each mail, so that a token can be renewed.
	Password func() (string, error)
	// Hello is the name that the server tells of itself. Default: the host's.
	Hello string
	// Timeout bounds connecting, and each exchange. Default: 15 s.
	Timeout time.Duration
}

// Mail is a message to people.
type Mail struct {
	From    string   // an address, or "Name <address>"
	To      []string // the same; a server that refuses one of them refuses the mail
	Subject string
	Text    string
	// ID is the Message-ID without angle brackets, the same at every attempt.
	ID   string
	Date time.Time
	// Header has further lines, such as List-Unsubscribe.
	Header map[string]string
}

// SMTP hands mails over to a mail server.
type SMTP struct {
	o    SMTPOptions
	auth mail.SMTPAuthType
}

var methods = map[string]mail.SMTPAuthType{
	"": mail.SMTPAuthNoAuth, "plain": mail.SMTPAuthPlain, "login": mail.SMTPAuthLogin, "xoauth2": mail.SMTPAuthXOAUTH2,
}

// NewSMTP checks settings; it connects to nobody.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	auth, ok := methods[o.Method]
	if !ok {
		return nil, fmt.Errorf("%q is none of the ways to authenticate: plain, login, xoauth2", o.Method)
	}
	if o.Method != "" && (o.User == "" || o.Password == nil) {
		return nil, fmt.Errorf("authenticating by %s needs a user and a password", o.Method)
	}
	var port int
	switch o.Security {
	case StartTLS, "":
		o.Security, port = StartTLS, portStartTLS
	case ImplicitTLS:
		port = portImplicit
	case NoTLS:
		port = portPlain
		if !local(o.Host) {
			return nil, fmt.Errorf("%s is not this machine: mail to it goes by starttls or tls", o.Host)
		}
		auth = plain(auth)
	default:
		return nil, fmt.Errorf("%q is none of starttls, tls, none", o.Security)
	}
	if o.Host == "" {
		return nil, errors.New("a mail server needs a name")
	}
	if o.Port == 0 {
		o.Port = port
	}
	if o.Timeout == 0 {
		o.Timeout = smtpTimeout
	}
	return &SMTP{o, auth}, nil
}

// local reports whether a host is this machine.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// plain returns how to authenticate on this machine's loopback without TLS.
func plain(auth mail.SMTPAuthType) mail.SMTPAuthType {
	switch auth { //nolint:exhaustive // xoauth2 does not look at TLS, the others are not offered
	case mail.SMTPAuthPlain:
		return mail.SMTPAuthPlainNoEnc
	case mail.SMTPAuthLogin:
		return mail.SMTPAuthLoginNoEnc
	}
	return auth
}

// Send hands a mail over. When it returns nil, the server has said that it has
// the mail. A server that was not reached, or refuses to be used (its
// certificate, the password), is a transient failure: people mend it.
func (s *SMTP) Send(ctx context.Context, m *Mail) error {
	message, err := m.message()
	if err != nil {
		return err
	}
	client, stop, err := s.client(ctx)
	if err != nil {
		return err
	}
	defer stop()
	err = client.DialAndSendWithContext(ctx, message)
	if err == nil || message.IsDelivered() {
		return nil // what failed after the server took it is no failure of the mail
	}
	return s.failure(err)
}

// client returns a client for one mail, and what ends the watch over its
// connection.
func (s *SMTP) client(ctx context.Context) (*mail.Client, func(), error) {
	stop := func() {}
	config := &tls.Config{ServerName: s.o.Host, RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12}
	dial := func(dialling context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialling, network, address)
		if err != nil {
			return nil, err
		}
		cancel := context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever reads learns it
		stop = func() { cancel() }
		if s.o.Security != ImplicitTLS {
			return conn, nil
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(dialling); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secured, nil
	}
	options := []mail.Option{
		mail.WithPort(s.o.Port), mail.WithTimeout(s.o.Timeout), mail.WithTLSConfig(config), mail.WithDialContextFunc(dial),
		mail.WithSMTPAuth(s.auth), mail.WithoutNoop(), mail.WithTLSPolicy(mail.TLSMandatory),
	}
	switch s.o.Security {
	case ImplicitTLS:
		options = append(options, mail.WithSSL())
	case NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case StartTLS:
	}
	if s.o.Hello != "" {
		options = append(options, mail.WithHELO(s.o.Hello))
	}
	if s.o.Method != "" {
		password, err := s.o.Password()
		if err != nil {
			return nil, nil, &Failure{Down: true, Err: fmt.Errorf("reading the mail server's password: %w", err)}
		}
		options = append(options, mail.WithUsername(s.o.User), mail.WithPassword(password))
	}
	client, err := mail.NewClient(s.o.Host, options...)
	if err != nil {
		return nil, nil, &Failure{Down: true, Err: fmt.Errorf("using mail server %s: %w", s.o.Host, err)}
	}
	return client, func() { stop() }, nil
}

// failure says what an error of the client's means. Only a mail that was
// refused with 5xx is refused for good (RFC 5321 4.2.1).
func (s *SMTP) failure(err error) error {
	f := &Failure{Down: true, Err: fmt.Errorf("mail server %s: %s", s.o.Host, quote(err.Error()))}
	if e, ok := errors.AsType[*mail.SendError](err); ok {
		f.Status = e.ErrorCode()
		f.Permanent = f.Status >= 500 && f.Status < 600
		f.Down = f.Status == 0 || f.Status == closing
	} else if e, ok := errors.AsType[*textproto.Error](err); ok {
		f.Status = e.Code // of the greeting, TLS or the password
	}
	return f
}

// closing is the reply of a server that takes no mail at the moment (RFC 5321
// section 4.2.2).
const closing = 421

// message returns the mail as go-mail has it. What has a line break where none
// may be is refused.
func (m *Mail) message() (*mail.Msg, error) {
	if len(m.To) == 0 || m.ID == "" || m.Subject == "" {
		return nil, refused("a mail needs a receiver, an id and a subject")
	}
	if len(m.Text) > MaxMail {
		return nil, refused("a mail's text of %d bytes is longer than %d", len(m.Text), MaxMail)
	}
	lines := append([]string{m.From, m.Subject, m.ID}, m.To...)
	for name, value := range m.Header {
		lines = append(lines, name, value)
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return nil, refused("a line of a mail's header has a line break in it")
		}
	}
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := message.From(m.From); err != nil {
		return nil, refused("the sender %q is no address of mail", m.From)
	}
	if err := message.To(m.To...); err != nil {
		return nil, refused("a receiver of %q is no address of mail", m.To)
	}
	message.Subject(m.Subject)
	message.SetMessageIDWithValue(m.ID)
	message.SetDateWithValue(m.Date)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no machine answers
	for name, value := range m.Header {
		message.SetGenHeader(mail.Header(name), value)
	}
	message.SetBodyString(mail.TypeTextPlain, m.Text)
	return message, nil
}
