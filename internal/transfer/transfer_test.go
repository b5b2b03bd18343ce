package transfer

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// newRSA returns a new RSA key.
func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// filled returns n bytes that no other n gives a prefix of.
func filled(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n >> 8), 0x5a}, n/3+1)[:n] }

// TestRoundTrip has what each wrapping takes, from the least to the most.
func TestRoundTrip(t *testing.T) {
	k := newRSA(t, 2048)
	for _, tt := range []struct {
		how   alg.Wrapping
		sizes []int // of plain keys
		over  int   // a byte too many
	}{
		{alg.WrapOAEPSHA1, []int{16, 28, 32, 214}, 215},
		{alg.WrapOAEPSHA256, []int{16, 28, 32, 190}, 191},
		{alg.WrapPKCS1, []int{16, 28, 32, 64, 245}, 246},
		{alg.WrapAESKeyWrapSHA1, []int{16, 17, 28, 32, 1216, 2400, MaxKWP}, MaxKWP + 1},
		{alg.WrapAESKeyWrapSHA256, []int{16, 23, 24, 32, 1216, 2400, MaxKWP}, MaxKWP + 1},
	} {
		for _, n := range tt.sizes {
			wrapped, err := Wrap(nil, &k.PublicKey, tt.how, filled(n))
			if err != nil {
				t.Fatalf("%s: Wrap of %d bytes: %v", tt.how, n, err)
			}
			got, err := Unwrap(GoKey(k), tt.how, n, wrapped)
			if err != nil || !bytes.Equal(got, filled(n)) {
				t.Errorf("%s: Unwrap of %d bytes: %x, %v", tt.how, n, got, err)
			}
			want := 256
			if TwoSteps(tt.how) {
				want += (n+7)/8*8 + 8
			}
			if len(wrapped) != want {
				t.Errorf("%s: %d bytes make %d, want %d", tt.how, n, len(wrapped), want)
			}
		}
		if _, err := Wrap(nil, &k.PublicKey, tt.how, filled(tt.over)); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: Wrap of %d bytes: %v, want an invalid argument", tt.how, tt.over, err)
		}
	}
}

// TestOneError: whatever is wrong with an encryption, the error has the same
// kind and the same words.
func TestOneError(t *testing.T) {
	k, other := newRSA(t, 2048), newRSA(t, 2048)
	for _, how := range alg.Wrappings() {
		good, err := Wrap(nil, &k.PublicKey, how, filled(32))
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := Wrap(nil, &other.PublicKey, how, filled(32))
		if err != nil {
			t.Fatal(err)
		}
		bad := map[string][]byte{
			"nothing": {}, "one byte": {1}, "zeros": make([]byte, len(good)), "ones": bytes.Repeat([]byte{0xff}, len(good)),
			"under another key": foreign, "a byte less": good[:len(good)-1], "eight bytes less": good[:len(good)-8],
			"a byte more": append(bytes.Clone(good), 0), "only the first step": good[:min(256, len(good)-1)],
		}
		for at := 0; at < len(good); at += 19 {
			flipped := bytes.Clone(good)
			flipped[at] ^= 1
			bad[fmt.Sprintf("byte %d flipped", at)] = flipped
		}
		if how == alg.WrapPKCS1 {
			if bad["another length"], err = Wrap(nil, &k.PublicKey, how, filled(31)); err != nil {
				t.Fatal(err)
			}
		}
		if TwoSteps(how) { // a step that is right with one that is not
			bad["an AES key of 24 bytes"] = twoSteps(t, k, how, filled(24), good[256:])
			bad["no AES key"] = twoSteps(t, k, how, nil, good[256:])
			bad["another AES key"] = twoSteps(t, k, how, filled(32), good[256:])
		}
		for name, wrapped := range bad {
			got, err := Unwrap(GoKey(k), how, 32, wrapped)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || got != nil {
				t.Errorf("%s, %s: %x, %v", how, name, got, err)
				continue
			}
			if diff := cmp.Diff(Refused(), error(f)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", how, name, diff)
			}
		}
	}
}

