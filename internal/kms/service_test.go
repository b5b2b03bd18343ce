package kms_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ciphertext"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

func TestEncryptAndDecrypt(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	pairs := []key.Tag{{Key: "tenant", Value: "a"}, {Key: "app", Value: "b"}}
	out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{
		Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("secret"), Context: pairs,
	})
	must(t, err)

	// The order of the context does not matter, its bytes do.
	decrypt := func(ciphertext []byte, pairs ...key.Tag) ([]byte, error) {
		r, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: ciphertext, Context: pairs})
		if err != nil {
			return nil, err
		}
		return r.Plaintext, nil
	}
	got, err := decrypt(out.Ciphertext, key.Tag{Key: "app", Value: "b"}, key.Tag{Key: "tenant", Value: "a"})
	if must(t, err); string(got) != "secret" {
		t.Errorf("decrypted %q, want %q", got, "secret")
	}
	for name, pairs := range map[string][]key.Tag{
		"none":             nil,
		"another value":    {{Key: "app", Value: "b"}, {Key: "tenant", Value: "x"}},
		"shifted border":   {{Key: "app", Value: "b"}, {Key: "tenanta", Value: ""}},
		"one pair missing": {{Key: "app", Value: "b"}},
	} {
		t.Run("context "+name, func(t *testing.T) {
			_, err := decrypt(out.Ciphertext, pairs...)
			want(t, err, fault.BadCiphertext, fault.Unspecified)
		})
	}
	t.Run("each changed byte is found", func(t *testing.T) {
		for i := range out.Ciphertext {
			changed := bytes.Clone(out.Ciphertext)
			changed[i] ^= 1
			if _, err := decrypt(changed, pairs...); err == nil {
				t.Fatalf("a ciphertext with byte %d changed was decrypted", i)
			}
		}
	})
	t.Run("cut short", func(t *testing.T) {
		for n := range len(out.Ciphertext) {
			_, err := decrypt(out.Ciphertext[:n], pairs...)
			want(t, err, fault.BadCiphertext, fault.Unspecified)
		}
	})
}

func TestDecryptNamesItsKey(t *testing.T) {
	f := newFixture(t)
	k, other := f.create(alg.AES256, alg.NoUsage), f.create(alg.AES256, alg.NoUsage)
	out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	must(t, err)
	req := &kms.DecryptRequest{Key: refTo(other), Algorithm: alg.AESGCM, Ciphertext: out.Ciphertext}
	_, err = f.Decrypt(t.Context(), f.admin(), req)
	want(t, err, fault.InvalidArgument, fault.IncorrectKey)

	elsewhere := f.admin()
	elsewhere.Region = "us-east-1"
	_, err = f.Decrypt(t.Context(), elsewhere, &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: out.Ciphertext})
	want(t, err, fault.PermissionDenied, fault.UnknownKey)
}

func TestEveryAlgorithmThroughTheDoor(t *testing.T) {
	f := newFixture(t)
	for _, spec := range alg.Specs() {
		for _, usage := range spec.Info().Usages {
			if spec == alg.RSA3072 || spec == alg.RSA4096 || usage == alg.KeyTransfer {
				continue // the same code as RSA-2048 here, and seconds of key generation; engine/soft tests them
			}
			t.Run(spec.String()+" "+usage.String(), func(t *testing.T) {
				k := f.create(spec, usage)
				algorithms := spec.AllFor(usage)
				if len(algorithms) == 0 {
					t.Fatal("the table has no algorithm for it")
				}
				for _, a := range algorithms {
					roundTrip(t, f, k, a)
				}
			})
		}
	}
}

