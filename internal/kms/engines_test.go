package kms_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// TestKeyIsInTheEngineAskedFor: made there, used there, rotated there, found
// again after a restart, ended there.
func TestKeyIsInTheEngineAskedFor(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	hsm := f.newPlace("hsm")
	f.open()
	k, err := f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"})
	must(t, err)
	if k.Engine != "hsm" || k.Protection != key.HSM || hsm.count() != 1 {
		t.Errorf("the key is in %q, kept by %q; the engine has %d", k.Engine, k.Protection, hsm.count())
	}
	if other := f.create(alg.AES256, alg.NoUsage); other.Engine != "soft" || other.Protection != key.Software || hsm.count() != 1 {
		t.Errorf("a key without a place is in %q, kept by %q", other.Engine, other.Protection)
	}
	before := encryptX(t, f, k)
	_, err = f.RotateOnDemand(ctx, f.admin(), refTo(k))
	must(t, err)
	for range 2 {
		after := encryptX(t, f, k)
		for _, c := range [][]byte{before, after} {
			out, err := f.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
			if must(t, err); string(out.Plaintext) != "x" {
				t.Errorf("decrypted %q", out.Plaintext)
			}
		}
		f.open()
	}
	if hsm.count() != 2 {
		t.Errorf("the engine has %d materials, want 2", hsm.count())
	}
	f.end(k)
	if hsm.count() != 0 {
		t.Errorf("the engine has %d materials of a key that is gone", hsm.count())
	}
}

// end schedules a key's deletion and lets the waiting period pass.
func (f *fixture) end(k *key.Key) {
	f.t.Helper()
	_, err := f.ScheduleDeletion(f.t.Context(), f.admin(), refTo(k), kms.MinDeletion)
	if err != nil {
		f.t.Fatal(err)
	}
	f.advance(kms.MinDeletion*24*time.Hour + time.Second)
	f.tick()
}

// advance moves the clock.
func (f *fixture) advance(by time.Duration) {
	now := f.clock
	f.clock = func() time.Time { return now().Add(by) }
}

