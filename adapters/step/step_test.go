package step_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.step.sm/crypto/kms"
	"go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/minica"
	"go.step.sm/crypto/x509util"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/adapters/step"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// Example makes a key in a file and signs a certificate request with it. The
// key could be in any place that package holdfast knows.
func Example() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	km, err := kms.New(context.Background(), kms.Options{Type: "holdfast", URI: "holdfast:uri=file:" + url.QueryEscape(dir)})
	if err != nil {
		panic(err)
	}
	key, err := km.CreateKey(&apiv1.CreateKeyRequest{Name: "www.pem", SignatureAlgorithm: apiv1.ECDSAWithSHA256})
	if err != nil {
		panic(err)
	}
	signer, err := km.CreateSigner(&key.CreateSignerRequest)
	if err != nil {
		panic(err)
	}
	csr, err := x509util.CreateCertificateRequest("www.example.com", []string{"www.example.com"}, signer)
	if err != nil {
		panic(err)
	}
	fmt.Println(csr.Subject, csr.CheckSignature(), km.Close())
	// Output: CN=www.example.com <nil> <nil>
}

// open returns a KMS.
func open(t *testing.T, o kms.Options) kms.KeyManager {
	t.Helper()
	km, err := kms.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := km.Close(); err != nil {
			t.Error(err)
		}
	})
	return km
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	name := func(key string) string { return "holdfast:uri=" + url.QueryEscape("file:"+filepath.Join(dir, key)) }
	try(t, kms.Options{Type: "holdfast"}, name, "holdfast:uri="+url.QueryEscape("file:"+dir))
}

// TestPlace has names of keys alone, of a place that the KMS is given.
func TestPlace(t *testing.T) {
	name := func(key string) string { return key }
	try(t, kms.Options{URI: "holdfast:uri=" + url.QueryEscape("file:"+t.TempDir())}, name, "")
}

func TestServer(t *testing.T) {
	s := compat.Use(t)
	t.Run("of the environment", func(t *testing.T) {
		try(t, kms.Options{URI: "holdfast:"}, func(key string) string { return "holdfast:///alias/" + key }, "holdfast:///")
	})
	t.Run("with a host", func(t *testing.T) {
		at := "holdfast://" + strings.TrimPrefix(s.URL, "https://") + "/"
		km := open(t, kms.Options{URI: at})
		key, err := km.CreateKey(&apiv1.CreateKeyRequest{Name: at + "with-a-host"})
		if err != nil {
			t.Fatal(err)
		}
		certify(t, km, &key.CreateSignerRequest, x509.ECDSAWithSHA256)
		search(t, km, "")
	})
	t.Run("as AWS KMS", func(t *testing.T) {
		name := "holdfast:uri=" + url.QueryEscape("awskms:///alias/p384")
		certify(t, open(t, kms.Options{Type: "holdfast"}), &apiv1.CreateSignerRequest{SigningKey: name}, x509.ECDSAWithSHA384)
	})
}

// made are the keys that step asks for.
var made = []struct {
	name      string
	algorithm apiv1.SignatureAlgorithm
	bits      int
	signs     x509.SignatureAlgorithm
}{
	{"default", apiv1.UnspecifiedSignAlgorithm, 0, x509.ECDSAWithSHA256},
	{"p384", apiv1.ECDSAWithSHA384, 0, x509.ECDSAWithSHA384},
	{"p521", apiv1.ECDSAWithSHA512, 0, x509.ECDSAWithSHA512},
	{"ed25519", apiv1.PureEd25519, 0, x509.PureEd25519},
	{"rsa", apiv1.SHA256WithRSA, 2048, x509.SHA256WithRSA},
}