// roundTrip uses a key with an algorithm both ways, and once wrongly.
func roundTrip(t *testing.T, f *fixture, k *key.Key, a alg.Algorithm) {
	t.Helper()
	message := []byte("a message")
	switch a.Info().Usage {
	case alg.RawEncryptDecrypt:
		rawRoundTrip(t, f, k, a)
	case alg.EncryptDecrypt:
		if a == alg.RSARaw {
			bareRoundTrip(t, f, k)
			return
		}
		out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: a, Plaintext: message})
		must(t, err)
		back, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: a, Ciphertext: out.Ciphertext})
		if must(t, err); !bytes.Equal(back.Plaintext, message) {
			t.Errorf("%s: decrypted %q", a, back.Plaintext)
		}
		out.Ciphertext[len(out.Ciphertext)-1] ^= 1
		_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: a, Ciphertext: out.Ciphertext})
		want(t, err, fault.BadCiphertext, fault.Unspecified)
	case alg.SignVerify:
		m := engine.Message{Form: alg.Raw, Bytes: message}
		if !a.Takes(alg.Raw) {
			_, size := k.Spec.DigestSize(a)
			m = engine.Message{Form: alg.Digest, Bytes: bytes.Repeat([]byte{1}, size)}
		}
		req := kms.SignRequest{Key: refTo(k), Algorithm: a, Message: m}
		out, err := f.Sign(t.Context(), f.admin(), &req)
		must(t, err)
		_, err = f.Verify(t.Context(), f.admin(), &kms.VerifyRequest{SignRequest: req, Signature: out.Signature})
		must(t, err)
		out.Signature[len(out.Signature)/2] ^= 1
		_, err = f.Verify(t.Context(), f.admin(), &kms.VerifyRequest{SignRequest: req, Signature: out.Signature})
		want(t, err, fault.BadSignature, fault.Unspecified)
	case alg.GenerateVerifyMAC:
		req := kms.MACRequest{Key: refTo(k), Algorithm: a, Message: message}
		out, err := f.GenerateMAC(t.Context(), f.admin(), &req)
		must(t, err)
		_, err = f.VerifyMAC(t.Context(), f.admin(), &kms.VerifyMACRequest{MACRequest: req, MAC: out.MAC})
		must(t, err)
		out.MAC[0] ^= 1
		_, err = f.VerifyMAC(t.Context(), f.admin(), &kms.VerifyMACRequest{MACRequest: req, MAC: out.MAC})
		want(t, err, fault.BadSignature, fault.Unspecified)
	case alg.KeyAgreement:
		agrees(t, f, k)
	default:
		t.Fatalf("algorithm %s has no usage", a)
	}
}

