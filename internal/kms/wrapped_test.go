package kms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

const blobWrapping = alg.WrapAESKeyWrapSHA1 // that of transfer blobs

// kek makes a key exchange key in an engine.
func (f *fixture) kek(engine string) *key.Key {
	f.t.Helper()
	k, err := f.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.RSA2048, Usage: alg.KeyTransfer, Engine: engine})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// transfer asks for a key that comes wrapped under a key exchange key.
func (f *fixture) transfer(who string, kek *key.Key, spec alg.Spec, wrapped []byte) (*key.Key, error) {
	req := &kms.ImportWrappedRequest{KEK: refTo(kek), How: blobWrapping, Wrapped: wrapped}
	if req.Spec = spec; spec != alg.NoSpec {
		req.Usage = spec.Info().Usages[0]
	}
	return f.ImportWrapped(f.t.Context(), f.as(who), req)
}

// TestKeyExchangeKeysDoNothingElse: whatever else is asked of one is refused
// for its usage, except for its public half.
func TestKeyExchangeKeysDoNothingElse(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	kek := f.kek("")
	message := engine.Message{Form: alg.Raw, Bytes: []byte("m")}
	ref := refTo(kek)
	for name, act := range map[string]func() error{
		"Encrypt": func() error {
			_, err := f.Encrypt(ctx, f.admin(), &kms.EncryptRequest{Key: ref, Algorithm: alg.OAEPSHA256, Plaintext: []byte("x")})
			return err
		},
		"Decrypt": func() error {
			_, err := f.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Key: ref, Algorithm: alg.OAEPSHA1, Ciphertext: make([]byte, 256)})
			return err
		},
		"Sign": func() error {
			_, err := f.Sign(ctx, f.admin(), &kms.SignRequest{Key: ref, Algorithm: alg.PSSSHA256, Message: message})
			return err
		},
		"Verify": func() error {
			_, err := f.Verify(ctx, f.admin(), &kms.VerifyRequest{SignRequest: kms.SignRequest{Key: ref, Algorithm: alg.PSSSHA256, Message: message}})
			return err
		},
		"GenerateMAC": func() error {
			_, err := f.GenerateMAC(ctx, f.admin(), &kms.MACRequest{Key: ref, Algorithm: alg.HMACSHA256, Message: []byte("m")})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := f.GenerateDataKey(ctx, f.admin(), &kms.DataKeyRequest{Key: ref, Bytes: 32})
			return err
		},
		"ReEncrypt": func() error {
			other := f.create(alg.AES256, alg.NoUsage)
			_, err := f.ReEncrypt(ctx, f.admin(), &kms.ReEncryptRequest{
				Source:      kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: encryptX(t, f, other)},
				Destination: kms.EncryptRequest{Key: ref, Algorithm: alg.OAEPSHA256},
			})
			return err
		},
		"Delegate": func() error {
			_, err := f.Delegate(ctx, f.admin(), ref, "ca/1")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { want(t, act(), fault.InvalidArgument, fault.WrongUsage) })
	}
	if _, err := f.ExportKey(ctx, f.admin(), ref); fault.ReasonOf(err) != fault.NotExportable {
		t.Errorf("its export is answered with %v", err)
	}
	_, err := f.ImportParameters(ctx, f.admin(), ref, alg.WrapOAEPSHA256, alg.RSA2048)
	want(t, err, fault.WrongState, fault.OriginForbids)
	_, err = f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.RSA2048, Usage: alg.KeyTransfer, Exportable: true})
	want(t, err, fault.Unsupported, fault.Unspecified)
	_, err = f.CreateKey(ctx, f.admin(), &kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.KeyTransfer})
	want(t, err, fault.InvalidArgument, fault.IncompatibleUsage)
	if p, err := f.PublicKey(ctx, f.admin(), ref); err != nil || p.Version.Public == nil {
		t.Errorf("its public half is answered with %v", err)
	}
}

