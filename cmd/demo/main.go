// Command demo walks through Holdfast's main job against a server of its own:
// two keys, a root and an issuing CA on them, a certificate for a web server
// whose private key stays in Holdfast, a visitor over TLS 1.3, revocation, and
// the audit log verified. Each step is printed with the command that a user
// would type. It ends with a non-zero status if any step fails.
package main

import (
	"bufio"
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
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo HOLDFAST-BINARY")
		os.Exit(2)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever stops reading must not leave the server behind
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Stdout); err != nil {
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

func run(ctx context.Context, binary string, out io.Writer) (err error) {
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
	stop, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := d.walk(ctx, work); err != nil {
		return err
	}
	return d.print("\nDone in %.1f s: the key of web.example.com was never outside Holdfast, and every use of it is on record.\n",
		time.Since(began).Seconds())
}

// walk is the main job.
func (d *demo) walk(ctx context.Context, work string) error {
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
	if err := d.print("$ holdfast dev --dir %s --listen 127.0.0.1:0 &\n", d.dir); err != nil {
		return nil, err
	}
	server := exec.CommandContext(ctx, d.binary, "dev", "--dir", d.dir, "--listen", "127.0.0.1:0") //nolint:gosec // the binary to show
	var log bytes.Buffer
	server.Stderr = &log
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	stdout, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		if err := server.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return server.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not start: %s", log.String()), stop())
	}
	if err := d.print("%s$ source %s/env\n", line, d.dir); err != nil {
		return nil, errors.Join(err, stop())
	}
	if err := d.source(); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
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

// command runs a program with the environment of the server's clients.
func (d *demo) command(ctx context.Context, program string, args []string) (string, error) {
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // the commands of the demo
	c.Env = os.Environ()
	for name, value := range d.env {
		c.Env = append(c.Env, name+"="+value)
	}
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if text := strings.TrimSpace(stdout.String()); text != "" && !strings.HasPrefix(text, "-----BEGIN") {
		if err := d.print("%s\n", text); err != nil {
			return "", err
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), quoted(args), err, strings.TrimSpace(stderr.String()))
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
