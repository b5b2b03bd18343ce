package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
)

// visits visits the site over TLS 1.2 and 1.3, with RSA and with ECDSA.
func (k *keyless) visits(ctx context.Context) error {
	if err := k.step("Visitors, over TLS 1.2 and 1.3, with RSA and ECDSA; each signature is made in the HSM"); err != nil {
		return err
	}
	for _, version := range []string{"1.2", "1.3"} {
		for _, a := range []struct{ what, algorithm string }{{"RSA", "RSA-PSS+SHA256"}, {"ECDSA", "ECDSA+SHA256"}} {
			// curl has no option for signatures: OpenSSL's configuration chooses.
			if err := k.write("openssl.cnf", "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nSignatureAlgorithms = %s\n", a.algorithm); err != nil {
				return err
			}
			if err := k.curl(ctx, version); err != nil {
				return fmt.Errorf("TLS %s with %s: %w", version, a.what, err)
			}
			if err := k.print("(TLS %s, %s)\n", version, a.what); err != nil {
				return err
			}
		}
	}
	delete(k.env, "OPENSSL_CONF")
	_, err := k.holdfast(ctx, "audit", "search", "--action", "key:Sign", "--dir", k.dir)
	return err
}

// curl fetches the page over one version of TLS.
func (k *keyless) curl(ctx context.Context, version string) error {
	k.env["OPENSSL_CONF"] = k.file("openssl.cnf")
	args := append(k.curlArguments(), "--tlsv"+version, "--tls-max", version)
	if err := k.print("$ curl %s\n", quoted(args)); err != nil {
		return err
	}
	_, err := k.command(ctx, "curl", args)
	return err
}

func (k *keyless) curlArguments() []string {
	_, port, _ := net.SplitHostPort(k.front) // the demo's own
	return []string{
		"-sS", "--max-time", "10", "--cacert", k.file("root.pem"), "--resolve", host + ":" + port + ":127.0.0.1", "https://" + host + ":" + port + "/",
	}
}

// shake runs openssl s_client.
func (k *keyless) shake(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"s_client", "-connect", k.front, "-servername", host, "-CAfile", k.file("root.pem")}, args...)
	if err := k.print("$ openssl %s\n", quoted(args)); err != nil {
		return "", err
	}
	c := exec.CommandContext(ctx, "openssl", args...) //nolint:gosec // the commands of the demo
	// What it sends makes the server answer, after which it ends: TLS 1.3's
	// tickets come with the first answer.
	c.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
	out, err := c.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("openssl s_client: %w", err)
	}
	return string(out), nil
}

// search looks for the private keys in all that the edge has.
func (k *keyless) search(ctx context.Context) error {
	if err := k.step("The edge's memory and disk, searched for the private keys"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var keys []crypto.PublicKey
	for _, name := range []string{"rsa.pem", "ec.pem"} {
		chain, err := certificates(k.file(name))
		if err != nil {
			return err
		}
		keys = append(keys, chain[0].PublicKey)
	}
	h, err := newHunt(keys...)
	if err != nil {
		return err
	}
	found, err := h.process(k.edge.pid())
	if err != nil {
		return err
	}
	onDisk, err := h.files(k.file("edge"))
	if err != nil {
		return err
	}
	if found = append(found, onDisk...); len(found) > 0 {
		return fmt.Errorf("a private key is where it must not be: %v", found)
	}
	if err := k.print("neither key is in the %d KiB that process %d can write to, nor in its files\n", h.bytes>>10, k.edge.pid()); err != nil {
		return err
	}
	return k.control()
}

// control shows that the search finds what there is: a key that this process has.
func (k *keyless) control() error {
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	h, err := newHunt(&mine.PublicKey)
	if err != nil {
		return err
	}
	found, err := h.process(os.Getpid())
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("the search does not find a key that is there: it says nothing")
	}
	if _, err := mine.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err != nil { // it is in use until here
		return err
	}
	return k.print("the same search finds a key of its own process, at %d places\n", len(found))
}