// TestKeysComeInWrapped: into the engine of the key exchange key, said or not
// what they are.
func TestKeysComeInWrapped(t *testing.T) {
	f := importing(t)
	hsm := f.newPlace("hsm")
	f.open()
	for engineName, kek := range map[string]*key.Key{"soft": f.kek(""), "hsm": f.kek("hsm")} {
		for spec, plain := range keysFrom(t) {
			said := spec
			if spec == alg.AES256 || !spec.Symmetric() && spec != alg.RSA2048 {
				said = alg.NoSpec
			}
			before := hsm.count()
			k, err := f.transfer("admin", kek, said, f.wrap(kek.Current().Public, blobWrapping, plain))
			if err != nil {
				t.Errorf("%s into %s: %v", spec, engineName, err)
				continue
			}
			if k.Spec != spec || k.Engine != engineName || k.Origin != key.Imported || k.State != key.Enabled || k.Exportable {
				t.Errorf("%s became %+v", spec, k)
			}
			if made := hsm.count() - before; made != map[string]int{"soft": 0, "hsm": 1}[engineName] {
				t.Errorf("%s into %s: %d materials were made", spec, engineName, made)
			}
			if k.Spec == alg.P384 {
				signed, err := f.Sign(t.Context(), f.admin(), &kms.SignRequest{
					Key: refTo(k), Algorithm: alg.ECDSASHA384, Message: engine.Message{Form: alg.Raw, Bytes: []byte("m")},
				})
				must(t, err)
				private, err := x509.ParsePKCS8PrivateKey(plain)
				must(t, err)
				spki, err := x509.MarshalPKIXPublicKey(&private.(*ecdsa.PrivateKey).PublicKey)
				must(t, err)
				verifySPKI(t, spki, signed.Signature)
			}
		}
	}
}

// TestWrappedKeysThatAreRefused is each way in which a transfer fails, with
// its reason; nothing of it stays.
func TestWrappedKeysThatAreRefused(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	hsm := f.newPlace("hsm")
	f.open()
	kek, other := f.kek("hsm"), f.kek("hsm")
	plain := keysFrom(t)
	f.people["importer"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"holdfast:ImportKey","Resource":"*"}}`)}
	f.people["unwrapper"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:UnwrapKey","Resource":"*"}}`)}
	disabled := f.kek("hsm")
	must(t, f.DisableKey(ctx, f.admin(), refTo(disabled)))
	p256 := f.wrap(kek.Current().Public, blobWrapping, plain[alg.P256])
	last := bytes.Clone(p256)
	last[len(last)-1] ^= 1
	keys, materials := f.Keys(), hsm.count()
	for name, test := range map[string]struct {
		who     string
		kek     *key.Key
		spec    alg.Spec
		wrapped []byte
		kind    fault.Kind
		reason  fault.Reason
	}{
		"for another key":       {"admin", kek, alg.P256, f.wrap(other.Current().Public, blobWrapping, plain[alg.P256]), fault.BadCiphertext, 0},
		"in another wrapping":   {"admin", kek, alg.P256, f.wrap(kek.Current().Public, alg.WrapAESKeyWrapSHA256, plain[alg.P256]), fault.BadCiphertext, 0},
		"cut short":             {"admin", kek, alg.P256, p256[:len(p256)-8], fault.BadCiphertext, 0},
		"the last bit changed":  {"admin", kek, alg.P256, last, fault.BadCiphertext, 0},
		"nothing":               {"admin", kek, alg.P256, nil, fault.BadCiphertext, 0},
		"of another spec":       {"admin", kek, alg.P384, p256, fault.InvalidArgument, 0},
		"of no size":            {"admin", kek, alg.NoSpec, f.wrap(kek.Current().Public, blobWrapping, make([]byte, 17)), fault.InvalidArgument, 0},
		"one byte repeated":     {"admin", kek, alg.AES256, f.wrap(kek.Current().Public, blobWrapping, make([]byte, 32)), fault.InvalidArgument, fault.WeakKey},
		"with a small exponent": {"admin", kek, alg.RSA2048, f.wrap(kek.Current().Public, blobWrapping, smallExponent(t)), fault.InvalidArgument, fault.WeakKey},
		"an RSA key whose use nobody said": {
			"admin", kek, alg.NoSpec, f.wrap(kek.Current().Public, blobWrapping, plain[alg.RSA2048]), fault.InvalidArgument, fault.UsageRequired,
		},
		"under a disabled key":                 {"admin", disabled, alg.P256, p256, fault.WrongState, fault.KeyDisabled},
		"under a key for something else":       {"admin", f.create(alg.RSA2048, alg.SignVerify), alg.P256, p256, fault.InvalidArgument, fault.WrongUsage},
		"by nobody":                            {"nobody", kek, alg.P256, p256, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"by one who may only import":           {"importer", kek, alg.P256, p256, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"by one who may only unwrap":           {"unwrapper", kek, alg.P256, p256, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"by one who may only unwrap, guessing": {"unwrapper", kek, alg.NoSpec, p256, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.transfer(test.who, test.kek, test.spec, test.wrapped)
			want(t, err, test.kind, test.reason)
		})
	}
	keys++ // the signing key of the table
	if f.Keys() != keys || hsm.count() != materials || f.rows(store.Imports, kek) != 0 {
		t.Errorf("%d keys, %d materials, %d imports are left", f.Keys()-keys, hsm.count()-materials, f.rows(store.Imports, kek))
	}
	req := &kms.ImportWrappedRequest{KEK: refTo(kek), How: blobWrapping, Wrapped: p256}
	req.Spec, req.Usage = alg.P256, alg.SignVerify
	for name, change := range map[string]func(*kms.ImportWrappedRequest){
		"another engine": func(r *kms.ImportWrappedRequest) { r.Engine = "soft" },
		"a key store":    func(r *kms.ImportWrappedRequest) { r.Store = "cks-1" },
		"no material":    func(r *kms.ImportWrappedRequest) { r.External = true },
		"too much":       func(r *kms.ImportWrappedRequest) { r.Wrapped = make([]byte, 1<<20) },
	} {
		changed := *req
		change(&changed)
		if _, err := f.ImportWrapped(ctx, f.admin(), &changed); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("with %s: %v", name, err)
		}
	}
}

