package vault

import (
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
)

// root returns HashiCorp's client with the server's root token.
func root(t testing.TB, s *vaulttest.Server) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address = s.Address
	if s.CA == nil {
		config.HttpClient.Transport = direct{s}
	} else if err := config.ConfigureTLS(&api.TLSConfig{CACertBytes: s.CA}); err != nil {
		t.Fatal(err)
	}
	c, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(s.Root)
	return c
}

// realClient returns HashiCorp's client with the settings of the environment.
func realClient(t testing.TB, address string) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address = address
	c, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write sends a request as a program of somebody else's does.
func write(t testing.TB, s *vaulttest.Server, path string, data map[string]any) map[string]any {
	t.Helper()
	secret, err := root(t, s).Logical().Write(path, data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if secret == nil {
		return nil
	}
	return secret.Data
}
