package tink_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/adapters/tink"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// Example encrypts a keyset with a key in a file, and opens it again. The key
// could be in any place that package holdfast knows.
func Example() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	uri := "file:" + filepath.Join(dir, "kek")
	if _, err := holdfast.Create(context.Background(), uri, "aes-256"); err != nil {
		panic(err)
	}
	client := tink.NewClient()
	kek, err := client.GetAEAD("holdfast-kms://" + uri)
	if err != nil {
		panic(err)
	}
	handle, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		panic(err)
	}
	var stored bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&stored), kek, []byte("production")); err != nil {
		panic(err)
	}
	again, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(&stored), kek, []byte("production"))
	if err != nil {
		panic(err)
	}
	fmt.Println(again.Len(), client.Close())
	// Output: 1 <nil>
}

// create makes a key and returns Tink's URI of it.
func create(t *testing.T, uri, spec string) string {
	t.Helper()
	key, err := holdfast.Create(t.Context(), uri, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Close(); err != nil {
		t.Error(err)
	}
	return tink.Prefix + uri
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	try(t, create(t, "file:"+filepath.Join(dir, "a"), "aes-256"), create(t, "file:"+filepath.Join(dir, "b"), "aes-256"))
}

func TestServer(t *testing.T) {
	s := compat.Use(t)
	create(t, "holdfast:///alias/a", "aes-256")
	try(t, tink.Prefix+"holdfast://"+strings.TrimPrefix(s.URL, "https://")+"/a", create(t, "holdfast:///b", "aes-256"))
	t.Run("as AWS KMS", func(t *testing.T) { try(t, tink.Prefix+"awskms:///alias/a", tink.Prefix+"awskms:///alias/b") })
}

// try does what Tink does with a key that encrypts keys; other is another one.
func try(t *testing.T, uri, other string) {
	client := tink.NewClient()
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	kek, err := client.AEAD(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := client.AEAD(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("AEAD", func(t *testing.T) { roundTrips(t, kek, wrong) })
	t.Run("envelope", func(t *testing.T) { envelope(t, kek, wrong) })
	t.Run("registered", func(t *testing.T) { registered(t, client, uri) })
	t.Run("keyset", func(t *testing.T) { encryptedKeyset(t, kek, wrong) })
}

func roundTrips(t *testing.T, kek, wrong *tink.AEAD) {
	for _, associated := range [][]byte{nil, {}, []byte("a"), bytes.Repeat([]byte("long"), 1<<10)} {
		ciphertext, err := kek.Encrypt([]byte("plaintext"), associated)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := kek.Decrypt(ciphertext, associated)
		if err != nil || string(plaintext) != "plaintext" {
			t.Errorf("%d bytes of associated data: %q, %v", len(associated), plaintext, err)
		}
		if _, err := kek.Decrypt(ciphertext, []byte("another")); holdfast.KindOf(err) != holdfast.BadCiphertext {
			t.Errorf("with other associated data: %v", err)
		}
		if _, err := wrong.Decrypt(ciphertext, associated); err == nil {
			t.Error("another key decrypts it")
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kek.EncryptWithContext(ended, nil, nil); err == nil {
		t.Error("encrypted after the end of the context")
	}
	if _, err := kek.DecryptWithContext(ended, nil, nil); err == nil {
		t.Error("decrypted after the end of the context")
	}
}

func envelope(t *testing.T, kek, wrong *tink.AEAD) {
	plaintext := bytes.Repeat([]byte("much "), 100<<10)
	e := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), kek)
	ciphertext, err := e.Encrypt(plaintext, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Decrypt(ciphertext, []byte("a")); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("decrypted: %v", err)
	}
	if _, err := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), wrong).Decrypt(ciphertext, []byte("a")); err == nil {
		t.Error("another key decrypts it")
	}
	c, err := aead.NewKMSEnvelopeAEADWithContext(aead.ChaCha20Poly1305KeyTemplate(), kek)
	if err != nil {
		t.Fatal(err)
	}
	if ciphertext, err = c.EncryptWithContext(t.Context(), plaintext, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := c.DecryptWithContext(t.Context(), ciphertext, nil); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("decrypted with a context: %v", err)
	}
}

// registered uses keysets that name the key, for which Tink asks its registry.
func registered(t *testing.T, client *tink.Client, uri string) {
	registry.ClearKMSClients()
	t.Cleanup(registry.ClearKMSClients)
	registry.RegisterKMSClient(client)
	template, err := aead.CreateKMSEnvelopeAEADKeyTemplate(uri, aead.AES128GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := primitive.Encrypt([]byte("plaintext"), []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := primitive.Decrypt(ciphertext, []byte("a")); err != nil || string(got) != "plaintext" {
		t.Errorf("%q, %v", got, err)
	}
}

func encryptedKeyset(t *testing.T, kek, wrong *tink.AEAD) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewJSONWriter(&stored), kek, []byte("a")); err != nil {
		t.Fatal(err)
	}
	again, err := keyset.ReadWithAssociatedData(keyset.NewJSONReader(bytes.NewReader(stored.Bytes())), kek, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	two, err := aead.New(again)
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := one.Encrypt([]byte("plaintext"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := two.Decrypt(ciphertext, nil); err != nil || string(got) != "plaintext" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := keyset.ReadWithAssociatedData(keyset.NewJSONReader(bytes.NewReader(stored.Bytes())), wrong, []byte("a")); err == nil {
		t.Error("another key opens the keyset")
	}
}

func TestURIs(t *testing.T) {
	dir := t.TempDir()
	signing := create(t, "file:"+filepath.Join(dir, "signing.pem"), "p-256")
	encrypting := create(t, "file:"+filepath.Join(dir, "kek"), "aes-256")
	narrow, err := tink.NewClientFor(tink.Prefix + "file:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = narrow.Close() }) // keys in files have nothing to close
	for uri, want := range map[string]struct {
		supported bool
		kind      holdfast.Kind
	}{
		encrypting:                            {true, ""},
		signing:                               {true, holdfast.Unsupported},
		tink.Prefix + "file:" + dir + "/none": {true, holdfast.NotFound},
		tink.Prefix + "awskms:///alias/a":     {false, holdfast.Internal},
		"aws-kms://arn:aws:kms:a:1:key/b":     {false, holdfast.Internal},
		"file:" + filepath.Join(dir, "kek"):   {false, holdfast.Internal},
	} {
		if got := narrow.Supported(uri); got != want.supported {
			t.Errorf("%s: supported: %v", uri, got)
		}
		if _, err := narrow.GetAEAD(uri); holdfast.KindOf(err) != want.kind {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if _, err := tink.NewClientFor("aws-kms://"); err == nil {
		t.Error("a client takes the place of Tink's own for AWS")
	}
	if !tink.NewClient().Supported(tink.Prefix + "awskms:///alias/a") {
		t.Error("a client for all keys does not support one in AWS")
	}
	if _, err := tink.NewClient().GetAEAD(tink.Prefix + "ftp://a"); holdfast.KindOf(err) != holdfast.InvalidArgument {
		t.Error(err)
	}
}