func TestWrongUseIsRefused(t *testing.T) {
	f := newFixture(t)
	aes, ec, rsa := f.create(alg.AES256, alg.NoUsage), f.create(alg.P256, alg.SignVerify), f.create(alg.RSA2048, alg.EncryptDecrypt)
	ed, sig, bare := f.create(alg.Ed25519, alg.SignVerify), f.create(alg.RSA2048, alg.SignVerify), f.create(alg.AES128, alg.RawEncryptDecrypt)
	sign := func(k *key.Key, a alg.Algorithm, form alg.Form, n int) error {
		_, err := f.Sign(t.Context(), f.admin(), &kms.SignRequest{
			Key: refTo(k), Algorithm: a, Message: engine.Message{Form: form, Bytes: make([]byte, n)},
		})
		return err
	}
	encrypt := func(k *key.Key, a alg.Algorithm, n int, pairs ...key.Tag) error {
		_, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: a, Plaintext: make([]byte, n), Context: pairs})
		return err
	}
	listed := func(k *key.Key, a alg.Algorithm) error {
		_, err := f.Sign(t.Context(), f.admin(), &kms.SignRequest{Key: refTo(k), Algorithm: a, Message: engine.Message{Form: alg.Raw, Bytes: []byte("x")}, Listed: true})
		return err
	}
	must(t, listed(ec, alg.ECDSASHA256))
	must(t, sign(ec, alg.ECDSASHA384, alg.Raw, 1))
	tests := []struct {
		name   string
		err    error
		kind   fault.Kind
		reason fault.Reason
	}{
		{"sign with an AES key", sign(aes, alg.ECDSASHA256, alg.Raw, 1), fault.InvalidArgument, fault.WrongUsage},
		{"sign P-256 with SHA-384, for an API that has it of P-384 only", listed(ec, alg.ECDSASHA384), fault.InvalidArgument, fault.WrongAlgorithm},
		{"sign P-256 with RSA", sign(ec, alg.PKCS1SHA256, alg.Raw, 1), fault.InvalidArgument, fault.WrongAlgorithm},
		{"sign with the bare operation", sign(sig, alg.RSARaw, alg.Digest, 256), fault.InvalidArgument, fault.WrongAlgorithm},
		{"sign what is longer than the key has room for", sign(sig, alg.PKCS1Plain, alg.Digest, 246), fault.InvalidArgument, fault.DigestLength},
		{"encrypt by the bare operation", encrypt(rsa, alg.RSARaw, 1), fault.InvalidArgument, fault.WrongAlgorithm},
		{"encrypt by CBC under a key for the other usage", encrypt(aes, alg.AESCBC, 16), fault.InvalidArgument, fault.WrongUsage},
		{"encrypt as usual under a raw key", encrypt(bare, alg.AESGCM, 16), fault.InvalidArgument, fault.WrongUsage},
		{"context with a raw key", encrypt(bare, alg.AESKW, 16, key.Tag{Key: "a"}), fault.InvalidArgument, fault.Unspecified},
		{"CBC without an IV", encrypt(bare, alg.AESCBC, 16), fault.InvalidArgument, fault.Unspecified},
		{"65,537 bytes under a raw key", encrypt(bare, alg.AESKWP, 65537), fault.InvalidArgument, fault.MessageTooLong},
		{"digest too short", sign(ec, alg.ECDSASHA256, alg.Digest, 31), fault.InvalidArgument, fault.DigestLength},
		{"empty message", sign(ec, alg.ECDSASHA256, alg.Raw, 0), fault.InvalidArgument, fault.MessageTooLong},
		{"message of 4,097 bytes", sign(ec, alg.ECDSASHA256, alg.Raw, 4097), fault.InvalidArgument, fault.MessageTooLong},
		{"Ed25519 of a digest", sign(ed, alg.Ed25519Pure, alg.Digest, 64), fault.InvalidArgument, fault.WrongAlgorithm},
		{"Ed25519ph of a raw message", sign(ed, alg.Ed25519ph, alg.Raw, 64), fault.InvalidArgument, fault.WrongAlgorithm},
		{"encrypt with a signing key", encrypt(ec, alg.AESGCM, 1), fault.InvalidArgument, fault.WrongUsage},
		{"plaintext of 4,097 bytes", encrypt(aes, alg.AESGCM, 4097), fault.InvalidArgument, fault.MessageTooLong},
		{"empty plaintext", encrypt(aes, alg.AESGCM, 0), fault.InvalidArgument, fault.MessageTooLong},
		{"OAEP-SHA-256 of 191 bytes", encrypt(rsa, alg.OAEPSHA256, 191), fault.InvalidArgument, fault.MessageTooLong},
		{"context with RSA", encrypt(rsa, alg.OAEPSHA256, 1, key.Tag{Key: "a"}), fault.InvalidArgument, fault.Unspecified},
		{"context with a key twice", encrypt(aes, alg.AESGCM, 1, key.Tag{Key: "a"}, key.Tag{Key: "a"}), fault.InvalidArgument, fault.Unspecified},
		{"context too long", encrypt(aes, alg.AESGCM, 1, key.Tag{Key: strings.Repeat("k", 9000)}), fault.LimitExceeded, fault.Unspecified},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { want(t, test.err, test.kind, test.reason) })
	}
	must(t, encrypt(aes, alg.AESGCM, 4096))
	must(t, encrypt(rsa, alg.OAEPSHA256, 190))
}

func TestStates(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	use := func() error {
		_, err := f.GenerateDataKey(t.Context(), f.admin(), &kms.DataKeyRequest{Key: refTo(k), Bytes: 32})
		return err
	}
	must(t, use())
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	want(t, use(), fault.WrongState, fault.KeyDisabled)
	must(t, f.EnableKey(t.Context(), f.admin(), refTo(k)))
	must(t, use())
	_, err := f.CancelDeletion(t.Context(), f.admin(), refTo(k))
	want(t, err, fault.WrongState, fault.KeyNotPendingDeletion)
	for _, days := range []int{-1, 1, 6, 31} {
		_, err := f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), days)
		want(t, err, fault.InvalidArgument, fault.Unspecified)
	}
	doomed, err := f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), 7)
	if must(t, err); doomed.State != key.PendingDeletion || time.Until(doomed.DeleteAt) < 7*24*time.Hour-time.Minute {
		t.Errorf("got state %s until %s, want pending deletion for 7 days", doomed.State, doomed.DeleteAt)
	}
	want(t, use(), fault.WrongState, fault.KeyPendingDeletion)
	want(t, f.EnableKey(t.Context(), f.admin(), refTo(k)), fault.WrongState, fault.KeyPendingDeletion)
	want(t, f.UpdateDescription(t.Context(), f.admin(), refTo(k), "x"), fault.WrongState, fault.KeyPendingDeletion)
	want(t, f.CreateAlias(t.Context(), f.admin(), "alias/x", refTo(k)), fault.WrongState, fault.KeyPendingDeletion)
	_, err = f.DescribeKey(t.Context(), f.admin(), refTo(k))
	must(t, err)
	back, err := f.CancelDeletion(t.Context(), f.admin(), refTo(k))
	if must(t, err); back.State != key.Disabled || !back.DeleteAt.IsZero() {
		t.Errorf("after the cancellation the key is %s and has the date %s", back.State, back.DeleteAt)
	}
	want(t, use(), fault.WrongState, fault.KeyDisabled)
	must(t, f.EnableKey(t.Context(), f.admin(), refTo(k)))
	must(t, use())
}

func TestDeletionHappensWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		k, kept := f.create(alg.AES256, alg.NoUsage), f.create(alg.AES256, alg.NoUsage)
		must(t, f.CreateAlias(t.Context(), f.admin(), "alias/doomed", refTo(k)))
		out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
		must(t, err)
		_, err = f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), 7)
		must(t, err)
		tick := func() {
			more, err := f.Tick(t.Context())
			if must(t, err); more {
				t.Error("there is more to do than one key")
			}
		}
		time.Sleep(7*24*time.Hour - time.Second)
		tick()
		_, err = f.DescribeKey(t.Context(), f.admin(), refTo(k))
		must(t, err)
		time.Sleep(2 * time.Second)
		tick()
		_, err = f.DescribeKey(t.Context(), f.admin(), refTo(k))
		want(t, err, fault.NotFound, fault.Unspecified)
		_, err = f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: "alias/doomed"})
		want(t, err, fault.NotFound, fault.Unspecified)
		_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: out.Ciphertext})
		want(t, err, fault.PermissionDenied, fault.UnknownKey)
		f.open()
		_, err = f.DescribeKey(t.Context(), f.admin(), refTo(k))
		want(t, err, fault.NotFound, fault.Unspecified)
		_, err = f.DescribeKey(t.Context(), f.admin(), refTo(kept))
		must(t, err)
		if n := f.Keys(); n != 1 {
			t.Errorf("%d keys are left, want 1", n)
		}
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		k := f.create(alg.AES256, alg.NoUsage)
		first := encryptX(t, f, k)
		must(t, f.EnableRotation(t.Context(), f.admin(), refTo(k), 90))
		for _, days := range []int{89, 2561} {
			want(t, f.EnableRotation(t.Context(), f.admin(), refTo(k), days), fault.InvalidArgument, fault.Unspecified)
		}
		time.Sleep(90*24*time.Hour + time.Minute)
		_, err := f.Tick(t.Context())
		must(t, err)
		after, err := f.RotationStatus(t.Context(), f.admin(), refTo(k))
		must(t, err)
		if len(after.Versions) != 2 || after.Name != k.Name || after.Current().RotatedBy != key.Automatic {
			t.Fatalf("after one period the key is %s with versions %+v", after.Name, after.Versions)
		}
		if next := k.CreatedAt.AddDate(0, 0, 180); !after.Rotation.Next.Equal(next) {
			t.Errorf("the next rotation is planned for %s, want %s: the plan must not drift", after.Rotation.Next, next)
		}
		_, err = f.RotateOnDemand(t.Context(), f.admin(), refTo(k))
		must(t, err)
		third := encryptX(t, f, k)
		f.open() // old versions decrypt after a restart too
		for _, c := range [][]byte{first, third} {
			_, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c})
			must(t, err)
		}
		_, listed, next, err := f.ListRotations(t.Context(), f.admin(), refTo(k), kms.Page{Limit: 1})
		if must(t, err); len(listed) != 1 || next == "" || listed[0].RotatedBy != key.Automatic {
			t.Errorf("the first page of rotations is %+v, next %q", listed, next)
		}
		_, listed, next, err = f.ListRotations(t.Context(), f.admin(), refTo(k), kms.Page{Limit: 1, After: next})
		if must(t, err); len(listed) != 1 || next != "" || listed[0].RotatedBy != key.OnDemand {
			t.Errorf("the second page of rotations is %+v, next %q", listed, next)
		}
		must(t, f.DisableRotation(t.Context(), f.admin(), refTo(k)))
		time.Sleep(1000 * 24 * time.Hour)
		_, err = f.Tick(t.Context())
		must(t, err)
		if k, err := f.RotationStatus(t.Context(), f.admin(), refTo(k)); err != nil || len(k.Versions) != 3 {
			t.Errorf("a key whose rotation is off has %d versions (%v), want 3", len(k.Versions), err)
		}
		want(t, f.EnableRotation(t.Context(), f.admin(), refTo(f.create(alg.P256, alg.SignVerify)), 0), fault.Unsupported, fault.Unspecified)
		for range kms.MaxOnDemand - 1 {
			_, err := f.RotateOnDemand(t.Context(), f.admin(), refTo(k))
			must(t, err)
		}
		_, err = f.RotateOnDemand(t.Context(), f.admin(), refTo(k))
		want(t, err, fault.LimitExceeded, fault.TooManyRotations)
	})
}