// twoSteps encrypts an AES key that Wrap would not make.
func twoSteps(t *testing.T, k *rsa.PrivateKey, how alg.Wrapping, aes, rest []byte) []byte {
	t.Helper()
	first, err := rsa.EncryptOAEP(Hash(how).New(), rand.Reader, &k.PublicKey, aes, nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(first, rest...)
}

// TestArguments has what is wrong with a call itself.
func TestArguments(t *testing.T) {
	k := newRSA(t, 2048)
	for _, how := range []alg.Wrapping{alg.NoWrapping, 99} {
		if _, err := Wrap(nil, &k.PublicKey, how, filled(32)); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("Wrap by %d: %v", how, err)
		}
		if _, err := Unwrap(GoKey(k), how, 32, filled(256)); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("Unwrap by %d: %v", how, err)
		}
	}
	if _, err := Unwrap(GoKey(k), alg.WrapPKCS1, 0, filled(256)); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("PKCS #1 v1.5 for a key of unknown length: %v", err)
	}
	if _, err := Wrap(bytes.NewReader(filled(3)), &k.PublicKey, alg.WrapAESKeyWrapSHA1, filled(32)); fault.KindOf(err) != fault.Internal {
		t.Errorf("Wrap without enough random bytes: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", GoKey(k), GoKey(k), GoKey(k), GoKey(k)); text != "[redacted] [redacted] [redacted] [redacted]" {
		t.Errorf("a private key prints as %s", text)
	}
	if _, _, err := Split(0, filled(500)); err == nil {
		t.Error("Split under no modulus")
	}
}

// away is a key that cannot be reached.
type away struct{ Private }

func (away) SessionKey(_, _ []byte) error { return fault.New(fault.Unavailable, "the token is away") }

// TestUnavailable: that a key is out of reach is told as what it is.
func TestUnavailable(t *testing.T) {
	if _, err := Unwrap(away{GoKey(newRSA(t, 2048))}, alg.WrapPKCS1, 32, filled(256)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

func run(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v: %s", args, err, complaints.Bytes())
	}
	return out
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rsaOptions are what pkeyutl needs for the RSA step of a wrapping.
func rsaOptions(how alg.Wrapping) []string {
	if how == alg.WrapPKCS1 {
		return []string{"-pkeyopt", "rsa_padding_mode:pkcs1"}
	}
	h := "rsa_oaep_md:sha256"
	if Hash(how) == crypto.SHA1 {
		h = "rsa_oaep_md:sha1" // and MGF1 with the same
	}
	return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", h}
}

// TestOpenSSL: OpenSSL opens what Wrap makes, and Unwrap what OpenSSL makes,
// byte for byte, with a modulus of 4,096 bits and the targets of a transfer
// blob.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is needed")
	}
	dir := t.TempDir()
	kek := newRSA(t, 4096)
	private := write(t, dir, "kek.der", must(t)(x509.MarshalPKCS8PrivateKey(kek)))
	public := write(t, dir, "kek.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(t)(x509.MarshalPKIXPublicKey(&kek.PublicKey))}))
	target := must(t)(x509.MarshalPKCS8PrivateKey(newRSA(t, 2048)))
	for _, how := range alg.Wrappings() {
		for name, plain := range map[string][]byte{"32 bytes": filled(32), "RSA-2048": target} {
			if len(plain) > 32 && !TwoSteps(how) {
				continue
			}
			t.Run(how.String()+"/"+name, func(t *testing.T) {
				ours, err := Wrap(nil, &kek.PublicKey, how, plain)
				if err != nil {
					t.Fatal(err)
				}
				decrypt := append([]string{"pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", private}, rsaOptions(how)...)
				encrypt := append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", public}, rsaOptions(how)...)
				var got, theirs []byte
				if TwoSteps(how) {
					first, rest, err := Split(512, ours)
					if err != nil {
						t.Fatal(err)
					}
					aes := hex.EncodeToString(run(t, first, decrypt...))
					got = run(t, rest, "enc", "-d", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", aes)
					theirs = run(t, filled(32), encrypt...)
					theirs = append(theirs, run(t, plain, "enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(filled(32)))...)
				} else {
					got, theirs = run(t, ours, decrypt...), run(t, plain, encrypt...)
				}
				if !bytes.Equal(got, plain) {
					t.Errorf("OpenSSL opens %x", got)
				}
				if len(theirs) != len(ours) {
					t.Errorf("OpenSSL's has %d bytes, ours %d", len(theirs), len(ours))
				}
				if back, err := Unwrap(GoKey(kek), how, len(plain), theirs); err != nil || !bytes.Equal(back, plain) {
					t.Errorf("of OpenSSL's: %x, %v", back, err)
				}
			})
		}
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// FuzzUnwrap: whatever is sent, it is the one error or a key.
func FuzzUnwrap(f *testing.F) {
	k := newRSA(f, 2048)
	for _, how := range alg.Wrappings() {
		wrapped, err := Wrap(nil, &k.PublicKey, how, filled(32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(how), wrapped)
		f.Add(byte(how), wrapped[:len(wrapped)-8])
	}
	f.Fuzz(func(t *testing.T, which byte, wrapped []byte) {
		how := alg.Wrappings()[int(which)%len(alg.Wrappings())]
		plain, err := Unwrap(GoKey(k), how, 32, wrapped)
		if err == nil && len(plain) == 0 && TwoSteps(how) {
			t.Error("an empty key")
		}
		if err != nil && cmp.Diff(Refused(), err) != "" {
			t.Errorf("%v", err)
		}
	})
}
