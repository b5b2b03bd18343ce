package byok

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// transfer is a .byok transfer blob, as Azure's specification of bring-your-
// own-key has it; the test's own reading of it.
type transfer struct {
	Schema string `json:"schema_version"`
	Header struct {
		KID        string `json:"kid"`
		Algorithm  string `json:"alg"`
		Encryption string `json:"enc"`
	} `json:"header"`
	Ciphertext string `json:"ciphertext"`
	Generator  string `json:"generator"`
}

// newTransfer returns a blob of wrapped bytes, made here.
func newTransfer(kid string, wrapped []byte) *transfer {
	b := &transfer{Schema: "1.0.0", Ciphertext: base64.RawURLEncoding.EncodeToString(wrapped), Generator: "openssl"}
	b.Header.KID, b.Header.Algorithm, b.Header.Encryption = kid, "dir", "CKM_RSA_AES_KEY_WRAP"
	return b
}

// with returns the blob with other words in its header.
func (b *transfer) with(algorithm, encryption string) *transfer {
	b.Header.Algorithm, b.Header.Encryption = algorithm, encryption
	return b
}

func (b *transfer) write(t *testing.T, dir, file string) {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	judge.Write(t, dir, file, text)
}

// blobWrapping is how the key in a transfer blob is wrapped.
const blobWrapping = "RSA_AES_KEY_WRAP_SHA_1"

// targets are the keys that go by transfer blob: RSA, EC and AES.
var targets = []string{"rsa-2048", "rsa-3072", "p-256", "p-384", "p-521", "symmetric"}

// holdfast runs the command line in dir and returns its standard output.
func (w *world) holdfast(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return w.execute(t, dir, append([]string{w.server.Binary}, args...)...)
}

// kek is a key exchange key of the server, and its public half in dir/kek.pem.
type kek struct{ name, id, kid string }

// newKEK makes one, as the seeds' steps 1 and 2 do.
func (w *world) newKEK(t *testing.T, dir string, size int) *kek {
	t.Helper()
	k := &kek{name: "kek-" + nameOf(t) + "-" + filepath.Base(filepath.Dir(dir)) + filepath.Base(dir)}
	var made struct {
		ID  string `json:"id"`
		KID string `json:"kid"`
	}
	out := w.holdfast(t, dir, "byok", "kek", "create", "--name", k.name, "--size", fmt.Sprint(size), "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.ID == "" || made.KID == "" {
		t.Fatalf("byok kek create: %v\n%s", err, out)
	}
	k.id, k.kid = made.ID, made.KID
	judge.Write(t, dir, "kek.pem", []byte(w.holdfast(t, dir, "byok", "kek", "download", "--name", k.name)))
	judge.OpenSSL(t, dir, "pkey", "-pubin", "-in", "kek.pem", "-outform", "DER", "-out", "kek.der")
	if got := modulus(t, judge.Read(t, dir, "kek.der")); got != size {
		t.Errorf("the key exchange key has %d bits, want %d", got, size)
	}
	return k
}

// brought runs byok import and returns the new key's id.
func (w *world) brought(t *testing.T, dir string, args ...string) string {
	t.Helper()
	var k struct {
		ID     string `json:"id"`
		Origin string `json:"origin"`
	}
	out := w.holdfast(t, dir, append([]string{"byok", "import", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &k); err != nil || k.ID == "" {
		t.Fatalf("byok import: %v\n%s", err, out)
	}
	return k.ID
}

var strange = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf makes an alias of a test's own.
func nameOf(t *testing.T) string {
	t.Helper()
	return strange.ReplaceAllString(strings.ToLower(t.Name()), "-")
}

// kindArgs say what kind of key comes, where a blob does not tell it.
func kindArgs(k kind) []string {
	return []string{"--spec", string(k.spec), "--usage", string(k.usage)}
}

// TestTransfer goes the whole way for every target under every size of key
// exchange key: create, download, wrap, import. The key is then judged.
func TestTransfer(t *testing.T) {
	for _, size := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w, dir := setup(t), t.TempDir()
			k := w.newKEK(t, dir, size)
			for _, name := range targets {
				t.Run(name, func(t *testing.T) { w.goes(t, k, dir, name) })
			}
		})
	}
}

