//go:build !noaws && !noazure && !nogcp && !novault

package files

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// cloud is a key in a cloud that can be made to fail.
type cloud struct {
	uri    string
	inject func(f remotetest.Fault, spare, n int)
}

// clouds starts three clouds and makes a key in each: RSA in Azure, AES in the
// others.
func clouds(t *testing.T) []cloud {
	t.Helper()
	write := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	azure, google, vault := azurekvtest.Start(t), gcpkmstest.Start(t), vaulttest.Start(t)
	t.Setenv("AZURE_TENANT_ID", azurekvtest.Tenant)
	t.Setenv("AZURE_CLIENT_ID", azurekvtest.Client)
	t.Setenv("AZURE_CLIENT_SECRET", azurekvtest.ClientSecret)
	t.Setenv("VAULT_ADDR", vault.Address)
	t.Setenv("VAULT_TOKEN", vault.Root)
	t.Setenv("VAULT_CACERT", write("vault.pem", vault.CA))
	host := strings.TrimPrefix(strings.TrimSuffix(azure.URL(), "/"), "https://")
	all := []cloud{
		{"azurekms://" + host + "/backup?" + url.Values{"authority": {azure.Authority()}, "challenge": {"any"}, "ca": {write("azure.pem", azure.CAPEM())}}.Encode(), azure.Inject},
		{"gcpkms://" + google.KeyRing + "/cryptoKeys/backup?" + url.Values{"endpoint": {google.Address}, "ca": {write("google.pem", google.CA)}, "credentials": {write("google.json", google.Credentials())}}.Encode(), google.Inject},
		{"hashivault://backup", vault.Inject},
	}
	for i, spec := range []string{"rsa-2048", "aes-256", "aes-256"} {
		k, err := holdfast.Create(t.Context(), all[i].uri, spec, holdfast.WithUsage("encrypt-decrypt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// holds runs one of the commands.
func holds(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, told bytes.Buffer
	app := &terminal.App{Terminal: terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &told}}
	cmd := NewEncrypt(app)
	if args[0] == "decrypt" {
		cmd = NewDecrypt(app)
	}
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args[1:])
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// A file for three clouds is decrypted with two of them down, whichever they
// are and however; with all down, each one's failure is told.
func TestClouds(t *testing.T) {
	all := clouds(t)
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, []byte("the backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("nobody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	var to, with []string
	for _, c := range all {
		to, with = append(to, "-r", c.uri), append(with, "-k", c.uri)
	}
	if _, err := holds(t, append([]string{"encrypt", file}, to...)...); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []remotetest.Fault{remotetest.Fail, remotetest.Drop} {
		for up := range all {
			for i, c := range all {
				n := 1 << 30
				if i == up {
					n = 0
				}
				c.inject(fault, 0, n)
			}
			began := time.Now()
			got, err := holds(t, slices.Concat([]string{"decrypt", file + envelope.Extension, "--out", "-", "--timeout", "20s"}, with)...)
			if err != nil || got != "the backup" {
				t.Errorf("%v of all but %s: %q, %v", fault, all[up].uri, got, err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%v of all but %s: it took %s", fault, all[up].uri, took)
			}
		}
	}
	// One that takes connections and says nothing is waited for no longer than
	// the next one is tried.
	for _, c := range all {
		c.inject(remotetest.None, 0, 0)
	}
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	decrypt := func(out, timeout string, keys ...string) (string, error) {
		return holds(t, slices.Concat([]string{"decrypt", file + envelope.Extension, "--out", out, "--timeout", timeout}, keys)...)
	}
	mute := "hashivault://backup?" + url.Values{"address": {"https://" + silent.Addr().String()}, "token-file": {token}}.Encode()
	began := time.Now()
	got, err := decrypt("-", "20s", append([]string{"-k", mute}, with...)...)
	if took := time.Since(began); err != nil || got != "the backup" || took > 15*time.Second {
		t.Errorf("with a silent one first: %q, %v, after %s", got, err, took)
	}

	for _, c := range all {
		c.inject(remotetest.Fail, 0, 1<<30)
	}
	began = time.Now()
	_, err = decrypt(filepath.Join(t.TempDir(), "never"), "3s", append([]string{"-k", mute}, with...)...)
	e, ok := errors.AsType[*envelope.KeyError](err)
	if !ok || len(e.Failures) != len(all)+1 {
		t.Errorf("with all down: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("with all down: it took %s", took)
	}
}