func encryptX(t *testing.T, f *fixture, k *key.Key) []byte {
	t.Helper()
	out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	must(t, err)
	return out.Ciphertext
}

func TestAliases(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(alg.AES256, alg.NoUsage), f.create(alg.AES256, alg.NoUsage)
	signing := f.create(alg.P256, alg.SignVerify)
	must(t, f.CreateAlias(t.Context(), f.admin(), "alias/one", refTo(a)))
	want(t, f.CreateAlias(t.Context(), f.admin(), "alias/one", refTo(b)), fault.AlreadyExists, fault.Unspecified)
	want(t, f.UpdateAlias(t.Context(), f.admin(), "alias/two", refTo(b)), fault.NotFound, fault.Unspecified)
	want(t, f.UpdateAlias(t.Context(), f.admin(), "alias/one", refTo(signing)), fault.InvalidArgument, fault.WrongUsage)
	want(t, f.DeleteAlias(t.Context(), f.admin(), "alias/two"), fault.NotFound, fault.Unspecified)
	must(t, f.CreateAlias(t.Context(), f.admin(), "alias/two", refTo(a)))
	must(t, f.UpdateAlias(t.Context(), f.admin(), "alias/one", refTo(b)))
	f.open()
	k, err := f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: "alias/one"})
	if must(t, err); k.Name != b.Name {
		t.Errorf("alias/one is of %s, want %s", k.Name, b.Name)
	}
	page, next, err := f.ListAliases(t.Context(), f.admin(), nil, kms.Page{Limit: 1})
	if must(t, err); len(page) != 1 || page[0].Name != "alias/one" || next != "alias/one" {
		t.Errorf("the first page is %+v, next %q", page, next)
	}
	page, next, err = f.ListAliases(t.Context(), f.admin(), nil, kms.Page{Limit: 1, After: next})
	if must(t, err); len(page) != 1 || page[0].Name != "alias/two" || next != "" {
		t.Errorf("the second page is %+v, next %q", page, next)
	}
	of := refTo(a)
	page, _, err = f.ListAliases(t.Context(), f.admin(), &of, kms.Page{Limit: 10})
	if must(t, err); len(page) != 1 || page[0].Name != "alias/two" {
		t.Errorf("the aliases of the first key are %+v", page)
	}
	must(t, f.DeleteAlias(t.Context(), f.admin(), "alias/one"))
	_, err = f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: "alias/one"})
	want(t, err, fault.NotFound, fault.Unspecified)
}

// TestAliasOfNewKey: a key is made with its alias, or not at all.
func TestAliasOfNewKey(t *testing.T) {
	f := newFixture(t)
	request := func(user, alias string) (*key.Key, error) {
		return f.CreateKey(t.Context(), f.as(user), &kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify, Alias: alias})
	}
	k, err := request("admin", "alias/web")
	must(t, err)
	_, err = request("admin", "alias/web")
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	_, err = request("admin", "web")
	want(t, err, fault.InvalidArgument, fault.MalformedAlias)
	f.open()
	got, err := f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: "alias/web"})
	if must(t, err); got.Name != k.Name {
		t.Errorf("alias/web is of %s, want %s", got.Name, k.Name)
	}
	keys, _, err := f.ListKeys(t.Context(), f.admin(), kms.Page{Limit: 10})
	if must(t, err); len(keys) != 1 {
		t.Errorf("%d keys were made", len(keys))
	}
}