// goes wraps and imports one key.
func (w *world) goes(t *testing.T, k *kek, dir, name string) {
	t.Helper()
	plain := kinds[name].make(t, dir, name)
	w.untraced(t, name, plain)
	file := name + ".byok"
	w.holdfast(t, dir, append([]string{"byok", "wrap", "--in", name, "--kek", "kek.pem", "--kid", k.kid, "--out", file}, kindArgs(kinds[name])...)...)
	var blob transfer
	if err := json.Unmarshal(judge.Read(t, dir, file), &blob); err != nil {
		t.Fatal(err)
	}
	if blob.Schema != "1.0.0" || blob.Header.KID != k.kid || blob.Header.Algorithm != "dir" || blob.Header.Encryption != "CKM_RSA_AES_KEY_WRAP" {
		t.Errorf("the blob says %+v", blob)
	}
	found, err := compat.FindInFiles(compat.Secrets(name, plain), filepath.Join(dir, file))
	if err != nil || found != nil {
		t.Errorf("the blob holds more than a wrapped key: %v %v", found, err)
	}
	id := w.brought(t, dir, append([]string{"--name", nameOf(t), "--file", file}, kindArgs(kinds[name])...)...)
	judge.Key(t, w.Client, id, plain)
}

// TestUnwrappedByOpenSSL has openssl, with the private half of a key exchange
// key of its own, open what byok wrap made: byte for byte the key that was put
// in, and of the length that the format says.
func TestUnwrappedByOpenSSL(t *testing.T) {
	for _, size := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w, dir := setup(t), t.TempDir()
			judge.OpenSSL(t, dir, "genpkey", "-algorithm", "RSA", "-pkeyopt", fmt.Sprint("rsa_keygen_bits:", size), "-out", "private.pem")
			judge.OpenSSL(t, dir, "pkey", "-in", "private.pem", "-pubout", "-out", "kek.pem")
			for _, name := range targets {
				plain := kinds[name].make(t, dir, name)
				file := name + ".byok"
				w.holdfast(t, dir, append([]string{"byok", "wrap", "--in", name, "--kek", "kek.pem", "--kid", "https://vault/keys/kek/1", "--out", file}, kindArgs(kinds[name])...)...)
				var blob transfer
				if err := json.Unmarshal(judge.Read(t, dir, file), &blob); err != nil {
					t.Fatal(err)
				}
				wrapped, err := base64.RawURLEncoding.DecodeString(blob.Ciphertext)
				if err != nil {
					t.Fatal(err)
				}
				if want := size/8 + (len(plain)+7)/8*8 + 8; len(wrapped) != want {
					t.Errorf("%s: the ciphertext has %d bytes, want %d", name, len(wrapped), want)
				}
				judge.Equal(t, name, wrappings[blobWrapping].unwrap(t, dir, "private.pem", size/8, wrapped), plain)
			}
			// The raw format, as AWS's ImportKeyMaterial takes it.
			for _, how := range slices.Sorted(maps.Keys(wrappings)) {
				args := []string{"byok", "wrap", "--in", "symmetric", "--spec", "SYMMETRIC_DEFAULT", "--kek", "kek.pem", "--format", "raw", "--wrapping", wrappingNames[how], "--out", "raw-" + string(how)}
				w.holdfast(t, dir, args...)
				judge.Equal(t, string(how), wrappings[how].unwrap(t, dir, "private.pem", size/8, judge.Read(t, dir, "raw-"+string(how))), judge.Read(t, dir, "symmetric"))
			}
		})
	}
}

// wrappingNames are Holdfast's own names of AWS's wrapping algorithms.
var wrappingNames = map[types.AlgorithmSpec]string{
	"RSAES_PKCS1_V1_5": "rsa-pkcs1", "RSAES_OAEP_SHA_1": "rsa-oaep-sha1", "RSAES_OAEP_SHA_256": "rsa-oaep-sha256",
	"RSA_AES_KEY_WRAP_SHA_1": "rsa-aes-key-wrap-sha1", "RSA_AES_KEY_WRAP_SHA_256": "rsa-aes-key-wrap-sha256",
}

