package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
)

// needs are the programs that the walk about keys on key servers runs, by their
// Debian packages.
var needs = map[string]string{"softhsm2-util": "softhsm2", "pkcs11-tool": "opensc", "curl": "curl", "openssl": "openssl"}

// The token of the walk.
const (
	tokenLabel = "production"
	tokenPIN   = "1234-user"
)

// keyless is the walk about TLS without giving the key away: keys in an HSM, a
// certificate for them, key servers, an edge, visitors.
type keyless struct {
	*demo

	work string
	// first and second are the key servers' addresses, front the edge's, and
	// figures that of its metrics.
	first, second, front, figures string
	edge                          *background
	// module is SoftHSM 2's library.
	module string
	// ids are those of the site's keys, by their aliases.
	ids map[string]string
}

// walkKeyless is the walk.
func walkKeyless(ctx context.Context, d *demo, work string) (string, error) {
	k := &keyless{demo: d, work: work, ids: map[string]string{}}
	for program, pkg := range needs {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("this needs the program %s (Debian's package %s)", program, pkg)
		}
	}
	return "the keys of " + host + " never left the HSM, and the edge that used them had none of them.", k.walk(ctx)
}

func (k *keyless) walk(ctx context.Context) (err error) {
	for _, address := range []*string{&k.first, &k.second, &k.front, &k.figures} {
		if *address, err = freePort(ctx); err != nil {
			return err
		}
	}
	if k.module, err = library(); err != nil {
		return err
	}
	if err := k.token(ctx); err != nil {
		return err
	}
	server, err := k.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.end()) }()
	for _, do := range []func(context.Context) error{k.make, k.certify, k.person, k.open, k.visits, k.search} {
		if err := do(ctx); err != nil {
			return errors.Join(err, k.stopEdge())
		}
	}
	err = k.outage(ctx, &server)
	return errors.Join(err, k.stopEdge())
}

// token makes the HSM.
func (k *keyless) token(ctx context.Context) error {
	if err := k.step("An HSM: a token of SoftHSM 2"); err != nil {
		return err
	}
	tokens := filepath.Join(k.work, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return err
	}
	k.env["SOFTHSM2_CONF"] = filepath.Join(k.work, "softhsm2.conf")
	if err := k.write("softhsm2.conf", "directories.tokendir = %s\n", tokens); err != nil {
		return err
	}
	if err := k.write("pin", tokenPIN); err != nil {
		return err
	}
	args := []string{"--init-token", "--free", "--label", tokenLabel, "--so-pin", "5678-officer", "--pin", tokenPIN}
	if err := k.print("$ softhsm2-util %s\n", quoted(args)); err != nil {
		return err
	}
	if _, err := k.command(ctx, "softhsm2-util", args); err != nil {
		return err
	}
	return k.write("holdfast.yaml", "keyless: {listen: %s}\nhsm:\n  tokens:\n    - name: hsm\n      preset: softhsm2\n      token: %s\n      pin_file: %s\n      environment: {SOFTHSM2_CONF: %s}\n",
		k.first, tokenLabel, filepath.Join(k.work, "pin"), k.env["SOFTHSM2_CONF"])
}

// write writes a file of the walk.
func (k *keyless) write(name, format string, args ...any) error {
	return os.WriteFile(k.file(name), fmt.Appendf(nil, format, args...), 0o600) //nolint:gosec // the demo's own files
}

// file returns the path of a file of the walk.
func (k *keyless) file(name string) string { return filepath.Join(k.work, name) }

// serve starts the Holdfast server, which is a key server too.
func (k *keyless) serve(ctx context.Context) (*background, error) {
	if err := k.step("A Holdfast server, which is a key server too"); err != nil {
		return nil, err
	}
	b, err := k.launch(ctx, "dev", "--dir", k.dir, "--listen", "127.0.0.1:0", "--config", k.file("holdfast.yaml"))
	if err != nil {
		return nil, err
	}
	if err := k.source(); err != nil {
		return nil, errors.Join(err, b.end())
	}
	return b, k.print("the key server listens at %s\n", k.first)
}

// keyLine is where the command line says a key's id.
var keyLine = regexp.MustCompile(`(?m)^Key: +(\S+)$`)

// make makes the keys in the HSM, with a tool that knows nothing of Holdfast.
func (k *keyless) make(ctx context.Context) error {
	if err := k.step("Two keys, made in the HSM, that never leave it; Holdfast is told of them"); err != nil {
		return err
	}
	for i, key := range []struct{ name, kind string }{{"web-rsa", "rsa:2048"}, {"web-ec", "EC:prime256v1"}} {
		args := []string{
			"--module", k.module, "--token-label", tokenLabel, "--login", "--pin", tokenPIN,
			"--keypairgen", "--key-type", key.kind, "--label", key.name, "--id", fmt.Sprintf("%02x", i+1),
		}
		if err := k.print("$ pkcs11-tool %s\n", quoted(args)); err != nil {
			return err
		}
		if _, err := k.quiet(ctx, "pkcs11-tool", args); err != nil {
			return err
		}
		out, err := k.holdfast(ctx, "key", "adopt", "--hsm", "hsm", "--label", key.name, "--usage", "SIGN_VERIFY", "--alias", key.name)
		if err != nil {
			return err
		}
		id := keyLine.FindStringSubmatch(out)
		if id == nil {
			return fmt.Errorf("no id in %s", out)
		}
		k.ids[key.name] = id[1]
	}
	return nil
}

