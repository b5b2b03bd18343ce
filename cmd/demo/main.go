// Command demo walks through what Holdfast is for, against servers of its own.
// The walk "keyless" is in keyless.go; "main" is the main job:
// two keys, a root and an issuing CA on them, a certificate for a web server
// whose private key stays in Holdfast, a visitor over TLS 1.3, revocation, and
// the audit log verified. Each step is printed with the command that a user
// would type. It ends with a non-zero status if any step fails.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 || walks[os.Args[2]] == nil {
		fmt.Fprintln(os.Stderr, "usage: demo HOLDFAST-BINARY main|keyless")
		os.Exit(2)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever stops reading must not leave the server behind
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], walks[os.Args[2]], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1) //nolint:gocritic // nothing that cancel would free outlives the process
	}
}

// demo is one walk.
type demo struct {
	binary string
	dir    string // the data directory
	env    map[string]string
	out    io.Writer
	steps  int
}

// A walk is the steps of a demonstration, in a folder for what they need. It
// returns what was shown.
type walk func(ctx context.Context, d *demo, work string) (shown string, err error)

var walks = map[string]walk{"main": walkMain, "keyless": walkKeyless}

func run(ctx context.Context, binary string, w walk, out io.Writer) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	d := &demo{binary: binary, dir: filepath.Join(work, "kms"), out: out, env: map[string]string{}}
	began := time.Now()
	shown, err := w(ctx, d, work)
	if err != nil {
		return err
	}
	return d.print("\nDone in %.1f s: %s\n", time.Since(began).Seconds(), shown)
}

// walkMain is the main job.
func walkMain(ctx context.Context, d *demo, work string) (shown string, err error) {
	stop, err := d.start(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return "the key of " + host + " was never outside Holdfast, and every use of it is on record.", d.mainJob(ctx, work)
}

// mainJob is its steps on a server that runs.
func (d *demo) mainJob(ctx context.Context, work string) error {
	if err := d.keys(ctx); err != nil {
		return err
	}
	root, leaf := filepath.Join(work, "root.pem"), filepath.Join(work, "web.pem")
	if err := d.authorities(ctx, root); err != nil {
		return err
	}
	serial, err := d.certificate(ctx, leaf)
	if err != nil {
		return err
	}
	if err := d.visit(ctx, root, leaf); err != nil {
		return err
	}
	if err := d.revoke(ctx, serial); err != nil {
		return err
	}
	return d.audit(ctx)
}

// start starts the server and reads the file that points clients at it.
func (d *demo) start(ctx context.Context) (stop func() error, err error) {
	if err := d.step("A server with a fresh data directory"); err != nil {
		return nil, err
	}
	b, err := d.launch(ctx, "dev", "--dir", d.dir, "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := d.print("$ source %s/env\n", d.dir); err != nil {
		return nil, errors.Join(err, b.end())
	}
	if err := d.source(); err != nil {
		return nil, errors.Join(err, b.end())
	}
	return b.end, nil
}

// source reads the server's env file, as a shell would.
func (d *demo) source() error {
	text, err := os.ReadFile(filepath.Join(d.dir, "env"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			d.env[name] = strings.Trim(value, "'")
		}
	}
	if d.env["HOLDFAST_ADDR"] == "" {
		return errors.New("the env file does not say where the server is")
	}
	return nil
}

// holdfast runs a command line, prints both, and returns its output.
func (d *demo) holdfast(ctx context.Context, args ...string) (string, error) {
	if err := d.print("$ holdfast %s\n", quoted(args)); err != nil {
		return "", err
	}
	return d.command(ctx, d.binary, args)
}

// environment is that of the server's clients.
func (d *demo) environment() []string {
	env := os.Environ()
	for name, value := range d.env {
		env = append(env, name+"="+value)
	}
	return env
}

// command runs a program with the environment of the server's clients, and prints
// what it says.
func (d *demo) command(ctx context.Context, program string, args []string) (string, error) {
	out, err := d.quiet(ctx, program, args)
	if text := strings.TrimSpace(out); text != "" && !strings.HasPrefix(text, "-----BEGIN") {
		err = errors.Join(err, d.print("%s\n", text))
	}
	return out, err
}

// quiet runs a program with the environment of the server's clients.
func (d *demo) quiet(ctx context.Context, program string, args []string) (string, error) {
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // the commands of the demo
	c.Env = d.environment()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), quoted(args), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (d *demo) step(title string) error {
	d.steps++
	return d.print("\n%d. %s\n", d.steps, title)
}

func (d *demo) print(format string, args ...any) error {
	_, err := fmt.Fprintf(d.out, format, args...)
	return err
}

// quoted returns arguments as a shell would need them.
func quoted(args []string) string {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = a
		if strings.ContainsAny(a, " {}\"$*") {
			shown[i] = "'" + a + "'"
		}
	}
	return strings.Join(shown, " ")
}