// TestMadeByOpenSSL has openssl make the blobs: whatever tool makes them,
// they come in, in base64 of either alphabet, with padding and without.
func TestMadeByOpenSSL(t *testing.T) {
	w := setup(t)
	for _, size := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			k := w.newKEK(t, dir, size)
			for i, name := range targets {
				plain := kinds[name].make(t, dir, name)
				w.untraced(t, name, plain)
				wrapped := wrappings[blobWrapping].wrap(t, dir, name, judge.Read(t, dir, "kek.der"))
				blob := newTransfer(k.kid, wrapped)
				blob.Ciphertext = []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.StdEncoding, base64.RawStdEncoding}[i%4].EncodeToString(wrapped)
				blob.write(t, dir, "blob.byok")
				id := w.brought(t, dir, append([]string{"--name", nameOf(t) + "-" + name, "--file", "blob.byok"}, kindArgs(kinds[name])...)...)
				judge.Key(t, w.Client, id, plain)
			}
		})
	}
}

// TestKEKDoesNothingElse holds that a key exchange key is for imports alone,
// over every API.
func TestKEKDoesNothingElse(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	k := w.newKEK(t, dir, 2048)
	id := &k.id
	ctx := t.Context()
	_, err := w.Sign(ctx, &kms.SignInput{KeyId: id, Message: judge.Message, SigningAlgorithm: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256})
	refused(t, err, "InvalidKeyUsageException", "*")
	_, err = w.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: judge.Message, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha1})
	refused(t, err, "InvalidKeyUsageException", "*")
	_, err = w.Decrypt(ctx, &kms.DecryptInput{KeyId: id, CiphertextBlob: make([]byte, 256), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha1})
	refused(t, err, "InvalidKeyUsageException", "*")
	_, err = w.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: types.DataKeySpecAes256})
	refused(t, err, "InvalidKeyUsageException", "*")
	judge.Write(t, dir, "message", judge.Message)
	for _, args := range [][]string{
		{"key", "sign", "--key", k.name, "--in", "message", "--algorithm", "RSASSA_PKCS1_V1_5_SHA_256"},
		{"key", "decrypt", "--key", k.name, "--in", "message", "--algorithm", "RSAES_OAEP_SHA_1"},
		{"key", "export", "--key", k.name, "--passphrase-file", "message"},
	} {
		if out, err := w.try(t, dir, append([]string{w.server.Binary}, args...)...); err == nil {
			t.Errorf("holdfast %s: %s", strings.Join(args, " "), out)
		}
	}
}

