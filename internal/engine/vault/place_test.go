package vault

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

var ref = enginetest.NewRef("11111111-1111-4111-8111-111111111111")

// other is a ref beside ref.
func other(n int) engine.Ref {
	return enginetest.NewRef(key.ID(fmt.Sprintf("22222222-2222-4222-8222-%012d", n)))
}

// pair returns a server without a network and an engine over it.
func pair(t *testing.T, options ...vaulttest.Option) (*vaulttest.Server, *Engine) {
	t.Helper()
	s := vaulttest.New(append(options, vaulttest.RSAKeys(makeOne))...)
	o := still(s)
	o.Attempt, o.Timeout = 0, 0
	return s, open(t, o)
}

// signer makes a key that signs.
func signer(t *testing.T, e *Engine, ref engine.Ref, spec alg.Spec) (engine.Material, *engine.Key) {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, engine.Kind{Spec: spec, Usage: alg.SignVerify})
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

func wantKind(t *testing.T, err error, kind fault.Kind, reason fault.Reason, when string) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.ReasonOf(err) != reason || err == nil {
		t.Errorf("%s: %v, want one of kind %q", when, err, kind)
	}
}

// sign signs with a key and verifies the signature.
func sign(t *testing.T, spec alg.Spec, m engine.Material, k *engine.Key) error {
	t.Helper()
	a, msg := spec.For(alg.SignVerify)[0], engine.Message{Form: alg.Raw, Bytes: []byte("m")}
	signature, err := engine.Sign(k.Signer, a, msg)
	if err != nil {
		return err
	}
	p, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	return p.Verify(a, msg, signature)
}

