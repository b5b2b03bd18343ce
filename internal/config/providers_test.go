package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestProviders reads one provider of each kind.
func TestProviders(t *testing.T) {
	c, err := Parse([]byte(`data: /d
providers:
  - name: aws-prod
    realms: ["210987654321"]
    timeout: 20s
    rate: 50
    awskms: {region: eu-central-1, role: "arn:aws:iam::111122223333:role/kms", external_id: x, deletion_days: 14}
  - name: azure
    azurekv: {vault: "https://production.vault.azure.net", tenant: t, client: c, client_secret_file: /etc/secret}
  - name: google
    retries: -1
    gcpkms: {key_ring: projects/p/locations/l/keyRings/r, protection: hsm, destroy_after: 48h}
  - name: bao
    vault: {address: "https://bao:8200", approle: {role_id: r, secret_id_file: /etc/id}}
lifecycle: {mirror: 5m}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Provider{
		{
			Name: "aws-prod", Realms: []string{"210987654321"}, Timeout: 20 * time.Second, Rate: 50,
			AWSKMS: &AWSKMS{Region: "eu-central-1", Role: "arn:aws:iam::111122223333:role/kms", ExternalID: "x", DeletionDays: 14},
		},
		{Name: "azure", AzureKV: &AzureKV{Vault: "https://production.vault.azure.net", Tenant: "t", Client: "c", ClientSecretFile: "/etc/secret"}},
		{Name: "google", Retries: -1, GCPKMS: &GCPKMS{KeyRing: "projects/p/locations/l/keyRings/r", Protection: "hsm", DestroyAfter: 48 * time.Hour}},
		{Name: "bao", Vault: &Vault{Address: "https://bao:8200", AppRole: &AppRole{RoleID: "r", SecretIDFile: "/etc/id"}}},
	}
	if diff := cmp.Diff(want, c.Providers); diff != "" || c.Lifecycle.Mirror != 5*time.Minute {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var kinds, places []string
	for i := range c.Providers {
		kinds, places = append(kinds, c.Providers[i].Kind()), append(places, c.Providers[i].Place())
	}
	if diff := cmp.Diff([]string{"awskms", "azurekv", "gcpkms", "vault"}, kinds); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"AWS KMS in eu-central-1", "Azure Key Vault https://production.vault.azure.net",
		"Google Cloud KMS projects/p/locations/l/keyRings/r", "Vault https://bao:8200, transit",
	}, places); diff != "" {
		t.Error(diff)
	}
}

// TestWrongProviders is the table of what a provider cannot be.
func TestWrongProviders(t *testing.T) {
	for text, want := range map[string]string{
		"{name: A, vault: {}}":                            `providers: "A" is not a name`,
		"{name: soft, vault: {}}":                         `providers: the name "soft" is taken`,
		"{name: luna, vault: {}}":                         `providers: the name "luna" is taken`,
		"{name: a}":                                       "providers.a: give one of awskms, azurekv, gcpkms and vault",
		"{name: a, vault: {}, awskms: {}}":                "providers.a: give one of awskms, azurekv, gcpkms and vault",
		"{name: a, vault: {}, realms: [x]}":               `providers.a: realms: "x" is no realm`,
		"{name: a, vault: {}, timeout: 1h}":               "providers.a: timeout: 3600 is not between 0 and 600",
		"{name: a, vault: {}, retries: -2}":               "providers.a: retries: -2 is not between -1 and 20",
		"{name: a, vault: {}, rate: -1}":                  "providers.a: rate: -1 is not between",
		"{name: a, vault: {token_file: x}}":               `providers.a: token_file "x" is not an absolute path`,
		"{name: a, vault: {token_file: /x, approle: {}}}": "providers.a: give one of token_file, approle and kubernetes",
		"{name: a, vault: {token: secret}}":               "field token not found",
		"{name: a, azurekv: {}}":                          "providers.a: vault, the vault's URL, is missing",
		"{name: a, azurekv: {vault: v, client_secret_file: /x, managed_identity: system}}": "providers.a: give one of client_secret_file",
		"{name: a, awskms: {access_key_id: x}}":                                            "providers.a: access_key_id and secret_access_key_file go together",
	} {
		_, err := Parse([]byte("data: /d\nhsm: {tokens: [{name: luna, preset: luna, token: x}]}\nproviders:\n  - " + text + "\n"))
		if fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
