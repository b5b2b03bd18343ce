package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func TestMain(m *testing.M) {
	worker.Main() // the binary of the scripts is this one
	testscript.Main(m, map[string]func(){"holdfast": main})
}

// The scripts run the real binary and double as a manual. Beside testscript's
// own commands they have:
//
//	startdev [flags]     starts "holdfast dev" on $WORK/d and sources its env
//	stopdev              stops it, and wants it to end well
//	exits N command…     runs a command that ends with the status N
//	capture NAME REGEXP  sets a variable to the match in the last stdout
//	token LABEL…         makes SoftHSM 2 tokens; hsm.yaml configures them by
//	                     their labels, pin has their PIN
//	transit NAME         configures a provider, in providers.yaml: a server with
//	                     the API of Vault's Transit engine
//	receivers            configures who is told of what, in notices.yaml: a
//	                     mail server and webhooks
//	received WHAT N      waits for N mails or hooks and writes a file of them
func TestScripts(t *testing.T) {
	service := vaulttest.Start(t)
	told := startReceivers(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"startdev": startDev, "stopdev": stopDev, "exits": exits, "capture": capture, "token": makeTokens, "totp": showCode,
			"receivers": told.configure, "received": told.received,
			"transit": func(ts *testscript.TestScript, neg bool, args []string) { configureTransit(ts, service, neg, args) },
		},
	})
}

// makeTokens makes tokens in a folder of the script's own.
func makeTokens(ts *testscript.TestScript, neg bool, labels []string) {
	if neg || len(labels) == 0 {
		ts.Fatalf("usage: token LABEL…")
	}
	work := ts.Getenv("WORK")
	env, err := pkcs11test.Environment(work)
	ts.Check(err)
	var settings strings.Builder
	settings.WriteString("hsm:\n  tokens:\n")
	for name, value := range env {
		ts.Setenv(name, value)
	}
	for _, label := range labels {
		ts.Check(ts.Exec("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", pkcs11test.SOPIN, "--pin", pkcs11test.PIN))
		fmt.Fprintf(&settings, "    - {name: %s, preset: softhsm2, token: %s, pin_file: %s, environment: {SOFTHSM2_CONF: %s}}\n",
			label, label, filepath.Join(work, "pin"), env["SOFTHSM2_CONF"])
	}
	ts.Check(os.WriteFile(filepath.Join(work, "hsm.yaml"), []byte(settings.String()), 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "pin"), []byte(pkcs11test.PIN+"\n"), 0o600))
}

// configureTransit writes the configuration of a provider.
func configureTransit(ts *testscript.TestScript, s *vaulttest.Server, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: transit NAME")
	}
	work := ts.Getenv("WORK")
	settings := fmt.Sprintf("providers:\n  - name: %s\n    vault: {address: %s, ca_certificate: %s, token_file: %s}\n"+
		"lifecycle: {interval: 100ms, mirror: 100ms}\n", args[0], s.Address, filepath.Join(work, "ca.pem"), filepath.Join(work, "token"))
	ts.Check(os.WriteFile(filepath.Join(work, "ca.pem"), s.CA, 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "token"), []byte(s.Root), 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "providers.yaml"), []byte(settings), 0o600))
	ts.Setenv("VAULT_ADDR", s.Address)
	ts.Setenv("VAULT_CACERT", filepath.Join(work, "ca.pem"))
	ts.Setenv("VAULT_TOKEN", s.Root)
}

// running is the script's variable with the process id of its server.
const running = "DEV_PID"

func startDev(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! startdev")
	}
	dir := filepath.Join(ts.Getenv("WORK"), "d")
	cmd := exec.CommandContext(context.Background(), "holdfast",
		append([]string{"dev", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	log, err := os.Create(filepath.Join(ts.Getenv("WORK"), "dev.log"))
	ts.Check(err)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		_ = log.Close()
	})
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line
	}()
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "ready https://") {
			text, _ := os.ReadFile(log.Name())
			ts.Fatalf("holdfast dev says %q\n%s", line, text)
		}
	case <-time.After(30 * time.Second):
		ts.Fatalf("holdfast dev is not ready after 30 s")
	}
	ts.Setenv(running, strconv.Itoa(cmd.Process.Pid))
	source(ts, filepath.Join(dir, "env"))
}

// source reads "export NAME='value'" lines.
func source(ts *testscript.TestScript, path string) {
	text, err := os.ReadFile(path)
	ts.Check(err)
	found := regexp.MustCompile(`(?m)^export (\w+)='([^']*)'$`).FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		ts.Fatalf("%s exports nothing", path)
	}
	for _, m := range found {
		ts.Setenv(m[1], m[2])
	}
}

func stopDev(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv(running))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
	for range 300 {
		if ended(pid) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("holdfast dev does not stop")
}

// ended reports whether a child has ended: it is a zombie until it is waited for.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("it ended with the status %d, not %d", got, want)
	}
}

// showCode sets a variable to the code that a second factor shows so many
// periods from now: totp NAME SECRET PERIODS.
func showCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: totp NAME SECRET PERIODS")
	}
	periods, err := strconv.Atoi(args[2])
	ts.Check(err)
	code, err := totp.GenerateCode(args[1], time.Now().Add(time.Duration(periods)*30*time.Second))
	ts.Check(err)
	ts.Setenv(args[0], code)
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no match of %s", args[1])
	}
	ts.Setenv(args[0], m[len(m)-1])
}