func TestNames(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	describe := func(r kms.Ref) error {
		_, err := f.DescribeKey(t.Context(), f.admin(), r)
		return err
	}
	must(t, describe(kms.Ref{Realm: realm, Region: region, ID: k.Name.ID}))
	want(t, describe(kms.Ref{Region: "us-east-1", ID: k.Name.ID}), fault.NotFound, fault.ForeignRegion)
	want(t, describe(kms.Ref{Realm: "999999999999", ID: k.Name.ID}), fault.NotFound, fault.Unspecified)
	want(t, describe(kms.Ref{ID: "00000000-0000-4000-8000-000000000000"}), fault.NotFound, fault.Unspecified)
	want(t, describe(kms.Ref{ID: "0000000000004000"}), fault.NotFound, fault.MalformedKeyID)
	want(t, describe(kms.Ref{ID: "mrk-0123456789abcdef0123456789abcdef"}), fault.NotFound, fault.Unspecified)
	for _, id := range []key.ID{"mrk-fake", "mrk-", "mrk-0123456789ABCDEF0123456789ABCDEF", "mrk-0123456789abcdef0123456789abcdef0"} {
		want(t, describe(kms.Ref{ID: id}), fault.NotFound, fault.MalformedKeyID)
	}
	want(t, describe(kms.Ref{ID: key.ID(strings.ToUpper(string(k.Name.ID)))}), fault.NotFound, fault.Unspecified)
	want(t, describe(kms.Ref{Alias: "alias/none"}), fault.NotFound, fault.Unspecified)
}

func TestTags(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	must(t, f.Tag(t.Context(), f.admin(), refTo(k), []key.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}}))
	must(t, f.Tag(t.Context(), f.admin(), refTo(k), []key.Tag{{Key: "b", Value: "3"}}))
	tags, next, err := f.ListTags(t.Context(), f.admin(), refTo(k), kms.Page{Limit: 1})
	must(t, err)
	if diff := cmp.Diff([]key.Tag{{Key: "a", Value: "2"}}, tags); diff != "" || next != "a" {
		t.Errorf("first page (next %q): %s", next, diff)
	}
	tags, next, err = f.ListTags(t.Context(), f.admin(), refTo(k), kms.Page{Limit: 1, After: next})
	must(t, err)
	if diff := cmp.Diff([]key.Tag{{Key: "b", Value: "3"}}, tags); diff != "" || next != "" {
		t.Errorf("second page (next %q): %s", next, diff)
	}
	must(t, f.Untag(t.Context(), f.admin(), refTo(k), []string{"a", "absent"}))
	var many []key.Tag
	for i := range 50 {
		many = append(many, key.Tag{Key: strings.Repeat("k", i+1)})
	}
	want(t, f.Tag(t.Context(), f.admin(), refTo(k), many), fault.LimitExceeded, fault.TooManyTags)
	for name, test := range map[string]struct {
		tags   []key.Tag
		reason fault.Reason
	}{
		"reserved":  {[]key.Tag{{Key: "AWS:x"}}, fault.ReservedTag},
		"twice":     {[]key.Tag{{Key: "x"}, {Key: "x"}}, fault.DuplicateTag},
		"empty key": {[]key.Tag{{Key: ""}}, fault.MalformedTag},
		"long key":  {[]key.Tag{{Key: strings.Repeat("k", 129)}}, fault.MalformedTag},
		"long text": {[]key.Tag{{Key: "k", Value: strings.Repeat("v", 257)}}, fault.MalformedTag},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, f.Tag(t.Context(), f.admin(), refTo(k), test.tags), fault.InvalidArgument, test.reason)
		})
	}
}

