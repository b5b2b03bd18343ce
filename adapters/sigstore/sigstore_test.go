package sigstore_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/adapters/sigstore"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// Example signs an artifact with a key in a file, and verifies it. The key
// could be in any place that package holdfast knows.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sv, err := kms.Get(ctx, "holdfast://?uri=file:"+filepath.Join(dir, "release.pem"), crypto.SHA256)
	if err != nil {
		panic(err)
	}
	public, err := sv.CreateKey(ctx, sv.DefaultAlgorithm())
	if err != nil {
		panic(err)
	}
	sig, err := sv.SignMessage(strings.NewReader("artifact"))
	if err != nil {
		panic(err)
	}
	verifier, err := signature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		panic(err)
	}
	fmt.Println(verifier.VerifySignature(bytes.NewReader(sig), strings.NewReader("artifact")))
	// Output: <nil>
}

// inFile returns the reference of a key in a file.
func inFile(t *testing.T) func(name string) string {
	dir := t.TempDir()
	return func(name string) string {
		return "holdfast://?uri=" + url.QueryEscape("file:"+filepath.Join(dir, name))
	}
}

// keys are those of which sigstore's own verifier is the judge, with the hash
// that it has for each.
var keys = map[string]crypto.Hash{
	"p-256": crypto.SHA256, "p-384": crypto.SHA384, "p-521": crypto.SHA512, "ed25519": crypto.SHA512, "rsa-2048": crypto.SHA256,
}

func TestFile(t *testing.T) { try(t, inFile(t)) }

func TestServer(t *testing.T) {
	s := compat.Use(t)
	try(t, func(name string) string { return "holdfast:///alias/" + name })
	t.Run("with a host", func(t *testing.T) {
		sv := get(t, "holdfast://"+strings.TrimPrefix(s.URL, "https://")+"/alias/p-256", crypto.SHA256)
		signAndVerify(t, sv, crypto.SHA256)
	})
	t.Run("as AWS KMS", func(t *testing.T) {
		signAndVerify(t, get(t, "holdfast://?uri=awskms:///alias/p-384", crypto.SHA256), crypto.SHA384)
	})
}

func get(t *testing.T, ref string, hash crypto.Hash) kms.SignerVerifier {
	t.Helper()
	sv, err := kms.Get(t.Context(), ref, hash)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sv.(*sigstore.SignerVerifier).Close(); err != nil {
			t.Error(err)
		}
	})
	return sv
}

// try does all that sigstore does with a key of a place.
func try(t *testing.T, ref func(name string) string) {
	for spec, hash := range keys {
		t.Run(spec, func(t *testing.T) {
			sv := get(t, ref(spec), crypto.SHA256)
			if _, err := sv.PublicKey(); holdfast.KindOf(err) != holdfast.NotFound {
				t.Fatalf("a key that is not there yet: %v", err)
			}
			made, err := sv.CreateKey(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			again, err := get(t, ref(spec), hash).CreateKey(t.Context(), spec)
			if err != nil || !made.(interface{ Equal(crypto.PublicKey) bool }).Equal(again) {
				t.Errorf("made again: %v, %v", again, err)
			}
			signAndVerify(t, sv, hash)
			certify(t, sv)
		})
	}
	t.Run("another type", func(t *testing.T) {
		if _, err := get(t, ref("p-256"), 0).CreateKey(t.Context(), "p-384"); holdfast.KindOf(err) != holdfast.Conflict {
			t.Error(err)
		}
	})
	t.Run("PSS", func(t *testing.T) { pss(t, get(t, ref("rsa-2048"), crypto.SHA384)) })
	t.Run("a digest", func(t *testing.T) { digest(t, get(t, ref("p-256"), crypto.SHA256)) })
	t.Run("Ed25519ph", func(t *testing.T) { prehashed(t, get(t, ref("ed25519"), crypto.SHA512)) })
}

func signAndVerify(t *testing.T, sv kms.SignerVerifier, hash crypto.Hash) {
	t.Helper()
	message := []byte("an artifact")
	sig, err := sv.SignMessage(bytes.NewReader(message), options.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	public, err := sv.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := signature.LoadVerifier(public, hash)
	if err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func(sig, message []byte) error{
		"sigstore": func(sig, message []byte) error {
			return judge.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message))
		},
		"here": func(sig, message []byte) error {
			return sv.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message))
		},
		"where the key is": func(sig, message []byte) error {
			return sv.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message), options.WithRemoteVerification(true))
		},
	} {
		if err := verify(sig, message); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := verify(sig, []byte("another")); err == nil {
			t.Errorf("%s: the signature is taken for another message", name)
		}
		if err := verify(slices.Concat(sig[:len(sig)-1], []byte{^sig[len(sig)-1]}), message); err == nil {
			t.Errorf("%s: a broken signature is taken", name)
		}
	}
}

