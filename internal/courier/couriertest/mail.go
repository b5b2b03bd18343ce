// Package couriertest has a mail server for tests of what sends mail.
package couriertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailServer is a mail server with TLS, which takes mail from people who know
// the password, or from everybody when it has none.
type MailServer struct {
	// Password is that of the user "holdfast".
	Password string
	// Refuse is the reply to MAIL, RCPT or DATA; 0, and nil, take everything.
	Refuse func(command, argument string) int

	mu    sync.Mutex
	mails []string // guarded by mu: as they came, behind the envelope's receivers
	plain bool     // guarded by mu: something came without TLS
}

type backend struct{ s *MailServer }

type session struct {
	s    *MailServer
	conn *smtp.Conn
	to   []string
	user string
}

// NewSession implements smtp.Backend.
func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{s: b.s, conn: c}, nil
}

// AuthMechanisms implements smtp.Session.
func (x *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login, "XOAUTH2"} }

// Auth implements smtp.Session.
func (x *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "holdfast" || password != x.s.Password {
			return smtp.ErrAuthFailed
		}
		x.user = user
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return &xoauth2Server{check}, nil
}

// loginServer asks for a name and a password (draft-murchison-sasl-login).
type loginServer struct {
	check func(user, password string) error
	asked int
	user  string
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch l.asked++; l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// xoauth2Server takes an access token (Gmail's SASL XOAUTH2).
type xoauth2Server struct {
	check func(user, password string) error
}

// Next implements sasl.Server.
func (x *xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	parts := strings.Split(string(response), "\x01")
	user, _ := strings.CutPrefix(parts[0], "user=")
	token := ""
	if len(parts) > 1 {
		token, _ = strings.CutPrefix(parts[1], "auth=Bearer ")
	}
	return nil, true, x.check(user, token)
}

func (x *session) answer(command, argument string) error {
	if x.s.Password != "" && x.user == "" {
		return smtp.ErrAuthRequired
	}
	if x.s.Refuse != nil {
		if code := x.s.Refuse(command, argument); code != 0 {
			return &smtp.SMTPError{Code: code, Message: "no"}
		}
	}
	return nil
}

// Mail implements smtp.Session.
func (x *session) Mail(from string, _ *smtp.MailOptions) error { return x.answer("MAIL", from) }

// Rcpt implements smtp.Session.
func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.to = append(x.to, to)
	return x.answer("RCPT", to)
}

// Data implements smtp.Session.
func (x *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := x.answer("DATA", ""); err != nil {
		return err
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if _, secure := x.conn.TLSConnectionState(); !secure {
		x.s.plain = true
	}
	x.s.mails = append(x.s.mails, strings.Join(x.to, ",")+"\r\n"+string(text))
	return nil
}

// Reset implements smtp.Session.
func (x *session) Reset() { x.to = nil }

// Logout implements smtp.Session.
func (x *session) Logout() error { return nil }

// Mails returns the mails that came: the envelope's receivers on a line, and
// behind it the message.
func (s *MailServer) Mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Plain reports whether mail came without TLS.
func (s *MailServer) Plain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain
}

// certificate returns a certificate for localhost, with its key and without.
func certificate(t testing.TB) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, parsed
}

// Address is where a MailServer is, and who vouches for it.
type Address struct {
	Port  int // of localhost
	Roots *x509.CertPool
	CA    []byte // the same, in PEM
}

// Serve runs the server until the test ends. Security is "starttls", "tls" or
// "none".
func (s *MailServer) Serve(t testing.TB, security string) Address {
	t.Helper()
	cert, parsed := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := Address{
		Port: l.Addr().(*net.TCPAddr).Port, Roots: x509.NewCertPool(), CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: parsed.Raw}),
	}
	at.Roots.AddCert(parsed)
	server := smtp.NewServer(backend{s})
	server.Domain, server.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	switch security {
	case "starttls":
		server.TLSConfig = config
	case "tls":
		l = tls.NewListener(l, config)
	case "none":
		server.AllowInsecureAuth = true
	default:
		t.Fatalf("security %q is not known", security)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() {
		_ = errors.Join(server.Close(), l.Close()) // it may not serve yet
		<-done
	})
	return at
}
