package soft

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// BenchmarkRSA compares Go with the native library. Compare only figures of
// one run.
func BenchmarkRSA(b *testing.B) {
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
		pure := newEngine(b, Options{PureGo: true})
		m, err := pure.Generate(b.Context(), enginetest.NewRef("k"), enginetest.KindOf(spec))
		if err != nil {
			b.Fatal(err)
		}
		for _, side := range []struct {
			name   string
			engine *Engine
		}{{"go", pure}, {"native", newEngine(b, Options{})}} {
			k, err := side.engine.Open(b.Context(), enginetest.NewRef("k"), spec, m.Wrapped)
			if err != nil {
				b.Fatal(err)
			}
			for _, a := range []alg.Algorithm{alg.PKCS1SHA256, alg.PSSSHA256} {
				b.Run(spec.String()+"/"+a.String()+"/"+side.name, func(b *testing.B) { benchmarkSign(b, k, a) })
			}
			b.Run(spec.String()+"/oaep/"+side.name, func(b *testing.B) { benchmarkDecrypt(b, spec, m, k) })
		}
	}
}

// BenchmarkSign signs with every other spec.
func BenchmarkSign(b *testing.B) {
	e := newEngine(b, Options{PureGo: true})
	for _, spec := range alg.Specs() {
		if !spec.Allows(alg.SignVerify) || spec.Info().Family == alg.RSA {
			continue
		}
		m, err := e.Generate(b.Context(), enginetest.NewRef("k"), enginetest.KindOf(spec))
		if err != nil {
			b.Fatal(err)
		}
		k, err := e.Open(b.Context(), enginetest.NewRef("k"), spec, m.Wrapped)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(spec.String(), func(b *testing.B) { benchmarkSign(b, k, spec.For(alg.SignVerify)[0]) })
	}
}

func benchmarkSign(b *testing.B, k *engine.Key, a alg.Algorithm) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Sign(k.Signer, a, engine.Message{Form: alg.Raw, Bytes: []byte("message")}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDecrypt(b *testing.B, spec alg.Spec, m engine.Material, k *engine.Key) {
	pub, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		b.Fatal(err)
	}
	ciphertext, err := pub.Encrypt(alg.OAEPSHA256, []byte("plaintext"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := engine.Decrypt(k.Decrypter, alg.OAEPSHA256, ciphertext); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAEAD shows what the key derived for each message costs beside
// AES-GCM under one key.
func BenchmarkAEAD(b *testing.B) {
	secret, plaintext := make([]byte, aeadSecret), make([]byte, 4096)
	derived, err := newAEAD(secret)
	if err != nil {
		b.Fatal(err)
	}
	plain, err := newGCM(secret)
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 0, 5000)
	b.Run("one-key", func(b *testing.B) {
		for b.Loop() {
			plain.Seal(buffer, nil, plaintext, nil)
		}
	})
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := derived.Seal(buffer, plaintext, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		ciphertext, err := derived.Seal(nil, plaintext, nil)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := derived.Open(buffer, ciphertext, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen shows what opening a key costs.
func BenchmarkOpen(b *testing.B) {
	for name, e := range map[string]*Engine{"go": newEngine(b, Options{PureGo: true}), "native": newEngine(b, Options{})} {
		for _, spec := range []alg.Spec{alg.AES256, alg.RSA2048, alg.P256, alg.MLDSA65} {
			m, err := e.Generate(b.Context(), enginetest.NewRef("k"), enginetest.KindOf(spec))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(spec.String()+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := e.Open(b.Context(), enginetest.NewRef("k"), spec, m.Wrapped); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkNew shows what the library costs a server's start: with the
// library loaded already, its self-test.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newEngine(b, Options{})
	}
}
