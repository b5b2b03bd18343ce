package sshkey_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-kms/holdfast/sshkey"
)

// tool runs a program of OpenSSH with an agent.
func tool(tb testing.TB, agent, name string, args ...string) (string, error) {
	tb.Helper()
	if _, err := exec.LookPath(name); err != nil {
		tb.Skipf("%s is needed: scripts/install-test-tools installs it", name)
	}
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+agent)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// file writes a file of a test.
func file(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// OpenSSH's own programs list the keys, sign with them and verify that.
func TestOpenSSHAgent(t *testing.T) {
	path := serve(t, nil, everyKind(t)...)
	list, err := tool(t, path, "ssh-add", "-l")
	if err != nil {
		t.Fatal(err, list)
	}
	for _, name := range kinds {
		if !strings.Contains(list, "file:"+name+".pem") {
			t.Errorf("ssh-add -l does not show %s:\n%s", name, list)
		}
		public := file(t, name+".pub", sshkey.MarshalLine(newSigner(t, name).PublicKey(), ""))
		if out, err := tool(t, path, "ssh-add", "-T", public); err != nil {
			t.Errorf("ssh-add -T %s: %v: %s", name, err, out)
		}
		data := file(t, "data", []byte("a release"))
		if out, err := tool(t, path, "ssh-keygen", "-Y", "sign", "-n", "file", "-f", public, data); err != nil {
			t.Fatalf("ssh-keygen -Y sign, %s: %v: %s", name, err, out)
		}
		signers := file(t, "signers", append([]byte("me "), sshkey.MarshalLine(newSigner(t, name).PublicKey(), "")...))
		verify := exec.CommandContext(t.Context(), "ssh-keygen", "-Y", "verify", "-n", "file", "-f", signers, "-I", "me", "-s", data+".sig")
		verify.Stdin = strings.NewReader("a release")
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("ssh-keygen -Y verify, %s: %v: %s", name, err, out)
		}
	}
	if out, err := tool(t, path, "ssh-add", "-D"); err == nil {
		t.Errorf("ssh-add -D removes the keys: %s", out)
	}
}

// ssh-keygen reads the certificates as they were meant.
func TestOpenSSHCertificate(t *testing.T) {
	for _, name := range kinds {
		tt := template(t)
		tt.Serial, tt.Principals = 42, []string{"alice", "deploy"}
		tt.CriticalOptions = map[string]string{"force-command": "/bin/date", "source-address": "10.0.0.0/8"}
		tt.Extensions = map[string]string{"permit-pty": ""}
		c, err := sshkey.SignCertificate(tt, newSigner(t, name))
		if err != nil {
			t.Fatal(err)
		}
		out, err := tool(t, "", "ssh-keygen", "-L", "-f", file(t, "id-cert.pub", sshkey.MarshalLine(c, "c")))
		if err != nil {
			t.Fatal(err, out)
		}
		for _, want := range []string{
			"ssh-ed25519-cert-v01@openssh.com user certificate", `Key ID: "alice@laptop"`, "Serial: 42", "alice\n", "deploy\n",
			"force-command /bin/date", "source-address 10.0.0.0/8", "permit-pty", "Signing CA: ", ssh.FingerprintSHA256(newSigner(t, name).PublicKey()),
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: ssh-keygen -L does not say %q:\n%s", name, want, out)
			}
		}
	}
}

// The ssh command logs in: it trusts the host by its certificate, and the
// server the user by the agent's.
func TestOpenSSHLogin(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			authority := newSigner(t, name)
			certificate := func(key string, typ sshkey.Type, principal string) *ssh.Certificate {
				c, err := sshkey.SignCertificate(&sshkey.Template{
					Key: newSigner(t, key).PublicKey(), Type: typ, ID: principal, Principals: []string{principal},
					NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
				}, authority)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			host, err := ssh.NewCertSigner(certificate("ed25519", sshkey.Host, "127.0.0.1"), newSigner(t, "ed25519"))
			if err != nil {
				t.Fatal(err)
			}
			address := sshServer(t, host, authority.PublicKey())
			agent := serve(t, nil, sshkey.Key{Signer: newSigner(t, name), Certificate: certificate(name, sshkey.User, "alice"), Comment: "alice"})
			known := file(t, "known_hosts", append([]byte("@cert-authority * "), sshkey.MarshalLine(authority.PublicKey(), "")...))
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			login := func(user string) (string, error) {
				return tool(t, agent, "ssh", "-F", "none", "-o", "UserKnownHostsFile="+known, "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
					"-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-p", port, user+"@127.0.0.1", "whoami")
			}
			if out, err := login("alice"); err != nil || !strings.Contains(out, "hello alice") {
				t.Errorf("%v: %s", err, out)
			}
			if out, err := login("root"); err == nil || !strings.Contains(out, "Permission denied") {
				t.Errorf("as somebody else: %v: %s", err, out)
			}
		})
	}
}

// sshServer serves SSH at an address that it returns. It trusts users whom
// the authority vouches for, and answers every command with a greeting.
func sshServer(tb testing.TB, host ssh.Signer, authority ssh.PublicKey) string {
	tb.Helper()
	checker := &ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(authority.Marshal()) }}
	config := &ssh.ServerConfig{PublicKeyCallback: checker.Authenticate}
	config.Rand = rand.Reader
	config.AddHostKey(host)
	var listen net.ListenConfig
	l, err := listen.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			greet(c, config)
		}
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// greet serves one connection.
func greet(c net.Conn, config *ssh.ServerConfig) {
	defer func() { _ = c.Close() }()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil) // a client that is gone needs no answer
			if r.Type == "exec" {
				_, _ = fmt.Fprintf(channel, "hello %s\n", conn.User())
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{}))
				_ = channel.Close()
			}
		}
	}
}
