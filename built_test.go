//go:build noaws && noazure && nogcp && novault

package holdfast_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast"
)

// TestLeftOut: what a build leaves out says so.
func TestLeftOut(t *testing.T) {
	for uri, tag := range map[string]string{
		"awskms:///alias/a": "noaws", "azurekms://v.vault.azure.net/a": "noazure", "gcpkms://" + ring: "nogcp", "hashivault://a": "novault",
	} {
		_, err := holdfast.Open(t.Context(), uri)
		wantKind(t, err, holdfast.Unsupported)
		if err == nil || !strings.Contains(err.Error(), tag) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
