package byok

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat/judge"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

const (
	kwp256 = types.AlgorithmSpecRsaAesKeyWrapSha256
	oaep   = types.AlgorithmSpecRsaesOaepSha256
	small  = types.WrappingKeySpecRsa2048
)

// send imports the key in the file of dir with other settings than bring's.
func (w *world) send(t *testing.T, id, dir, file string, change func(*kms.ImportKeyMaterialInput)) (*kms.ImportKeyMaterialOutput, error) {
	t.Helper()
	p := w.parameters(t, id, kwp256, small)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrappings[kwp256].wrap(t, dir, file, p.PublicKey),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	if change != nil {
		change(in)
	}
	return w.ImportKeyMaterial(t.Context(), in)
}

// TestExpiry holds that material expires when its owner said, and not before:
// the key works until then, never after, says what it waits for, and works
// again with the same material.
func TestExpiry(t *testing.T) {
	for _, name := range []string{"symmetric", "p-256"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dir := setup(t), t.TempDir()
			k := kinds[name]
			w.untraced(t, name, k.make(t, dir, "key"))
			id := w.pending(t, k)
			until := time.Now().Add(3 * time.Second).Truncate(time.Millisecond)
			if _, err := w.send(t, id, dir, "key", func(in *kms.ImportKeyMaterialInput) {
				in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, &until
			}); err != nil {
				t.Fatal(err)
			}
			m := w.describe(t, id)
			if m.ExpirationModel != types.ExpirationModelTypeKeyMaterialExpires || m.ValidTo == nil || !m.ValidTo.Equal(until) {
				t.Errorf("the metadata say %s %v, want %s", m.ExpirationModel, m.ValidTo, until)
			}
			w.useUntil(t, id, m, until)
			m = w.describe(t, id)
			if m.KeyState != types.KeyStatePendingImport || m.Enabled || m.ExpirationModel != "" || m.ValidTo != nil {
				t.Errorf("after its time the key is %+v", *m)
			}
			w.bring(t, id, dir, "key", kwp256)
			if m := w.describe(t, id); m.KeyState != types.KeyStateEnabled || m.ExpirationModel != types.ExpirationModelTypeKeyMaterialDoesNotExpire {
				t.Errorf("imported again, the key is %+v", *m)
			}
			judge.Key(t, w.Client, id, judge.Read(t, dir, "key"))
		})
	}
}

// useUntil uses a key until it is refused, and holds that this is at its time.
func (w *world) useUntil(t *testing.T, id string, m *types.KeyMetadata, until time.Time) {
	t.Helper()
	for used := 0; ; used++ {
		before := time.Now()
		err := w.use(t, id, m)
		switch {
		case err == nil && before.After(until):
			t.Fatalf("used %s after its time", before.Sub(until))
		case err == nil:
			time.Sleep(20 * time.Millisecond)
			continue
		}
		refused(t, err, "KMSInvalidStateException", arnOf(id)+" is pending import.")
		if now := time.Now(); now.Before(until) {
			t.Errorf("refused %s before its time", until.Sub(now))
		}
		if used == 0 {
			t.Error("never used: the test tests nothing")
		}
		return
	}
}

// use makes one call with the key.
func (w *world) use(t *testing.T, id string, m *types.KeyMetadata) error {
	t.Helper()
	if m.KeyUsage == types.KeyUsageTypeEncryptDecrypt {
		_, err := w.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: judge.Message})
		return err
	}
	_, err := w.Sign(t.Context(), &kms.SignInput{KeyId: &id, Message: judge.Message, SigningAlgorithm: m.SigningAlgorithms[0]})
	return err
}

