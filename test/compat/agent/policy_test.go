package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLeastPrivilege runs an agent with no more than the documented policy and
// a client's certificate: it does all of its work, and its user is denied
// everything else.
func TestLeastPrivilege(t *testing.T) {
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := w.configure(t, dir, `  - name: taken
    managed: `+w.managed+`
    dir: `+dir+`/taken
    files: [{path: bundle.pem, content: bundle}]
  - name: asked
    request: {authority: issuing, profile: tls-server, names: [web.example.com]}
    dir: `+dir+`/asked
    files: [{path: bundle.pem, content: bundle}]
`)
	// The second time it asks whether what it has is revoked.
	for range 2 {
		out, err := exec.CommandContext(t.Context(), w.server.Binary, "agent", "--config", config, "--once").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, name := range []string{"taken", "asked"} {
		bundle := filepath.Join(dir, name, "current", "bundle.pem")
		serial, err := pair(bundle, bundle)
		if err != nil {
			t.Error(err)
		}
		if d, err := w.deployed(t.Context(), name); err != nil || d.Outcome != "installed" || d.Serving != serial || d.Host != "host-1" {
			t.Errorf("%s: the server knows %+v (%v), want %s", name, d, err, serial)
		}
	}
	other, err := w.describe(t.Context(), "managed", "request", "--ca", "issuing", "--domain", "other.example.com", "--spec", "ECC_NIST_P256")
	if err != nil {
		t.Fatal(err)
	}
	phrase := filepath.Join(dir, "phrase")
	if err := os.WriteFile(phrase, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"managed list", "managed show " + other.ID, "managed export " + other.ID + " --passphrase-file " + phrase,
		"managed renew " + w.managed, "managed delete --yes " + w.managed, "managed request --ca issuing --domain mine.example.com",
		"cert issue --ca issuing --profile tls-client --csr " + filepath.Join(w.dir, "id.csr"),
		"cert issue --ca root --profile tls-server --csr " + filepath.Join(w.dir, "id.csr"),
		"cert list --ca issuing", "ca list", "ca show issuing", "key list", "key create --spec RSA_2048", "key show alias/issuing",
		"identity user list", "identity user show web-1", "identity access-key create web-1", "identity user certificate list web-1",
		"identity user certificate add web-1 --ca issuing --subject CN=web-2", "deployment list", "inventory search", "audit search",
	} {
		if out, err := w.as(t.Context(), strings.Fields(args)...); err == nil || !strings.Contains(out, "permission-denied") {
			t.Errorf("holdfast %s: %v\n%s", args, err, out)
		}
	}
}

// TestRevokedClient holds that a client's certificate proves its user until the
// moment of its revocation, on a connection that is open too.
func TestRevokedClient(t *testing.T) {
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := w.server.Run(ctx, "identity", "user", "create", "web-2"); err != nil {
		t.Fatal(err)
	}
	if out, err := w.as(ctx, "identity", "whoami"); err != nil || !strings.Contains(out, "web-1") || !strings.Contains(out, "sha256:") {
		t.Fatalf("the client's certificate is %v\n%s", err, out)
	}
	id := *w
	if err := id.renewIdentity(ctx, filepath.Join(t.TempDir(), "id.pem")); err != nil {
		t.Fatal(err)
	}
	if out, err := id.as(ctx, "identity", "whoami"); err != nil {
		t.Fatalf("another certificate with its subject: %v\n%s", err, out)
	}
	serial, err := pair(id.id, id.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.server.Run(ctx, "cert", "revoke", serial, "--ca", "issuing", "--reason", "keyCompromise", "--yes"); err != nil {
		t.Fatal(err)
	}
	if out, err := id.as(ctx, "identity", "whoami"); err == nil || !strings.Contains(out, "revoked") {
		t.Errorf("after its revocation: %v\n%s", err, out)
	}
	eventually(t, "the refusal on record", 5*time.Second, func() (bool, string) {
		out, err := w.server.Run(ctx, "audit", "tail", "--json")
		return err == nil && strings.Contains(out, `"mtls"`) && strings.Contains(out, "revoked"), out[max(0, len(out)-500):]
	})
}
