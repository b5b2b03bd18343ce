package hsm

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// target is a sort of key that travels.
type target struct {
	spec, usage string
	genpkey     []string // empty for 32 random bytes
}

var targets = map[string]target{
	"rsa-2048":  {"RSA_2048", "SIGN_VERIFY", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:2048"}},
	"p-256":     {"ECC_NIST_P256", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-256"}},
	"p-384":     {"ECC_NIST_P384", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-384"}},
	"symmetric": {"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", nil},
}

// make has openssl make a key in the file of dir and returns its plain form.
func (k target) make(t *testing.T, dir, file string) []byte {
	t.Helper()
	if k.genpkey == nil {
		judge.OpenSSL(t, dir, "rand", "-out", file, "32")
	} else {
		judge.PKCS8(t, dir, file, k.genpkey...)
	}
	return judge.Read(t, dir, file)
}

// wrap has openssl make a transfer blob of a file, under the key exchange key
// in kek.pem.
func wrap(t *testing.T, dir, file, kid string) {
	t.Helper()
	judge.OpenSSL(t, dir, "rand", "-out", "aes", "32")
	judge.OpenSSL(t, dir, "enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(judge.Read(t, dir, "aes")), "-in", file, "-out", "kwp")
	judge.OpenSSL(t, dir, slices.Concat([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", "kek.pem", "-in", "aes", "-out", "aes.wrapped"}, judge.OAEP("sha1"))...)
	ciphertext := slices.Concat(judge.Read(t, dir, "aes.wrapped"), judge.Read(t, dir, "kwp"))
	judge.Write(t, dir, file+".byok", fmt.Appendf(nil, `{"schema_version":"1.0.0","header":{"kid":%q,"alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":%q,"generator":"openssl"}`,
		kid, base64.RawURLEncoding.EncodeToString(ciphertext)))
}

// idOf reads the id of a key, and its kid where it has one, from JSON.
func idOf(t *testing.T, out string) (id, kid string) {
	t.Helper()
	var k struct {
		ID  string `json:"id"`
		KID string `json:"kid"`
	}
	if err := json.Unmarshal([]byte(out), &k); err != nil || k.ID == "" {
		t.Fatalf("no key: %v\n%s", err, out)
	}
	return k.ID, k.KID
}

// TestIntoToken has a key exchange key in the token: what openssl wraps under
// it is unwrapped inside the token, and the server never sees it.
func TestIntoToken(t *testing.T) {
	w := newWorld(t, patient)
	var secrets []compat.Secret
	for _, size := range []int{2048, 4096} {
		dir, name := t.TempDir(), fmt.Sprint("kek-", size)
		_, kid := idOf(t, w.holdfast(t, "byok", "kek", "create", "--name", name, "--size", fmt.Sprint(size), "--hsm", label, "--json"))
		judge.Write(t, dir, "kek.pem", []byte(w.holdfast(t, "byok", "kek", "download", "--name", name)))
		for _, what := range []string{"rsa-2048", "p-256", "p-384", "symmetric"} {
			k := targets[what]
			plain := k.make(t, dir, what)
			secrets = append(secrets, compat.Secrets(fmt.Sprint(what, " under ", size), plain)...)
			wrap(t, dir, what, kid)
			id := w.made(t, "byok", "import", "--name", fmt.Sprint(what, "-", size), "--file", filepath.Join(dir, what+".byok"), "--spec", k.spec, "--usage", k.usage)
			judge.Key(t, w.Client, id, plain)
		}
		out, err := w.try(t, "byok", "import", "--name", "again", "--file", filepath.Join(dir, "p-256.byok"))
		if err == nil || !strings.Contains(err.Error(), "before") {
			t.Errorf("replayed: %s %v", out, err)
		}
	}
	w.unseen(t, secrets...)
	w.stop(t)
}

// another makes a second token, "old", with a key of the test's own that may
// leave, wrapped, and returns what names it on a command line.
func (w *world) another(t *testing.T, what string) (args []string, plain []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := w.Token(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	plain = targets[what].make(t, dir, "key")
	kind, file := "privkey", filepath.Join(dir, "key")
	more := []string{"--usage-sign"}
	if targets[what].genpkey == nil {
		kind, more = "secrkey", []string{"--key-type", "AES:32", "--usage-decrypt"}
	}
	write := append([]string{"--write-object", file, "--type", kind, "--label", "mover", "--id", "0a", "--sensitive", "--extractable", "--private"}, more...)
	if _, err := w.Tool(t.Context(), "old", write...); err != nil {
		t.Fatal(err)
	}
	if kind == "privkey" {
		judge.OpenSSL(t, dir, "pkey", "-in", "key", "-inform", "DER", "-pubout", "-outform", "DER", "-out", "public")
		if _, err := w.Tool(t.Context(), "old", "--write-object", filepath.Join(dir, "public"), "--type", "pubkey", "--label", "mover", "--id", "0a"); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--uri", "pkcs11:token=old;object=mover", "--module", w.Module, "--pin-file", filepath.Join(w.dir, "pin"), "--usage", targets[what].usage}, plain
}

// TestFromToken wraps a key inside a token and brings it into the server, as a
// transfer blob and over the AWS API; the file between the two holds nothing
// but wrapped bytes.
func TestFromToken(t *testing.T) {
	for _, what := range []string{"rsa-2048", "p-256", "symmetric"} {
		t.Run(what, func(t *testing.T) {
			w, dir := newWorld(t, patient), t.TempDir()
			source, plain := w.another(t, what)
			secrets := compat.Secrets(what, plain)

			_, kid := idOf(t, w.holdfast(t, "byok", "kek", "create", "--name", "kek", "--size", "2048", "--json"))
			kek := filepath.Join(dir, "kek.pem")
			w.holdfast(t, "byok", "kek", "download", "--name", "kek", "--out", kek)
			blob := filepath.Join(dir, "key.byok")
			w.holdfast(t, append([]string{"byok", "wrap", "--kek", kek, "--kid", kid, "--out", blob}, source...)...)
			id, _ := idOf(t, w.holdfast(t, "byok", "import", "--name", "moved", "--file", blob, "--usage", targets[what].usage, "--json"))
			judge.Key(t, w.Client, id, plain)

			overAWS := w.material(t, dir, targets[what], source)
			judge.Key(t, w.Client, overAWS, plain)
			if found, err := compat.FindInFiles(secrets, dir); err != nil || found != nil {
				t.Errorf("found %v, %v", found, err)
			}
			w.unwritten(t, secrets...)
			w.stop(t)
		})
	}
}

// material brings a key on a token in by ImportKeyMaterial.
func (w *world) material(t *testing.T, dir string, k target, source []string) string {
	t.Helper()
	made, err := w.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: types.KeySpec(k.spec), KeyUsage: types.KeyUsageType(k.usage)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	p, err := w.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: "RSA_AES_KEY_WRAP_SHA_1", WrappingKeySpec: "RSA_2048"})
	if err != nil {
		t.Fatal(err)
	}
	judge.Write(t, dir, "public.der", p.PublicKey)
	w.holdfast(t, append([]string{
		"byok", "wrap", "--kek", filepath.Join(dir, "public.der"), "--format", "raw", "--wrapping", "rsa-aes-key-wrap-sha1", "--out", filepath.Join(dir, "raw"),
	}, source...)...)
	if _, err := w.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: judge.Read(t, dir, "raw"), ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}); err != nil {
		t.Fatal(err)
	}
	return *id
}

// TestMove does the whole dance in one command, from one token into another.
func TestMove(t *testing.T) {
	w := newWorld(t, patient)
	source, plain := w.another(t, "p-384")
	uri, flags := source[1], source[2:]
	out := w.holdfast(t, append([]string{"byok", "move", uri, "holdfast:arrived", "--hsm", label, "--size", "2048", "--json"}, flags...)...)
	id, _ := idOf(t, out)
	judge.Key(t, w.Client, id, plain)
	w.unseen(t, compat.Secrets("the moved key", plain)...)
	w.stop(t)
}
