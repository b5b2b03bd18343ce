package age_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/tag"

	"github.com/holdfast-kms/holdfast"
	holdfastage "github.com/holdfast-kms/holdfast/adapters/age"
	"github.com/holdfast-kms/holdfast/test/compat"
)

const text = "what is to be kept"

// encrypt returns a file for recipients, as age's library makes it.
func encrypt(t *testing.T, recipients ...age.Recipient) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := age.Encrypt(&file, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// decrypt has age's library read a file.
func decrypt(file []byte, identities ...age.Identity) error {
	r, err := age.Decrypt(bytes.NewReader(file), identities...)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && string(got) != text {
		err = errors.New("another text: " + string(got))
	}
	return err
}

// makeKey makes a key for encryption and returns its URI.
func makeKey(t *testing.T, uri, spec, usage string) string {
	t.Helper()
	key, err := holdfast.Create(t.Context(), uri, spec, holdfast.WithUsage(usage))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Close(); err != nil {
		t.Fatal(err)
	}
	return uri
}

// inFile makes a key in a file of its own.
func inFile(t *testing.T, spec, usage string) string {
	t.Helper()
	return makeKey(t, "file:"+filepath.Join(t.TempDir(), spec), spec, usage)
}

// x25519 makes a key that the library opens and does not make.
func x25519(t *testing.T) string {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x25519.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

// both returns a key as an identity and as a recipient.
func both(t *testing.T, uri string) (*holdfastage.Identity, *holdfastage.Recipient) {
	t.Helper()
	i, err := holdfastage.NewIdentity(uri)
	if err != nil {
		t.Fatal(err)
	}
	r, err := i.Recipient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i, r
}

// try encrypts and decrypts in all ways that there are with a key, whose stanzas
// have a text in them.
func try(t *testing.T, uri, stanza string) {
	t.Helper()
	i, r := both(t, uri)
	file := encrypt(t, r)
	if !bytes.Contains(file, []byte(stanza)) {
		t.Errorf("the file has no %q:\n%q", stanza, file)
	}
	read, err := holdfastage.ParseIdentity(i.String())
	if err != nil || read.String() != i.String() || read.URI() != uri {
		t.Fatalf("the identity read again: %v, %v", read, err)
	}
	identities := map[string]age.Identity{"itself": i, "from its string": read}
	if stanza != "-> p256tag " {
		identities["from the file"] = holdfastage.AnyIdentity()
	}
	for name, identity := range identities {
		if err := decrypt(file, identity); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := decrypt(encrypt(t, fromString(t, r)), i); err != nil {
		t.Errorf("for the recipient from its string: %v", err)
	}
}

// fromString returns the recipient that others have.
func fromString(t *testing.T, r *holdfastage.Recipient) age.Recipient {
	t.Helper()
	if strings.HasPrefix(r.String(), "age1tag1") { // age's own
		own, err := tag.ParseRecipient(r.String())
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	read, err := holdfastage.ParseRecipient(r.String())
	if err != nil || read.String() != r.String() || read.URI() != r.URI() {
		t.Fatalf("the recipient read again: %v, %v", read, err)
	}
	return read
}

func TestFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ spec, usage, stanza string }{
		{"aes-256", "encrypt-decrypt", "-> holdfast AEAD file:"},
		{"rsa-2048", "encrypt-decrypt", "-> holdfast RSA-OAEP-SHA256 file:"},
		{"p-256", "key-agreement", "-> p256tag "},
		{"p-384", "key-agreement", "-> holdfast HPKE-P384 file:"},
		{"p-521", "key-agreement", "-> holdfast HPKE-P521 file:"},
		{"x25519", "", "-> holdfast HPKE-X25519 file:"},
	} {
		t.Run(test.spec, func(t *testing.T) {
			t.Parallel()
			if test.spec == "x25519" {
				try(t, x25519(t), test.stanza)
				return
			}
			try(t, inFile(t, test.spec, test.usage), test.stanza)
		})
	}
}

func TestServer(t *testing.T) {
	s := compat.Use(t)
	for _, test := range []struct{ spec, usage, stanza string }{
		{"aes-256", "encrypt-decrypt", "-> holdfast AEAD holdfast:///alias/aes-256"},
		{"rsa-2048", "encrypt-decrypt", "-> holdfast RSA-OAEP-SHA256 holdfast:///alias/rsa-2048"},
		{"p-256", "key-agreement", "-> p256tag "},
		{"p-384", "key-agreement", "-> holdfast HPKE-P384 holdfast:///alias/p-384"},
	} {
		t.Run(test.spec, func(t *testing.T) {
			try(t, makeKey(t, "holdfast:///alias/"+test.spec, test.spec, test.usage), test.stanza)
		})
	}
	t.Run("by another name", func(t *testing.T) {
		_, r := both(t, "holdfast:///alias/aes-256")
		i, _ := both(t, "holdfast://"+strings.TrimPrefix(s.URL, "https://")+"/alias/aes-256")
		if err := decrypt(encrypt(t, r), i); err != nil {
			t.Error(err)
		}
	})
	for _, spec := range []string{"aes-256", "rsa-2048", "p-256"} {
		t.Run("as AWS KMS, "+spec, func(t *testing.T) {
			stanza := " awskms:///alias/" + spec
			if spec == "p-256" {
				stanza = "-> p256tag "
			}
			try(t, "awskms:///alias/"+spec, stanza)
		})
	}
	t.Run("that signs", func(t *testing.T) {
		uri := makeKey(t, "holdfast:///alias/signs", "p-256", "sign-verify")
		if _, err := holdfastage.NewRecipient(t.Context(), uri); holdfast.KindOf(err) != holdfast.Unsupported {
			t.Error(err)
		}
	})
}

// TestOthers has several keys, of which not all are there or right.
func TestOthers(t *testing.T) {
	t.Parallel()
	aes, forAES := both(t, inFile(t, "aes-256", "encrypt-decrypt"))
	other, forOther := both(t, inFile(t, "aes-256", "encrypt-decrypt"))
	ec, forEC := both(t, inFile(t, "p-256", "key-agreement"))
	otherEC, _ := both(t, inFile(t, "p-256", "key-agreement"))
	rsa, forRSA := both(t, inFile(t, "rsa-2048", "encrypt-decrypt"))
	away, err := holdfastage.NewIdentity("file:/nowhere/key")
	if err != nil {
		t.Fatal(err)
	}
	gone, forGone := both(t, inFile(t, "aes-256", "encrypt-decrypt"))
	lost := encrypt(t, forGone, forAES)
	if err := os.Remove(strings.TrimPrefix(gone.URI(), "file:")); err != nil {
		t.Fatal(err)
	}
	plain, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	whoever := holdfastage.AnyIdentity()

	incorrect, notFound := age.ErrIncorrectIdentity.Error(), "no such file"
	for _, test := range []struct {
		name       string
		file       []byte
		identities []age.Identity
		want       string // "" for success, else what the error has
	}{
		{"one of two", encrypt(t, forAES, forOther), []age.Identity{other}, ""},
		{"one of three kinds", encrypt(t, forAES, forEC, forRSA), []age.Identity{rsa}, ""},
		{"the tagged one among them", encrypt(t, forAES, forEC, forRSA), []age.Identity{ec}, ""},
		{"one by age's own key", encrypt(t, forAES, plain.Recipient()), []age.Identity{plain}, ""},
		{"another key", encrypt(t, forAES), []age.Identity{other}, incorrect},
		{"another key first", encrypt(t, forAES), []age.Identity{other, aes}, ""},
		{"another kind of key", encrypt(t, forAES), []age.Identity{rsa}, incorrect},
		{"another key on P-256", encrypt(t, forEC), []age.Identity{otherEC}, incorrect},
		{"another RSA key first", encrypt(t, forRSA), []age.Identity{aes, ec, rsa}, ""},
		{"a file for none of Holdfast's", encrypt(t, plain.Recipient()), []age.Identity{aes, away, whoever}, incorrect},
		{"a key that is not there", encrypt(t, forAES), []age.Identity{away}, notFound},
		{"any, the first one is gone", lost, []age.Identity{whoever}, ""},
		{"the one that is gone", lost, []age.Identity{gone}, notFound},
	} {
		err := decrypt(test.file, test.identities...)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error()+wrapped(err), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// wrapped returns the texts of what age collects and does not print.
func wrapped(err error) string {
	if e, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return errors.Join(e.Errors...).Error()
	}
	return ""
}

// TestHostile has a file with more stanzas than anybody is asked about.
func TestHostile(t *testing.T) {
	t.Parallel()
	i, r := both(t, inFile(t, "aes-256", "encrypt-decrypt"))
	good, err := r.Wrap(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	long, err := r.Wrap(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	bad := func(n int) []*age.Stanza {
		var all []*age.Stanza
		for range n {
			all = append(all, &age.Stanza{Type: good[0].Type, Args: good[0].Args, Body: []byte("not what the key made of anything")})
		}
		return all
	}
	for _, test := range []struct {
		name    string
		stanzas []*age.Stanza
		ok      bool
	}{
		{"19 bad ones", append(bad(19), good...), true},
		{"20 bad ones", append(bad(20), good...), false},
		{"a file key that is too long", long, false},
		{"without arguments", []*age.Stanza{{Type: "holdfast"}, {Type: "-> p256tag "}}, false},
		{"without a body", []*age.Stanza{{Type: "holdfast", Args: good[0].Args}}, false},
		{"an unknown method", []*age.Stanza{{Type: "holdfast", Args: []string{"ROT13", i.URI()}, Body: good[0].Body}}, false},
		{"a URI that is none", []*age.Stanza{{Type: "holdfast", Args: []string{"AEAD", "x"}, Body: good[0].Body}}, true},
		{"a tag that is none", []*age.Stanza{{Type: "p256tag", Args: []string{"????", "????"}}}, false},
	} {
		fileKey, err := i.Unwrap(test.stanzas)
		if test.ok != (err == nil) || test.ok != bytes.Equal(fileKey, make([]byte, 16)) || !test.ok && !errors.Is(err, age.ErrIncorrectIdentity) {
			t.Errorf("%s: %x, %v", test.name, fileKey, err)
		}
	}
}

// TestForeign shows that a URI of somebody else's names no host, no credential
// and no library.
func TestForeign(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"awskms:///alias/x?endpoint=http%3A%2F%2F127.0.0.1%3A1", "awskms://127.0.0.1:1/alias/x", "pkcs11:object=x?module-path=/tmp/evil.so",
		"hashivault://x?address=http%3A%2F%2F127.0.0.1%3A1", "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k?endpoint=127.0.0.1%3A1",
	} {
		for name, use := range map[string]func() error{
			"encrypting": func() error {
				r, err := holdfastage.ParseRecipient(holdfastage.Address("AEAD", uri, nil))
				if err != nil {
					return err
				}
				_, err = r.Wrap(make([]byte, 16))
				return err
			},
			"decrypting": func() error {
				_, err := holdfastage.AnyIdentity().Unwrap([]*age.Stanza{{Type: "holdfast", Args: []string{"AEAD", uri}}})
				return err
			},
		} {
			if err := use(); !strings.Contains(err.Error(), "somebody else's") {
				t.Errorf("%s, %s: %v", uri, name, err)
			}
		}
	}
}
