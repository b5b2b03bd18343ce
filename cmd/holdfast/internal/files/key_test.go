package files

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// A file may say which key it is for. It says neither to which host a
// credential is sent, nor with which one, nor what is loaded into the process.
func TestFollow(t *testing.T) {
	tests := []struct {
		uri  string
		want string // what speaks against it; empty: it is followed
	}{
		{"awskms:///alias/backup?region=eu-central-1", ""},
		{"awskms:///arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab", ""},
		{"awskms://evil.example.com/alias/backup", "is at evil.example.com"},
		{"awskms:///alias/backup?endpoint=https://evil.example.com", `"endpoint"`},
		{"awskms:///alias/backup?profile=production", `"profile"`},
		{"awskms:///alias/backup?role=arn:aws:iam::123456789012:role/admin", `"role"`},
		{"azurekms://offsite.vault.azure.net/backup", ""},
		{"azurekms://offsite.managedhsm.azure.net/backup?hsm=true", ""},
		{"azurekms://evil.example.com/backup", "no vault of Azure's"},
		{"azurekms://vault.azure.net.evil.example.com/backup", "no vault of Azure's"},
		{"azurekms://evilvault.azure.net.example.com/backup", "no vault of Azure's"},
		{"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k", ""},
		{"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k?credentials=/etc/shadow", `"credentials"`},
		{"hashivault://backup?mount=team", ""},
		{"hashivault://backup?address=https://evil.example.com", `"address"`},
		{"hcvault://evil.example.com/transit/keys/backup", `"address"`},
		{"hashivault://backup?token-file=/etc/passwd", `"token-file"`},
		{"pkcs11:token=t;object=backup", ""},
		{"pkcs11:token=t;object=backup?module-path=/tmp/evil.so", `"module-path"`},
		{"pkcs11:token=t;object=backup?pin-source=/etc/passwd", `"pin-source"`},
		{"holdfast:///alias/backup", ""},
		{"holdfast:///alias/backup?ca=/tmp/evil.pem", `"ca"`},
		{"file:backup.key", ""},
		{"nothing:at-all", "not known"},
	}
	for _, tt := range tests {
		err := follow(tt.uri)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v: want %q", tt.uri, err, tt.want)
		}
	}
}

// What stands in a file has no PIN in it, and one key is there once.
func TestLocate(t *testing.T) {
	a := &app{&terminal.App{}}
	keys, err := a.locate([]string{"pkcs11:token=t;object=k?pin-value=1234", "hcvault://vault.example.com/transit/keys/k"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"pkcs11:token=t;object=k", "hashivault://k?address=https%3A%2F%2Fvault.example.com&mount=transit"} {
		if got := recipients(keys)[i].URI(); got != want {
			t.Errorf("%s: want %s", got, want)
		}
	}
	for _, uris := range [][]string{{"file:a", "file:./a"}, {"a"}} {
		if _, err := a.locate(uris); err == nil {
			t.Errorf("%q is taken", uris)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"a.holdfast": "a", "d/a.tar.holdfast": "d/a.tar", "a": "", ".holdfast": "", "d/.holdfast": ""} {
		if got, err := decrypted(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%s becomes %q, %v: want %q", in, got, err, want)
		}
	}
	if got, err := encrypted("a.tar"); err != nil || got != "a.tar"+envelope.Extension {
		t.Errorf("%q, %v", got, err)
	}
}
