//go:build linux && (amd64 || arm64) && !static

package pkcs11

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
)

// TestAdoptAuthorityKey: a key that an operator made by pkcs11-tool is adopted
// by its label, by its id, and by both, and OpenSSL verifies what it signs.
func TestAdoptAuthorityKey(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	p.tool(t, "--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01")
	for _, name := range []string{
		"pkcs11:object=ca-signing-key", "pkcs11:id=%01", "pkcs11:object=ca-signing-key;id=%01;type=private",
		"pkcs11:token=holdfast%20test;object=ca-signing-key",
	} {
		signs(t, e, name)
	}
	// The public half is not needed: signatures tell it.
	p.tool(t, "--delete-object", "--type", "pubkey", "--id", "01")
	signs(t, e, "pkcs11:id=%01")
}

// signs adopts a P-384 key, signs, and has OpenSSL judge.
func signs(t *testing.T, e *Engine, name string) {
	t.Helper()
	ref := enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	kind, m, err := e.Adopt(t.Context(), ref, name)
	if err != nil || kind.Spec != alg.P384 || kind.Usage != alg.SignVerify || kind.Exportable {
		t.Fatalf("%s: %+v, %v", name, kind, err)
	}
	k, err := e.Open(t.Context(), ref, alg.P384, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("to be signed in the token")
	signature, err := engine.Sign(k.Signer, alg.ECDSASHA384, engine.Message{Form: alg.Raw, Bytes: message})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string][]byte{
		"public.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: m.Public}), "signature": signature, "message": message,
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha384", "-verify", "public.pem", "-signature", "signature", "message")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("Verified OK")) {
		t.Errorf("%s: OpenSSL says %s (%v)", name, out, err)
	}
}

// TestAdoptRefused has each name that names no key to adopt.
func TestAdoptRefused(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	p.tool(t, "--keypairgen", "--key-type", "EC:secp256r1", "--label", "twice", "--id", "02")
	p.tool(t, "--keypairgen", "--key-type", "EC:secp256r1", "--label", "twice", "--id", "03")
	p.tool(t, "--keypairgen", "--key-type", "rsa:1024", "--label", "small", "--id", "04")
	p.tool(t, "--keygen", "--key-type", "GENERIC:16", "--label", "short", "--id", "05")
	p.tool(t, "--keypairgen", "--key-type", "EC:edwards25519", "--label", "hidden", "--id", "06")
	p.tool(t, "--delete-object", "--type", "pubkey", "--id", "06")
	enginetest.Generate(t, e, enginetest.NewRef("ours"), alg.AES256)
	for name, want := range map[string]fault.Kind{
		"pkcs11:object=holdfast%2Fours%2F1":   fault.WrongState,
		"pkcs11:object=none":                  fault.NotFound,
		"pkcs11:token=other;id=%02":           fault.NotFound,
		"pkcs11:object=twice":                 fault.Conflict,
		"pkcs11:":                             fault.InvalidArgument,
		"pkcs11:token=holdfast%20test":        fault.InvalidArgument,
		"pkcs11:id=%02;type=public":           fault.InvalidArgument,
		"twice":                               fault.InvalidArgument,
		"pkcs11:id=%02?module-path=/lib/x.so": fault.Unsupported,
		"pkcs11:id=%02?pin-value=1234":        fault.Unsupported,
		"pkcs11:id=%02;slot-id=0":             fault.Unsupported,
		"pkcs11:object=small":                 fault.Unsupported,
		"pkcs11:object=short":                 fault.Unsupported,
		"pkcs11:object=hidden":                fault.Unsupported,
	} {
		_, m, err := e.Adopt(t.Context(), enginetest.NewRef("k"), name)
		if fault.KindOf(err) != want || m.Wrapped != nil {
			t.Errorf("%s: %v, want one of kind %q", name, err, want)
		}
	}
}

// TestObjects: what pkcs11-tool, which is another program, sees of a key that
// the engine made: it is where the label says, and stays there.
func TestObjects(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	ref := enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	for _, tt := range []struct {
		kind engine.Kind
		want []string
	}{
		{engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}, []string{
			"label:      holdfast/11111111-1111-4111-8111-111111111111/1", "Usage:      sign\n",
			"Access:     sensitive, always sensitive, never extractable, local",
		}},
		{engine.Kind{Spec: alg.RSA2048, Usage: alg.EncryptDecrypt}, []string{
			"Usage:      decrypt\n", "Access:     sensitive, always sensitive, never extractable, local",
		}},
		{engine.Kind{Spec: alg.P256, Usage: alg.SignVerify, Exportable: true}, []string{"Access:     sensitive, always sensitive, extractable, local"}},
	} {
		m, err := e.Generate(t.Context(), ref, tt.kind)
		if err != nil {
			t.Fatal(err)
		}
		seen := p.tool(t, "--list-objects", "--type", "privkey")
		for _, want := range tt.want {
			if !strings.Contains(seen, want) {
				t.Errorf("%+v: no %q in\n%s", tt.kind, want, seen)
			}
		}
		destroy(t, e, ref, m)
	}
}

// TestAdoptFromGroup: of a group, a URI may name any of its tokens, and a key
// that only the second one has is found and used there.
func TestAdoptFromGroup(t *testing.T) {
	first, second := newPlaceLabelled(t, "first"), newPlaceLabelled(t, "second")
	group, err := hsm.NewGroup("both", first.Token, second.Token)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, group)
	second.tool(t, "--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01")
	signs(t, e, "pkcs11:token=second;object=ca-signing-key")
	signs(t, e, "pkcs11:token=first;object=ca-signing-key") // one of the group's: they hold the same keys
	_, _, err = e.Adopt(t.Context(), enginetest.NewRef("k"), "pkcs11:token=third;object=ca-signing-key")
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("another token's: %v", err)
	}
}