// smallExponent returns an RSA key with the public exponent 3.
func smallExponent(t *testing.T) []byte {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(3)
	for {
		p, err := rand.Prime(rand.Reader, 1024)
		must(t, err)
		q, err := rand.Prime(rand.Reader, 1024)
		must(t, err)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil {
			continue
		}
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 3}, D: d, Primes: []*big.Int{p, q}}
		k.Precompute()
		der, err := x509.MarshalPKCS8PrivateKey(k)
		must(t, err)
		return der
	}
}

// TestTransfersAreTakenOnce: also after a restart, after the key that came is
// gone, and by two at once; until the key exchange key goes.
func TestTransfersAreTakenOnce(t *testing.T) {
	f := importing(t)
	kek := f.kek("")
	wrapped := f.wrap(kek.Current().Public, blobWrapping, keysFrom(t)[alg.P256])
	results := make(chan error)
	for range 2 {
		go func() {
			_, err := f.transfer("admin", kek, alg.P256, wrapped)
			results <- err
		}()
	}
	first, second := <-results, <-results
	if first != nil {
		first, second = second, first
	}
	must(t, first)
	want(t, second, fault.AlreadyExists, fault.ReplayedBlob)
	f.open()
	_, err := f.transfer("admin", kek, alg.NoSpec, wrapped)
	want(t, err, fault.AlreadyExists, fault.ReplayedBlob)
	if _, err := f.transfer("admin", kek, alg.P256, f.wrap(kek.Current().Public, blobWrapping, keysFrom(t)[alg.P256])); err != nil {
		t.Errorf("the same key, sent anew: %v", err)
	}
	if f.rows(store.Imports, kek) != 2 {
		t.Errorf("%d transfers are remembered", f.rows(store.Imports, kek))
	}
	f.end(kek)
	if f.rows(store.Imports, kek) != 0 {
		t.Error("transfers under a key that is gone are remembered")
	}
}

