package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// outage ends the key server, shows what goes on and what does not, and that with
// a second one nothing fails.
func (k *keyless) outage(ctx context.Context, server **background) error {
	if err := k.step("The key server stops: new handshakes fail cleanly, sessions that are resumed go on"); err != nil {
		return err
	}
	session := k.file("session.pem")
	if _, err := k.shake(ctx, "-tls1_3", "-sess_out", session, "-ign_eof"); err != nil {
		return err
	}
	if err := (*server).end(); err != nil {
		return err
	}
	if err := k.print("the key server has ended\n"); err != nil {
		return err
	}
	if out, err := k.shake(ctx, "-tls1_3"); err == nil || !strings.Contains(out, "alert") {
		return fmt.Errorf("a new handshake without a key server: %w: %s", err, out)
	}
	out, err := k.shake(ctx, "-tls1_3", "-sess_in", session, "-ign_eof")
	if err != nil || !strings.Contains(out, "Reused, TLSv1.3") {
		return fmt.Errorf("a session is not resumed: %w: %s", err, out)
	}
	if err := k.print("the new handshake got an alert; the session was resumed\n"); err != nil {
		return err
	}
	return k.failover(ctx, server)
}

// failover runs both key servers, and ends the first in the middle of visits.
func (k *keyless) failover(ctx context.Context, server **background) (err error) {
	if err := k.step("A second key server, for the same token: the first one ends in the middle, and no handshake fails"); err != nil {
		return err
	}
	if err := k.secondServer(); err != nil {
		return err
	}
	second, err := k.launch(ctx, "keyless", "--config", k.file("gokeyless.yaml"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.end()) }()
	if *server, err = k.launch(ctx, "dev", "--dir", k.dir, "--listen", "127.0.0.1:0", "--config", k.file("holdfast.yaml")); err != nil {
		return err
	}
	if err := k.connected(ctx); err != nil {
		return err
	}
	const visits = 40
	for n := range visits {
		if n == visits/2 {
			if err := (*server).end(); err != nil {
				return err
			}
		}
		if _, err := k.quiet(ctx, "curl", k.curlArguments()); err != nil {
			return fmt.Errorf("visit %d: %w", n+1, err)
		}
	}
	return k.print("%d visits, the first key server ended after %d, none failed\n", visits, visits/2)
}

// connected waits until the edge has connections to both key servers.
func (k *keyless) connected(ctx context.Context) error {
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		out, err := k.quiet(ctx, "curl", []string{"-sS", "http://" + k.figures + "/metrics"})
		if err != nil {
			return err
		}
		if len(connections.FindAllString(out, -1)) == 2 {
			return k.print("the edge has connections to both\n")
		}
	}
	return ctx.Err()
}

// connections are the lines of the edge's metrics that say so.
var connections = regexp.MustCompile(`(?m)^holdfast_edge_key_server_connections\{[^}]*\} [1-9]`)

// secondServer writes the configuration of a key server alone.
func (k *keyless) secondServer() error {
	var stores bytes.Buffer
	for name := range k.ids {
		fmt.Fprintf(&stores, "  - uri: pkcs11:token=%s;object=%s?module-path=%s&pin-value=%s\n", tokenLabel, name, k.module, tokenPIN)
	}
	return k.write("gokeyless.yaml", "listen: %s\nmetrics_port: -1\nauth_cert: %s\nauth_key: %s\ncloudflare_ca_cert: %s\naudit_dir: %s\nprivate_key_stores:\n%s",
		k.second, k.file("keyserver.pem"), k.file("keyserver.key"), k.file("root.pem"), k.file("audit-2"), stores.String())
}
