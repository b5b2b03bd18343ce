//go:build linux && (amd64 || arm64) && !static

package pkcs11

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
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

// TestAgreementComesIn: a key that agrees and does nothing else comes into the
// token in the clear and wrapped, with its own public half, which no token has
// to show.
func TestAgreementComesIn(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	kekRef, ref := enginetest.NewRef("33333333-3333-4333-8333-333333333333"), enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	kekKind := engine.Kind{Spec: alg.RSA2048, Usage: alg.KeyTransfer}
	kekMaterial, err := e.Generate(t.Context(), kekRef, kekKind)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := e.Open(t.Context(), kekRef, alg.RSA2048, kekMaterial.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	under, ok := kek.Signer.Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	for _, spec := range []alg.Spec{alg.P256, alg.P384, alg.P521} {
		kind, plain := engine.Kind{Spec: spec, Usage: alg.KeyAgreement}, enginetest.NewPlain(t, spec)
		wrapped, err := transfer.Wrap(nil, under, alg.WrapAESKeyWrapSHA256, plain)
		if err != nil {
			t.Fatal(err)
		}
		for name, in := range map[string]func() (engine.Material, error){
			"plain": func() (engine.Material, error) { return e.Import(t.Context(), ref, kind, plain) },
			"wrapped": func() (engine.Material, error) {
				return kek.Unwrapper.Unwrap(t.Context(), ref, kind, alg.WrapAESKeyWrapSHA256, wrapped)
			},
		} {
			m, err := in()
			if err != nil {
				t.Errorf("%s, %s: %v", spec, name, err)
				continue
			}
			private, err := engine.ParsePlain(spec, plain)
			if err != nil {
				t.Fatal(err)
			}
			if want, err := engine.MarshalPublic(spec, private.Public); err != nil || !bytes.Equal(m.Public, want) {
				t.Errorf("%s, %s: the public half is another one (%v)", spec, name, err)
			}
			mayNotSign(t, e, ref, spec, m)
			destroy(t, e, ref, m)
		}
	}
	destroy(t, e, kekRef, kekMaterial)
	if diff := cmp.Diff([]string{}, p.objects(t)); diff != "" {
		t.Errorf("the objects that are left (-want +got):\n%s", diff)
	}
}

// mayNotSign asserts that a key agrees, and that the token itself does not have
// it sign.
func mayNotSign(t *testing.T, e *Engine, ref engine.Ref, spec alg.Spec, m engine.Material) {
	t.Helper()
	k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.RehearseAgreement(k.Agreement, public); err != nil {
		t.Errorf("%s: %v", spec, err)
	}
	r, err := e.unseal(ref, spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.place.Sign(t.Context(), r.address(), pkcs11.Mechanism{Type: pkcs11.MechECDSA}, make([]byte, 32)); err == nil {
		t.Errorf("%s: the token signs with a key that is for agreement", spec)
	}
}

// TestAgreementAdopted: a key of another program that only agrees shows its
// public half by the object beside it, if that is its own.
func TestAgreementAdopted(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	err := p.Do(t.Context(), func(ctx context.Context, s *pkcs11.Session) error {
		name := []pkcs11.Attribute{
			pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Text(pkcs11.AttrLabel, "agrees"), pkcs11.Bytes(pkcs11.AttrID, []byte{1}),
		}
		_, _, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pkcs11.MechECKeyPairGen},
			append(slices.Clone(name), pkcs11.Bytes(pkcs11.AttrECParams, curves()[alg.P256])), append(name, pkcs11.Bool(pkcs11.AttrDerive, true), pkcs11.Bool(pkcs11.AttrSign, false),
				pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrDecrypt, false), pkcs11.Bool(pkcs11.AttrUnwrap, false)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	kind, m, err := e.Adopt(t.Context(), ref, "pkcs11:object=agrees")
	if want := (engine.Kind{Spec: alg.P256, Usage: alg.KeyAgreement}); err != nil || kind != want {
		t.Fatalf("%+v, %v", kind, err)
	}
	mayNotSign(t, e, ref, alg.P256, m)

	p.tool(t, "--delete-object", "--type", "pubkey", "--id", "01")
	if _, _, err := e.Adopt(t.Context(), ref, "pkcs11:object=agrees"); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("without a public half: %v", err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.der")
	if err := os.WriteFile(file, spki, 0o600); err != nil {
		t.Fatal(err)
	}
	p.tool(t, "--write-object", file, "--type", "pubkey", "--label", "agrees", "--id", "01")
	if _, _, err := e.Adopt(t.Context(), ref, "pkcs11:object=agrees"); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("with the public half of another key: %v", err)
	}
}

// TestAgreementLacking: a token without the mechanism has no keys for it, and
// keys that sign all the same.
func TestAgreementLacking(t *testing.T) {
	e := newEngine(t, newPlace(t, avoid(pkcs11.MechECDH1Derive)))
	if e.Supports(alg.P256, alg.KeyAgreement) || !e.Supports(alg.P256, alg.SignVerify) {
		t.Error("the token supports key agreement, or no signatures")
	}
	_, err := e.Generate(t.Context(), enginetest.NewRef("k"), engine.Kind{Spec: alg.P256, Usage: alg.KeyAgreement})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("Generate: %v", err)
	}
}

// TestLeadingZeros: one secret in 256 begins with a zero byte, and is as long as
// the others.
func TestLeadingZeros(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	ref, kind := enginetest.NewRef("11111111-1111-4111-8111-111111111111"), engine.Kind{Spec: alg.P256, Usage: alg.KeyAgreement}
	m, err := e.Generate(t.Context(), ref, kind)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), ref, alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.P256, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	own, err := public.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	for i := int64(1); ; i++ { // the other side's private key
		other, err := ecdh.P256().NewPrivateKey(big.NewInt(i).FillBytes(make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := other.ECDH(own)
		if err != nil {
			t.Fatal(err)
		}
		if want[0] != 0 {
			continue
		}
		spki, err := x509.MarshalPKIXPublicKey(other.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := engine.ParsePeer(alg.P256, spki)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := engine.Agree(alg.P256, k.Agreement, peer); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, %v, want %x", got, err, want)
		}
		break
	}
	if seen := p.tool(t, "--list-objects", "--type", "privkey"); !strings.Contains(seen, "Usage:      derive\n") {
		t.Errorf("the key does more than agree:\n%s", seen)
	}
}