// TestDeleteAndBringAgain holds that deleted material comes back by its owner
// alone, and only as what it was: what it had encrypted can be read again.
func TestDeleteAndBringAgain(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	for _, file := range []string{"key", "other"} {
		w.untraced(t, file, kinds["symmetric"].make(t, dir, file))
	}
	id := w.pending(t, kinds["symmetric"])
	first := w.bring(t, id, dir, "key", oaep)
	sealed, err := w.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: judge.Message})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := w.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	if *gone.KeyId != arnOf(id) || aws.ToString(gone.KeyMaterialId) != *first.KeyMaterialId {
		t.Errorf("deleted %s %s", *gone.KeyId, aws.ToString(gone.KeyMaterialId))
	}
	m := w.describe(t, id)
	if m.KeyState != types.KeyStatePendingImport || m.ExpirationModel != "" {
		t.Errorf("without its material the key is %+v", *m)
	}
	_, err = w.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	refused(t, err, "KMSInvalidStateException", arnOf(id)+" is pending import.")
	_, err = w.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &id})
	refused(t, err, "KMSInvalidStateException", arnOf(id)+" is pending import.")

	_, err = w.send(t, id, dir, "other", nil)
	refused(t, err, "IncorrectKeyMaterialException", "*")
	if m := w.describe(t, id); m.KeyState != types.KeyStatePendingImport {
		t.Errorf("after other material the key is %s", m.KeyState)
	}
	again := w.bring(t, id, dir, "key", oaep)
	if *again.KeyMaterialId != *first.KeyMaterialId {
		t.Errorf("the same material is %s, was %s", *again.KeyMaterialId, *first.KeyMaterialId)
	}
	opened, err := w.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil {
		t.Fatal(err)
	}
	judge.Equal(t, "plaintext", opened.Plaintext, judge.Message)
}

// TestOtherMaterial holds that what a key once was it stays: neither another
// key pair nor another HMAC key takes its place, while it is there or after.
func TestOtherMaterial(t *testing.T) {
	for _, name := range []string{"rsa-2048", "p-384", "hmac-256", "ed25519"} {
		t.Run(name, func(t *testing.T) {
			w, dir := setup(t), t.TempDir()
			w.untraced(t, name, kinds[name].make(t, dir, "key"))
			kinds[name].make(t, dir, "other")
			id := w.pending(t, kinds[name])
			w.bring(t, id, dir, "key", kwp256)
			_, err := w.send(t, id, dir, "other", nil)
			refused(t, err, "IncorrectKeyMaterialException", "*")
			judge.Key(t, w.Client, id, judge.Read(t, dir, "key"))
			w.bring(t, id, dir, "key", kwp256) // the same one, while it is there
			if _, err := w.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &id}); err != nil {
				t.Fatal(err)
			}
			_, err = w.send(t, id, dir, "other", nil)
			refused(t, err, "IncorrectKeyMaterialException", "*")
			w.bring(t, id, dir, "key", kwp256)
			judge.Key(t, w.Client, id, judge.Read(t, dir, "key"))
		})
	}
}

