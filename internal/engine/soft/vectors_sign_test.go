package soft

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// verified reports whether a signature verifies; an error other than
// BadSignature ends the test.
func verified(t *testing.T, pub *engine.PublicKey, a alg.Algorithm, m engine.Message, signature []byte) bool {
	t.Helper()
	err := pub.Verify(a, m, signature)
	if err != nil && fault.KindOf(err) != fault.BadSignature {
		t.Fatalf("Verify: %v", err)
	}
	return err == nil
}

// runVerify verifies messages, and digests where the algorithm takes them.
func runVerify(t *testing.T, c corpus) int {
	n := 0
	for _, g := range c.groups(t) {
		pub, err := engine.ParsePublic(c.spec, g.PublicKeyDer)
		if err != nil {
			t.Fatalf("a public key of the corpus: %v", err)
		}
		for _, v := range g.Tests {
			v.judge(t, verified(t, pub, c.algorithm, engine.Message{Form: alg.Raw, Bytes: v.Msg}, v.Sig), "verifying")
			if h := c.algorithm.Info().Hash; h != 0 {
				sum := h.New()
				sum.Write(v.Msg)
				digest := engine.Message{Form: alg.Digest, Bytes: sum.Sum(nil)}
				v.judge(t, verified(t, pub, c.algorithm, digest, v.Sig), "verifying the digest")
			}
			n++
		}
	}
	return n
}

// runRFC8032 makes signatures that have one right value, and verifies them.
func runRFC8032(t *testing.T, c corpus) int {
	type test struct {
		Source                           string
		Seed, Public, Message, Signature hexBytes
	}
	var file struct{ Ed25519, Ed25519ph []test }
	readFile(t, c.file, &file)
	tests := file.Ed25519
	if c.algorithm == alg.Ed25519ph {
		tests = file.Ed25519ph
	}
	e := newEngine(t, Options{PureGo: true})
	for _, v := range tests {
		der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(v.Seed))
		if err != nil {
			t.Fatal(err)
		}
		k, err := importKey(t, e, c.spec, der)
		if err != nil {
			t.Fatal(err)
		}
		if public, ok := k.Signer.Public().(ed25519.PublicKey); !ok || !bytes.Equal(public, v.Public) {
			t.Errorf("%s: public half %x", v.Source, public)
		}
		m := engine.Message{Form: alg.Raw, Bytes: v.Message}
		if c.algorithm == alg.Ed25519ph {
			sum := sha512.Sum512(v.Message)
			m = engine.Message{Form: alg.Digest, Bytes: sum[:]}
		}
		signature, err := engine.Sign(k.Signer, c.algorithm, m)
		if err != nil || !bytes.Equal(signature, v.Signature) {
			t.Errorf("%s: signature %x, %v", v.Source, signature, err)
		}
		if !verified(t, publicOf(t, c.spec, k), c.algorithm, m, v.Signature) {
			t.Errorf("%s: does not verify", v.Source)
		}
	}
	return len(tests)
}

func publicOf(t *testing.T, spec alg.Spec, k *engine.Key) *engine.PublicKey {
	t.Helper()
	spki, err := engine.MarshalPublic(spec, k.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	pub, err := engine.ParsePublic(spec, spki)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// mu computes ML-DSA's mu with a context (FIPS 204 algorithm 2 line 10,
// algorithm 6 line 9, algorithm 7 line 6).
func mu(key, context, message []byte) []byte {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(key)
	out := make([]byte, 64)
	_, _ = h.Read(out)
	h.Reset()
	_, _ = h.Write(out)
	_, _ = h.Write([]byte{0, byte(len(context))})
	_, _ = h.Write(context)
	_, _ = h.Write(message)
	_, _ = h.Read(out)
	return out
}

// rawKey returns the key bytes at the end of an ML-DSA SubjectPublicKeyInfo.
func rawKey(t *testing.T, spec alg.Spec, spki []byte) []byte {
	t.Helper()
	size := map[alg.Spec]int{alg.MLDSA44: 1312, alg.MLDSA65: 1952, alg.MLDSA87: 2592}[spec]
	if len(spki) <= size {
		t.Fatalf("a public key of %d bytes", len(spki))
	}
	return spki[len(spki)-size:]
}

// runMLDSAVerify verifies every signature by its mu, and those with the empty
// context by their message too.
func runMLDSAVerify(t *testing.T, c corpus) int {
	n := 0
	for _, g := range c.groups(t) {
		pub, err := engine.ParsePublic(c.spec, g.PublicKeyDer)
		for _, v := range g.Tests {
			switch {
			case err != nil:
				if !slices.Contains(v.Flags, "IncorrectPublicKeyLength") {
					t.Errorf("tcId %d: %v", v.ID, err)
				}
				v.judge(t, false, "reading the key")
			case len(v.Ctx) > 255:
				continue // no mu exists, and no caller of ours gives a context
			default:
				m := engine.Message{Form: alg.ExternalMu, Bytes: mu(rawKey(t, c.spec, g.PublicKeyDer), v.Ctx, v.Msg)}
				v.judge(t, verified(t, pub, c.algorithm, m, v.Sig), "verifying mu")
				if len(v.Ctx) == 0 {
					m = engine.Message{Form: alg.Raw, Bytes: v.Msg}
					v.judge(t, verified(t, pub, c.algorithm, m, v.Sig), "verifying")
				}
			}
			n++
		}
	}
	return n
}

// runMLDSASign imports the seeds. Our signatures are random where the vectors'
// are not, so what is compared is the public key, mu, and that the vectors'
// signatures and ours verify.
func runMLDSASign(t *testing.T, c corpus) int {
	e := newEngine(t, Options{PureGo: true})
	n := 0
	for _, g := range c.groups(t) {
		k, err := importKey(t, e, c.spec, g.PrivateSeed)
		for _, v := range g.Tests {
			if err != nil || len(v.Ctx) > 255 {
				v.judge(t, false, "importing the seed, or signing with a context that is too long")
				n++
				continue
			}
			pub := publicOf(t, c.spec, k)
			spki, err := engine.MarshalPublic(c.spec, pub.Key())
			if err != nil {
				t.Fatal(err)
			}
			key := rawKey(t, c.spec, spki)
			if want := `"` + hexString(key) + `"`; string(g.PublicKey) != want {
				t.Fatalf("tcId %d: another public key", v.ID)
			}
			m := engine.Message{Form: alg.ExternalMu, Bytes: v.Mu}
			if !slices.Contains(v.Flags, "Internal") { // those have mu and no message
				if m.Bytes = mu(key, v.Ctx, v.Msg); len(v.Mu) != 0 && !bytes.Equal(v.Mu, m.Bytes) {
					t.Errorf("tcId %d: another mu", v.ID)
				}
			}
			v.judge(t, verified(t, pub, c.algorithm, m, v.Sig), "verifying")
			signature, err := engine.Sign(k.Signer, c.algorithm, m)
			v.judge(t, err == nil && verified(t, pub, c.algorithm, m, signature), "signing")
			n++
		}
	}
	return n
}
