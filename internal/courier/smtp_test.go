package courier

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is a mail server with TLS, which takes mail from people who know
// the password, or from everybody when it has none.
type mailServer struct {
	password string
	// refuse is the answer to MAIL, RCPT or DATA; nil takes everything.
	refuse func(command, argument string) *smtp.SMTPError

	mu    sync.Mutex
	mails []string // guarded by mu: as they came, behind the envelope's receivers
	plain bool     // guarded by mu: something came without TLS
}

type session struct {
	s    *mailServer
	conn *smtp.Conn
	to   []string
	user string
}

func (s *mailServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{s: s, conn: c}, nil
}

func (x *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login, "XOAUTH2"} }

func (x *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "holdfast" || password != x.s.password {
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
	if x.s.password != "" && x.user == "" {
		return smtp.ErrAuthRequired
	}
	if x.s.refuse != nil {
		if e := x.s.refuse(command, argument); e != nil {
			return e
		}
	}
	return nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error { return x.answer("MAIL", from) }

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.to = append(x.to, to)
	return x.answer("RCPT", to)
}

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

func (x *session) Reset()        { x.to = nil }
func (x *session) Logout() error { return nil }

// taken returns the mails that came.
func (s *mailServer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

// certificate returns a certificate for localhost and who trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
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
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, roots
}

// serve runs the server with a kind of security and returns how to reach it.
func (s *mailServer) serve(t *testing.T, security Security) SMTPOptions {
	t.Helper()
	cert, roots := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	server := smtp.NewServer(s)
	server.Domain, server.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	switch security {
	case StartTLS:
		server.TLSConfig = config
	case ImplicitTLS:
		l = tls.NewListener(l, config)
	case NoTLS:
		server.AllowInsecureAuth = true
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() {
		_ = errors.Join(server.Close(), l.Close()) // it may not serve yet
		<-done
	})
	return SMTPOptions{Host: "localhost", Port: port, Security: security, Roots: roots, Timeout: 5 * time.Second}
}

func open(t *testing.T, o SMTPOptions) *SMTP {
	t.Helper()
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func letter() *Mail {
	return &Mail{
		From: "Holdfast <holdfast@example.com>", To: []string{"ops@example.org"}, Subject: "Überfällig: web.example.com",
		Text: "The certificate of web.example.com expires.\n.\nA line with a dot alone, and ünïcode.\n",
		ID:   "0198c0de@holdfast.example.com", Date: time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC),
	}
}

// TestSend sends over each kind of connection, with each way to authenticate.
func TestSend(t *testing.T) {
	for _, security := range []Security{StartTLS, ImplicitTLS, NoTLS} {
		for _, method := range []string{"", "plain", "login", "xoauth2"} {
			t.Run(string(security)+" "+method, func(t *testing.T) {
				s := new(mailServer)
				if method != "" {
					s.password = "geheim"
				}
				o := s.serve(t, security)
				if method != "" {
					o.Method, o.User, o.Password = method, "holdfast", func() (string, error) { return "geheim", nil }
				}
				if err := open(t, o).Send(t.Context(), letter()); err != nil {
					t.Fatal(err)
				}
				got := s.taken()
				if len(got) != 1 || s.plain != (security == NoTLS) {
					t.Fatalf("%d mails came, without TLS: %v", len(got), s.plain)
				}
				checkLetter(t, got[0])
			})
		}
	}
}

func checkLetter(t *testing.T, got string) {
	t.Helper()
	to, text, _ := strings.Cut(got, "\r\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Message-Id": "<0198c0de@holdfast.example.com>", "Auto-Submitted": "auto-generated", "To": "<ops@example.org>",
		"From": `"Holdfast" <holdfast@example.com>`, "Date": "Fri, 01 Jan 2027 08:00:00 +0000",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if to != "ops@example.org" || !strings.Contains(m.Header.Get("Subject"), "=?UTF-8?") {
		t.Errorf("to %q, subject %q", to, m.Header.Get("Subject"))
	}
}

// TestAnswersOfServers: what each failure says about sending the mail again,
// and about other mails.
func TestAnswersOfServers(t *testing.T) {
	answer := func(command string, code int) func(string, string) *smtp.SMTPError {
		return func(c, _ string) *smtp.SMTPError {
			if c != command {
				return nil
			}
			return &smtp.SMTPError{Code: code, Message: "no"}
		}
	}
	for name, tt := range map[string]struct {
		server          *mailServer
		change          func(*SMTPOptions)
		status          int
		permanent, down bool
	}{
		"unknown receiver":  {server: &mailServer{refuse: answer("RCPT", 550)}, status: 550, permanent: true},
		"greylisted":        {server: &mailServer{refuse: answer("RCPT", 450)}, status: 450},
		"sender refused":    {server: &mailServer{refuse: answer("MAIL", 553)}, status: 553, permanent: true},
		"content refused":   {server: &mailServer{refuse: answer("DATA", 554)}, status: 554, permanent: true},
		"full":              {server: &mailServer{refuse: answer("DATA", 452)}, status: 452},
		"closing":           {server: &mailServer{refuse: answer("MAIL", 421)}, status: 421, down: true},
		"a wrong password":  {server: &mailServer{password: "x"}, change: func(o *SMTPOptions) { o.Method, o.User = "plain", "holdfast" }, status: 535, down: true},
		"an unknown issuer": {change: func(o *SMTPOptions) { o.Roots = x509.NewCertPool() }, down: true},
		"no STARTTLS":       {change: func(o *SMTPOptions) { o.Security = "" }, down: true},
		"nobody there":      {change: func(o *SMTPOptions) { o.Port = 1 }, down: true},
		"no password": {change: func(o *SMTPOptions) {
			o.Method, o.User, o.Password = "plain", "u", func() (string, error) { return "", errors.New("no file") }
		}, down: true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.server == nil {
				tt.server = new(mailServer)
			}
			security := StartTLS
			if name == "no STARTTLS" {
				security = NoTLS
			}
			o := tt.server.serve(t, security)
			o.Password = func() (string, error) { return "wrong", nil }
			if tt.change != nil {
				tt.change(&o)
			}
			err := open(t, o).Send(t.Context(), letter())
			if err == nil || Status(err) != tt.status || Permanent(err) != tt.permanent || Down(err) != tt.down {
				t.Errorf("%v: status %d, permanent %v, down %v", err, Status(err), Permanent(err), Down(err))
			}
			if err != nil && strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error has the password: %v", err)
			}
			if n := len(tt.server.taken()); n != 0 {
				t.Errorf("%d mails came", n)
			}
		})
	}
}

