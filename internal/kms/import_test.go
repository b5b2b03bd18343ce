package kms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// importing is newFixture for tests that need many RSA keys to encrypt material
// to: it takes turns with a few.
func importing(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t)
	var turn atomic.Int64
	f.keys = func() []byte {
		keys, err := rsaKeys()
		if err != nil {
			t.Fatal(err)
		}
		return keys[int(turn.Add(1))%len(keys)]
	}
	f.open()
	return f
}

var rsaKeys = sync.OnceValues(func() (keys [][]byte, err error) {
	for range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, err
		}
		keys = append(keys, der)
	}
	return keys, nil
})

// external makes a key that waits for its material.
func (f *fixture) external(spec alg.Spec) *key.Key {
	f.t.Helper()
	k, err := f.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: spec.Info().Usages[0], External: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// parameters asks for import parameters under RSA-2048.
func (f *fixture) parameters(k *key.Key, how alg.Wrapping) *kms.ImportParameters {
	f.t.Helper()
	p, err := f.ImportParameters(f.t.Context(), f.admin(), refTo(k), how, alg.RSA2048)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// wrap encrypts a key to a SubjectPublicKeyInfo.
func (f *fixture) wrap(spki []byte, how alg.Wrapping, plain []byte) []byte {
	f.t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		f.t.Fatal(err)
	}
	wrapped, err := transfer.Wrap(nil, public.(*rsa.PublicKey), how, plain)
	if err != nil {
		f.t.Fatal(err)
	}
	return wrapped
}

// bring imports plain material; change may be nil.
func (f *fixture) bring(k *key.Key, plain []byte, change func(*kms.ImportMaterialRequest)) (*kms.MaterialResult, error) {
	f.t.Helper()
	const how = alg.WrapAESKeyWrapSHA256
	p := f.parameters(k, how)
	req := &kms.ImportMaterialRequest{Key: refTo(k), Token: p.Token, Encrypted: f.wrap(p.Public, how, plain)}
	if change != nil {
		change(req)
	}
	return f.ImportMaterial(f.t.Context(), f.admin(), req)
}

func (f *fixture) stateOf(k *key.Key) key.State {
	f.t.Helper()
	now, err := f.DescribeKey(f.t.Context(), f.admin(), refTo(k))
	if err != nil {
		f.t.Fatal(err)
	}
	return now.State
}

// secretOf returns a secret of 32 bytes that says which one it is.
func secretOf(name string) []byte { return fmt.Appendf(nil, "%-32s", "secret "+name) }

// plainKeys are keys made outside, one of each kind that can be brought.
var plainKeys = sync.OnceValues(func() (map[alg.Spec][]byte, error) {
	keys := map[alg.Spec][]byte{}
	for _, spec := range alg.Specs() {
		if spec.Symmetric() {
			keys[spec] = []byte(strings.Repeat("0123456789abcdef", 4))[:spec.Info().Bits/8]
		}
	}
	var err error
	add := func(spec alg.Spec, k any, failed error) {
		if err == nil {
			err = failed
		}
		if err == nil {
			keys[spec], err = x509.MarshalPKCS8PrivateKey(k)
		}
	}
	for spec, curve := range map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()} {
		k, failed := ecdsa.GenerateKey(curve, rand.Reader)
		add(spec, k, failed)
	}
	k, failed := rsa.GenerateKey(rand.Reader, 2048)
	add(alg.RSA2048, k, failed)
	_, ed, failed := ed25519.GenerateKey(rand.Reader)
	add(alg.Ed25519, ed, failed)
	return keys, err
})

