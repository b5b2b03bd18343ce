//go:build linux && (amd64 || arm64) && !static

package pkcs11

import (
	"bytes"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// TestLesserTokens: tokens that lack what SoftHSM has do the same by what they
// have, and say so.
func TestLesserTokens(t *testing.T) {
	for _, tt := range []struct {
		name   string
		preset preset.Preset
		gaps   []string // beside those of SoftHSM
		no     []alg.Usage
	}{
		{name: "without PSS", preset: avoid(pkcs11.MechRSAPKCSPSS), gaps: []string{"RSASSA-PSS"}},
		{name: "without OAEP", preset: avoid(pkcs11.MechRSAPKCSOAEP), gaps: []string{"RSAES-OAEP with SHA-1"}},
		{
			name: "without AES-KWP", preset: avoid(pkcs11.MechAESKeyWrapPad, pkcs11.MechAESKeyWrapKWP),
			no: []alg.Usage{alg.KeyTransfer},
		},
		{name: "without ids", preset: preset.Preset{Omit: []pkcs11.AttributeType{pkcs11.AttrID}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, tt.preset)
			e := newEngine(t, p)
			for _, u := range alg.RSA2048.Info().Usages {
				if got, want := e.Supports(alg.RSA2048, u), !contains(tt.no, u); got != want {
					t.Errorf("Supports for %s: %t, want %t", u, got, want)
				}
				if e.Supports(alg.RSA2048, u) {
					useRSA(t, e, u)
				}
			}
			importAll(t, e)
			gaps, err := e.Gaps(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var lacks []string
			for _, g := range gaps {
				lacks = append(lacks, g.Lacks)
			}
			for _, want := range tt.gaps {
				if !strings.Contains(strings.Join(lacks, ";"), want) {
					t.Errorf("the gap %q is not among %q", want, lacks)
				}
			}
			if diff := cmp.Diff([]string{}, p.objects(t)); diff != "" {
				t.Errorf("the objects that are left (-want +got):\n%s", diff)
			}
		})
	}
}

func avoid(m ...pkcs11.MechanismType) preset.Preset { return preset.Preset{Avoid: m} }

func contains(list []alg.Usage, u alg.Usage) bool {
	return slices.Contains(list, u)
}

// useRSA makes an RSA key for a usage and does all of it.
func useRSA(t *testing.T, e *Engine, usage alg.Usage) {
	t.Helper()
	ref := enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	m, err := e.Generate(t.Context(), ref, engine.Kind{Spec: alg.RSA2048, Usage: usage})
	if err != nil {
		t.Fatalf("%s: %v", usage, err)
	}
	defer destroy(t, e, ref, m)
	k, err := e.Open(t.Context(), ref, alg.RSA2048, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.RSA2048, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alg.RSA2048.For(usage) {
		if usage == alg.SignVerify {
			m := engine.Message{Form: alg.Raw, Bytes: []byte(a.String())}
			signature, err := engine.Sign(k.Signer, a, m)
			if err == nil {
				err = public.Verify(a, m, signature)
			}
			if err != nil {
				t.Errorf("%s: %v", a, err)
			}
			continue
		}
		ciphertext, err := public.Encrypt(a, []byte("plaintext"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := engine.Decrypt(k.Decrypter, a, ciphertext); err != nil || string(got) != "plaintext" {
			t.Errorf("%s: %q, %v", a, got, err)
		}
		ciphertext[len(ciphertext)-1] ^= 1
		if _, err := engine.Decrypt(k.Decrypter, a, ciphertext); cmp.Diff(badCiphertext(), err) != "" {
			t.Errorf("%s: %v, want the one error", a, err)
		}
	}
	if usage == alg.KeyTransfer {
		unwrapBoth(t, e, k, public)
	}
}

// unwrapBoth takes a private key by both wrappings of two steps.
func unwrapBoth(t *testing.T, e *Engine, kek *engine.Key, public *engine.PublicKey) {
	t.Helper()
	under, ok := public.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	ref := enginetest.NewRef("22222222-2222-4222-8222-222222222222")
	for _, how := range []alg.Wrapping{alg.WrapAESKeyWrapSHA1, alg.WrapAESKeyWrapSHA256} {
		wrapped, err := transfer.Wrap(nil, under, how, enginetest.NewPlain(t, alg.P256))
		if err != nil {
			t.Fatal(err)
		}
		m, err := kek.Unwrapper.Unwrap(t.Context(), ref, enginetest.KindOf(alg.P256), how, wrapped)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		destroy(t, e, ref, m)
		wrapped[len(wrapped)-1] ^= 1
		if _, err := kek.Unwrapper.Unwrap(t.Context(), ref, enginetest.KindOf(alg.P256), how, wrapped); cmp.Diff(transfer.Refused(), err) != "" {
			t.Errorf("%s, damaged: %v, want the one error", how, err)
		}
	}
}

// importAll brings a key of each family in, by whatever way the token has.
func importAll(t *testing.T, e *Engine) {
	t.Helper()
	for _, spec := range []alg.Spec{alg.AES256, alg.HMAC224, alg.HMAC512, alg.RSA2048, alg.P256, alg.P521, alg.Secp256k1, alg.Ed25519} {
		ref := enginetest.NewRef("33333333-3333-4333-8333-333333333333")
		plain := enginetest.NewPlain(t, spec)
		m, err := e.Import(t.Context(), ref, enginetest.KindOf(spec), plain)
		if err != nil {
			t.Errorf("Import of %s: %v", spec, err)
			continue
		}
		p, err := engine.ParsePlain(spec, plain)
		if err != nil {
			t.Fatal(err)
		}
		if p.Public != nil {
			if want, err := engine.MarshalPublic(spec, p.Public); err != nil || !bytes.Equal(want, m.Public) {
				t.Errorf("Import of %s: another public half (%v)", spec, err)
			}
		}
		destroy(t, e, ref, m)
	}
	if _, err := e.Import(t.Context(), enginetest.NewRef("k"), enginetest.KindOf(alg.HMAC256), make([]byte, 32)); fault.ReasonOf(err) != fault.WeakKey {
		t.Errorf("Import of zeros: %v", err)
	}
}

func destroy(t *testing.T, e *Engine, ref engine.Ref, m engine.Material) {
	t.Helper()
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}