// TestSilentServer: a server that says nothing does not keep anybody longer
// than the timeout, or than the context.
func TestSilentServer(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	o := SMTPOptions{Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, Timeout: 100 * time.Millisecond}
	if err := open(t, o).Send(t.Context(), letter()); !Down(err) {
		t.Errorf("a silent server: %v", err)
	}
	o.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := open(t, o).Send(ctx, letter()); !Down(err) {
		t.Errorf("a context that ended: %v", err)
	}
}

// TestRefusedMails: nothing becomes a line of a header that is none.
func TestRefusedMails(t *testing.T) {
	s := new(mailServer)
	sender := open(t, s.serve(t, StartTLS))
	for name, change := range map[string]func(*Mail){
		"no receiver":     func(m *Mail) { m.To = nil },
		"no subject":      func(m *Mail) { m.Subject = "" },
		"no id":           func(m *Mail) { m.ID = "" },
		"no address":      func(m *Mail) { m.To = []string{"ops"} },
		"no sender":       func(m *Mail) { m.From = "holdfast" },
		"two lines":       func(m *Mail) { m.Subject = "a\r\nBcc: all@example.com" },
		"two receivers":   func(m *Mail) { m.To = []string{"a@example.com\r\nBcc: all@example.com"} },
		"an id of two":    func(m *Mail) { m.ID = "a\nb" },
		"another header":  func(m *Mail) { m.Header = map[string]string{"X-A": "b\r\nBcc: c@example.com"} },
		"a name of two":   func(m *Mail) { m.Header = map[string]string{"X-A\r\nBcc": "c@example.com"} },
		"a text too long": func(m *Mail) { m.Text = strings.Repeat("x", MaxMail+1) },
	} {
		m := letter()
		change(m)
		if err := sender.Send(t.Context(), m); !Permanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.taken()); n != 0 {
		t.Errorf("%d mails came", n)
	}
}

func TestRefusedOptions(t *testing.T) {
	for name, o := range map[string]SMTPOptions{
		"no host":               {},
		"plain to elsewhere":    {Host: "mail.example.com", Security: NoTLS},
		"an unknown security":   {Host: "localhost", Security: "ssl"},
		"an unknown method":     {Host: "localhost", Method: "cram-md5", User: "u"},
		"no password":           {Host: "localhost", Method: "plain", User: "u"},
		"a method without user": {Host: "localhost", Method: "plain", Password: func() (string, error) { return "", nil }},
	} {
		if _, err := NewSMTP(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