// certify makes a CA and the site's certificates for the keys.
func (k *keyless) certify(ctx context.Context) error {
	if err := k.step("A CA, and a certificate of " + host + " for each key"); err != nil {
		return err
	}
	commands := [][]string{
		{"ca", "create", "--name", "root", "--new-key", "ECC_NIST_P384", "--cn", "Example Root CA"},
		{"ca", "chain", "root", "--out", k.file("root.pem")},
		{"cert", "issue", "--ca", "root", "--dns", host, "--key", "web-rsa", "--out", k.file("rsa.pem")},
		{"cert", "issue", "--ca", "root", "--dns", host, "--key", "web-ec", "--out", k.file("ec.pem")},
	}
	for _, args := range commands {
		if _, err := k.holdfast(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// person makes the edge a user, who may sign with the two keys and do nothing
// else, and proves who it is by a certificate.
func (k *keyless) person(ctx context.Context) error {
	if err := k.step("The edge may sign with these keys, and nothing else; its own certificate says who it is"); err != nil {
		return err
	}
	statement := map[string]any{"Effect": "Allow", "Action": "kms:Sign", "Resource": []string{
		"arn:aws:kms:*:*:key/" + k.ids["web-rsa"], "arn:aws:kms:*:*:key/" + k.ids["web-ec"],
	}}
	policy, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}, "", "  ")
	if err != nil {
		return err
	}
	if err := k.write("policy.json", "%s\n", policy); err != nil {
		return err
	}
	for name, profile := range map[string]string{"edge": "tls-client", "keyserver": "tls-server"} {
		if err := k.identity(ctx, name, profile); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"identity", "user", "create", "edge"},
		{"identity", "user", "policy", "put", "edge", "--policy-name", "sign", "--in", k.file("policy.json")},
		{"identity", "user", "certificate", "add", "edge", "--ca", "root", "--subject", "CN=edge"},
	} {
		if _, err := k.holdfast(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// identity makes a program's own certificate, with which it proves who it is.
func (k *keyless) identity(ctx context.Context, name, profile string) error {
	args := []string{
		"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
		"-keyout", k.file(name + ".key"), "-out", k.file(name + ".csr"),
	}
	if _, err := k.command(ctx, "openssl", args); err != nil {
		return err
	}
	issue := []string{"cert", "issue", "--ca", "root", "--profile", profile, "--csr", k.file(name + ".csr"), "--out", k.file(name + ".pem")}
	if profile == "tls-server" {
		issue = append(issue, "--dns", "localhost", "--cn", name)
	}
	_, err := k.holdfast(ctx, issue...)
	return err
}

// open starts the edge.
func (k *keyless) open(ctx context.Context) error {
	if err := k.step("The edge: it has certificates, and no key of the site"); err != nil {
		return err
	}
	var trusted []byte
	for _, path := range []string{k.env["HOLDFAST_CACERT"], k.file("root.pem")} {
		text, err := os.ReadFile(path) //nolint:gosec // the demo's own files
		if err != nil {
			return err
		}
		trusted = append(trusted, text...)
	}
	if err := k.write("keyservers.pem", "%s", trusted); err != nil {
		return err
	}
	upstream, err := page(ctx)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`listen: ["%s"]
metrics: {listen: "%s"}
key_servers:
  servers: ["%s", "%s"]
  ca: %s
  server_name: localhost
  client_certificate: %s
  client_key: %s
  timeout: 2s
access_log: {format: "off"}
sites:
  - names: [%s]
    certificates:
      - {file: %s}
      - {file: %s}
    upstreams: ["http://%s"]
`, k.front, k.figures, k.first, k.second, k.file("keyservers.pem"), k.file("edge.pem"), k.file("edge.key"), host, k.file("rsa.pem"), k.file("ec.pem"), upstream)
	if err := os.MkdirAll(k.file("edge"), 0o700); err != nil {
		return err
	}
	if err := k.write("edge/edge.yaml", "%s", config); err != nil {
		return err
	}
	if err := k.print("%s", config); err != nil {
		return err
	}
	k.edge, err = k.launch(ctx, "edge", "--config", k.file("edge/edge.yaml"))
	return err
}

func (k *keyless) stopEdge() error {
	if k.edge == nil {
		return nil
	}
	return k.edge.end()
}

// library returns the path of SoftHSM 2's library.
func library() (string, error) {
	for _, p := range preset.All() {
		for _, path := range p.Modules {
			if _, err := os.Stat(path); err == nil && strings.Contains(path, "softhsm") {
				return path, nil
			}
		}
	}
	return "", errors.New("SoftHSM 2's library is not where Debian has it")
}

// freePort returns a loopback address that was free a moment ago.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// page serves the site's page until the demo ends, and returns where.
func page(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = hello().Serve(l) }() // it ends with the demo
	go func() { <-ctx.Done(); _ = l.Close() }()
	return l.Addr().String(), nil
}
