//go:build !noaws

package holdfast_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast"
)

// tryAWS has AWS KMS be Holdfast's own server, by the variables that its env
// file exports.
func tryAWS(t *testing.T, host string) {
	try(t, world{
		uri: func(name string) string { return "awskms:///alias/" + name }, place: "awskms:///",
		specs:   []string{"aes-256", "hmac-256", "rsa-2048", "p-256", "secp256k1", "ed25519", "ml-dsa-44"},
		decrypt: []string{"rsa-2048"},
		agree:   []string{"p-256"},
	})
	k, err := holdfast.Create(t.Context(), "awskms://alias/forms?region=eu-west-1", "p-256")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, k)
	for _, uri := range []string{"awskms://" + host + "/alias/forms?region=eu-west-1"} {
		k, err := holdfast.Open(t.Context(), uri)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		closed(t, k)
	}
	_, err = holdfast.Create(t.Context(), "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab", "p-256")
	wantKind(t, err, holdfast.InvalidArgument)
	_, err = holdfast.Connect(t.Context(), "awskms:///alias/a?endpoint=http://kms.example.com")
	wantKind(t, err, holdfast.InvalidArgument)
}