func TestPoliciesDecide(t *testing.T) {
	f := newFixture(t)
	f.people["signer"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Sign","Resource":"*"}}`)}
	k := f.create(alg.P256, alg.SignVerify)
	sign := func(user string) error {
		_, err := f.Sign(t.Context(), f.as(user), &kms.SignRequest{
			Key: refTo(k), Algorithm: alg.ECDSASHA256, Message: engine.Message{Form: alg.Raw, Bytes: []byte("m")},
		})
		return err
	}
	must(t, sign("signer"))
	want(t, sign("nobody"), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	want(t, f.DisableKey(t.Context(), f.as("signer"), refTo(k)), fault.PermissionDenied, fault.NoIdentityPolicyAllows)

	put := func(text string, bypass bool) error {
		return f.PutPolicy(t.Context(), f.admin(), refTo(k), key.Document{Dialect: "aws", Text: text}, bypass)
	}
	// Only the administrator, named directly: identity policies no longer count.
	must(t, put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"AWS":"arn:aws:iam::123456789012:user/admin"},"Action":"kms:*","Resource":"*"}}`, false))
	want(t, sign("signer"), fault.PermissionDenied, fault.NoResourcePolicyAllows)
	must(t, sign("admin"))
	want(t, put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"AWS":"arn:aws:iam::123456789012:user/other"},"Action":"kms:*","Resource":"*"}}`, false),
		fault.InvalidArgument, fault.PolicyLockout)
	want(t, put(`{"Statement":1}`, false), fault.InvalidArgument, fault.MalformedPolicy)
	want(t, put(strings.Repeat(" ", kms.MaxPolicy+1), false), fault.LimitExceeded, fault.PolicyTooLong)
	must(t, put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"AWS":"arn:aws:iam::123456789012:user/other"},"Action":"kms:*","Resource":"*"}}`, true))
	want(t, sign("admin"), fault.PermissionDenied, fault.NoResourcePolicyAllows)
	must(t, sign("other"))
	f.open()
	must(t, sign("other"))
	want(t, sign("admin"), fault.PermissionDenied, fault.NoResourcePolicyAllows)
}

func TestReEncryptKeepsThePlaintextInside(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(alg.AES256, alg.NoUsage), f.create(alg.AES256, alg.NoUsage)
	c := encryptX(t, f, a)
	out, err := f.ReEncrypt(t.Context(), f.admin(), &kms.ReEncryptRequest{
		Source:      kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: c},
		Destination: kms.EncryptRequest{Key: refTo(b), Algorithm: alg.AESGCM, Context: []key.Tag{{Key: "k", Value: "v"}}},
	})
	must(t, err)
	if out.Source.Key.Name != a.Name || out.Destination.Key.Name != b.Name || out.Source.Plaintext != nil {
		t.Errorf("re-encryption from %s to %s, plaintext %q", out.Source.Key.Name, out.Destination.Key.Name, out.Source.Plaintext)
	}
	back, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{
		Key: refTo(b), Algorithm: alg.AESGCM, Ciphertext: out.Destination.Ciphertext, Context: []key.Tag{{Key: "k", Value: "v"}},
	})
	if must(t, err); string(back.Plaintext) != "x" {
		t.Errorf("got %q back", back.Plaintext)
	}
}

func TestDryRunDoesNothing(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	dry := f.admin()
	dry.DryRun = true
	_, err := f.Encrypt(t.Context(), dry, &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	want(t, err, fault.InvalidArgument, fault.DryRun)
	want(t, f.DisableKey(t.Context(), dry, refTo(k)), fault.InvalidArgument, fault.DryRun)
	now, err := f.DescribeKey(t.Context(), f.admin(), refTo(k))
	if must(t, err); now.State != key.Enabled {
		t.Errorf("a dry run left the key %s", now.State)
	}
	_, err = f.Encrypt(t.Context(), dry, &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: nil})
	want(t, err, fault.InvalidArgument, fault.MessageTooLong)
}

func TestEveryCallIsRecordedOnce(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	before := f.log.count()
	encryptX(t, f, k)
	_, _ = f.Encrypt(t.Context(), f.as("nobody"), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	_, _ = f.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: "nonsense"})
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	type row struct {
		action         key.Action
		decision       audit.Decision
		result, object string
	}
	var got []row
	for _, e := range f.log.entries[before:] {
		got = append(got, row{e.Action, e.Decision, e.Result, e.Resource})
	}
	name := k.Name.String()
	wantRows := []row{
		{key.Encrypt, audit.Allowed, "ok", name},
		{key.Encrypt, audit.Denied, "permission denied", name},
		{key.DescribeKey, audit.Undecided, "not found", "123456789012/eu-central-1/nonsense"},
		{key.DisableKey, audit.Allowed, "ok", name},
	}
	if diff := cmp.Diff(wantRows, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
}

func TestNothingLeavesWithoutItsEntry(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	f.log.fail(errDisk)
	out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	want(t, err, fault.Unavailable, fault.Unspecified)
	if out != nil {
		t.Error("a ciphertext left without its audit entry")
	}
	want(t, f.DisableKey(t.Context(), f.admin(), refTo(k)), fault.Unavailable, fault.Unspecified)
	f.log.fail(nil)
	now, err := f.DescribeKey(t.Context(), f.admin(), refTo(k))
	if must(t, err); now.State != key.Enabled {
		t.Errorf("without an audit entry the key became %s", now.State)
	}
}

func TestDelegation(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.P256, alg.SignVerify)
	const grantee = "ca/1"
	sign := func() error {
		s, err := f.DelegatedSigner(t.Context(), f.as("nobody"), grantee, k.Name.ID, alg.ECDSASHA256)
		must(t, err)
		_, err = s.Sign(nil, make([]byte, 32), alg.ECDSASHA256.Info().Hash)
		return err
	}
	want(t, sign(), fault.PermissionDenied, fault.NoResourcePolicyAllows)
	_, err := f.Delegate(t.Context(), f.as("nobody"), refTo(k), grantee)
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	for range 2 { // the second one changes nothing
		k, err = f.Delegate(t.Context(), f.admin(), refTo(k), grantee)
		must(t, err)
	}
	if len(k.Grants) != 1 {
		t.Errorf("the key has %d grants, want 1", len(k.Grants))
	}
	must(t, sign())
	if e := f.log.last(); e.Principal != string(realm)+":service:ca/1" || e.Decision != audit.Allowed {
		t.Errorf("the signature is recorded as %q by %q", e.Decision, e.Principal)
	}
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	want(t, sign(), fault.WrongState, fault.KeyDisabled)
}

func TestListKeysInPages(t *testing.T) {
	f := newFixture(t)
	made := map[key.ID]bool{}
	for range 5 {
		made[f.create(alg.AES256, alg.NoUsage).Name.ID] = true
	}
	var page kms.Page
	for page.Limit = 2; ; {
		ids, next, err := f.ListKeys(t.Context(), f.admin(), page)
		must(t, err)
		for _, id := range ids {
			if !made[id] {
				t.Errorf("key %s is listed twice or was never made", id)
			}
			delete(made, id)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if len(made) != 0 {
		t.Errorf("not listed: %v", made)
	}
}

// What is too long is refused before any policy is asked about it.
func TestLongContextIsRefusedBeforeThePolicy(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.NoUsage)
	long := []key.Tag{{Key: "a", Value: strings.Repeat("x", ciphertext.MaxContext)}}
	_, err := f.Encrypt(t.Context(), f.as("nobody"), &kms.EncryptRequest{
		Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x"), Context: long,
	})
	want(t, err, fault.LimitExceeded, fault.Unspecified)
	_, err = f.Decrypt(t.Context(), f.as("nobody"), &kms.DecryptRequest{
		Algorithm: alg.AESGCM, Ciphertext: encryptX(t, f, k), Context: long,
	})
	want(t, err, fault.LimitExceeded, fault.Unspecified)
	many := make([]key.Tag, kms.MaxTags+1) // all the same: were they compared, that would be said
	want(t, f.Tag(t.Context(), f.admin(), refTo(k), many), fault.LimitExceeded, fault.TooManyTags)
}

// A listing that is refused after the decision is on record as refused.
func TestRefusedListingIsOnRecordAsSuch(t *testing.T) {
	f := newFixture(t)
	signing, k := f.create(alg.P256, alg.SignVerify), f.create(alg.AES256, alg.NoUsage)
	_, _, _, err := f.ListRotations(t.Context(), f.admin(), refTo(signing), kms.Page{Limit: 10})
	want(t, err, fault.Unsupported, fault.Unspecified)
	if e := f.log.last(); e.Result != fault.Unsupported.String() || e.Decision != audit.Allowed {
		t.Errorf("the entry says %q, %q", e.Decision, e.Result)
	}
	_, _, _, err = f.ListRotations(t.Context(), f.admin(), refTo(k), kms.Page{Limit: 10, After: "7"})
	want(t, err, fault.InvalidArgument, fault.MalformedMarker)
	if e := f.log.last(); e.Result != fault.InvalidArgument.String() {
		t.Errorf("the entry says %q", e.Result)
	}
}

// Attempts at authorities that fail leave grants on the key: not without end.
func TestGrantsAreLimited(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.P256, alg.SignVerify)
	for i := range kms.MaxGrants {
		_, err := f.Delegate(t.Context(), f.admin(), refTo(k), "ca/"+strconv.Itoa(i))
		must(t, err)
	}
	_, err := f.Delegate(t.Context(), f.admin(), refTo(k), "ca/more")
	want(t, err, fault.LimitExceeded, fault.Unspecified)
	_, err = f.Delegate(t.Context(), f.admin(), refTo(k), "ca/0") // is there
	must(t, err)
}
