package hsm

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// TestKeys makes a key of every kind that SoftHSM2 has inside the token, uses
// it over the AWS API, and has openssl judge. What pkcs11-tool says of the
// objects: private, sensitive from the first, never extractable.
func TestKeys(t *testing.T) {
	w := newWorld(t, patient)
	var made []string
	for _, c := range []struct {
		spec  types.KeySpec
		usage types.KeyUsageType
	}{
		{"RSA_2048", "SIGN_VERIFY"},
		{"RSA_2048", "ENCRYPT_DECRYPT"},
		{"RSA_3072", "SIGN_VERIFY"},
		{"RSA_4096", "SIGN_VERIFY"},
		{"ECC_NIST_P256", "SIGN_VERIFY"},
		{"ECC_NIST_P384", "SIGN_VERIFY"},
		{"ECC_NIST_P521", "SIGN_VERIFY"},
		{"ECC_NIST_EDWARDS25519", "SIGN_VERIFY"},
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"},
		{"HMAC_256", "GENERATE_VERIFY_MAC"},
		{"HMAC_384", "GENERATE_VERIFY_MAC"},
		{"HMAC_512", "GENERATE_VERIFY_MAC"},
	} {
		t.Run(fmt.Sprint(c.spec, "/", c.usage), func(t *testing.T) {
			id := w.made(t, "key", "create", "--hsm", label, "--spec", string(c.spec), "--usage", string(c.usage))
			made = append(made, id)
			judge.Key(t, w.Client, id, nil)
		})
	}
	w.server.Kill()
	w.start(t)
	for _, id := range made {
		judge.Key(t, w.Client, id, nil)
	}
	objects, err := w.Tool(t.Context(), label, "--list-objects")
	if err != nil {
		t.Fatal(err)
	}
	private := 0
	for _, access := range regexp.MustCompile(`(?m)^  Access: +(.*)$`).FindAllStringSubmatch(objects, -1) {
		if !strings.Contains(access[1], "sensitive") {
			continue // a public key
		}
		private++
		if access[1] != "sensitive, always sensitive, never extractable, local" {
			t.Errorf("an object is %q", access[1])
		}
	}
	if private != len(made) {
		t.Errorf("the token has %d private and secret keys, %d were made:\n%s", private, len(made), objects)
	}
	w.stop(t)
}

// TestRefusedSpecs has what the token cannot do: it is refused, not done in
// software behind its back.
func TestRefusedSpecs(t *testing.T) {
	w := newWorld(t, patient)
	for _, spec := range []string{"ML_DSA_65"} {
		if out, err := w.try(t, "key", "create", "--hsm", label, "--spec", spec, "--usage", "SIGN_VERIFY"); err == nil || !strings.Contains(err.Error(), label) {
			t.Errorf("%s: %s %v", spec, out, err)
		}
	}
	if out, err := w.try(t, "key", "create", "--hsm", "cold", "--spec", "RSA_2048", "--usage", "SIGN_VERIFY"); err == nil || !strings.Contains(err.Error(), "cold") {
		t.Errorf("a token that is not there: %s %v", out, err)
	}
	w.stop(t)
}

// TestAdoption takes keys over that other programs made: by label, by id and
// by URI (RFC 7512).
func TestAdoption(t *testing.T) {
	w := newWorld(t, patient)
	// The seeds' own command.
	if _, err := w.Tool(t.Context(), label, "--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01"); err != nil {
		t.Fatal(err)
	}
	t.Run("label", func(t *testing.T) {
		id := w.made(t, "key", "adopt", "--hsm", label, "--label", "ca-signing-key")
		judge.Key(t, w.Client, id, nil)
		out, err := w.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := w.Tool(t.Context(), label, "--list-objects", "--type", "pubkey", "--id", "01")
		if err != nil {
			t.Fatal(err)
		}
		// The point is the end of the SubjectPublicKeyInfo, and what follows the
		// tag and length of an octet string in CKA_EC_POINT.
		point := regexp.MustCompile(`EC_POINT: +0461([0-9a-f]+)`).FindStringSubmatch(objects)
		if point == nil || !strings.HasSuffix(hex.EncodeToString(out.PublicKey), point[1]) {
			t.Errorf("the public key is %x, pkcs11-tool says %s", out.PublicKey, objects)
		}
	})
	for name, c := range map[string]struct {
		kind []string
		args []string
	}{
		"id":  {[]string{"EC:prime256v1", "by-id", "a1b2"}, []string{"--id", "a1b2"}},
		"uri": {[]string{"rsa:2048", "by uri", "a1b3"}, []string{"--uri", "pkcs11:token=" + label + ";object=by%20uri;type=private", "--usage", "SIGN_VERIFY"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Tool(t.Context(), label, "--keypairgen", "--key-type", c.kind[0], "--label", c.kind[1], "--id", c.kind[2]); err != nil {
				t.Fatal(err)
			}
			judge.Key(t, w.Client, w.made(t, append([]string{"key", "adopt", "--hsm", label}, c.args...)...), nil)
		})
	}
	if out, err := w.try(t, "key", "adopt", "--hsm", label, "--label", "nobody"); err == nil {
		t.Errorf("a key that is not there: %s", out)
	}
	w.stop(t)
}

// TestKnownKeys puts keys into the token whose plain form the test knows, has
// the server use them, and looks for them where they must never be.
func TestKnownKeys(t *testing.T) {
	w := newWorld(t, patient)
	var secrets []compat.Secret
	for i, c := range []struct {
		name    string
		genpkey []string
	}{
		{"rsa", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:2048"}},
		{"p-256", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-256"}},
		{"p-384", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-384"}},
	} {
		dir, id := t.TempDir(), fmt.Sprintf("c0%02x", i)
		judge.PKCS8(t, dir, "key", c.genpkey...)
		if _, err := w.Run(t.Context(), "softhsm2-util", "--import", filepath.Join(dir, "key.pem"), "--token", label, "--label", c.name, "--id", id, "--pin", compat.PIN); err != nil {
			t.Fatal(err)
		}
		plain := judge.Read(t, dir, "key")
		secrets = append(secrets, compat.Secrets(c.name, plain)...)
		args := []string{"key", "adopt", "--hsm", label, "--label", c.name}
		if c.name == "rsa" {
			args = append(args, "--usage", "SIGN_VERIFY")
		}
		adopted := w.made(t, args...)
		judge.Key(t, w.Client, adopted, plain)
	}
	w.unseen(t, secrets...)
	w.stop(t)
}
