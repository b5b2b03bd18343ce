package sshkey_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/holdfast-kms/holdfast/sshkey"
)

// everyKind returns a key of each kind, the Ed25519 key with a certificate.
func everyKind(tb testing.TB) []sshkey.Key {
	tb.Helper()
	certificate, err := sshkey.SignCertificate(template(tb), newSigner(tb, "p-256"))
	if err != nil {
		tb.Fatal(err)
	}
	var all []sshkey.Key
	for _, name := range kinds {
		all = append(all, sshkey.Key{Signer: newSigner(tb, name), Comment: "file:" + name + ".pem"})
	}
	all[len(all)-1].Certificate = certificate
	return all
}

// serve starts an agent and returns its socket.
func serve(tb testing.TB, log *slog.Logger, all ...sshkey.Key) string {
	tb.Helper()
	a, err := sshkey.NewAgent(all...)
	if err != nil {
		tb.Fatal(err)
	}
	a.Log = log
	path := filepath.Join(tb.TempDir(), "agent")
	l, err := sshkey.Listen(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
		if _, err := os.Lstat(path); err == nil {
			tb.Error("the socket is still there")
		}
	})
	return path
}

func dial(tb testing.TB, path string) net.Conn {
	tb.Helper()
	var d net.Dialer
	c, err := d.DialContext(tb.Context(), "unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// The client of golang.org/x/crypto finds the keys and signs with them, and
// can do nothing else.
func TestAgent(t *testing.T) {
	var text bytes.Buffer
	path := serve(t, slog.New(slog.NewTextHandler(&text, nil)), everyKind(t)...)
	client := agent.NewClient(dial(t, path))
	list, err := client.List()
	if err != nil || len(list) != len(kinds)+1 {
		t.Fatalf("%d keys, %v", len(list), err)
	}
	signers, err := client.Signers()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range signers {
		flags := agent.SignatureFlags(0)
		if strings.HasPrefix(list[i].Format, "ssh-rsa") {
			if sig, err := client.Sign(s.PublicKey(), []byte("data")); err != nil || sig.Format != ssh.KeyAlgoRSASHA512 {
				t.Errorf("without flags: %v, %v", sig, err)
			}
			flags = agent.SignatureFlagRsaSha256
		}
		for range 2 {
			sig, err := client.SignWithFlags(s.PublicKey(), []byte("data"), flags)
			if err != nil {
				t.Fatal(err)
			}
			public := s.PublicKey()
			if c, ok := public.(*ssh.Certificate); ok {
				public = c.Key
			}
			if err := public.Verify([]byte("data"), sig); err != nil {
				t.Errorf("%s: %v", list[i], err)
			}
			if flags != 0 {
				flags = agent.SignatureFlagRsaSha512
			}
		}
	}
	for name, err := range map[string]error{
		"add": client.Add(agent.AddedKey{PrivateKey: keys()["p-256"]}), "remove": client.Remove(list[0]), "remove all": client.RemoveAll(),
		"lock": client.Lock([]byte("x")), "unlock": client.Unlock([]byte("x")),
	} {
		if err == nil {
			t.Errorf("a client can %s", name)
		}
	}
	if _, err := client.Extension("session-bind@openssh.com", nil); err == nil {
		t.Error("an extension is there")
	}
	stranger, err := sshkey.NewSigner(ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Sign(stranger.PublicKey(), nil); err == nil {
		t.Error("a client signs with a key that is not there")
	}
	if again, err := client.List(); err != nil || len(again) != len(list) {
		t.Errorf("after all that: %d keys, %v", len(again), err)
	}
	if !strings.Contains(text.String(), "key=file:p-384.pem") || !strings.Contains(text.String(), "does not have") {
		t.Errorf("the log: %s", &text)
	}
}

func TestAgentRefuses(t *testing.T) {
	c, err := sshkey.SignCertificate(template(t), newSigner(t, "p-256"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sshkey.NewAgent(sshkey.Key{Signer: newSigner(t, "rsa"), Certificate: c}); err == nil {
		t.Error("a certificate for another key is taken")
	}
}

func TestListen(t *testing.T) {
	path := serve(t, nil, everyKind(t)...)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := sshkey.Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another agent serves") {
		t.Errorf("beside another agent: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("%q are left, %v", left, err)
	}
	dead := filepath.Join(t.TempDir(), "dead")
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = sshkey.Listen(t.Context(), dead)
	if err != nil {
		t.Fatalf("a dead agent's socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(t.TempDir(), "absent", "agent"), filepath.Join(t.TempDir(), strings.Repeat("x", 120))} {
		if _, err := sshkey.Listen(t.Context(), path); err == nil {
			t.Errorf("it listens at %s", path)
		}
	}
}

// A client that says nonsense is left, and the next one is served.
func TestNonsense(t *testing.T) {
	path := serve(t, nil, everyKind(t)...)
	for _, message := range [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 1}} {
		c := dial(t, path)
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%x: %d bytes are answered", message, n)
		}
	}
	if list, err := agent.NewClient(dial(t, path)).List(); err != nil || len(list) == 0 {
		t.Errorf("%d keys, %v", len(list), err)
	}
}

// pipe gives a request and keeps the answers.
type pipe struct {
	bytes.Reader
	out bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) { return p.out.Write(b) }

// Whatever a client says is answered by one message each: a failure, the keys,
// or a signature by a key that the agent has.
func FuzzAgent(f *testing.F) {
	s := newSigner(f, "ed25519")
	a, err := sshkey.NewAgent(sshkey.Key{Signer: s, Comment: "k"})
	if err != nil {
		f.Fatal(err)
	}
	frame := func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	}
	request := ssh.Marshal(struct {
		Blob  []byte `sshtype:"13"`
		Data  []byte
		Flags uint32
	}{s.PublicKey().Marshal(), []byte("data"), 0})
	f.Add(frame([]byte{11}))
	f.Add(frame(request))
	f.Add(append(frame(request), frame([]byte{17, 1})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &pipe{Reader: *bytes.NewReader(data)}
		a.ServeConn(t.Context(), p)
		for answers := p.out.Bytes(); len(answers) > 0; {
			n := binary.BigEndian.Uint32(answers)
			answer := answers[4 : 4+n]
			answers = answers[4+n:]
			var signed struct {
				Signature []byte `sshtype:"14"`
			}
			switch {
			case bytes.Equal(answer, []byte{5}), answer[0] == 12:
			case ssh.Unmarshal(answer, &signed) == nil:
				var sig ssh.Signature
				if err := ssh.Unmarshal(signed.Signature, &sig); err != nil || sig.Format != ssh.KeyAlgoED25519 {
					t.Errorf("the signature %x: %v", signed.Signature, err)
				}
			default:
				t.Errorf("it answers %x", answer)
			}
		}
	})
}
