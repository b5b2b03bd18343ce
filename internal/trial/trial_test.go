package trial

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// place is an engine that counts what is left in it, and breaks to order.
type place struct {
	*soft.Engine
	left   int
	breaks func(*engine.Key)
}

func (p *place) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	p.left++
	return p.Engine.Generate(ctx, ref, kind)
}

func (p *place) Destroy(context.Context, engine.Ref, []byte) error {
	p.left--
	return nil
}

func (p *place) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	k, err := p.Engine.Open(ctx, ref, spec, wrapped)
	if err == nil && p.breaks != nil {
		p.breaks(k)
	}
	return k, err
}

func newPlace(t *testing.T) *place {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	e, err := soft.New(seal.NewKeyring(root, mem.New()), soft.Options{PureGo: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &place{Engine: e}
}

// TestUse tries every kind of key but the larger ones of RSA.
func TestUse(t *testing.T) {
	p := newPlace(t)
	kinds := slices.DeleteFunc(Kinds(), func(k engine.Kind) bool { return k.Spec == alg.RSA3072 || k.Spec == alg.RSA4096 })
	if len(kinds) < 12 {
		t.Errorf("%d kinds", len(kinds))
	}
	for _, kind := range kinds {
		r, err := Use(t.Context(), p, key.DefaultRealm, kind)
		if err != nil || len(r.Lacks) > 0 || r.Used == 0 {
			t.Errorf("%s for %s: %+v, %v", kind.Spec, kind.Usage, r, err)
		}
	}
	if p.left != 0 {
		t.Errorf("%d keys are left", p.left)
	}
}

// wrong makes keys that are not what they seem, or lack something.
type wrong struct {
	engine.AEAD
	engine.MAC
}

func (wrong) Open(dst, _, _ []byte) ([]byte, error) { return append(dst, "something else"...), nil }
func (wrong) Sum(dst, _ []byte) ([]byte, error)     { return append(dst, 1), nil }

func (wrong) Shared(*engine.PublicKey) ([]byte, error) { return make([]byte, 32), nil }

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		kind   engine.Kind
		breaks func(*engine.Key)
		want   string
	}{
		"a wrong plaintext": {engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}, func(k *engine.Key) { k.AEAD = wrong{AEAD: k.AEAD} }, "decrypting: what was encrypted decrypts to something else"},
		"another secret":    {engine.Kind{Spec: alg.P256, Usage: alg.KeyAgreement}, func(k *engine.Key) { k.Agreement = wrong{} }, "agreeing on a secret: the halves are not of one key"},
		"a short code":      {engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC}, func(k *engine.Key) { k.MAC = wrong{} }, "computing a code: the code has 1 bytes, and not 32"},
	} {
		p := newPlace(t)
		p.breaks = test.breaks
		_, err := Use(t.Context(), p, key.DefaultRealm, test.kind)
		if err == nil || !strings.Contains(err.Error(), test.want) || p.left != 0 {
			t.Errorf("%s: %v, %d keys left", name, err, p.left)
		}
	}
}

// TestLacks: what a key does not have is said, and is a failure only where it
// has nothing.
func TestLacks(t *testing.T) {
	unsupported := fault.New(fault.Unsupported, "no")
	of := alg.RSA2048.For(alg.SignVerify)
	var r Result
	err := each(of, &r, func(a alg.Algorithm) error {
		if a == of[0] {
			return nil
		}
		return failed(unsupported, "signing")
	})
	if err != nil || !slices.Equal(r.Lacks, of[1:]) {
		t.Errorf("lacks %v, %v", r.Lacks, err)
	}
	if err := each(of, &r, func(alg.Algorithm) error { return unsupported }); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("got %v", err)
	}
}