// tick does what the clock has to do.
func (f *fixture) tick() {
	f.t.Helper()
	for {
		more, err := f.Tick(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func TestPlacesThatAreNot(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.newPlace("hsm")
	f.open()
	for name, test := range map[string]struct {
		req    kms.CreateKeyRequest
		kind   fault.Kind
		reason fault.Reason
	}{
		"an unknown engine":                {kms.CreateKeyRequest{Engine: "nowhere"}, fault.InvalidArgument, fault.Unspecified},
		"a key store where there are none": {kms.CreateKeyRequest{Store: "cks-1"}, fault.NotFound, fault.NoSuchKeyStore},
		"an engine and a key store":        {kms.CreateKeyRequest{Engine: "hsm", Store: "cks-1"}, fault.InvalidArgument, fault.Unspecified},
	} {
		t.Run(name, func(t *testing.T) {
			test.req.Spec = alg.AES256
			_, err := f.CreateKey(ctx, f.admin(), &test.req)
			want(t, err, test.kind, test.reason)
		})
	}
	k, err := f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"})
	must(t, err)
	f.others = nil
	f.open()
	_, err = f.Encrypt(ctx, f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	want(t, err, fault.Unavailable, fault.Unspecified)
}

// TestMaterialMadeInVainIsEnded: whatever fails after the engine has made
// material, nothing is left there.
func TestMaterialMadeInVainIsEnded(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	hsm := f.newPlace("hsm")
	cut := &cutStore{Store: f.store}
	f.store = cut
	f.open()
	k, err := f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"})
	must(t, err)
	acts := map[string]func() error{
		"a new key": func() error {
			_, err := f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"})
			return err
		},
		"a rotation": func() error {
			_, err := f.RotateOnDemand(ctx, f.admin(), refTo(k))
			return err
		},
		"a key that is brought": func() error {
			_, err := f.ImportKey(ctx, f.admin(), &kms.ImportKeyRequest{
				CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"}, Material: []byte("0123456789abcdef0123456789abcdef"),
			})
			return err
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			for _, fail := range []func(bool){
				func(on bool) { cut.after(map[bool]int{true: 1, false: -1}[on]) },
				func(on bool) { f.log.fail(map[bool]error{true: errDisk}[on]) },
			} {
				before := hsm.count()
				fail(true)
				if err := act(); err == nil {
					t.Error("it went well")
				}
				fail(false)
				if hsm.count() != before {
					t.Errorf("the engine has %d materials, before it had %d", hsm.count(), before)
				}
			}
		})
	}
}

func TestKeyStores(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	first, second := f.newPlace("cks"), f.newPlace("cks")
	all := &stores{known: []string{"cks-1"}}
	f.others, f.stores = nil, all
	f.open()
	create := func() (*key.Key, error) {
		return f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Store: "cks-1"})
	}
	_, err := create()
	want(t, err, fault.WrongState, fault.KeyStoreDisconnected)
	all.connect(first)
	k, err := create()
	must(t, err)
	if k.Store != "cks-1" || k.Engine != "cks" || k.Protection != key.HSM || f.InStore("cks-1") != 1 {
		t.Errorf("the key is %+v, of %d in the store", k, f.InStore("cks-1"))
	}
	c := encryptX(t, f, k)
	decrypt := func() error {
		_, err := f.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
		return err
	}

	all.connect(nil)
	now, err := f.DescribeKey(ctx, f.admin(), refTo(k))
	if must(t, err); now.State != key.Unavailable {
		t.Errorf("a key whose store is not connected is %s", now.State)
	}
	want(t, decrypt(), fault.WrongState, fault.KeyUnavailable)
	want(t, f.DisableKey(ctx, f.admin(), refTo(k)), fault.WrongState, fault.KeyUnavailable)
	must(t, f.UpdateDescription(ctx, f.admin(), refTo(k), "still here"))

	// Another engine, as after each new connection: what the first one has
	// opened is not used.
	second.live = first.live
	all.connect(second)
	must(t, decrypt())
	first.live, second.live = nil, nil
	must(t, decrypt()) // opened by the second one, and kept
	if now, err = f.DescribeKey(ctx, f.admin(), refTo(k)); err != nil || now.State != key.Enabled || now.Description != "still here" {
		t.Errorf("a key whose store is connected again is %+v, %v", now, err)
	}
	all.connect(first)
	if err := decrypt(); fault.KindOf(err) != fault.Internal {
		t.Errorf("a key was used that the engine connected now does not have: %v", err)
	}
	want(t, f.EnableRotation(ctx, f.admin(), refTo(k), 0), fault.Unsupported, fault.Unspecified)

	all.connect(nil)
	f.end(k)
	if f.InStore("cks-1") != 0 {
		t.Error("a key that is gone is counted")
	}
	for _, d := range f.log.last().Details {
		if d.Name == "material" {
			return
		}
	}
	t.Errorf("the entry does not say that material was left: %+v", f.log.last())
}

// TestKeyBeingMadeIsInItsStore: whoever sees no key in a store that it has
// disconnected has not missed one.
func TestKeyBeingMadeIsInItsStore(t *testing.T) {
	f := newFixture(t)
	slow := &slowStores{asked: make(chan struct{}), answer: make(chan struct{})}
	f.stores = slow
	f.open()
	done := make(chan error)
	go func() {
		_, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Store: "cks-1"})
		done <- err
	}()
	<-slow.asked
	if n := f.InStore("cks-1"); n != 1 {
		t.Errorf("while a key is being made the store has %d", n)
	}
	close(slow.answer)
	want(t, <-done, fault.WrongState, fault.KeyStoreDisconnected)
	if n := f.InStore("cks-1"); n != 0 {
		t.Errorf("after a key was not made the store has %d", n)
	}
}

// slowStores tells when it is asked, and answers when it is let.
type slowStores struct{ asked, answer chan struct{} }

func (s *slowStores) Engine(key.RealmID, string, string) (engine.Engine, error) {
	s.asked <- struct{}{}
	<-s.answer
	return nil, fault.Because(fault.WrongState, fault.KeyStoreDisconnected, "the key store is not connected")
}