// certify has Go's own x509 use the key.
func certify(t *testing.T, sv kms.SignerVerifier) {
	t.Helper()
	signer, opts, err := sv.CryptoSigner(t.Context(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, signer)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.CheckSignature() != nil {
		t.Errorf("the request is wrong: %v", err)
	}
	input := make([]byte, 40)
	if h := opts.HashFunc(); h != 0 {
		input = make([]byte, h.Size())
	}
	if _, err := signer.Sign(nil, input, opts); err != nil {
		t.Error(err)
	}
	told := false
	signer, _, err = sv.CryptoSigner(t.Context(), func(error) { told = true })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Sign(nil, input, crypto.MD5); err == nil || !told {
		t.Errorf("MD5: %v, told %v", err, told)
	}
}

func pss(t *testing.T, sv kms.SignerVerifier) {
	opts := options.WithCryptoSignerOpts(&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA384})
	sig, err := sv.SignMessage(strings.NewReader("m"), opts)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sv.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := signature.LoadRSAPSSVerifier(public.(*rsa.PublicKey), crypto.SHA384, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("m"), opts); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); err == nil {
		t.Error("a PSS signature is taken for one of PKCS #1 v1.5")
	}
}

func digest(t *testing.T, sv kms.SignerVerifier) {
	sum := sha256.Sum256([]byte("m"))
	sig, err := sv.SignMessage(nil, options.WithDigest(sum[:]), options.WithCryptoSignerOpts(crypto.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), nil, options.WithDigest(sum[:])); err != nil {
		t.Error(err)
	}
	if _, err := sv.SignMessage(nil, options.WithDigest(sum[:31])); err == nil {
		t.Error("a digest of 31 bytes is signed")
	}
	if _, err := sv.SignMessage(strings.NewReader("m"), options.WithCryptoSignerOpts(crypto.SHA512)); err == nil {
		t.Error("a hash is signed that P-256 does not have")
	}
}

func prehashed(t *testing.T, sv kms.SignerVerifier) {
	opts := options.WithCryptoSignerOpts(crypto.SHA512)
	sig, err := sv.SignMessage(strings.NewReader("m"), opts)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sv.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := signature.LoadVerifierWithOpts(public, options.WithED25519ph())
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.VerifySignature(bytes.NewReader(sig), strings.NewReader("m")); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("m"), opts); err != nil {
		t.Error(err)
	}
}

func TestReferences(t *testing.T) {
	for ref, good := range map[string]bool{
		"holdfast:///alias/release":                 true,
		"holdfast:///release?region=eu-central-1":   true,
		"holdfast://kms.example.com:8443/release":   true,
		"holdfast://?uri=file:/keys/release.pem":    true,
		"holdfast://?uri=awskms%3A%2F%2F%2Falias/x": true,
		"holdfast://?uri=pkcs11:token=a;object=b":   false, // net/url refuses ";"
		"holdfast://?uri=pkcs11:token=a%3Bobject=b": true,
		"holdfast://":                             true, // of a server, no key: opening it says so
		"holdfast://?uri=":                        false,
		"holdfast://?uri=file:/a&uri=file:/b":     false,
		"holdfast://?uri=file:/a&region=b":        false,
		"holdfast://?uri=holdfast://?uri=file:/a": false,
		"holdfast://?uri=ftp://a/b":               false,
		"holdfast:///release?colour=red":          false,
		"holdfast:///%%":                          false,
	} {
		if _, err := kms.Get(t.Context(), ref, crypto.SHA256); (err == nil) != good {
			t.Errorf("%s: %v", ref, err)
		}
	}
	sv, err := sigstore.Provider()(t.Context(), "file:"+filepath.Join(t.TempDir(), "a"), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sv.CreateKey(t.Context(), "p-256"); err != nil {
		t.Errorf("a URI with its own scheme: %v", err)
	}
}

// TestRefused has what is asked for in vain. None of it may be left out
// silently.
func TestRefused(t *testing.T) {
	ref := inFile(t)
	if _, err := kms.Get(t.Context(), ref("k"), crypto.SHA256, options.WithKeyVersion("2")); err == nil {
		t.Error("KeyVersion is taken")
	}
	if _, err := kms.Get(t.Context(), ref("k"), crypto.SHA256, options.WithRPCAuthOpts(options.RPCAuth{Token: "t"})); err == nil {
		t.Error("RPCAuth is taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kms.Get(ended, ref("k"), crypto.SHA256); err == nil {
		t.Error("a context that is over is taken")
	}
	sv := get(t, ref("k"), crypto.SHA256)
	if _, err := sv.CreateKey(t.Context(), "secp256k1"); err == nil {
		t.Error("a key is made that sigstore does not know")
	}
	if _, err := sv.CreateKey(t.Context(), "p-256"); err != nil {
		t.Fatal(err)
	}
	if _, err := sv.SignMessage(strings.NewReader("m"), options.WithContext(ended)); err == nil {
		t.Error("signed after the end of the context")
	}
	if _, err := sv.SignMessage(strings.NewReader("m"), options.WithKeyVersion("2")); err == nil {
		t.Error("KeyVersion is taken")
	}
	if err := sv.VerifySignature(nil, strings.NewReader("m")); err == nil {
		t.Error("no signature is taken")
	}
	for _, spec := range []string{"secp256k1", "ml-dsa-44", "aes-256"} {
		uri := "file:" + filepath.Join(t.TempDir(), spec)
		key, err := holdfast.Create(t.Context(), uri, spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Close(); err != nil {
			t.Error(err)
		}
		sv := get(t, "holdfast://?uri="+url.QueryEscape(uri), crypto.SHA256)
		if _, err := sv.PublicKey(); holdfast.KindOf(err) != holdfast.Unsupported {
			t.Errorf("%s: %v", spec, err)
		}
		if _, err := sv.SignMessage(strings.NewReader("m")); holdfast.KindOf(err) != holdfast.Unsupported {
			t.Errorf("%s: %v", spec, err)
		}
	}
}