// TestWrongMaterial has material that is none of the key's spec, and weak
// keys: none makes the key usable.
func TestWrongMaterial(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	judge.Write(t, dir, "short", make([]byte, 31))
	judge.Write(t, dir, "long", make([]byte, 33))
	judge.Write(t, dir, "text", []byte("this is no PKCS #8 at all, sorry"))
	kinds["p-256"].make(t, dir, "p-256")
	kinds["rsa-2048"].make(t, dir, "rsa-2048")
	judge.PKCS8(t, dir, "rsa-1024", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
	judge.OpenSSL(t, dir, "pkey", "-in", "p-256", "-inform", "DER", "-pubout", "-outform", "DER", "-out", "public")
	judge.OpenSSL(t, dir, "pkey", "-in", "p-256", "-inform", "DER", "-traditional", "-outform", "DER", "-out", "sec1")
	judge.Write(t, dir, "trailing", append(judge.Read(t, dir, "p-256"), 0))
	for _, c := range []struct{ kind, file string }{
		{"symmetric", "short"},
		{"symmetric", "long"},
		{"symmetric", "p-256"},
		{"hmac-512", "long"},
		{"p-256", "text"},
		{"p-256", "short"},
		{"p-256", "rsa-2048"},
		{"p-256", "public"},
		{"p-256", "sec1"},
		{"p-256", "trailing"},
		{"p-384", "p-256"},
		{"secp256k1", "p-256"},
		{"ed25519", "p-256"},
		{"rsa-2048", "p-256"},
		{"rsa-2048", "rsa-1024"},
		{"rsa-3072", "rsa-2048"},
	} {
		t.Run(c.kind+"/"+c.file, func(t *testing.T) {
			id := w.pending(t, kinds[c.kind])
			_, err := w.send(t, id, dir, c.file, nil)
			refused(t, err, "IncorrectKeyMaterialException", "*")
			if m := w.describe(t, id); m.KeyState != types.KeyStatePendingImport {
				t.Errorf("the key is %s", m.KeyState)
			}
		})
	}
}

// TestTokens has tokens and ciphertexts that do not go together.
func TestTokens(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	w.untraced(t, "key", kinds["symmetric"].make(t, dir, "key"))
	id, other := w.pending(t, kinds["symmetric"]), w.pending(t, kinds["symmetric"])
	mine, second, others := w.parameters(t, id, oaep, small), w.parameters(t, id, oaep, small), w.parameters(t, other, oaep, small)
	sealed := wrappings[oaep].wrap(t, dir, "key", mine.PublicKey)
	flip := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		token, sealed []byte
		code          string
	}{
		"of another key":           {others.ImportToken, wrappings[oaep].wrap(t, dir, "key", others.PublicKey), "InvalidImportTokenException"},
		"first byte":               {flip(mine.ImportToken, 0), sealed, "InvalidImportTokenException"},
		"last byte":                {flip(mine.ImportToken, -1), sealed, "InvalidImportTokenException"},
		"in the middle":            {flip(mine.ImportToken, len(mine.ImportToken)/2), sealed, "InvalidImportTokenException"},
		"short":                    {mine.ImportToken[:len(mine.ImportToken)-1], sealed, "InvalidImportTokenException"},
		"long":                     {append(slices.Clone(mine.ImportToken), 0), sealed, "InvalidImportTokenException"},
		"no token":                 {[]byte("token"), sealed, "InvalidImportTokenException"},
		"another wrapping key":     {second.ImportToken, sealed, "InvalidCiphertextException"},
		"ciphertext changed":       {mine.ImportToken, flip(sealed, 100), "InvalidCiphertextException"},
		"ciphertext truncated":     {mine.ImportToken, sealed[:len(sealed)-1], "InvalidCiphertextException"},
		"ciphertext of other kind": {mine.ImportToken, wrappings["RSAES_OAEP_SHA_1"].wrap(t, dir, "key", mine.PublicKey), "InvalidCiphertextException"},
		"plain":                    {mine.ImportToken, judge.Read(t, dir, "key"), "InvalidCiphertextException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
				KeyId: &id, ImportToken: c.token, EncryptedKeyMaterial: c.sealed, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
			})
			refused(t, err, c.code, "*")
			if api, ok := errors.AsType[smithy.APIError](err); ok && c.code == "InvalidCiphertextException" && api.ErrorMessage() != "" {
				t.Errorf("the error tells %q", api.ErrorMessage())
			}
			if m := w.describe(t, id); m.KeyState != types.KeyStatePendingImport {
				t.Errorf("the key is %s", m.KeyState)
			}
		})
	}
}

// TestRefusals has AWS's words for what cannot be asked.
func TestRefusals(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	made, err := w.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	own := made.KeyMetadata.KeyId
	_, err = w.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: own, WrappingAlgorithm: oaep, WrappingKeySpec: small})
	refused(t, err, "UnsupportedOperationException", arnOf(*own)+" origin is AWS_KMS which is not valid for this operation.")
	_, err = w.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: own})
	refused(t, err, "UnsupportedOperationException", arnOf(*own)+" origin is AWS_KMS which is not valid for this operation.")

	kinds["symmetric"].make(t, dir, "key")
	id := w.pending(t, kinds["symmetric"])
	past, far, soon := time.Now().Add(-time.Hour), time.Now().AddDate(1, 1, 0), time.Now().Add(time.Hour)
	for text, change := range map[string]func(in *kms.ImportKeyMaterialInput){
		"A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES": func(in *kms.ImportKeyMaterialInput) { in.ExpirationModel = "" },
		"A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE": func(in *kms.ImportKeyMaterialInput) {
			in.ValidTo = &soon
		},
		"The validTo date must be in the future":   func(in *kms.ImportKeyMaterialInput) { in.ExpirationModel, in.ValidTo = "KEY_MATERIAL_EXPIRES", &past },
		"The validTo date must be within 365 days": func(in *kms.ImportKeyMaterialInput) { in.ExpirationModel, in.ValidTo = "", &far },
		"You cannot specify a KeyMaterialId with the ImportType NEW_KEY_MATERIAL": func(in *kms.ImportKeyMaterialInput) {
			in.ImportType, in.KeyMaterialId = "NEW_KEY_MATERIAL", aws.String(strings.Repeat("a", 64))
		},
	} {
		_, err := w.send(t, id, dir, "key", change)
		refused(t, err, "ValidationException", text)
	}
}