// adopt adopts a key and opens it.
func adopt(t *testing.T, e *Engine, ref engine.Ref, name string) (engine.Material, *engine.Key) {
	t.Helper()
	kind, m, err := e.Adopt(t.Context(), ref, name)
	if err != nil {
		t.Fatalf("Adopt of %s: %v", name, err)
	}
	k, err := e.Open(t.Context(), ref, kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

// TestPinned: after a rotation in Transit a key that signs is the one that it
// was, one that computes codes too, and one that encrypts follows.
func TestPinned(t *testing.T) {
	s, e := pair(t)
	for name, what := range map[string]map[string]any{
		"signs": {"type": "ecdsa-p256"}, "codes": {"type": "hmac", "key_size": 64}, "encrypts": {"type": "aes256-gcm96"},
	} {
		write(t, s, "transit/keys/"+name, what)
	}
	m, signs := adopt(t, e, other(1), "transit/keys/signs")
	_, codes := adopt(t, e, other(2), "codes")
	_, encrypts := adopt(t, e, other(3), "encrypts")
	code, err := codes.MAC.Sum(nil, []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := encrypts.AEAD.Seal(nil, []byte("p"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signs", "codes", "encrypts"} {
		write(t, s, "transit/keys/"+name+"/rotate", nil)
	}
	if err := sign(t, alg.P256, m, signs); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if again, err := codes.MAC.Sum(nil, []byte("m")); err != nil || !cmp.Equal(again, code) {
		t.Errorf("after a rotation the code is %x and not %x (%v)", again, code, err)
	}
	if err := codes.Verifier.Verify(alg.HMACSHA512, engine.Message{Form: alg.Raw, Bytes: []byte("m")}, code); err != nil {
		t.Errorf("Verify of a code: %v", err)
	}
	wantKind(t, codes.Verifier.Verify(alg.HMACSHA512, engine.Message{Form: alg.Raw, Bytes: []byte("n")}, code), fault.BadSignature, 0, "another message's code")
	after, err := encrypts.AEAD.Seal(nil, []byte("p"), nil)
	if err != nil || after[4] != 2 {
		t.Errorf("a ciphertext after the rotation is of version %d (%v)", after[4], err)
	}
	for _, c := range [][]byte{before, after} {
		if p, err := encrypts.AEAD.Open(nil, c, nil); err != nil || string(p) != "p" {
			t.Errorf("%q, %v", p, err)
		}
	}
	second, _ := adopt(t, e, other(4), "signs/2")
	first, _ := adopt(t, e, other(4), "signs/1")
	if !cmp.Equal(first.Public, m.Public) || cmp.Equal(second.Public, m.Public) {
		t.Error("versions that are named are others")
	}
	for name, want := range map[string]string{"signs/2": "signs/2", "signs": "signs/2", "encrypts": "encrypts"} {
		kind, m, err := e.Adopt(t.Context(), other(5), name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.NameOf(other(5), kind.Spec, m.Wrapped); err != nil || got != want {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
	}

	write(t, s, "transit/keys/signs/config", map[string]any{"min_decryption_version": 2, "min_encryption_version": 2})
	wantKind(t, sign(t, alg.P256, m, signs), fault.WrongState, fault.KeyUnavailable, "a version that was retired")
	if c, err := e.Condition(t.Context(), other(1), alg.P256, m.Wrapped); err != nil || c != engine.Unusable {
		t.Errorf("a version that was retired is %q (%v)", c, err)
	}
	write(t, s, "transit/keys/encrypts/config", map[string]any{"min_decryption_version": 2})
	_, err = encrypts.AEAD.Open(nil, before, nil)
	wantKind(t, err, fault.WrongState, fault.KeyUnavailable, "a ciphertext of a version that was retired")
}

// TestForeign: what other clients of Transit encrypted opens, and the other way
// round the text form is in the compact one.
func TestForeign(t *testing.T) {
	s, e := pair(t)
	write(t, s, "transit/keys/k", map[string]any{"type": "aes256-gcm96"})
	_, k := adopt(t, e, ref, "k")
	text, ok := write(t, s, "transit/encrypt/k", map[string]any{"plaintext": "cA==", "associated_data": "YQ=="})["ciphertext"].(string)
	if !ok {
		t.Fatal("no ciphertext")
	}
	if p, err := k.AEAD.Open(nil, []byte(text), []byte("a")); err != nil || string(p) != "p" {
		t.Errorf("%q, %v", p, err)
	}
	_, err := k.AEAD.Open(nil, []byte(text), []byte("b"))
	wantKind(t, err, fault.BadCiphertext, 0, "other associated data")
	_, err = k.AEAD.Open(nil, []byte("vault:v1:AQI="), nil)
	wantKind(t, err, fault.BadCiphertext, 0, "a short ciphertext")
}

// TestNotAdopted has what is not adopted, and why.
func TestNotAdopted(t *testing.T) {
	s, e := pair(t)
	enginetest.Generate(t, e, ref, alg.P256)
	write(t, s, "transit/keys/aes", map[string]any{"type": "aes256-gcm96"})
	write(t, s, "transit/keys/ec", map[string]any{"type": "ecdsa-p256"})
	write(t, s, "transit/keys/odd", map[string]any{"type": "ecdsa-p256"})
	s.Change("odd", "aes128-gcm96", false)
	write(t, s, "transit/keys/derived", map[string]any{"type": "ed25519"})
	s.Change("derived", "ed25519", true)
	write(t, s, "transit/keys/off", map[string]any{"type": "ed25519"})
	if _, err := root(t, s).Logical().Delete("transit/keys/off/soft-delete"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		kind   fault.Kind
		reason fault.Reason
	}{
		"none": {fault.NotFound, 0}, "ec/2": {fault.NotFound, 0}, "aes/1": {fault.Unsupported, 0}, "odd": {fault.Unsupported, 0},
		"derived": {fault.Unsupported, 0}, "off": {fault.WrongState, fault.KeyDisabled}, remote.KeyName(ref): {fault.WrongState, 0},
		"a b": {fault.InvalidArgument, 0}, "elsewhere/keys/ec": {fault.InvalidArgument, 0},
	} {
		_, _, err := e.Adopt(t.Context(), other(1), name)
		wantKind(t, err, want.kind, want.reason, name)
	}
}

// TestNeverMade: Transit makes the key of an encryption when it is not there;
// a key that is gone is gone here.
func TestNeverMade(t *testing.T) {
	s, e := pair(t)
	m, k := enginetest.Generate(t, e, ref, alg.AES256)
	c, err := k.AEAD.Seal(nil, []byte("p"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	_, err = k.AEAD.Seal(nil, []byte("p"), nil)
	wantKind(t, err, fault.WrongState, fault.KeyUnavailable, "Seal with a key that is gone")
	_, err = k.AEAD.Open(nil, c, nil)
	wantKind(t, err, fault.WrongState, fault.KeyUnavailable, "Open with a key that is gone")
	if n := s.Keys(); n != 0 {
		t.Errorf("there are %d keys", n)
	}
	if c, err := e.Condition(t.Context(), ref, alg.AES256, m.Wrapped); err != nil || c != engine.Gone {
		t.Errorf("the key is %q (%v)", c, err)
	}
	for _, enabled := range []bool{true, false} {
		wantKind(t, e.SetEnabled(t.Context(), ref, alg.AES256, m.Wrapped, enabled), fault.WrongState, fault.KeyUnavailable, "SetEnabled of a key that is gone")
	}
}

// TestTaken: a key that has the name and is another one is not taken for it.
func TestTaken(t *testing.T) {
	s, e := pair(t)
	name, kind := "transit/keys/"+remote.KeyName(ref), engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}
	for what, key := range map[string]map[string]any{
		"another type": {"type": "ecdsa-p384"}, "exportable": {"type": "ecdsa-p256", "exportable": true},
		"open to backups": {"type": "ecdsa-p256", "allow_plaintext_backup": true},
	} {
		write(t, s, name, key)
		_, err := e.Generate(t.Context(), ref, kind)
		wantKind(t, err, fault.Conflict, 0, what)
		_, err = e.Import(t.Context(), ref, kind, enginetest.NewPlain(t, alg.P256))
		wantKind(t, err, fault.Conflict, 0, "Import over a key that is "+what)
		if err := e.remove(t.Context(), remote.KeyName(ref)); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := enginetest.Generate(t, e, ref, alg.P256)
	if again, err := e.Generate(t.Context(), ref, kind); err != nil || !cmp.Equal(again.Public, m.Public) {
		t.Errorf("the same key once more: %v", err)
	}
	if err := e.SetEnabled(t.Context(), ref, alg.P256, m.Wrapped, false); err != nil {
		t.Fatal(err)
	}
	_, err := e.Generate(t.Context(), ref, kind)
	wantKind(t, err, fault.WrongState, fault.KeyDisabled, "Generate of a key that is disabled")
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil || s.Keys() != 0 {
		t.Errorf("Destroy of a key that is disabled: %v", err)
	}
	kind.Exportable = true
	if _, err := e.Generate(t.Context(), other(1), kind); err != nil {
		t.Errorf("an exportable key: %v", err)
	}
}

// TestImportTwice: the same key comes in once, another one not at all.
func TestImportTwice(t *testing.T) {
	s, e := pair(t)
	for i, spec := range []alg.Spec{alg.AES256, alg.HMAC512, alg.Ed25519} {
		ref, kind := other(i), enginetest.KindOf(spec)
		plain := enginetest.NewPlain(t, spec)
		for range 2 {
			if _, err := e.Import(t.Context(), ref, kind, plain); err != nil {
				t.Errorf("%s: %v", spec, err)
			}
		}
		_, err := e.Import(t.Context(), ref, kind, enginetest.NewPlain(t, spec))
		wantKind(t, err, fault.Conflict, 0, "another "+spec.String())
	}
	if n := s.Keys(); n != 3 {
		t.Errorf("there are %d keys", n)
	}
}

// TestLostAnswers: a key comes in once though the answer to its import is lost,
// and one that is made by a name is made once, whatever its maker is told.
func TestLostAnswers(t *testing.T) {
	if _, err := makeOne(4096); err != nil { // the wrapping key, which takes its time
		t.Fatal(err)
	}
	s := start(t, vaulttest.Plain())
	e := open(t, options(s))
	for i, spec := range []alg.Spec{alg.AES256, alg.P256} {
		s.Inject(remotetest.Cut, 2, 1) // after the look for the key, and for the wrapping key
		if _, err := e.Import(t.Context(), other(i), enginetest.KindOf(spec), enginetest.NewPlain(t, spec)); err != nil {
			t.Errorf("Import of %s: %v", spec, err)
		}
	}
	kind := engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}
	s.Inject(remotetest.Cut, 1, 1)
	_, err := e.Make(t.Context(), "k", kind)
	wantKind(t, err, fault.Unavailable, 0, "Make whose answer is lost")
	_, err = e.Make(t.Context(), "k", kind)
	wantKind(t, err, fault.AlreadyExists, 0, "Make once more")
	if n := s.Keys(); n != 3 {
		t.Errorf("there are %d keys", n)
	}
}

// TestHashiCorp is what differs in the other product, and in its older
// versions, which answer a creation with nothing.
func TestHashiCorp(t *testing.T) {
	_, e := pair(t, vaulttest.HashiCorp(), vaulttest.Silent())
	m, k := signer(t, e, ref, alg.RSA2048)
	if err := sign(t, alg.RSA2048, m, k); err != nil {
		t.Error(err)
	}
	for _, enabled := range []bool{false, true} {
		err := e.SetEnabled(t.Context(), ref, alg.RSA2048, m.Wrapped, enabled)
		wantKind(t, err, fault.Unsupported, 0, "SetEnabled")
		if !strings.Contains(err.Error(), "HashiCorp") {
			t.Errorf("the error does not say why: %v", err)
		}
	}
	wantKind(t, e.Recover(t.Context(), ref, alg.RSA2048, m.Wrapped), fault.Unsupported, 0, "Recover")
	if c, err := e.Condition(t.Context(), ref, alg.RSA2048, m.Wrapped); err != nil || c != engine.Usable {
		t.Errorf("the key is %q (%v)", c, err)
	}
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Error(err)
	}
}

// TestAdoptedStay: what is somebody else's is not changed.
func TestAdoptedStay(t *testing.T) {
	s, e := pair(t)
	write(t, s, "transit/keys/k", map[string]any{"type": "ed25519"})
	m, k := adopt(t, e, ref, "k")
	for _, f := range []func() error{
		func() error { return e.SetEnabled(t.Context(), ref, alg.Ed25519, m.Wrapped, false) },
		func() error { return e.Destroy(t.Context(), ref, m.Wrapped) },
		func() error { return e.Recover(t.Context(), ref, alg.Ed25519, m.Wrapped) },
	} {
		if err := f(); err != nil {
			t.Error(err)
		}
	}
	if err := sign(t, alg.Ed25519, m, k); err != nil {
		t.Error(err)
	}
}

// TestMake has names that are not given to keys.
func TestMake(t *testing.T) {
	_, e := pair(t)
	kind := engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}
	for name, want := range map[string]fault.Kind{"a b": fault.InvalidArgument, "": fault.InvalidArgument, "holdfast-x": fault.InvalidArgument} {
		_, err := e.Make(t.Context(), name, kind)
		wantKind(t, err, want, 0, name)
	}
	_, err := e.Make(t.Context(), "k", engine.Kind{Spec: alg.Secp256k1, Usage: alg.SignVerify})
	wantKind(t, err, fault.Unsupported, 0, "a curve that Transit does not have")
}

// TestPages lists more keys than a page has, without the folder of the wrapping
// key, in both products.
func TestPages(t *testing.T) {
	for name, options := range map[string][]vaulttest.Option{"OpenBao": nil, "HashiCorp": {vaulttest.HashiCorp()}} {
		t.Run(name, func(t *testing.T) {
			s, e := pair(t, options...)
			if keys, next, err := e.List(t.Context(), ""); err != nil || len(keys) != 0 || next != "" {
				t.Errorf("no keys: %v, %q, %v", keys, next, err)
			}
			if _, err := e.Import(t.Context(), ref, enginetest.KindOf(alg.AES256), enginetest.NewPlain(t, alg.AES256)); err != nil {
				t.Fatal(err)
			}
			for i := range 119 {
				write(t, s, fmt.Sprintf("transit/keys/k%03d", i), map[string]any{"type": "aes256-gcm96"})
			}
			var pages []int
			seen := map[string]engine.Listed{}
			for page := ""; ; {
				keys, next, err := e.List(t.Context(), page)
				if err != nil {
					t.Fatal(err)
				}
				pages = append(pages, len(keys))
				for _, k := range keys {
					seen[k.Name] = k
				}
				if next == "" {
					break
				}
				page = next
			}
			if len(seen) != 120 || len(pages) > 4 {
				t.Errorf("%d keys in pages of %v", len(seen), pages)
			}
			made := seen[remote.KeyName(ref)]
			if time.Since(made.Created) > time.Hour || !made.Created.Equal(made.Renewed) || made.Rotation == nil || *made.Rotation != 0 {
				t.Errorf("made at %v, renewed at %v, rotates %v", made.Created, made.Renewed, made.Rotation)
			}
			made.Created, made.Renewed, made.Rotation = time.Time{}, time.Time{}, nil
			want := engine.Listed{
				Name: remote.KeyName(ref), Protection: key.Software, Kind: enginetest.KindOf(alg.AES256), Type: "aes256-gcm96", Condition: engine.Usable, Made: true,
			}
			if diff := cmp.Diff(want, made); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