func keysFrom(t testing.TB) map[alg.Spec][]byte {
	t.Helper()
	keys, err := plainKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestEveryKindOfMaterialComesIn: in every wrapping that it fits in, and the
// key is that key then, as the same key imported whole is.
func TestEveryKindOfMaterialComesIn(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	imports := 0
	for spec, plain := range keysFrom(t) {
		k := f.external(spec)
		if k.State != key.PendingImport || k.Origin != key.Imported || f.stateOf(k) != key.PendingImport {
			t.Errorf("%s: the key is %s, its origin %s", spec, k.State, k.Origin)
		}
		whole, err := f.ImportKey(ctx, f.admin(), &kms.ImportKeyRequest{
			CreateKeyRequest: kms.CreateKeyRequest{Spec: spec, Usage: spec.Info().Usages[0]}, Material: plain,
		})
		must(t, err)
		for _, how := range alg.Wrappings() {
			if !transfer.Fits(spec, how, alg.RSA2048) {
				_, err := f.ImportParameters(ctx, f.admin(), refTo(k), how, alg.RSA2048)
				want(t, err, fault.InvalidArgument, fault.Unspecified)
				continue
			}
			if spec != alg.AES256 && (int(spec)+int(how))%3 != 0 {
				continue // each wrapping's RSA key takes a while to make
			}
			p := f.parameters(k, how)
			r, err := f.ImportMaterial(ctx, f.admin(), &kms.ImportMaterialRequest{
				Key: refTo(k), Token: p.Token, Encrypted: f.wrap(p.Public, how, plain),
			})
			if err != nil {
				t.Errorf("%s by %s: %v", spec, how, err)
				continue
			}
			imports++
			if !bytes.Equal(r.Version.Public, whole.Current().Public) || r.Key.State != key.Enabled || len(r.Version.MaterialID) != 64 {
				t.Errorf("%s by %s: got %+v", spec, how, r.Version)
			}
			deleted, err := f.DeleteMaterial(ctx, f.admin(), refTo(k), "")
			if must(t, err); deleted.Version.MaterialID != r.Version.MaterialID || f.stateOf(k) != key.PendingImport {
				t.Errorf("%s: %s was deleted of %s", spec, deleted.Version.MaterialID, r.Version.MaterialID)
			}
		}
	}
	if imports < 15 {
		t.Errorf("only %d imports were tried", imports)
	}
}

// TestImportedKeysWork: what the owner has, the key has.
func TestImportedKeysWork(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	mac := f.external(alg.HMAC256)
	_, err := f.GenerateMAC(ctx, f.admin(), &kms.MACRequest{Key: refTo(mac), Algorithm: alg.HMACSHA256, Message: []byte("m")})
	want(t, err, fault.WrongState, fault.KeyPendingImport)
	_, err = f.bring(mac, []byte("0123456789abcdef0123456789abcdef"), nil)
	must(t, err)
	for range 2 { // after a restart too
		code, err := f.GenerateMAC(ctx, f.admin(), &kms.MACRequest{Key: refTo(mac), Algorithm: alg.HMACSHA256, Message: []byte("m")})
		must(t, err)
		// printf m | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
		const known = "e5618cf024b664e27206871fccaa463c835b31c1eed94da121a003c30302101d"
		if got := hex.EncodeToString(code.MAC); got != known {
			t.Errorf("the code is %s, want %s", got, known)
		}
		f.open()
	}
	signing := f.external(alg.P384)
	_, err = f.PublicKey(ctx, f.admin(), refTo(signing))
	want(t, err, fault.WrongState, fault.KeyPendingImport)
	_, err = f.DelegatedSigner(ctx, f.admin(), "ca/1", signing.Name.ID, alg.ECDSASHA384)
	want(t, err, fault.WrongState, fault.KeyPendingImport)
	r, err := f.bring(signing, keysFrom(t)[alg.P384], nil)
	must(t, err)
	signed, err := f.Sign(ctx, f.admin(), &kms.SignRequest{
		Key: refTo(signing), Algorithm: alg.ECDSASHA384, Message: engine.Message{Form: alg.Raw, Bytes: []byte("m")},
	})
	must(t, err)
	verifySPKI(t, r.Version.Public, signed.Signature)
}

// TestImportTokens is what a token is good for: one key, one way, one day.
func TestImportTokens(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	k, other := f.external(alg.AES256), f.external(alg.AES256)
	p := f.parameters(k, alg.WrapOAEPSHA256)
	if len(p.Token) > 6144 || !p.Expires.After(f.clock().Add(23*time.Hour)) || p.Expires.After(f.clock().Add(24*time.Hour)) {
		t.Errorf("a token of %d bytes expires at %s", len(p.Token), p.Expires)
	}
	encrypted := f.wrap(p.Public, alg.WrapOAEPSHA256, secretOf("a"))
	bring := func(ref kms.Ref, token, encrypted []byte) error {
		_, err := f.ImportMaterial(ctx, f.admin(), &kms.ImportMaterialRequest{Key: ref, Token: token, Encrypted: encrypted})
		return err
	}
	for i := range p.Token {
		changed := bytes.Clone(p.Token)
		changed[i] ^= 1 << (i % 8)
		if err := bring(refTo(k), changed, encrypted); fault.ReasonOf(err) != fault.InvalidImportToken {
			t.Fatalf("with byte %d of the token changed: %v", i, err)
		}
	}
	want(t, bring(refTo(k), p.Token[:len(p.Token)-1], encrypted), fault.InvalidArgument, fault.InvalidImportToken)
	want(t, bring(refTo(other), p.Token, encrypted), fault.InvalidArgument, fault.InvalidImportToken)
	want(t, bring(refTo(k), p.Token, encrypted[1:]), fault.BadCiphertext, fault.Unspecified)
	want(t, bring(refTo(k), p.Token, f.wrap(p.Public, alg.WrapOAEPSHA1, secretOf("a"))), fault.BadCiphertext, fault.Unspecified)
	want(t, bring(refTo(k), p.Token, f.wrap(f.parameters(k, alg.WrapOAEPSHA256).Public, alg.WrapOAEPSHA256, secretOf("a"))),
		fault.BadCiphertext, fault.Unspecified)
	want(t, bring(refTo(k), p.Token, f.wrap(p.Public, alg.WrapOAEPSHA256, []byte("0123456789abcdef"))),
		fault.InvalidArgument, fault.IncorrectMaterial)
	want(t, bring(refTo(k), p.Token, f.wrap(p.Public, alg.WrapOAEPSHA256, make([]byte, 32))), fault.InvalidArgument, fault.WeakKey)
	if f.stateOf(k) != key.PendingImport {
		t.Fatal("a refused import left something")
	}
	f.open() // nothing of a token is kept by the server
	must(t, bring(refTo(k), p.Token, encrypted))
	must(t, bring(refTo(k), p.Token, encrypted)) // the same material, for as long as the token is good
	f.advance(24*time.Hour + time.Second)
	want(t, bring(refTo(k), p.Token, encrypted), fault.InvalidArgument, fault.ExpiredImportToken)
}

// TestFailuresWithAPaddingAreCounted: PKCS #1 v1.5 tells something with each
// failure, so a token has only so many.
func TestFailuresWithAPaddingAreCounted(t *testing.T) {
	f := importing(t)
	k := f.external(alg.AES256)
	for how, more := range map[alg.Wrapping]bool{alg.WrapPKCS1: false, alg.WrapOAEPSHA256: true} {
		p := f.parameters(k, how)
		try := func(b []byte) error {
			_, err := f.ImportMaterial(t.Context(), f.admin(), &kms.ImportMaterialRequest{Key: refTo(k), Token: p.Token, Encrypted: b})
			return err
		}
		for range 16 {
			want(t, try(make([]byte, 256)), fault.BadCiphertext, fault.Unspecified)
		}
		err := try(f.wrap(p.Public, how, secretOf("a")))
		if more {
			must(t, err)
		} else {
			want(t, err, fault.InvalidArgument, fault.InvalidImportToken)
		}
	}
	// Material of another length is not told from a wrong padding.
	p := f.parameters(k, alg.WrapPKCS1)
	_, err := f.ImportMaterial(t.Context(), f.admin(), &kms.ImportMaterialRequest{
		Key: refTo(k), Token: p.Token, Encrypted: f.wrap(p.Public, alg.WrapPKCS1, []byte("0123456789abcdef")),
	})
	want(t, err, fault.BadCiphertext, fault.Unspecified)
}

// TestWhoMayImport is the table of who may do what to which key.
func TestWhoMayImport(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	f.people["asker"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:GetParametersForImport","Resource":"*"}}`)}
	external, generated := f.external(alg.AES256), f.create(alg.AES256, alg.NoUsage)
	deleted := f.external(alg.AES256)
	_, err := f.ScheduleDeletion(ctx, f.admin(), refTo(deleted), 7)
	must(t, err)
	const denied, identity = fault.PermissionDenied, fault.NoIdentityPolicyAllows
	for name, test := range map[string]struct {
		who                       string
		k                         *key.Key
		kind                      [3]fault.Kind // of asking, bringing, deleting
		reason                    [3]fault.Reason
		asks, brings, takesItAway bool
	}{
		"admin": {
			who: "admin", k: external, asks: true, takesItAway: true,
			kind: [3]fault.Kind{0, fault.InvalidArgument, 0}, reason: [3]fault.Reason{0, fault.InvalidImportToken, 0},
		},
		"nobody": {
			who: "nobody", k: external, kind: [3]fault.Kind{denied, denied, denied}, reason: [3]fault.Reason{identity, identity, identity},
		},
		"who may ask only": {
			who: "asker", k: external, asks: true, kind: [3]fault.Kind{0, denied, denied}, reason: [3]fault.Reason{0, identity, identity},
		},
		"a key that was generated": {
			who: "admin", k: generated, kind: [3]fault.Kind{fault.WrongState, fault.WrongState, fault.WrongState},
			reason: [3]fault.Reason{fault.OriginForbids, fault.OriginForbids, fault.OriginForbids},
		},
		"a key that waits for its deletion": {
			who: "admin", k: deleted, takesItAway: true, kind: [3]fault.Kind{fault.WrongState, fault.WrongState, 0},
			reason: [3]fault.Reason{fault.KeyPendingDeletion, fault.KeyPendingDeletion, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, asked := f.ImportParameters(ctx, f.as(test.who), refTo(test.k), alg.WrapOAEPSHA256, alg.RSA2048)
			_, brought := f.ImportMaterial(ctx, f.as(test.who), &kms.ImportMaterialRequest{Key: refTo(test.k), Token: []byte("x"), Encrypted: []byte("x")})
			_, removed := f.DeleteMaterial(ctx, f.as(test.who), refTo(test.k), "")
			for i, err := range []error{asked, brought, removed} {
				if ok := [3]bool{test.asks, test.brings, test.takesItAway}[i]; ok {
					must(t, err)
				} else {
					want(t, err, test.kind[i], test.reason[i])
				}
			}
		})
	}
	for name, req := range map[string]kms.CreateKeyRequest{
		"a key exchange key": {Spec: alg.RSA2048, Usage: alg.KeyTransfer, External: true},
		"a key in a store":   {Spec: alg.AES256, Store: "cks-1", External: true},
	} {
		if _, err := f.CreateKey(ctx, f.admin(), &req); err == nil {
			t.Errorf("%s takes material from elsewhere", name)
		}
	}
	call := f.admin()
	call.DryRun = true
	_, err = f.ImportParameters(ctx, call, refTo(external), alg.WrapOAEPSHA256, alg.RSA2048)
	want(t, err, fault.InvalidArgument, fault.DryRun)
}

// TestMaterialExpires: to the moment, whether or not the clock came by; then
// nothing of it is left, and the same material, and no other, makes the key work
// again.
func TestMaterialExpires(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	k := f.external(alg.AES256)
	until := f.clock().Add(time.Hour)
	expiring := func(r *kms.ImportMaterialRequest) { r.ExpiresAt = until }
	_, err := f.bring(k, secretOf("a"), func(r *kms.ImportMaterialRequest) { r.ExpiresAt = f.clock() })
	want(t, err, fault.InvalidArgument, fault.Unspecified)
	r, err := f.bring(k, secretOf("a"), expiring)
	if must(t, err); !r.Version.ExpiresAt.Equal(until) {
		t.Errorf("the material expires at %s", r.Version.ExpiresAt)
	}
	c := encryptX(t, f, k)
	decrypt := func() error {
		_, err := f.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
		return err
	}
	start := f.clock
	f.advance(time.Hour - time.Minute)
	must(t, decrypt())
	f.clock = start
	f.advance(time.Hour + time.Second)
	for range 2 {
		want(t, decrypt(), fault.WrongState, fault.KeyPendingImport)
		if got := f.stateOf(k); got != key.PendingImport {
			t.Errorf("a key whose material has expired is %s", got)
		}
		f.open() // before the clock came by, and after that
		f.tick()
	}
	if e := f.log.last(); e.Operation == "Expire" && e.Action != key.DeleteKeyMaterial {
		t.Errorf("the expiry is recorded as %+v", e)
	}
	if n := f.materials(k); n != 0 {
		t.Errorf("%d materials of an expired key are stored", n)
	}
	want(t, f.EnableKey(ctx, f.admin(), refTo(k)), fault.WrongState, fault.KeyPendingImport)
	_, err = f.bring(k, secretOf("b"), nil)
	want(t, err, fault.InvalidArgument, fault.IncorrectMaterial)
	_, err = f.bring(k, secretOf("b"), func(r *kms.ImportMaterialRequest) { r.Rotate = true })
	must(t, err) // for the next rotation, which needs the key enabled
	want(t, decrypt(), fault.WrongState, fault.KeyPendingImport)
	again, err := f.bring(k, secretOf("a"), nil)
	must(t, err)
	if again.Version.MaterialID != r.Version.MaterialID || !again.Version.ExpiresAt.IsZero() {
		t.Errorf("imported again it is %+v", again.Version)
	}
	must(t, decrypt())
	f.advance(1000 * time.Hour)
	f.tick()
	must(t, decrypt())
}

// materials returns how much material of a key is in the store.
func (f *fixture) materials(k *key.Key) int {
	f.t.Helper()
	return f.rows(store.Materials, k)
}

func (f *fixture) rows(table *store.Table, k *key.Key) (n int) {
	f.t.Helper()
	err := f.store.View(f.t.Context(), func(r store.Reader) (err error) {
		n, err = r.Count(table, store.Query{Column: "key", Equal: string(k.Name.ID)})
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// TestMaterialGoesFromMemory: what was opened before is not used after.
func TestMaterialGoesFromMemory(t *testing.T) {
	f := importing(t)
	hsm := f.newPlace("hsm")
	f.open()
	k, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, External: true, Engine: "hsm"})
	must(t, err)
	_, err = f.bring(k, secretOf("a"), nil)
	must(t, err)
	c := encryptX(t, f, k)
	for range 2 {
		_, err = f.DeleteMaterial(t.Context(), f.admin(), refTo(k), "")
		must(t, err) // the second time too
		if hsm.count() != 0 {
			t.Error("the engine has the material still")
		}
	}
	_, err = f.bring(k, secretOf("a"), nil)
	must(t, err)
	hsm.live = nil // were the opened key kept, it would work all the same
	_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
	want(t, err, fault.Internal, fault.Unspecified)
}

// TestRotationOfImportedKeys: new material waits, a rotation makes it current,
// and a key without one of its materials is not used.
func TestRotationOfImportedKeys(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	k := f.external(alg.AES256)
	fresh := func(r *kms.ImportMaterialRequest) { r.Rotate, r.Description = true, "the new one" }
	a, err := f.bring(k, secretOf("a"), fresh) // of a key that never had any, the first one
	must(t, err)
	want(t, f.EnableRotation(ctx, f.admin(), refTo(k), 0), fault.WrongState, fault.OriginForbids)
	_, err = f.RotateOnDemand(ctx, f.admin(), refTo(k))
	want(t, err, fault.WrongState, fault.NoMaterialPending)
	old := encryptX(t, f, k)
	_, err = f.bring(k, secretOf("a"), fresh)
	want(t, err, fault.InvalidArgument, fault.IncorrectMaterial)
	b, err := f.bring(k, secretOf("b"), fresh)
	must(t, err)
	_, err = f.bring(k, secretOf("b"), func(r *kms.ImportMaterialRequest) { r.MaterialID = a.Version.MaterialID })
	want(t, err, fault.InvalidArgument, fault.IncorrectMaterial)
	_, err = f.bring(k, secretOf("c"), fresh)
	want(t, err, fault.WrongState, fault.MaterialPending)
	var conflict *key.MaterialConflict
	if !errors.As(err, &conflict) || conflict.Pending != b.Version.MaterialID || len(conflict.New) != 64 {
		t.Errorf("the refusal names %+v", conflict)
	}
	if got := f.listed(k); !cmp.Equal(got, []string{"1 current the new one", "2 pending the new one"}) {
		t.Errorf("the materials are %q", got)
	}
	f.open()
	rotated, err := f.RotateOnDemand(ctx, f.admin(), refTo(k))
	must(t, err)
	if rotated.Current().MaterialID != b.Version.MaterialID || rotated.Current().RotatedBy != key.OnDemand || rotated.Rotation.OnDemandCount != 1 {
		t.Errorf("the current version is %+v", rotated.Current())
	}
	newer := encryptX(t, f, k)
	decrypt := func(c []byte) error {
		_, err := f.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
		return err
	}
	must(t, decrypt(old))
	must(t, decrypt(newer))
	_, err = f.DeleteMaterial(ctx, f.admin(), refTo(k), a.Version.MaterialID)
	must(t, err)
	want(t, decrypt(newer), fault.WrongState, fault.KeyPendingImport)
	if got := f.listed(k); !cmp.Equal(got, []string{"1 old missing the new one", "2 current the new one"}) {
		t.Errorf("the materials are %q", got)
	}
	_, err = f.bring(k, secretOf("a"), nil)
	must(t, err)
	must(t, decrypt(old))

	// Material that waits is let go of without a trace.
	d, err := f.bring(k, secretOf("d"), fresh)
	must(t, err)
	_, err = f.DeleteMaterial(ctx, f.admin(), refTo(k), d.Version.MaterialID)
	must(t, err)
	if got := f.stateOf(k); got != key.Enabled || f.materials(k) != 2 {
		t.Errorf("without material that waited the key is %s and has %d materials", got, f.materials(k))
	}
	_, err = f.DeleteMaterial(ctx, f.admin(), refTo(k), d.Version.MaterialID)
	want(t, err, fault.NotFound, fault.Unspecified)
	_, err = f.bring(k, secretOf("e"), func(r *kms.ImportMaterialRequest) { r.Rotate, r.ExpiresAt = true, f.clock().Add(time.Hour) })
	must(t, err)
	f.advance(2 * time.Hour)
	_, err = f.RotateOnDemand(ctx, f.admin(), refTo(k))
	want(t, err, fault.WrongState, fault.NoMaterialPending)
	f.tick()
	if f.stateOf(k) != key.Enabled || f.materials(k) != 2 {
		t.Errorf("material that expired while it waited leaves the key %s with %d materials", f.stateOf(k), f.materials(k))
	}
	mac := f.external(alg.HMAC256)
	_, err = f.bring(mac, secretOf("a"), nil)
	must(t, err)
	_, err = f.bring(mac, secretOf("b"), fresh)
	want(t, err, fault.Unsupported, fault.Unspecified)
}

// listed returns what ListMaterials says of a key, a page for each material.
func (f *fixture) listed(k *key.Key) (lines []string) {
	f.t.Helper()
	names := map[key.MaterialState]string{key.CurrentMaterial: "current", key.NonCurrentMaterial: "old", key.PendingMaterial: "pending"}
	for page := (kms.Page{Limit: 1}); ; {
		now, versions, next, err := f.ListMaterials(f.t.Context(), f.admin(), refTo(k), page)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, v := range versions {
			line := fmt.Sprint(v.Number, " ", names[now.MaterialState(v.Number)])
			if v.Missing {
				line += " missing"
			}
			lines = append(lines, strings.TrimSpace(line+" "+v.Description))
		}
		if page.After = next; next == "" {
			return lines
		}
	}
}

// TestDeletionOfKeysWithoutMaterial: what expires while a key waits for its
// deletion does not bring it back, and a key that is kept after all waits for
// its material.
func TestDeletionOfKeysWithoutMaterial(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	k, gone := f.external(alg.AES256), f.external(alg.AES256)
	for _, k := range []*key.Key{k, gone} {
		_, err := f.bring(k, secretOf("a"), func(r *kms.ImportMaterialRequest) { r.ExpiresAt = f.clock().Add(time.Hour) })
		must(t, err)
		_, err = f.ScheduleDeletion(ctx, f.admin(), refTo(k), 7)
		must(t, err)
	}
	f.advance(2 * time.Hour)
	f.tick()
	if got := f.stateOf(k); got != key.PendingDeletion || f.materials(k) != 0 {
		t.Errorf("the key is %s with %d materials", got, f.materials(k))
	}
	now, err := f.CancelDeletion(ctx, f.admin(), refTo(k))
	if must(t, err); now.State != key.PendingImport {
		t.Errorf("a key without material that is kept after all is %s", now.State)
	}
	f.advance(7 * 24 * time.Hour)
	f.tick()
	_, err = f.DescribeKey(ctx, f.admin(), refTo(gone))
	want(t, err, fault.NotFound, fault.Unspecified)
}

// TestImportIsThereWholeOrNotAtAll cuts the power before each write of an
// import and starts again: the key is as it was, and takes the import then.
func TestImportIsThereWholeOrNotAtAll(t *testing.T) {
	f := importing(t)
	cut := &cutStore{Store: f.store}
	f.store = cut
	f.open()
	k := f.external(alg.AES256)
	_, err := f.bring(f.external(alg.AES256), secretOf("first"), nil) // makes the realm's secret
	must(t, err)
	done := false
	for writes := range 10 {
		cut.after(writes)
		_, err := f.bring(k, secretOf("a"), nil)
		cut.after(-1)
		f.open()
		if err == nil {
			if writes < 2 {
				t.Errorf("an import took %d writes", writes)
			}
			done = true
			break
		}
		if got := f.stateOf(k); got != key.PendingImport || f.materials(k) != 0 {
			t.Errorf("after %d writes the key is %s with %d materials", writes, got, f.materials(k))
		}
	}
	if got := f.stateOf(k); !done || got != key.Enabled || f.materials(k) != 1 {
		t.Errorf("the key is %s with %d materials", got, f.materials(k))
	}
	encryptX(t, f, k)
}

// TestImportsLeaveNoSecret: neither the log nor the store has what came.
func TestImportsLeaveNoSecret(t *testing.T) {
	f := importing(t)
	k := f.external(alg.AES256)
	p := f.parameters(k, alg.WrapOAEPSHA256)
	plain := secretOf("known")
	encrypted := f.wrap(p.Public, alg.WrapOAEPSHA256, plain)
	_, err := f.ImportMaterial(t.Context(), f.admin(), &kms.ImportMaterialRequest{
		Key: refTo(k), Token: p.Token, Encrypted: encrypted, ExpiresAt: f.clock().Add(time.Hour),
	})
	must(t, err)
	details := map[string]string{}
	for _, d := range f.log.last().Details {
		details[d.Name] = d.Value
	}
	for _, name := range []string{"material", "wrapping", "wrapping-key", "expires"} {
		if details[name] == "" {
			t.Errorf("the entry does not tell the %s: %v", name, details)
		}
	}
	var everything bytes.Buffer
	for _, e := range f.log.entries {
		fmt.Fprintf(&everything, "%+v\n", e)
	}
	err = f.store.View(t.Context(), func(r store.Reader) error {
		for _, table := range store.Tables() {
			for row, err := range r.Scan(table, store.Query{}) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&everything, "%s %s\n", row.ID, row.Body)
			}
		}
		return nil
	})
	must(t, err)
	for _, secret := range [][]byte{plain, p.Token, encrypted} {
		for _, form := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)} {
			if strings.Contains(everything.String(), form) {
				t.Errorf("%.20q… is kept", form)
			}
		}
	}
}
