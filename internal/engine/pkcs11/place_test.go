package pkcs11

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// away is a place whose token nobody has reached.
type away struct{ err error }

func (away) Name() string { return "away" }

func (a away) Capabilities(context.Context) (*hsm.Capabilities, error) { return nil, a.err }

func (a away) Sign(context.Context, hsm.Address, pkcs11.Mechanism, []byte) ([]byte, error) {
	return nil, a.err
}

func (a away) Use(context.Context, hsm.Address, func(context.Context, *pkcs11.Session, pkcs11.Object) error) error {
	return a.err
}

func (a away) Do(context.Context, func(context.Context, *pkcs11.Session) error) error { return a.err }

func (a away) Find(context.Context, hsm.Query) ([]hsm.Found, error) { return nil, a.err }

func (a away) Destroy(context.Context, hsm.Address) error { return a.err }

// plainBox is a Wrapper that hides nothing.
type plainBox struct{}

func (plainBox) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (plainBox) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) { return wrapped, nil }

// TestAway: while the token is away the engine says what it could do, opens
// keys, and fails to use them by an error that says that trying again may help.
func TestAway(t *testing.T) {
	for name, err := range map[string]error{
		"away":               fault.New(fault.Unavailable, "token \"t\" is not in any slot of its module"),
		"without the object": fault.New(fault.NotFound, "token \"t\" has no private key"),
		"timed out":          context.DeadlineExceeded,
	} {
		e, newErr := New(away{err}, plainBox{}, Options{Log: slog.New(slog.DiscardHandler)})
		if newErr != nil {
			t.Fatal(newErr)
		}
		if !e.Supports(alg.P256, alg.SignVerify) || !e.Supports(alg.RSA4096, alg.KeyTransfer) || e.Supports(alg.MLDSA44, alg.SignVerify) || !e.Imports(alg.AES256) {
			t.Errorf("%s: Supports is not what the package can do", name)
		}
		ref := enginetest.NewRef("k")
		_, err := e.Generate(t.Context(), ref, enginetest.KindOf(alg.P256))
		wantUnavailable(t, name+": Generate", err)
		_, err = e.Import(t.Context(), ref, enginetest.KindOf(alg.AES256), enginetest.NewPlain(t, alg.AES256))
		wantUnavailable(t, name+": Import", err)
		_, err = e.Gaps(t.Context())
		if err == nil {
			t.Errorf("%s: Gaps of a token that was never reached", name)
		}
		wantUnavailable(t, name+": Random", e.Random(t.Context(), make([]byte, 1)))
		for _, spec := range []alg.Spec{alg.P256, alg.AES256, alg.HMAC256, alg.RSA2048} {
			k := opened(t, e, ref, spec)
			switch {
			case k.AEAD != nil:
				_, err = k.AEAD.Seal(nil, []byte("x"), nil)
			case k.MAC != nil:
				_, err = k.MAC.Sum(nil, []byte("x"))
			default:
				a := spec.For(alg.SignVerify)[0]
				_, err = engine.Sign(k.Signer, a, engine.Message{Form: alg.Raw, Bytes: []byte("x")})
			}
			wantUnavailable(t, name+": "+spec.String(), err)
		}
	}
}

func wantUnavailable(t *testing.T, when string, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%s: %v, want it to be unavailable", when, err)
	}
}

// opened returns a key of a reference that was made by hand.
func opened(t *testing.T, e *Engine, ref engine.Ref, spec alg.Spec) *engine.Key {
	t.Helper()
	kind := enginetest.KindOf(spec)
	if spec == alg.RSA2048 {
		kind.Usage = alg.SignVerify
	}
	r := everything().newReference(ref, kind)
	if !spec.Symmetric() {
		p, err := engine.ParsePlain(spec, enginetest.NewPlain(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		if r.Public, err = engine.MarshalPublic(spec, p.Public); err != nil {
			t.Fatal(err)
		}
	}
	m, err := e.seal(ref, spec, r)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPrinting: an opened key prints as where it is, and a reference is no
// secret.
func TestPrinting(t *testing.T) {
	e, err := New(away{}, plainBox{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := opened(t, e, enginetest.NewRef("k"), alg.RSA2048)
	for _, v := range []any{k.Signer, k.Decrypter, k.Unwrapper} {
		if text := fmt.Sprintf("%v", v); len(text) > 100 {
			t.Errorf("%T prints as %s", v, text)
		}
	}
}

// TestNew asserts what an engine needs.
func TestNew(t *testing.T) {
	if _, err := New(nil, plainBox{}, Options{}); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("without a place: %v", err)
	}
	if _, err := New(away{}, nil, Options{}); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("without a wrapper: %v", err)
	}
	e, err := New(away{}, plainBox{}, Options{})
	if err != nil || e.Name() != "away" || e.Protection() != key.HSM {
		t.Errorf("%v, %v", e, err)
	}
}