// TestRefusedBlobs has blobs that are not taken, each with the reason that the
// command says. None leaves a key behind.
func TestRefusedBlobs(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	mine := w.newKEK(t, dir, 2048)
	public := judge.Read(t, dir, "kek.der")
	other := t.TempDir()
	others := w.newKEK(t, other, 2048)
	for _, name := range []string{"rsa-2048", "p-256"} {
		kinds[name].make(t, dir, name)
	}
	judge.PKCS8(t, dir, "rsa-1024", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
	judge.PKCS8(t, dir, "shared", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3")
	wrap := func(file string) []byte { return wrappings[blobWrapping].wrap(t, dir, file, public) }
	good := wrap("p-256")
	const closed = "cannot be opened with the key that it names: it was made for another one, or has been changed or cut off"
	for name, c := range map[string]struct {
		blob   *transfer
		args   []string
		reason string
	}{
		"for another KEK, which it names":      {newTransfer(others.kid, good), nil, closed},
		"for another KEK than --kek":           {newTransfer(others.kid, good), []string{"--kek", mine.name}, "key exchange key"},
		"for a KEK that is nowhere":            {newTransfer("https://elsewhere/keys/kek/1", good), nil, "key exchange key"},
		"truncated":                            {newTransfer(mine.kid, good[:len(good)-8]), nil, closed},
		"truncated, of a known kind":           {newTransfer(mine.kid, good[:len(good)-8]), []string{"--spec", "ECC_NIST_P256"}, closed},
		"truncated to the AES key":             {newTransfer(mine.kid, good[:256]), nil, "the size of the wrapped key is that of no known key"},
		"truncated to less":                    {newTransfer(mine.kid, good[:100]), nil, "the size of the wrapped key is that of no known key"},
		"changed":                              {newTransfer(mine.kid, append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1)), []string{"--spec", "ECC_NIST_P256"}, closed},
		"an RSA key where an EC key was asked": {newTransfer(mine.kid, wrap("rsa-2048")), []string{"--spec", "ECC_NIST_P256"}, "p-256"},
		"an EC key of another curve":           {newTransfer(mine.kid, good), []string{"--spec", "ECC_NIST_P384"}, "p-384"},
		"too short a key":                      {newTransfer(mine.kid, wrap("rsa-1024")), []string{"--spec", "RSA_2048", "--usage", "SIGN_VERIFY"}, "rsa-2048"},
		"a weak exponent":                      {newTransfer(mine.kid, wrap("shared")), []string{"--spec", "RSA_2048", "--usage", "SIGN_VERIFY"}, "its public exponent is below 65537"},
		"another algorithm":                    {newTransfer(mine.kid, good).with("RSA-OAEP", "CKM_RSA_AES_KEY_WRAP"), nil, "header.alg"},
		"another encryption":                   {newTransfer(mine.kid, good).with("dir", "A256GCM"), nil, "header.enc"},
	} {
		t.Run(name, func(t *testing.T) {
			c.blob.write(t, dir, "bad.byok")
			alias := nameOf(t)
			out, err := w.try(t, dir, append([]string{w.server.Binary, "byok", "import", "--name", alias, "--file", "bad.byok"}, c.args...)...)
			if err == nil || !strings.Contains(out, c.reason) {
				t.Errorf("got %q, want %q in it", out, c.reason)
			}
			if out, err := w.try(t, dir, w.server.Binary, "key", "show", alias); err == nil {
				t.Errorf("there is a key: %s", out)
			}
		})
	}
}

// TestReplayedBlob holds that a blob is taken once: also after the key that
// came of it is gone, and after a restart of the server's memory of it.
func TestReplayedBlob(t *testing.T) {
	w := &world{dir: t.TempDir()}
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { w.server.Kill() }()
	dir := t.TempDir()
	k := w.newKEK(t, dir, 2048)
	plain := kinds["p-256"].make(t, dir, "key")
	newTransfer(k.kid, wrappings[blobWrapping].wrap(t, dir, "key", judge.Read(t, dir, "kek.der"))).write(t, dir, "key.byok")
	judge.Key(t, w.Client, w.brought(t, dir, "--name", "first", "--file", "key.byok"), plain)
	again := func(name string) {
		t.Helper()
		out, err := w.try(t, dir, w.server.Binary, "byok", "import", "--name", name, "--file", "key.byok")
		if err == nil || !strings.Contains(out, "before") {
			t.Errorf("replayed: %s", out)
		}
	}
	again("second")
	w.server.Kill()
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	again("third")
	// The same key, wrapped anew by its owner, is no replay.
	newTransfer(k.kid, wrappings[blobWrapping].wrap(t, dir, "key", judge.Read(t, dir, "kek.der"))).write(t, dir, "key.byok")
	judge.Key(t, w.Client, w.brought(t, dir, "--name", "fourth", "--file", "key.byok"), plain)
}

// TestTransferPowerCut kills the server in the middle of imports of blobs:
// after each restart there is the whole key, or none and the blob is good.
func TestTransferPowerCut(t *testing.T) {
	cut := newPowerCut(t)
	dir := cut.dir
	k := cut.newKEK(t, dir, 2048)
	outcomes := map[bool]int{}
	for round := range rounds(t) {
		name := []string{"p-256", "rsa-2048", "symmetric"}[round%3]
		plain := kinds[name].make(t, dir, "key")
		newTransfer(k.kid, wrappings[blobWrapping].wrap(t, dir, "key", judge.Read(t, dir, "kek.der"))).write(t, dir, "key.byok")
		alias := fmt.Sprint("cut-", round)
		args := append([]string{"--name", alias, "--file", "key.byok"}, kindArgs(kinds[name])...)
		command := append([]string{cut.server.Binary, "byok", "import"}, args...)
		acknowledged := cut.during(t, commandTime, func() error {
			_, err := cut.try(t, dir, command...)
			return err
		})
		out, err := cut.try(t, dir, cut.server.Binary, "key", "show", alias, "--json")
		there := err == nil
		outcomes[there]++
		switch {
		case there:
			var found struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				t.Fatal(err)
			}
			judge.Key(t, cut.Client, found.ID, plain)
		case acknowledged:
			t.Fatalf("the key that was acknowledged is not there: %s", out)
		default:
			// The key may be there without its alias: then the blob is a replay.
			if out, err := cut.try(t, dir, append([]string{cut.server.Binary, "byok", "import"}, args...)...); err != nil && !strings.Contains(out, "before") {
				t.Fatalf("the blob after the restart: %s", out)
			}
		}
	}
	t.Logf("keys that were there after the kill: %v", outcomes)
}
