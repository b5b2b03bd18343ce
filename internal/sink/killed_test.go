package sink

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

// childVariable says that this process is the one to be killed: its value is
// what it does in which directory with which server, by spaces.
const childVariable = "HOLDFAST_TEST_SINK"

const childBatch = 25

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(strings.Fields(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // it is a process of its own
		}
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // as tests end
}

// child writes entries and delivers them until it is killed, or for "finish"
// until all are delivered.
func child(args []string) error {
	what, dir, address := args[0], args[1], args[2]
	s, err := embedded.Open(filepath.Join(dir, "db"), embedded.Options{})
	if err != nil {
		return err
	}
	t := new(quiet)
	l := openLog(t, filepath.Join(dir, "audit"))
	sinks, err := Open(context.Background(), Config{Log: l, ID: logID, Store: s, Out: discard, Sinks: []Options{{
		Name: "siem", Entries: childBatch, Interval: 10 * time.Millisecond,
		Receiver: NewSyslog(SyslogOptions{Address: address, Encoder: auditformat.New(logID, "1")}),
	}}})
	if err != nil {
		return err
	}
	sinks.Start()
	for what == "write" {
		write(t, l, 40)
	}
	for sinks.Delivered() < l.Last() {
		time.Sleep(time.Millisecond)
	}
	if _, err := fmt.Fprintln(os.Stdout, l.Last()); err != nil {
		return err
	}
	return sinks.Close()
}

// quiet is a testing.TB of a process that is no test.
type quiet struct{ testing.TB }

func (*quiet) Helper()           {}
func (*quiet) Cleanup(func())    {}
func (*quiet) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestKilled: a server that is killed while it delivers loses nothing, and
// sends at most a batch twice each time.
func TestKilled(t *testing.T) {
	t.Parallel()
	server, dir := newServer(t, nil), t.TempDir()
	run := func(what string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{what, dir, server.address}, " "))
		cmd.Stderr = os.Stderr
		return cmd
	}
	const kills = 3
	for range kills {
		cmd := run("write")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		had := len(server.positions())
		until(t, "some arrive", func() bool { return len(server.positions()) >= had+3*childBatch+childBatch/2 })
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()         // it was killed
	}
	out, err := run("finish").Output()
	if err != nil {
		t.Fatal(err)
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || last < kills*3*childBatch {
		t.Fatalf("the log ends with %d, %v", last, err)
	}
	got := server.positions()
	if left := missing(got, audit.Position(last)); left != nil {
		t.Errorf("lost: %v", left)
	}
	if twice := len(got) - int(last); twice > kills*childBatch {
		t.Errorf("%d entries came twice", twice)
	}
}
