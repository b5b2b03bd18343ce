package compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// softHSMPaths are where Debian puts the library.
var softHSMPaths = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"}

// SoftHSM is a SoftHSM2 of the test's own, with tokens in a folder.
type SoftHSM struct {
	// Module is the path of the PKCS #11 library, Conf that of the file that
	// SOFTHSM2_CONF names, Tokens the folder with the tokens.
	Module, Conf, Tokens string
}

// The PINs of the tokens that Token makes.
const (
	PIN   = "pin-8f2c61d40b9e"
	SOPIN = "so-pin-51d07e"
)

// NewSoftHSM makes one in dir, without tokens.
func NewSoftHSM(dir string) (*SoftHSM, error) {
	h := &SoftHSM{Conf: filepath.Join(dir, "softhsm2.conf"), Tokens: filepath.Join(dir, "tokens")}
	for _, path := range softHSMPaths {
		if _, err := os.Stat(path); err == nil {
			h.Module = path
			break
		}
	}
	if h.Module == "" {
		return nil, errors.New("there is no SoftHSM2 on this machine: scripts/install-test-tools installs softhsm2")
	}
	if err := os.MkdirAll(h.Tokens, 0o700); err != nil {
		return nil, err
	}
	text := "directories.tokendir = " + h.Tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	return h, os.WriteFile(h.Conf, []byte(text), 0o600)
}

// Token makes a token with a label and the PINs PIN and SOPIN.
func (h *SoftHSM) Token(ctx context.Context, label string) error {
	_, err := h.Run(ctx, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SOPIN)
	return err
}

// Run runs a program of the token's own, such as softhsm2-util, on these
// tokens, and returns its standard output.
func (h *SoftHSM) Run(ctx context.Context, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the tests' own commands
	cmd.Env = append(Environ(), "SOFTHSM2_CONF="+h.Conf)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, out, stderr.Bytes())
	}
	return string(out), nil
}

// Tool runs pkcs11-tool, logged in to a token.
func (h *SoftHSM) Tool(ctx context.Context, label string, args ...string) (string, error) {
	return h.Run(ctx, append([]string{"pkcs11-tool", "--module", h.Module, "--token-label", label, "--login", "--pin", PIN}, args...)...)
}

// Config is what a server's configuration says of the tokens, each of which
// is called as its label. A call of theirs may take as long as timeout.
func (h *SoftHSM) Config(dir string, timeout time.Duration, labels ...string) (string, error) {
	pin := filepath.Join(dir, "pin")
	if err := os.WriteFile(pin, []byte(PIN+"\n"), 0o600); err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString("hsm:\n  tokens:\n")
	for _, label := range labels {
		fmt.Fprintf(&text, "    - name: %s\n      module: %s\n      token: %s\n      pin_file: %s\n      timeout: %s\n"+
			"      environment: {SOFTHSM2_CONF: %s}\n", label, h.Module, label, pin, timeout, h.Conf)
	}
	return text.String(), nil
}