// TestMaterialStaysUntilItsEngineEndsIt: a key whose engine does not end its
// material is tried again, and keeps no other key waiting.
func TestMaterialStaysUntilItsEngineEndsIt(t *testing.T) {
	f := newFixture(t)
	hsm := f.newPlace("hsm")
	f.open()
	k, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify, Engine: "hsm"})
	must(t, err)
	hsm.breaks(fault.New(fault.Unavailable, "the token is away"))
	_, err = f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), kms.MinDeletion)
	must(t, err)
	f.advance(8 * 24 * time.Hour)
	if _, err := f.Tick(t.Context()); fault.KindOf(err) != fault.Unavailable || f.Keys() != 1 {
		t.Errorf("got %v, and %d keys", err, f.Keys())
	}
	hsm.breaks(nil)
	f.tick()
	if f.Keys() != 0 || hsm.count() != 0 {
		t.Errorf("%d keys and %d materials are left", f.Keys(), hsm.count())
	}
}

// TestKeysThatCannotEndKeepNobodyWaiting: more of them than a Tick handles, which
// were due before another key, and each is tried less and less often.
func TestKeysThatCannotEndKeepNobodyWaiting(t *testing.T) {
	f := newFixture(t)
	hsm := f.newPlace("hsm")
	f.open()
	const stuck = 300 // more than a Tick's worth
	for range stuck {
		k, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "hsm"})
		must(t, err)
		_, err = f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), kms.MinDeletion)
		must(t, err)
	}
	f.advance(time.Hour)
	other := f.create(alg.AES256, alg.NoUsage)
	_, err := f.ScheduleDeletion(t.Context(), f.admin(), refTo(other), kms.MinDeletion)
	must(t, err)
	hsm.breaks(fault.New(fault.Unavailable, "the token is away"))
	f.advance(8 * 24 * time.Hour)
	for range 3 { // it fails: nothing more is to be done at once
		if _, err := f.Tick(t.Context()); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("the token is away, and a Tick has %v", err)
		}
	}
	if n := f.Keys(); n != stuck {
		t.Errorf("%d keys are left, want the %d that cannot end", n, stuck)
	}
	if _, err := f.Tick(t.Context()); err != nil {
		t.Errorf("keys that have just failed twice are tried again: %v", err)
	}
	f.advance(time.Minute)
	if _, err := f.Tick(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a minute later none is tried again: %v", err)
	}
	hsm.breaks(nil)
	f.advance(time.Hour)
	f.tick()
	if n := f.Keys(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

func TestAdoption(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	hsm := f.newPlace("hsm")
	f.open()
	made := func(name string, kind engine.Kind) {
		ref := engine.Ref{Realm: realm, ID: "elsewhere/" + key.ID(name), Version: 1}
		m, err := hsm.Engine.Generate(ctx, ref, kind)
		must(t, err)
		hsm.found[name] = adoptable{kind, m, ref}
	}
	made("pkcs11:object=ca", engine.Kind{Spec: alg.P384, Usage: alg.SignVerify})
	made("pkcs11:object=other", engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
	made("pkcs11:object=data", engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt})
	adopt := func(who, name string, change func(*kms.AdoptKeyRequest)) (*key.Key, error) {
		req := &kms.AdoptKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Engine: "hsm"}, Name: name}
		if change != nil {
			change(req)
		}
		return f.AdoptKey(ctx, f.as(who), req)
	}
	for name, test := range map[string]struct {
		who, name string
		change    func(*kms.AdoptKeyRequest)
		kind      fault.Kind
		reason    fault.Reason
	}{
		"nobody":                  {"nobody", "pkcs11:object=ca", nil, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"no such key":             {"admin", "pkcs11:object=none", nil, fault.NotFound, fault.Unspecified},
		"an engine that has none": {"admin", "pkcs11:object=ca", func(r *kms.AdoptKeyRequest) { r.Engine = "" }, fault.Unsupported, fault.Unspecified},
		"another spec":            {"admin", "pkcs11:object=ca", func(r *kms.AdoptKeyRequest) { r.Spec = alg.P256 }, fault.InvalidArgument, fault.Unspecified},
		"another usage":           {"admin", "pkcs11:object=ca", func(r *kms.AdoptKeyRequest) { r.Usage = alg.EncryptDecrypt }, fault.InvalidArgument, fault.IncompatibleUsage},
		"exportable":              {"admin", "pkcs11:object=ca", func(r *kms.AdoptKeyRequest) { r.Exportable = true }, fault.Unsupported, fault.Unspecified},
		"without material":        {"admin", "pkcs11:object=ca", func(r *kms.AdoptKeyRequest) { r.External = true }, fault.InvalidArgument, fault.Unspecified},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adopt(test.who, test.name, test.change)
			want(t, err, test.kind, test.reason)
		})
	}
	k, err := adopt("admin", "pkcs11:object=ca", nil)
	must(t, err)
	if k.Spec != alg.P384 || k.Origin != key.External || k.Protection != key.HSM || k.State != key.Enabled ||
		!bytes.Equal(k.Current().Public, hsm.found["pkcs11:object=ca"].material.Public) {
		t.Errorf("the key is %+v", k)
	}
	f.open()
	signed, err := f.Sign(ctx, f.admin(), &kms.SignRequest{
		Key: refTo(k), Algorithm: alg.ECDSASHA384, Message: engine.Message{Form: alg.Raw, Bytes: []byte("m")},
	})
	must(t, err)
	verifySPKI(t, k.Current().Public, signed.Signature)
	_, err = adopt("admin", "pkcs11:object=ca", nil)
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	data, err := adopt("admin", "pkcs11:object=data", nil)
	must(t, err)
	_, err = f.RotateOnDemand(ctx, f.admin(), refTo(data))
	want(t, err, fault.Unsupported, fault.Unspecified)
	_, err = f.ImportParameters(ctx, f.admin(), refTo(data), alg.WrapOAEPSHA256, alg.RSA2048)
	want(t, err, fault.WrongState, fault.OriginForbids)
}

