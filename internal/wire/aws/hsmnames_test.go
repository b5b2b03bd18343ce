package aws

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
)

func TestHSMResourceID(t *testing.T) {
	for _, tt := range []struct {
		text string
		kind key.ResourceKind
		id   string
	}{
		{"cluster-igklspoyj5v", key.KindCluster, "igklspoyj5v"},
		{"hsm-ABCDEFGHIJKLMNOP", key.KindHSM, "ABCDEFGHIJKLMNOP"},
		{"backup-22222222222", key.KindBackup, "22222222222"},
		{"cluster-short", "", ""},
		{"cluster-igklspoyj5vigklsp", "", ""},
		{"cluster-igklspoyj51", "", ""}, // base 32 has no 1
		{"key-igklspoyj5v", "", ""},
		{"cluster", "", ""},
		{"", "", ""},
	} {
		kind, id, ok := ParseHSMResourceID(tt.text)
		if ok != (tt.id != "") || ok && (kind != tt.kind || id != tt.id || HSMResourceID(kind, id) != tt.text) {
			t.Errorf("%q: %q %q %v, want %q %q", tt.text, kind, id, ok, tt.kind, tt.id)
		}
	}
}

func TestKeyStoreID(t *testing.T) {
	for text, want := range map[string]string{
		"cks-1234567890abcdef0": "1234567890abcdef0", "cks-": "", "1234567890abcdef0": "", "cks-A": "", "cks-a/b": "",
	} {
		id, ok := ParseKeyStoreID(text)
		if ok != (want != "") || ok && (id != want || KeyStoreID(id) != text) {
			t.Errorf("%q: %q %v, want %q", text, id, ok, want)
		}
	}
}

func TestHSMResources(t *testing.T) {
	for _, r := range []key.Resource{
		{Kind: key.KindCluster, Realm: "123456789012", Region: "eu-central-1", ID: "igklspoyj5v"},
		{Kind: key.KindBackup, Realm: "123456789012", Region: "eu-central-1", ID: "igklspoyj5v"},
		{Kind: key.KindHSM, Realm: "123456789012", Region: "eu-central-1", ID: "igklspoyj5v"},
	} {
		got, ok := ParseResource(ResourceARN(r))
		if !ok || got != r {
			t.Errorf("%s: %+v %v", ResourceARN(r), got, ok)
		}
	}
	if _, ok := ParseResource("arn:aws:cloudhsm:eu-central-1:123456789012:cluster/backup-igklspoyj5v"); ok {
		t.Error("a backup's id in a cluster's ARN")
	}
	store := key.Resource{Kind: key.KindKeyStore, Realm: "123456789012", Region: "us-east-1", ID: "12"}
	if got, want := ResourceARN(store), "arn:aws:holdfast:us-east-1:123456789012:key-store/cks-12"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzHSMNames holds that what parses prints the same.
func FuzzHSMNames(f *testing.F) {
	for _, s := range []string{"cluster-igklspoyj5v", "hsm-igklspoyj5v", "backup-igklspoyj5v", "cks-1234567890abcdef0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if kind, id, ok := ParseHSMResourceID(s); ok && HSMResourceID(kind, id) != s {
			t.Errorf("%q is %s %s", s, kind, id)
		}
		if id, ok := ParseKeyStoreID(s); ok && KeyStoreID(id) != s {
			t.Errorf("%q is %s", s, id)
		}
	})
}
