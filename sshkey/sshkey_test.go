package sshkey_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-kms/holdfast/sshkey"
)

// keys are one key of each kind that SSH has, made once.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	all := map[string]crypto.Signer{}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	all["rsa"] = k
	for name, curve := range map[string]elliptic.Curve{"p-224": elliptic.P224(), "p-256": elliptic.P256(), "p-384": elliptic.P384(), "p-521": elliptic.P521()} {
		if all[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	if _, all["ed25519"], err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return all
})

// kinds are the keys that SSH knows.
var kinds = []string{"rsa", "p-256", "p-384", "p-521", "ed25519"}

// remote is a key of which nothing but crypto.Signer is to be seen.
type remote struct{ crypto.Signer }

func newSigner(tb testing.TB, name string, algorithms ...string) *sshkey.Signer {
	tb.Helper()
	s, err := sshkey.NewSigner(remote{keys()[name]}, algorithms...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSigner(t *testing.T) {
	want := map[string][]string{
		"rsa": {"rsa-sha2-512", "rsa-sha2-256"}, "p-256": {"ecdsa-sha2-nistp256"}, "p-384": {"ecdsa-sha2-nistp384"},
		"p-521": {"ecdsa-sha2-nistp521"}, "ed25519": {"ssh-ed25519"},
	}
	for _, name := range kinds {
		s := newSigner(t, name)
		if !slices.Equal(s.Algorithms(), want[name]) {
			t.Errorf("%s: %q", name, s.Algorithms())
		}
		for _, a := range append(s.Algorithms(), "") {
			sign := func() (*ssh.Signature, error) { return s.SignWithAlgorithm(rand.Reader, []byte("data"), a) }
			if a == "" {
				sign = func() (*ssh.Signature, error) { return s.Sign(rand.Reader, []byte("data")) }
			}
			sig, err := sign()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.PublicKey().Verify([]byte("data"), sig); err != nil || (a != "" && sig.Format != a) {
				t.Errorf("%s, %s: %s, %v", name, a, sig.Format, err)
			}
		}
	}
	if _, err := newSigner(t, "rsa").SignWithAlgorithm(rand.Reader, nil, ssh.KeyAlgoRSA); err == nil {
		t.Error("RSA signs with SHA-1")
	}
	if _, err := newSigner(t, "rsa", "rsa-sha2-256").SignWithAlgorithm(rand.Reader, nil, "rsa-sha2-512"); err == nil {
		t.Error("a restricted key signs otherwise")
	}
	for name, algorithm := range map[string]string{"rsa": ssh.KeyAlgoRSA, "p-256": ssh.KeyAlgoED25519, "p-224": ""} {
		var algorithms []string
		if algorithm != "" {
			algorithms = append(algorithms, algorithm)
		}
		if _, err := sshkey.NewSigner(keys()[name], algorithms...); err == nil {
			t.Errorf("%s signs with %q", name, algorithm)
		}
	}
}

var (
	begin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	end   = begin.Add(24 * time.Hour)
)

// template is one that is good.
func template(tb testing.TB) *sshkey.Template {
	tb.Helper()
	return &sshkey.Template{
		Key: newSigner(tb, "ed25519").PublicKey(), Type: sshkey.User, ID: "alice@laptop", Principals: []string{"alice"}, NotBefore: begin, NotAfter: end,
	}
}

func TestCertificate(t *testing.T) {
	for _, name := range kinds {
		authority := newSigner(t, name)
		line := func(change func(*sshkey.Template)) *ssh.Certificate {
			t.Helper()
			tt := template(t)
			change(tt)
			c, err := sshkey.SignCertificate(tt, authority)
			if err != nil {
				t.Fatal(err)
			}
			got, comment, err := sshkey.ParseCertificate(sshkey.MarshalLine(c, "a  comment\n"))
			if err != nil || comment != "a comment" || !bytes.Equal(got.Marshal(), c.Marshal()) {
				t.Fatalf("%s: %q, %v", name, comment, err)
			}
			return got
		}
		checker := ssh.CertChecker{
			Clock:                    func() time.Time { return begin.Add(time.Hour) },
			SupportedCriticalOptions: []string{"force-command"},
		}
		user := line(func(tt *sshkey.Template) { tt.CriticalOptions = map[string]string{"force-command": "date"} })
		if err := checker.CheckCert("alice", user); err != nil || user.CertType != ssh.UserCert || user.Serial == 0 || user.CriticalOptions["force-command"] != "date" {
			t.Errorf("%s: %v, %+v", name, err, user)
		}
		if _, ok := user.Extensions["permit-pty"]; !ok || len(user.Extensions) != 5 {
			t.Errorf("%s: the extensions %v", name, user.Extensions)
		}
		if err := checker.CheckCert("bob", user); err == nil {
			t.Errorf("%s: it is good as somebody else", name)
		}
		host := line(func(tt *sshkey.Template) {
			tt.Type, tt.Serial, tt.Principals = sshkey.Host, 7, []string{"db.example.com"}
		})
		if err := checker.CheckCert("db.example.com", host); err != nil || host.CertType != ssh.HostCert || host.Serial != 7 || len(host.Extensions) > 0 {
			t.Errorf("%s: %v, %+v", name, err, host)
		}
		none := line(func(tt *sshkey.Template) { tt.Extensions = map[string]string{} })
		if len(none.Extensions) > 0 {
			t.Errorf("%s: the extensions %v", name, none.Extensions)
		}
	}
}

func TestCertificateRefuses(t *testing.T) {
	authority := newSigner(t, "ed25519")
	certificate, err := sshkey.SignCertificate(template(t), authority)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*sshkey.Template)
		want   string
	}{
		{"no key", func(tt *sshkey.Template) { tt.Key = nil }, "needs the public key"},
		{"a certificate as the key", func(tt *sshkey.Template) { tt.Key = certificate }, "a certificate itself"},
		{"no type", func(tt *sshkey.Template) { tt.Type = 0 }, "type 0"},
		{"no principal", func(tt *sshkey.Template) { tt.Principals = nil }, "good as everyone"},
		{"an empty principal", func(tt *sshkey.Template) { tt.Principals = []string{""} }, "is empty"},
		{"two principals in one", func(tt *sshkey.Template) { tt.Principals = []string{"alice,root"} }, "comma"},
		{"always valid", func(tt *sshkey.Template) { tt.NotBefore, tt.NotAfter = time.Time{}, time.Time{} }, "the begin and the end"},
		{"without an end", func(tt *sshkey.Template) { tt.NotAfter = time.Time{} }, "the begin and the end"},
		{"ended before it begins", func(tt *sshkey.Template) { tt.NotAfter = begin.Add(-time.Hour) }, "before it begins"},
		{"a host that permits", func(tt *sshkey.Template) { tt.Type, tt.Extensions = sshkey.Host, sshkey.UserExtensions() }, "user certificates only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			template := template(t)
			tt.change(template)
			if _, err := sshkey.SignCertificate(template, authority); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: want %q", err, tt.want)
			}
		})
	}
	broken, err := sshkey.NewSigner(broken{keys()["p-256"]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sshkey.SignCertificate(template(t), broken); err == nil || !strings.Contains(err.Error(), "the token is gone") {
		t.Errorf("a key that fails: %v", err)
	}
	line := sshkey.MarshalLine(certificate, "")
	for name, text := range map[string][]byte{
		"nothing": nil, "a public key": sshkey.MarshalLine(authority.PublicKey(), ""), "two lines": append(slices.Clone(line), line...), "half": line[:len(line)/2],
	} {
		if _, _, err := sshkey.ParseCertificate(text); err == nil {
			t.Errorf("%s is read as a certificate", name)
		}
	}
	for s, want := range map[string]sshkey.Type{"user": sshkey.User, "host": sshkey.Host, "User": 0, "": 0} {
		if got, err := sshkey.ParseType(s); got != want || (err == nil) != (want != 0) {
			t.Errorf("the type %q: %v, %v", s, got, err)
		}
	}
}

type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token is gone")
}
