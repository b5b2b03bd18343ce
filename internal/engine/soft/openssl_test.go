package soft

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// tool is the openssl command and a folder for its files.
type tool struct {
	t   *testing.T
	dir string
}

func newTool(t *testing.T) tool {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skipf("no openssl here: %v", err)
	}
	return tool{t, t.TempDir()}
}

func (o tool) file(name string, content []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// run runs the command. What openssl lacks in this version is reported by ok.
func (o tool) run(args ...string) (out []byte, ok bool) {
	o.t.Helper()
	var stderr bytes.Buffer
	c := exec.CommandContext(o.t.Context(), "openssl", args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		o.t.Logf("openssl %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out, err == nil
}

// verifyArgs returns how openssl verifies a signature over the file "message".
func verifyArgs(a alg.Algorithm, pub, message, signature string) []string {
	info := a.Info()
	digest := strings.ToLower(strings.ReplaceAll(info.Hash.String(), "-", ""))
	switch info.Scheme { //nolint:exhaustive // the others are verified as PKCS1 is
	case alg.PSS:
		return []string{
			"dgst", "-" + digest, "-verify", pub, "-signature", signature,
			"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", message,
		}
	case alg.PKCS1, alg.ECDSA:
		if !a.Takes(alg.Raw) { // with no digest named, it compares the bytes as they are
			return []string{"pkeyutl", "-verify", "-pubin", "-inkey", pub, "-in", message, "-sigfile", signature}
		}
	case alg.PureEdDSA, alg.PureMLDSA:
		return []string{"pkeyutl", "-verify", "-pubin", "-inkey", pub, "-rawin", "-in", message, "-sigfile", signature}
	}
	return []string{"dgst", "-" + digest, "-verify", pub, "-signature", signature, message}
}

// TestOpenSSL has the openssl command check signatures and codes, and encrypt
// to our keys.
func TestOpenSSL(t *testing.T) {
	o := newTool(t)
	for name, e := range engines(t) {
		for _, spec := range alg.Specs() {
			if name == "native" && spec.Info().Family != alg.RSA {
				continue
			}
			t.Run(name+"/"+spec.String(), func(t *testing.T) { o.testSpec(t, e, spec) })
		}
	}
}

func (o tool) testSpec(t *testing.T, e *Engine, spec alg.Spec) {
	o.t = t
	if spec.Symmetric() {
		if spec.Allows(alg.GenerateVerifyMAC) {
			o.testMAC(e, spec)
		} else {
			o.testModes(e, spec) // the format of AES-GCM is ours, see aead.json
		}
		return
	}
	k := o.newKey(e, spec)
	spki, err := engine.MarshalPublic(spec, k.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	pub := o.file("pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	if _, ok := o.run("pkey", "-pubin", "-in", pub, "-noout", "-text"); !ok {
		if spec.Info().Family == alg.MLDSA {
			t.Skip("this openssl has no ML-DSA: OpenSSL 3.5 is the first that does")
		}
		t.Fatal("openssl does not read the public key")
	}
	text := []byte("a message of exactly 36 bytes, it is")
	message := o.file("message", text)
	for _, a := range slices.Concat(spec.Info().Algorithms, spec.Info().Further) {
		switch a {
		case alg.Ed25519ph:
			// OpenSSL has it from 3.2 on; its vector is RFC 8032's.
		case alg.OAEPSHA1, alg.OAEPSHA256:
			o.testOAEP(a, pub, k)
		case alg.RSARaw:
			o.testRaw(pub, k)
		case alg.ECDH:
			o.testECDH(spec, spki, k)
		default:
			signature, err := engine.Sign(k.Signer, a, engine.Message{Form: a.Info().Forms[0], Bytes: text})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := o.run(verifyArgs(a, pub, message, o.file("signature", signature))...); !ok {
				t.Errorf("%s: openssl does not verify our signature", a)
			}
		}
	}
}

// newKey returns a key of the spec, a fixed one for RSA.
func (o tool) newKey(e *Engine, spec alg.Spec) *engine.Key {
	o.t.Helper()
	if spec.Info().Family != alg.RSA {
		_, k := enginetest.Generate(o.t, e, enginetest.NewRef("k"), spec)
		return k
	}
	k, err := importKey(o.t, e, spec, fixedRSA(o.t, spec))
	if err != nil {
		o.t.Fatal(err)
	}
	return k
}

func (o tool) testOAEP(a alg.Algorithm, pub string, k *engine.Key) {
	o.t.Helper()
	digest := map[alg.Algorithm]string{alg.OAEPSHA1: "sha1", alg.OAEPSHA256: "sha256"}[a]
	ciphertext, ok := o.run("pkeyutl", "-encrypt", "-pubin", "-inkey", pub, "-in", o.file("plain", []byte("plaintext")),
		"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+digest, "-pkeyopt", "rsa_mgf1_md:"+digest)
	if !ok {
		o.t.Fatal("openssl does not encrypt")
	}
	plaintext, err := engine.Decrypt(k.Decrypter, a, ciphertext)
	if err != nil || string(plaintext) != "plaintext" {
		o.t.Errorf("%s: %q, %v", a, plaintext, err)
	}
}

// testRaw has openssl encrypt a block as it is, which the bare operation gives
// back.
func (o tool) testRaw(pub string, k *engine.Key) {
	o.t.Helper()
	want := append([]byte{0, 2}, bytes.Repeat([]byte{0x33}, engine.SpecOf(k.Signer.Public()).Info().Bits/8-2)...)
	ciphertext, ok := o.run("pkeyutl", "-encrypt", "-pubin", "-inkey", pub, "-in", o.file("block", want), "-pkeyopt", "rsa_padding_mode:none")
	got, err := engine.Decrypt(k.Decrypter, alg.RSARaw, ciphertext)
	if !ok || err != nil || !bytes.Equal(got, want) {
		o.t.Errorf("%x, %v", got, err)
	}
}

// testModes compares with openssl's modes of AES, of those that its command has.
func (o tool) testModes(e *Engine, spec alg.Spec) {
	o.t.Helper()
	secret, iv := bytes.Repeat([]byte{0xa5, 0x11}, spec.Info().Bits/16), bytes.Repeat([]byte{0xff}, 16) // the counter wraps around
	k, err := importKey(o.t, e, spec, secret)
	if err != nil {
		o.t.Fatal(err)
	}
	plain := bytes.Repeat([]byte("sixteen bytes..."), 5)
	for a, args := range map[alg.Algorithm][]string{alg.AESCBC: {"cbc", "-nopad"}, alg.AESCBCPad: {"cbc"}, alg.AESCTR: {"ctr"}} {
		want, ok := o.run(append([]string{
			"enc", "-" + spec.String() + "-" + args[0], "-K", hex.EncodeToString(secret), "-iv", hex.EncodeToString(iv), "-in", o.file("plain", plain),
		}, args[1:]...)...)
		got, err := k.Cipher.Encrypt(a, engine.CipherParameters{IV: iv}, plain)
		if !ok || err != nil || !bytes.Equal(got, want) {
			o.t.Errorf("%s: %x (%v), openssl's is %x", a, got, err, want)
		}
	}
}

// testECDH has openssl make the other side and derive the same secret.
func (o tool) testECDH(spec alg.Spec, spki []byte, k *engine.Key) {
	o.t.Helper()
	private, ok := o.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+strings.ToUpper(spec.String()))
	if !ok {
		o.t.Fatal("openssl makes no key")
	}
	other := o.file("other.pem", private)
	public, ok := o.run("pkey", "-in", other, "-pubout", "-outform", "DER")
	if !ok {
		o.t.Fatal("openssl does not write the public key")
	}
	peer, err := engine.ParsePeer(spec, public)
	if err != nil {
		o.t.Fatal(err)
	}
	want, ok := o.run("pkeyutl", "-derive", "-inkey", other, "-peerform", "DER", "-peerkey", o.file("own.der", spki))
	got, err := engine.Agree(spec, k.Agreement, peer)
	if !ok || err != nil || !bytes.Equal(got, want) {
		o.t.Errorf("%x (%v), openssl's is %x", got, err, want)
	}
}

func (o tool) testMAC(e *Engine, spec alg.Spec) {
	o.t.Helper()
	secret := bytes.Repeat([]byte{0xa5}, spec.Info().Bits/8)
	k, err := importKey(o.t, e, spec, secret)
	if err != nil {
		o.t.Fatal(err)
	}
	digest := strings.ToLower(strings.ReplaceAll(spec.Info().Algorithms[0].Info().Hash.String(), "-", ""))
	want, ok := o.run("dgst", "-"+digest, "-binary", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(secret),
		o.file("message", []byte("a message")))
	got, err := k.MAC.Sum(nil, []byte("a message"))
	if !ok || err != nil || !bytes.Equal(got, want) {
		o.t.Errorf("%x (%v), openssl's is %x", got, err, want)
	}
}