// try does all that step does with the keys of a place.
func try(t *testing.T, o kms.Options, name func(string) string, place string) {
	km := open(t, o)
	for _, test := range made {
		t.Run(test.name, func(t *testing.T) {
			if _, err := km.GetPublicKey(&apiv1.GetPublicKeyRequest{Name: name(test.name)}); !errors.Is(err, apiv1.NotFoundError{}) {
				t.Fatalf("a key that is not there yet: %v", err)
			}
			req := &apiv1.CreateKeyRequest{Name: name(test.name), SignatureAlgorithm: test.algorithm, Bits: test.bits}
			key, err := km.CreateKey(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := km.CreateKey(req); !errors.Is(err, apiv1.AlreadyExistsError{}) || holdfast.KindOf(err) != holdfast.AlreadyExists {
				t.Errorf("made again: %v", err)
			}
			public, err := km.GetPublicKey(&apiv1.GetPublicKeyRequest{Name: key.Name})
			if err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.PublicKey) {
				t.Errorf("the public key is %v, %v", public, err)
			}
			certify(t, km, &key.CreateSignerRequest, test.signs)
			if err := km.(apiv1.NameValidator).ValidateName(key.Name); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("decrypt", func(t *testing.T) { decrypt(t, km, name("rsa"), o) })
	t.Run("authority", func(t *testing.T) { authority(t, km, name) })
	t.Run("search", func(t *testing.T) { search(t, km, place) })
	t.Run("files of public keys", func(t *testing.T) { publicFiles(t, o, name("p384")) })
}

// certify signs a certificate as step-ca does, with the algorithm that the
// signer asks for.
func certify(t *testing.T, km kms.KeyManager, req *apiv1.CreateSignerRequest, want x509.SignatureAlgorithm) {
	t.Helper()
	signer, err := km.CreateSigner(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := signer.(interface {
		SignatureAlgorithm() x509.SignatureAlgorithm
	}).SignatureAlgorithm(); got != want {
		t.Errorf("it signs with %v", got)
	}
	template := &x509.Certificate{SignatureAlgorithm: want, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	c, err := x509util.CreateCertificate(template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		t.Error(err)
	}
}

func decrypt(t *testing.T, km kms.KeyManager, name string, o kms.Options) {
	if o.Type == "" && !strings.Contains(o.URI, "file") {
		name = encryptionKey(t, name) // a server's key does one thing
	}
	d, err := km.(apiv1.Decrypter).CreateDecrypter(&apiv1.CreateDecrypterRequest{DecryptionKey: name})
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := rsa.EncryptOAEP(crypto.SHA256.New(), rand.Reader, d.Public().(*rsa.PublicKey), []byte("m"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Decrypt(rand.Reader, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil || string(got) != "m" {
		t.Errorf("%q, %v", got, err)
	}
}

// encryptionKey makes a key that decrypts.
func encryptionKey(t *testing.T, near string) string {
	t.Helper()
	key, err := holdfast.Create(t.Context(), near+"-decrypts", "rsa-2048", holdfast.WithUsage("encrypt-decrypt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Close(); err != nil {
		t.Error(err)
	}
	return key.URI()
}

// authority has step's own small CA run on keys of the KMS: a root, an
// intermediate and two for SSH.
func authority(t *testing.T, km kms.KeyManager, name func(string) string) {
	n := 0
	ca, err := minica.New(minica.WithGetSignerFunc(func() (crypto.Signer, error) {
		n++
		key, err := km.CreateKey(&apiv1.CreateKeyRequest{Name: name(fmt.Sprint("ca", n))})
		if err != nil {
			return nil, err
		}
		return km.CreateSigner(&key.CreateSignerRequest)
	}))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := km.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: name("ed25519")})
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509util.CreateCertificateRequest("www.example.com", []string{"www.example.com"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.SignCSR(csr)
	if err != nil {
		t.Fatal(err)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.Root)
	intermediates.AddCert(ca.Intermediate)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, DNSName: "www.example.com"}); err != nil {
		t.Error(err)
	}
}

func search(t *testing.T, km kms.KeyManager, place string) {
	found, err := km.(apiv1.SearchableKeyManager).SearchKeys(&apiv1.SearchKeysRequest{Query: place})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Results) < len(made) {
		t.Errorf("only %d keys are found", len(found.Results))
	}
	for _, r := range found.Results {
		signer, err := km.CreateSigner(&r.CreateSignerRequest)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		} else if !signer.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(r.PublicKey) {
			t.Errorf("%s: another key is opened by its name", r.Name)
		}
	}
}

func publicFiles(t *testing.T, o kms.Options, name string) {
	at := o.URI
	if at == "" {
		at = "holdfast:"
	}
	fs, err := kms.KeyFS(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN PUBLIC KEY-----")) {
		t.Errorf("%q, %v", text, err)
	}
	if err := errors.Join(f.Close(), fs.Close()); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	anywhere := open(t, kms.Options{Type: "holdfast"})
	placed := open(t, kms.Options{Type: "holdfast", URI: "holdfast:uri=file:" + url.QueryEscape(dir)})
	for name, want := range map[string]struct{ anywhere, placed bool }{
		"":                                 {false, false},
		"holdfast:///alias/a":              {true, true}, // another place: opening says so
		"holdfast://kms.example.com/a":     {true, true},
		"holdfast:uri=file:%2Fkeys%2Fa":    {true, true},
		"holdfast:uri=file:/keys/a":        {true, true},
		"file:/keys/a":                     {true, true},
		"a.pem":                            {false, true},
		"holdfast:a.pem":                   {false, false},
		"holdfast:uri=":                    {false, false},
		"holdfast:uri=%zz":                 {false, false},
		"holdfast:uri=file:/a;name=b":      {false, false},
		"holdfast:uri=ftp:a":               {false, false},
		"holdfast:uri=holdfast:uri=a":      {false, false},
		"holdfast:///a?colour=red":         {false, false},
		"awskms:key-id=11111111-1111-4111": {false, true}, // a name in the place, which has no such file
	} {
		if err := anywhere.(apiv1.NameValidator).ValidateName(name); (err == nil) != want.anywhere {
			t.Errorf("%q: %v", name, err)
		}
		if err := placed.(apiv1.NameValidator).ValidateName(name); (err == nil) != want.placed {
			t.Errorf("%q in a place: %v", name, err)
		}
	}
	if typ, err := kms.TypeOf("holdfast:///alias/a"); err != nil || typ != step.Scheme {
		t.Errorf("the type is %v, %v", typ, err)
	}
	if _, err := placed.GetPublicKey(&apiv1.GetPublicKeyRequest{Name: "awskms:///alias/a"}); err == nil {
		t.Error("a key of another place is opened")
	}
}

// TestRefused has what is asked for in vain. None of it may be left out
// silently.
func TestRefused(t *testing.T) {
	for _, o := range []kms.Options{
		{CredentialsFile: "a"}, {ManagementKey: "a"}, {Region: "a"}, {Profile: "a"}, {StorageDirectory: "a"}, {URI: "holdfast:uri=ftp:a"},
	} {
		o.Type = "holdfast"
		if _, err := kms.New(t.Context(), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	dir := t.TempDir()
	km := open(t, kms.Options{Type: "holdfast", URI: "holdfast:uri=file:" + url.QueryEscape(dir), Pin: "1234"})
	for _, req := range []apiv1.CreateKeyRequest{
		{ProtectionLevel: apiv1.HSM},
		{Extractable: true},
		{PINPolicy: apiv1.PINPolicyAlways},
		{TouchPolicy: apiv1.TouchPolicyAlways},
		{DestroyRetentionPeriod: time.Hour},
		{SignatureAlgorithm: apiv1.MLDSA44},
		{SignatureAlgorithm: apiv1.SHA256WithRSA, Bits: 1024},
	} {
		req.Name = "a"
		if _, err := km.CreateKey(&req); !errors.Is(err, apiv1.NotImplementedError{}) {
			t.Errorf("%+v: %v", req, err)
		}
	}
	for _, spec := range []string{"ml-dsa-44", "secp256k1", "aes-256"} {
		if _, err := holdfast.Create(t.Context(), "file:"+filepath.Join(dir, spec), spec); err != nil {
			t.Fatal(err)
		}
		if _, err := km.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: spec}); !errors.Is(err, apiv1.NotImplementedError{}) {
			t.Errorf("%s signs: %v", spec, err)
		}
		if _, err := km.GetPublicKey(&apiv1.GetPublicKeyRequest{Name: spec}); !errors.Is(err, apiv1.NotImplementedError{}) {
			t.Errorf("%s has a public key: %v", spec, err)
		}
		if _, err := km.(apiv1.Decrypter).CreateDecrypter(&apiv1.CreateDecrypterRequest{DecryptionKey: spec}); !errors.Is(err, apiv1.NotImplementedError{}) {
			t.Errorf("%s decrypts: %v", spec, err)
		}
	}
	if _, err := open(t, kms.Options{Type: "holdfast"}).(apiv1.SearchableKeyManager).SearchKeys(&apiv1.SearchKeysRequest{}); err == nil {
		t.Error("a search in no place")
	}
}

// TestPassword opens an encrypted key file with the password of a request.
func TestPassword(t *testing.T) {
	at := "file:" + filepath.Join(t.TempDir(), "a")
	secret := []byte("correct horse")
	if _, err := holdfast.Create(t.Context(), at, "p-256", holdfast.WithPassphrase(func() ([]byte, error) { return slices.Clone(secret), nil })); err != nil {
		t.Fatal(err)
	}
	km := open(t, kms.Options{Type: "holdfast"})
	for name, req := range map[string]*apiv1.CreateSignerRequest{
		"password": {Password: secret},
		"prompt":   {PasswordPrompter: func(string) ([]byte, error) { return slices.Clone(secret), nil }},
		"none":     {},
		"wrong":    {Password: []byte("wrong")},
	} {
		req.SigningKey = "holdfast:uri=" + url.QueryEscape(at)
		signer, err := km.CreateSigner(req)
		if good := name == "password" || name == "prompt"; (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		} else if good {
			if _, ok := signer.Public().(*ecdsa.PublicKey); !ok {
				t.Errorf("%s: the public key is %T", name, signer.Public())
			}
		}
	}
	if string(secret) != "correct horse" {
		t.Error("the request's password was overwritten")
	}
}
