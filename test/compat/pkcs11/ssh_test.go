package pkcs11

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"testing"
)

// TestSSH: ssh-keygen lists a token's keys, and ssh logs in with one.
func TestSSH(t *testing.T) {
	const sshd = "/usr/sbin/sshd"
	w := use(t, []string{"ssh", "-V"}, []string{"ssh-keygen", "-?"}, []string{sshd, "-?"})
	dir := w.folder(t)
	w.key(t, "ssh", "ECC_NIST_P256")
	ask := write(t, dir, "ask", []byte("#!/bin/sh\necho "+shortPIN+"\n"))
	if err := os.Chmod(ask, 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"SSH_ASKPASS=" + ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0"}
	out, err := w.run(t.Context(), command{dir: dir, env: env, args: []string{"ssh-keygen", "-D", w.module}})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var keys []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "ecdsa-sha2-nistp256 ") && strings.HasSuffix(line, " ssh\n") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("the key is not listed:\n%s", out)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "authorized", []byte(keys[0]))
	// Of many keys ssh is to try this one only: servers take a few attempts.
	identity := write(t, dir, "id.pub", []byte(keys[0]))
	w.must(t, dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host")
	address := freeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	write(t, dir, "sshd.conf", fmt.Appendf(nil, `Port %s
ListenAddress %s
HostKey %s/host
AuthorizedKeysFile %s/authorized
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
PidFile none
`, port, host, dir, dir))
	s := w.serve(t, address, command{dir: dir, args: []string{sshd, "-D", "-e", "-f", dir + "/sshd.conf"}})
	defer s.stop(t)
	out, err = w.run(t.Context(), command{dir: dir, env: env, args: []string{
		"ssh", "-F", "none", "-p", port, "-o", "PKCS11Provider=" + w.module, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + dir + "/known",
		"-o", "IdentitiesOnly=yes", "-i", identity, "-l", me.Username, host, "echo", "logged", "in",
	}})
	if err != nil || !strings.Contains(out, "logged in") {
		t.Errorf("%v\n%s", err, out)
	}
}
