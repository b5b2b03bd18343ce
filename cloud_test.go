//go:build !noaws && !noazure && !nogcp && !novault

package holdfast_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
)

// azure starts a vault and returns what ends the URIs of its keys.
func azure(t *testing.T) (place, parameters string) {
	t.Helper()
	return azureAt(t, azurekvtest.Start(t))
}

func TestAzure(t *testing.T) {
	place, parameters := azure(t)
	try(t, world{
		uri: func(name string) string { return place + name + parameters }, place: place + parameters,
		specs:   []string{"rsa-2048", "p-256", "p-384", "p-521", "secp256k1"},
		decrypt: []string{"rsa-2048"},
	})
	for parameter, want := range map[string]holdfast.Kind{
		"&client-certificate=/nothing": holdfast.NotFound,
		"&unknown=1":                   holdfast.InvalidArgument,
	} {
		_, err := holdfast.Connect(t.Context(), place+parameters+parameter)
		wantKind(t, err, want)
	}
	_, err := holdfast.Create(t.Context(), place+"name/version"+parameters, "p-256")
	wantKind(t, err, holdfast.InvalidArgument)
}

// google starts a Cloud KMS and returns its key ring and what ends the URIs of
// its keys.
func google(t *testing.T) (place, parameters string) {
	t.Helper()
	s := gcpkmstest.Start(t)
	q := url.Values{
		"endpoint": {s.Address}, "ca": {write(t, "ca.pem", s.CA)}, "credentials": {write(t, "credentials.json", s.Credentials())},
	}
	return "gcpkms://" + s.KeyRing, "?" + q.Encode()
}

func TestGoogle(t *testing.T) {
	place, parameters := google(t)
	uri := func(name string) string { return place + "/cryptoKeys/" + name + parameters }
	try(t, world{
		uri: uri, place: place + parameters,
		specs:   []string{"aes-256", "hmac-256", "rsa-2048", "p-256", "p-384", "ed25519", "ml-dsa-65"},
		decrypt: []string{"rsa-2048"},
	})
	p := connect(t, world{place: place + parameters})
	k, err := p.Create(t.Context(), "by-name", "p-256")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := p.Open(t.Context(), place+"/cryptoKeys/by-name/versions/1"+parameters)
	if err != nil || string(pinned.PublicPEM()) != string(k.PublicPEM()) {
		t.Errorf("by its version: %v", err)
	}
	_, err = p.Create(t.Context(), uri("by-name/cryptoKeyVersions/2"), "p-256")
	wantKind(t, err, holdfast.InvalidArgument)
	_, err = p.Open(t.Context(), "gcpkms://projects/p/locations/l/keyRings/other/cryptoKeys/k")
	wantKind(t, err, holdfast.InvalidArgument)
}

func TestVault(t *testing.T) {
	s := vaulttest.Start(t)
	t.Setenv("VAULT_ADDR", s.Address)
	t.Setenv("VAULT_TOKEN", s.Root)
	t.Setenv("VAULT_CACERT", write(t, "ca.pem", s.CA))
	try(t, world{
		uri: func(name string) string { return "hashivault://" + name }, place: "hashivault://",
		specs:   []string{"aes-256", "hmac-256", "rsa-2048", "p-256", "p-384", "p-521", "ed25519"},
		decrypt: []string{"rsa-2048"},
	})
	k, err := holdfast.Create(t.Context(), "hashivault://versions", "p-256")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, k)
	k, err = holdfast.Open(t.Context(), "hcvault://"+s.Address[len("https://"):]+"/transit/keys/versions?version=1")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, k)
	_, err = holdfast.Create(t.Context(), "hashivault://versions?version=2", "p-256")
	wantKind(t, err, holdfast.InvalidArgument)
	_, err = holdfast.Open(t.Context(), "hcvault://elsewhere.example.com/transit/keys/versions")
	wantKind(t, err, holdfast.PermissionDenied)
	t.Setenv("VAULT_TOKEN", "wrong")
	_, err = holdfast.Open(t.Context(), "hashivault://versions")
	wantKind(t, err, holdfast.Unavailable)
}

// TestLog holds that the operator is told what a caller is not: the service's
// own words.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	uri := "hashivault://release?address=" + url.QueryEscape("https://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "a token")
	_, err := holdfast.Open(t.Context(), uri, holdfast.WithTimeout(time.Second), holdfast.WithLog(slog.New(slog.NewTextHandler(&log, nil))))
	wantKind(t, err, holdfast.Unavailable)
	if !strings.Contains(log.String(), "connection refused") || strings.Contains(log.String(), "a token") {
		t.Errorf("the log is %q", &log)
	}
}