// TestAdoptionByRealms: what is in an engine already may be anybody's, and is
// only for the realms that the configuration names.
func TestAdoptionByRealms(t *testing.T) {
	const other = key.RealmID("210987654321")
	for _, tt := range []struct {
		name     string
		adopting map[string][]key.RealmID
		may      map[key.RealmID]bool
	}{
		{"nothing said", nil, map[key.RealmID]bool{key.DefaultRealm: true, other: false}},
		{"another engine's", map[string][]key.RealmID{"soft": {other}}, map[key.RealmID]bool{key.DefaultRealm: true, other: false}},
		{"the other realm's", map[string][]key.RealmID{"hsm": {other}}, map[key.RealmID]bool{key.DefaultRealm: false, other: true}},
		{"both realms'", map[string][]key.RealmID{"hsm": {key.DefaultRealm, other}}, map[key.RealmID]bool{key.DefaultRealm: true, other: true}},
		{"nobody's", map[string][]key.RealmID{"hsm": {}}, map[key.RealmID]bool{key.DefaultRealm: false, other: false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.adopting = tt.adopting
			hsm := f.newPlace("hsm")
			f.open()
			for who, may := range tt.may {
				const name = "pkcs11:object=data"
				kind := engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}
				ref := engine.Ref{Realm: who, ID: "elsewhere/data", Version: 1}
				m, err := hsm.Engine.Generate(t.Context(), ref, kind)
				must(t, err)
				hsm.found[name] = adoptable{kind, m, ref}
				call := f.admin()
				call.Caller.Principal.Realm = who
				_, err = f.AdoptKey(t.Context(), call, &kms.AdoptKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Engine: "hsm"}, Name: name})
				if may {
					must(t, err)
				} else {
					want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
				}
				_, err = f.CreateKey(t.Context(), call, &kms.CreateKeyRequest{Spec: alg.AES256, Usage: alg.EncryptDecrypt, Engine: "hsm"})
				must(t, err)
			}
		})
	}
}