// TestNewMaterial gives a symmetric key new material of its owner's: it waits
// for a rotation, the old one goes on decrypting.
func TestNewMaterial(t *testing.T) {
	w, dir := setup(t), t.TempDir()
	for _, file := range []string{"first", "second", "third"} {
		w.untraced(t, file, kinds["symmetric"].make(t, dir, file))
	}
	id := w.pending(t, kinds["symmetric"])
	first := *w.bring(t, id, dir, "first", oaep).KeyMaterialId
	before, err := w.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: judge.Message})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &id})
	refused(t, err, "KMSInvalidStateException", "No available key material pending rotation for the key: "+arnOf(id)+".")

	fresh := func(in *kms.ImportKeyMaterialInput) {
		in.ImportType, in.KeyMaterialDescription = types.ImportTypeNewKeyMaterial, aws.String("second of the safe")
	}
	_, err = w.send(t, id, dir, "first", fresh)
	refused(t, err, "IncorrectKeyMaterialException", "*")
	out, err := w.send(t, id, dir, "second", fresh)
	if err != nil {
		t.Fatal(err)
	}
	second := *out.KeyMaterialId
	if m := w.describe(t, id); second == first || *m.CurrentKeyMaterialId != first || m.KeyState != types.KeyStateEnabled {
		t.Errorf("with %s pending, the key has %s and is %s", second, *m.CurrentKeyMaterialId, m.KeyState)
	}
	_, err = w.send(t, id, dir, "third", fresh)
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "KMSInvalidStateException" || !strings.HasPrefix(api.ErrorMessage(), "New key material (id: ") ||
		!strings.HasSuffix(api.ErrorMessage(), ") cannot be imported into KMS key "+arnOf(id)+", because another key material (id: "+second+") is pending rotation.") {
		t.Errorf("a third material: %v", err)
	}
	w.materials(t, id, first+" CURRENT IMPORTED ", second+" PENDING_ROTATION IMPORTED second of the safe")
	if _, err := w.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	w.materials(t, id, first+" NON_CURRENT IMPORTED ", second+" CURRENT IMPORTED second of the safe")
	w.reads(t, before.CiphertextBlob, first)
	after, err := w.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: judge.Message})
	if err != nil {
		t.Fatal(err)
	}
	w.reads(t, after.CiphertextBlob, second)

	// Old material can be taken away and comes back by its id.
	if _, err := w.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &id, KeyMaterialId: &first}); err != nil {
		t.Fatal(err)
	}
	w.materials(t, id, first+" NON_CURRENT PENDING_IMPORT ", second+" CURRENT IMPORTED second of the safe")
	if m := w.describe(t, id); m.KeyState != types.KeyStatePendingImport {
		t.Errorf("without its first material the key is %s", m.KeyState)
	}
	byID := func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = &first }
	_, err = w.send(t, id, dir, "third", byID)
	refused(t, err, "IncorrectKeyMaterialException", "*")
	if _, err := w.send(t, id, dir, "first", byID); err != nil {
		t.Fatal(err)
	}
	w.reads(t, before.CiphertextBlob, first)
	w.reads(t, after.CiphertextBlob, second)
}

// materials holds what ListKeyRotations says of a key's materials: id, state,
// whether it is here, and its owner's words.
func (w *world) materials(t *testing.T, id string, want ...string) {
	t.Helper()
	out, err := w.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range out.Rotations {
		got = append(got, strings.Join([]string{aws.ToString(r.KeyMaterialId), string(r.KeyMaterialState), string(r.ImportState), aws.ToString(r.KeyMaterialDescription)}, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("materials:\n got %q\nwant %q", got, want)
	}
}

// reads holds that a ciphertext can be read, and by which material.
func (w *world) reads(t *testing.T, ciphertext []byte, material string) {
	t.Helper()
	out, err := w.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: ciphertext})
	if err != nil {
		t.Fatal(err)
	}
	judge.Equal(t, "plaintext", out.Plaintext, judge.Message)
	if got := aws.ToString(out.KeyMaterialId); got != material {
		t.Errorf("read by %s, want %s", got, material)
	}
}