// TestTransferIsThereWholeOrNotAtAll cuts the power before each write.
func TestTransferIsThereWholeOrNotAtAll(t *testing.T) {
	f := importing(t)
	hsm := f.newPlace("hsm")
	cut := &cutStore{Store: f.store}
	f.store = cut
	f.open()
	kek := f.kek("hsm")
	wrapped := f.wrap(kek.Current().Public, blobWrapping, keysFrom(t)[alg.P256])
	done := false
	for writes := range 10 {
		cut.after(writes)
		_, err := f.transfer("admin", kek, alg.P256, wrapped)
		cut.after(-1)
		f.open()
		if err == nil {
			if writes < 3 {
				t.Errorf("a transfer took %d writes", writes)
			}
			done = true
			break
		}
		if f.Keys() != 1 || hsm.count() != 1 || f.rows(store.Imports, kek) != 0 {
			t.Errorf("after %d writes: %d keys, %d materials, %d imports", writes, f.Keys(), hsm.count(), f.rows(store.Imports, kek))
		}
	}
	if !done || f.Keys() != 2 || hsm.count() != 2 || f.rows(store.Imports, kek) != 1 {
		t.Errorf("%d keys, %d materials, %d imports", f.Keys(), hsm.count(), f.rows(store.Imports, kek))
	}
}

// TestKeysLeaveWrapped: exportable ones, under RSA keys that are not weak.
func TestKeysLeaveWrapped(t *testing.T) {
	f := importing(t)
	ctx := t.Context()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	to, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	must(t, err)
	loose, kept := f.exportable(alg.P256, alg.SignVerify), f.create(alg.P256, alg.SignVerify)
	wrapped, err := f.ExportWrapped(ctx, f.admin(), refTo(loose), to, alg.WrapAESKeyWrapSHA256)
	must(t, err)
	plain, err := transfer.Unwrap(transfer.GoKey(private), alg.WrapAESKeyWrapSHA256, 0, wrapped)
	must(t, err)
	k, err := x509.ParsePKCS8PrivateKey(plain)
	must(t, err)
	if spki, err := x509.MarshalPKIXPublicKey(&k.(*ecdsa.PrivateKey).PublicKey); err != nil || !bytes.Equal(spki, loose.Current().Public) {
		t.Errorf("another key left (%v)", err)
	}
	details := map[string]string{}
	entry := f.log.last()
	for _, d := range entry.Details {
		details[d.Name] = d.Value
	}
	if entry.Action != key.ExportKey || details["wrapping"] != "rsa-aes-key-wrap-sha256" || !strings.HasPrefix(details["under"], "sha256:") {
		t.Errorf("the entry is %+v", entry)
	}
	for _, form := range []string{hex.EncodeToString(plain), base64.StdEncoding.EncodeToString(wrapped)} {
		for _, d := range details {
			if strings.Contains(d, form) {
				t.Error("the entry has the material")
			}
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weak.E = 3
	weakSPKI, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	must(t, err)
	for name, test := range map[string]struct {
		who    string
		k      *key.Key
		under  []byte
		kind   fault.Kind
		reason fault.Reason
	}{
		"a key that stays": {"admin", kept, to, fault.WrongState, fault.NotExportable},
		"nobody":           {"nobody", loose, to, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"under a curve":    {"admin", loose, kept.Current().Public, fault.InvalidArgument, fault.Unspecified},
		"under nothing":    {"admin", loose, nil, fault.InvalidArgument, fault.Unspecified},
		"under a weak key": {"admin", loose, weakSPKI, fault.InvalidArgument, fault.WeakKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.ExportWrapped(ctx, f.as(test.who), refTo(test.k), test.under, alg.WrapAESKeyWrapSHA256)
			want(t, err, test.kind, test.reason)
		})
	}
}

// TestTransfersAreOnRecord: with the key that they came under, and without
// what came.
func TestTransfersAreOnRecord(t *testing.T) {
	f := importing(t)
	kek := f.kek("")
	k, err := f.transfer("admin", kek, alg.P256, f.wrap(kek.Current().Public, blobWrapping, keysFrom(t)[alg.P256]))
	must(t, err)
	e := f.log.last()
	details := map[string]string{}
	for _, d := range e.Details {
		details[d.Name] = d.Value
	}
	if e.Action != key.ImportKey || e.Resource != k.Resource().String() || details["kek"] != string(kek.Name.ID) ||
		details["wrapping"] != blobWrapping.String() || details["spec"] != "p-256" || e.Time.After(time.Now()) {
		t.Errorf("the entry is %+v", e)
	}
}
