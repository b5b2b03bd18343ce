package courier

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/courier/couriertest"
)

// serve runs a server with a kind of security and returns how to reach it.
func serve(t *testing.T, s *couriertest.MailServer, security Security) SMTPOptions {
	t.Helper()
	at := s.Serve(t, string(security))
	return SMTPOptions{Host: "localhost", Port: at.Port, Security: security, Roots: at.Roots, Timeout: 5 * time.Second}
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
				s := new(couriertest.MailServer)
				if method != "" {
					s.Password = "geheim"
				}
				o := serve(t, s, security)
				if method != "" {
					o.Method, o.User, o.Password = method, "holdfast", func() (string, error) { return "geheim", nil }
				}
				if err := open(t, o).Send(t.Context(), letter()); err != nil {
					t.Fatal(err)
				}
				got := s.Mails()
				if len(got) != 1 || s.Plain() != (security == NoTLS) {
					t.Fatalf("%d mails came, without TLS: %v", len(got), s.Plain())
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
	answer := func(command string, code int) *couriertest.MailServer {
		return &couriertest.MailServer{Refuse: func(c, _ string) int {
			if c != command {
				return 0
			}
			return code
		}}
	}
	for name, tt := range map[string]struct {
		server          *couriertest.MailServer
		change          func(*SMTPOptions)
		status          int
		permanent, down bool
	}{
		"unknown receiver":  {server: answer("RCPT", 550), status: 550, permanent: true},
		"greylisted":        {server: answer("RCPT", 450), status: 450},
		"sender refused":    {server: answer("MAIL", 553), status: 553, permanent: true},
		"content refused":   {server: answer("DATA", 554), status: 554, permanent: true},
		"full":              {server: answer("DATA", 452), status: 452},
		"closing":           {server: answer("MAIL", 421), status: 421, down: true},
		"a wrong password":  {server: &couriertest.MailServer{Password: "x"}, change: func(o *SMTPOptions) { o.Method, o.User = "plain", "holdfast" }, status: 535, down: true},
		"an unknown issuer": {change: func(o *SMTPOptions) { o.Roots = x509.NewCertPool() }, down: true},
		"no STARTTLS":       {change: func(o *SMTPOptions) { o.Security = "" }, down: true},
		"nobody there":      {change: func(o *SMTPOptions) { o.Port = 1 }, down: true},
		"no password": {change: func(o *SMTPOptions) {
			o.Method, o.User, o.Password = "plain", "u", func() (string, error) { return "", errors.New("no file") }
		}, down: true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.server == nil {
				tt.server = new(couriertest.MailServer)
			}
			security := StartTLS
			if name == "no STARTTLS" {
				security = NoTLS
			}
			o := serve(t, tt.server, security)
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
			if n := len(tt.server.Mails()); n != 0 {
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
	s := new(couriertest.MailServer)
	sender := open(t, serve(t, s, StartTLS))
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
	if n := len(s.Mails()); n != 0 {
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
