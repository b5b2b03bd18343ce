package matrix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// place is an engine of the server under test.
type place struct {
	title string // in the table
	name  string // in the configuration; "" for the server's own
	token bool   // a token, and not a provider
}

func places() []place {
	return []place{
		{title: "software"},
		{title: "PKCS #11 (SoftHSM 2)", name: "token", token: true},
		{title: "AWS KMS (a second Holdfast)", name: "aws"},
		{title: "Azure Key Vault", name: "azure"},
		{title: "Azure Managed HSM", name: "managed"},
		{title: "Google Cloud KMS", name: "google"},
		{title: "Vault Transit", name: "vault"},
	}
}

// start starts the server, with all that its keys are in.
func start(t *testing.T) *compat.Server {
	t.Helper()
	dir := t.TempDir()
	binary, err := compat.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "holdfast.yaml")
	text := token(t, dir) + "providers:\n" + amazon(t, binary, dir) + microsoft(t, dir) + google(t, dir) + hashicorp(t, dir)
	write(t, config, text)
	return run(t, binary, filepath.Join(dir, "data"), "--config", config)
}

func run(t *testing.T, binary, dir string, args ...string) *compat.Server {
	t.Helper()
	s, err := compat.Start(t.Context(), binary, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("%v\n%s", err, s.Log())
		}
	})
	return s
}

// write makes a file and returns its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// token returns the configuration of a token.
func token(t *testing.T, dir string) string {
	t.Helper()
	h, err := compat.NewSoftHSM(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Token(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	text, err := h.Config(dir, 20*time.Second, "token")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// amazon starts a second Holdfast and returns it as a provider.
func amazon(t *testing.T, binary, dir string) string {
	t.Helper()
	s := run(t, binary, filepath.Join(dir, "second"))
	get := func(name string) string { return compat.Lookup(s.Env, name) }
	secret := write(t, filepath.Join(dir, "aws-secret"), get("AWS_SECRET_ACCESS_KEY")+"\n")
	return fmt.Sprintf(`  - name: aws
    awskms:
      region: us-east-1
      endpoint: %s
      access_key_id: %s
      secret_access_key_file: %s
      ca_certificate: %s
`, s.URL, get("AWS_ACCESS_KEY_ID"), secret, get("AWS_CA_BUNDLE"))
}

// microsoft starts a vault and a Managed HSM.
func microsoft(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	secret := write(t, filepath.Join(dir, "azure-secret"), azurekvtest.ClientSecret+"\n")
	for name, s := range map[string]*azurekvtest.Server{"azure": azurekvtest.Start(t), "managed": azurekvtest.StartManagedHSM(t)} {
		ca := write(t, filepath.Join(dir, name+"-ca.pem"), string(s.CAPEM()))
		fmt.Fprintf(&b, `  - name: %s
    azurekv:
      vault: %s
      managed_hsm: %t
      tenant: %s
      client: %s
      client_secret_file: %s
      authority: %s
      unknown_authority: true
      ca_certificate: %s
`, name, s.URL(), s.ManagedHSM(), azurekvtest.Tenant, azurekvtest.Client, secret, s.Authority(), ca)
	}
	return b.String()
}

// google starts a Cloud KMS.
func google(t *testing.T, dir string) string {
	t.Helper()
	s := gcpkmstest.Start(t)
	return fmt.Sprintf(`  - name: google
    gcpkms:
      key_ring: %s
      endpoint: %s
      ca_certificate: %s
      credentials_file: %s
`, s.KeyRing, s.Address, write(t, filepath.Join(dir, "google-ca.pem"), string(s.CA)), write(t, filepath.Join(dir, "google.json"), string(s.Credentials())))
}

// hashicorp starts a Vault.
func hashicorp(t *testing.T, dir string) string {
	t.Helper()
	s := vaulttest.Start(t)
	return fmt.Sprintf(`  - name: vault
    vault:
      address: %s
      ca_certificate: %s
      approle: {role_id: %s, secret_id_file: %s}
`, s.Address, write(t, filepath.Join(dir, "vault-ca.pem"), string(s.CA)), s.RoleID, write(t, filepath.Join(dir, "vault-secret"), s.SecretID+"\n"))
}

// within bounds a call.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
