package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
)

// The credential of the Holdfast that is the service of awskms.
const (
	accessKey = "AKIAHOLDFASTBENCH001"
	secretKey = "the secret of a server that keeps nothing"
)

// place is where a service is, and who may use it.
type place struct {
	Address, Place string
	CA             []byte
	Credential     []byte
	User, Secret   string
}

// host is what the test servers want of a test.
type host struct {
	testing.TB
	ends []func()
}

func (*host) Helper()                  {}
func (h *host) Cleanup(f func())       { h.ends = append(h.ends, f) }
func (*host) Context() context.Context { return context.Background() }
func (*host) Name() string             { return "bench" }

func (*host) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (*host) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (*host) Error(args ...any) { fmt.Fprintln(os.Stderr, args...) }

func (*host) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (*host) Logf(string, ...any) {}

// serve is a service until standard input ends.
func serve(ctx context.Context, name string) error {
	h := &host{}
	var p place
	switch name {
	case "azurekv":
		s := azurekvtest.Start(h)
		p = place{Address: s.URL(), Place: s.Authority(), CA: s.CAPEM()}
	case "gcpkms":
		s := gcpkmstest.Start(h)
		p = place{Address: s.Address, Place: s.KeyRing, CA: s.CA, Credential: s.Credentials()}
	case "vault":
		s := vaulttest.Start(h)
		p = place{Address: s.Address, CA: s.CA, User: s.RoleID, Secret: s.SecretID}
	default:
		return fmt.Errorf("there is no service %q", name)
	}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil { //nolint:gosec // the secret of a server that lives for seconds, told to its parent
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	for _, end := range h.ends {
		end()
	}
	return nil
}

// start starts a service in a process of its own.
func start(ctx context.Context, o *options, name string) (*place, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd, address := exec.CommandContext(ctx, self, "-serve", name), "" //nolint:gosec // this program
	if name == "awskms" {
		if address, err = free(ctx); err != nil {
			return nil, nil, err
		}
		cmd = exec.CommandContext(ctx, o.holdfast, "dev", "--in-memory", "--listen", "127.0.0.1:0", "--listen-http", address, //nolint:gosec // the server under measurement
			"--aws-credential", accessKey+":"+secretKey, "--dir", filepath.Join(filepath.Dir(self), "awskms"))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if name != "awskms" { // whose log is of no interest
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	end := func() {
		_ = in.Close()
		if name == "awskms" {
			_ = cmd.Process.Signal(os.Interrupt)
		}
		_ = cmd.Wait() // how it ends is nobody's concern
	}
	p, err := read(address, out)
	if err != nil {
		end()
		return nil, nil, fmt.Errorf("starting the service: %w", err)
	}
	return p, end, nil
}

// read returns what a service says of itself in its first lines: all of it, or
// of a Holdfast, whose address is known, that it is ready.
func read(address string, out io.Reader) (*place, error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if address == "" {
			p := &place{}
			return p, json.Unmarshal(lines.Bytes(), p)
		}
		if strings.HasPrefix(lines.Text(), "ready ") {
			return &place{Address: "http://" + address, User: accessKey, Secret: secretKey}, nil
		}
	}
	return nil, errors.New("it said nothing")
}

// free returns a loopback address that nobody uses.
func free(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
