package gcpkms

import (
	"fmt"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

const (
	software = kmspb.ProtectionLevel_SOFTWARE
	inHSM    = kmspb.ProtectionLevel_HSM
	encrypts = kmspb.CryptoKey_ENCRYPT_DECRYPT
	signs    = kmspb.CryptoKey_ASYMMETRIC_SIGN
)

// disable disables a version.
func (o *operator) disable(t *testing.T, version string) {
	t.Helper()
	_, err := o.UpdateCryptoKeyVersion(t.Context(), &kmspb.UpdateCryptoKeyVersionRequest{
		CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: version, State: kmspb.CryptoKeyVersion_DISABLED}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// adopt adopts a key and opens it.
func adopt(t *testing.T, e *Engine, name string) (engine.Kind, engine.Material, *engine.Key) {
	t.Helper()
	kind, m, err := e.Adopt(t.Context(), enginetest.NewRef("k"), name)
	if err != nil {
		t.Fatalf("Adopt of %s: %v", name, err)
	}
	k, err := e.Open(t.Context(), enginetest.NewRef("k"), kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return kind, m, k
}

// TestAdoptKinds is what keys do that were made by others, with other
// algorithms than the engine's own.
func TestAdoptKinds(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	operator := newOperator(t, o)
	o.KeyRing = "" // it needs none to adopt
	e := newEngine(t, o)
	for algorithm, tt := range map[kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm]struct {
		purpose kmspb.CryptoKey_CryptoKeyPurpose
		level   kmspb.ProtectionLevel
		want    string
	}{
		kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256:    {signs, inHSM, "rsa-2048 sign-verify [rsa-pkcs1-sha256]"},
		kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256:      {signs, software, "rsa-2048 sign-verify [rsa-pss-sha256]"},
		kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_2048:       {signs, software, "rsa-2048 sign-verify [rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512]"},
		kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA1:    {kmspb.CryptoKey_ASYMMETRIC_DECRYPT, software, "rsa-2048 encrypt-decrypt [rsa-oaep-sha1]"},
		kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256:      {signs, inHSM, "secp256k1 sign-verify [ecdsa-sha256]"},
		kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65:             {signs, software, "ml-dsa-65 sign-verify [ml-dsa]"},
		kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65_EXTERNAL_MU: {signs, software, "ml-dsa-65 sign-verify [ml-dsa]"},
		kmspb.CryptoKeyVersion_HMAC_SHA384:                   {kmspb.CryptoKey_MAC, software, "hmac-384 mac [hmac-sha384]"},
		kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION:   {encrypts, inHSM, "aes-256 encrypt-decrypt [aes-256-gcm]"},
	} {
		name, version := operator.makeKey(t, strings.ToLower(algorithm.String()), tt.purpose, algorithm, tt.level)
		for _, spelled := range []string{name, version, strings.Replace(version, "cryptoKeyVersions", "versions", 1)} {
			kind, m, k := adopt(t, e, spelled)
			var does []string // a list of numbers of a byte prints as text
			for _, a := range k.Algorithms {
				does = append(does, a.String())
			}
			if got := fmt.Sprint(kind.Spec, " ", kind.Usage, " ", does); got != tt.want {
				t.Errorf("%s is %s, want %s", spelled, got, tt.want)
			}
			use(t, kind.Spec, m, k)
		}
	}
	_, _, k := adopt(t, e, s.KeyRing+"/cryptoKeys/pq_sign_ml_dsa_65")
	_, err := engine.Sign(k.Signer, alg.MLDSAPure, engine.Message{Form: alg.ExternalMu, Bytes: make([]byte, 64)})
	wantKind(t, "mu to a key that takes messages", err, fault.Unsupported)
}

// TestAdoptVersions: without a version, encryption follows the primary one, and
// all other keys stay with the latest that was enabled.
func TestAdoptVersions(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	operator := newOperator(t, o)
	e := newEngine(t, o)

	name, first := operator.makeKey(t, "aes", encrypts, kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, software)
	_, _, follows := adopt(t, e, name)
	_, _, pinned := adopt(t, e, first)
	boxes := map[string][]byte{}
	seal := func(when string, k *engine.Key) {
		t.Helper()
		box, err := k.AEAD.Seal(nil, []byte("message"), nil)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		boxes[when] = box
	}
	seal("first", follows)
	second := operator.addVersion(t, name)
	if _, err := operator.UpdateCryptoKeyPrimaryVersion(t.Context(), &kmspb.UpdateCryptoKeyPrimaryVersionRequest{Name: name, CryptoKeyVersionId: "2"}); err != nil {
		t.Fatal(err)
	}
	seal("second", follows)
	seal("pinned", pinned)
	for when, box := range boxes { // the service finds the version
		if got, err := follows.AEAD.Open(nil, box, nil); err != nil || string(got) != "message" {
			t.Errorf("%s: %q, %v", when, got, err)
		}
	}
	operator.disable(t, second)
	seal("pinned still", pinned)
	_, err := follows.AEAD.Seal(nil, []byte("message"), nil)
	if wantKind(t, "encryption under a disabled primary version", err, fault.WrongState); fault.ReasonOf(err) != fault.KeyDisabled {
		t.Errorf("%v: another reason", err)
	}

	name, _ = operator.makeKey(t, "p256", signs, kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, software)
	for range 11 { // the 12th is later than the 2nd
		second = operator.addVersion(t, name)
	}
	operator.disable(t, second)
	_, m, _ := adopt(t, e, name)
	if got, err := e.NameOf(enginetest.NewRef("k"), alg.P256, m.Wrapped); err != nil || got != name+"/cryptoKeyVersions/11" {
		t.Errorf("the version is %s (%v)", got, err)
	}
}

// TestAdopted: keys that were adopted are left alone, and tell how they are.
func TestAdopted(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	operator := newOperator(t, o)
	e := newEngine(t, o)
	ref := enginetest.NewRef("k")
	aes, _ := operator.makeKey(t, "aes", encrypts, kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, software)
	p256, _ := operator.makeKey(t, "p256", signs, kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, software)
	for _, name := range []string{aes, p256} {
		kind, m, _ := adopt(t, e, name)
		for what, err := range map[string]error{
			"SetEnabled": e.SetEnabled(t.Context(), ref, kind.Spec, m.Wrapped, false),
			"Recover":    e.Recover(t.Context(), ref, kind.Spec, m.Wrapped),
			"Destroy":    e.Destroy(t.Context(), ref, m.Wrapped),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, step := range []struct {
			change func()
			want   engine.Condition
		}{
			{func() {}, engine.Usable},
			{func() { operator.disable(t, name+"/cryptoKeyVersions/1") }, engine.Disabled},
			{func() {
				if _, err := operator.DestroyCryptoKeyVersion(t.Context(), &kmspb.DestroyCryptoKeyVersionRequest{Name: name + "/cryptoKeyVersions/1"}); err != nil {
					t.Fatal(err)
				}
			}, engine.Deleted},
			{s.EndDestruction, engine.Gone},
		} {
			step.change()
			if got, err := e.Condition(t.Context(), ref, kind.Spec, m.Wrapped); err != nil || got != step.want {
				t.Errorf("%s is %s (%v), want %s", name, got, err, step.want)
			}
		}
	}
}

// TestAdoptRefused is what is not adopted.
func TestAdoptRefused(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	operator := newOperator(t, o)
	e := newEngine(t, o)
	p256, version := operator.makeKey(t, "p256", signs, kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, software)
	sha1, _ := operator.makeKey(t, "sha1", kmspb.CryptoKey_MAC, kmspb.CryptoKeyVersion_HMAC_SHA1, software)
	empty, err := operator.CreateCryptoKey(t.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: o.KeyRing, CryptoKeyId: "empty", SkipInitialVersionCreation: true, CryptoKey: &kmspb.CryptoKey{
			Purpose: encrypts, VersionTemplate: &kmspb.CryptoKeyVersionTemplate{Algorithm: kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, ProtectionLevel: software},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	operator.disable(t, version)
	ref := enginetest.NewRef("55555555-5555-4555-8555-555555555555")
	if _, err := e.Generate(t.Context(), ref, enginetest.KindOf(alg.P384)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		key    string
		kind   fault.Kind
		reason fault.Reason
	}{
		"no name":              {"", fault.InvalidArgument, 0},
		"a URI":                {"gcpkms://" + p256, fault.InvalidArgument, 0},
		"a key ring":           {o.KeyRing, fault.InvalidArgument, 0},
		"no such key":          {o.KeyRing + "/cryptoKeys/none", fault.NotFound, 0},
		"no such version":      {p256 + "/cryptoKeyVersions/2", fault.NotFound, 0},
		"no such ring":         {"projects/p/locations/l/keyRings/r/cryptoKeys/k", fault.NotFound, 0},
		"HMAC with SHA-1":      {sha1, fault.Unsupported, 0},
		"no version enabled":   {p256, fault.WrongState, fault.KeyUnavailable},
		"the version disabled": {version, fault.WrongState, fault.KeyDisabled},
		"no primary version":   {empty.GetName(), fault.WrongState, fault.KeyUnavailable},
		"one of Holdfast's":    {o.KeyRing + "/cryptoKeys/holdfast-55555555-5555-4555-8555-555555555555-1", fault.WrongState, 0},
	} {
		_, m, err := e.Adopt(t.Context(), enginetest.NewRef("k"), tt.key)
		if fault.KindOf(err) != tt.kind || fault.ReasonOf(err) != tt.reason || m.Wrapped != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestList: the list has all keys, page by page, with what they are.
func TestList(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	o.Rate = 0
	operator := newOperator(t, o)
	e := newEngine(t, o)
	for i := range pageSize + 5 {
		operator.makeKey(t, fmt.Sprintf("aes-%03d", i), encrypts, kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, software)
	}
	ref := enginetest.NewRef("55555555-5555-4555-8555-555555555555")
	if _, err := e.Generate(t.Context(), ref, enginetest.KindOf(alg.P384)); err != nil {
		t.Fatal(err)
	}
	_, disabled := operator.makeKey(t, "disabled", signs, kmspb.CryptoKeyVersion_EC_SIGN_ED25519, software)
	operator.disable(t, disabled)
	operator.makeKey(t, "strange", kmspb.CryptoKey_MAC, kmspb.CryptoKeyVersion_HMAC_SHA1, software)
	got := map[string]string{}
	pages := 0
	for page := ""; ; pages++ {
		keys, next, err := e.List(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			got[strings.TrimPrefix(k.Name, o.KeyRing+"/cryptoKeys/")] = fmt.Sprintf("%s|%s|%s|%s|%t", k.Kind.Spec, k.Kind.Usage, k.Type, k.Condition, k.Made)
		}
		if page = next; page == "" {
			break
		}
	}
	if len(got) != pageSize+8 || pages != 1 {
		t.Errorf("%d keys after %d pages", len(got), pages)
	}
	for name, want := range map[string]string{
		"aes-000":  "aes-256|encrypt-decrypt|GOOGLE_SYMMETRIC_ENCRYPTION|usable|false",
		"disabled": "ed25519|sign-verify|EC_SIGN_ED25519|disabled|false",
		"strange":  "||HMAC_SHA1|usable|false",
		"holdfast-55555555-5555-4555-8555-555555555555-1": "p-384|sign-verify|EC_SIGN_P384_SHA384|usable|true",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

// TestMake: names that are no names, or Holdfast's own, are refused, and a key
// whose making was answered by nothing is known again.
func TestMake(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	for _, name := range []string{"", "a/b", "a b", "holdfast-x", strings.Repeat("k", 64)} {
		_, err := e.Make(t.Context(), name, enginetest.KindOf(alg.P256))
		wantKind(t, name, err, fault.InvalidArgument)
	}
	_, err := e.Make(t.Context(), "k", engine.Kind{Spec: alg.RSA2048, Usage: alg.KeyTransfer})
	wantKind(t, "a key for key transfer", err, fault.Unsupported)
	s.Answer(gcpkmstest.Name, 0, 1) // the answer is of no use: the key is there
	name, err := e.Make(t.Context(), "k", enginetest.KindOf(alg.P256))
	if err != nil || name != s.KeyRing+"/cryptoKeys/k" || s.Keys() != 1 {
		t.Errorf("%s, %v, %d keys", name, err, s.Keys())
	}
	_, m, k := adopt(t, e, name)
	use(t, alg.P256, m, k)
}

// TestConflict: a name is given to one key for ever.
func TestConflict(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	ref := enginetest.NewRef("k")
	generate := func(spec alg.Spec) (engine.Material, error) {
		return e.Generate(t.Context(), ref, enginetest.KindOf(spec))
	}
	m, err := generate(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := generate(alg.P256); err != nil || string(again.Public) != string(m.Public) || s.Keys() != 1 {
		t.Errorf("the same version once more: %v, %d keys", err, s.Keys())
	}
	_, err = generate(alg.P384)
	wantKind(t, "another type", err, fault.Conflict)
	_, err = e.Import(t.Context(), ref, enginetest.KindOf(alg.P256), enginetest.NewPlain(t, alg.P256))
	wantKind(t, "material for a key that was made", err, fault.Conflict)
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	_, err = generate(alg.P256)
	wantKind(t, "the same version after its end", err, fault.Conflict)
}

// TestStates is what a key in each state says to its use.
func TestStates(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	operator := newOperator(t, o)
	e := newEngine(t, o)
	ref := enginetest.NewRef("k")
	m, k := enginetest.Generate(t, e, ref, alg.P256)
	sign := func() error {
		_, err := engine.Sign(k.Signer, alg.ECDSASHA256, engine.Message{Form: alg.Raw, Bytes: []byte("x")})
		return err
	}
	want := func(when string, reason fault.Reason) {
		t.Helper()
		err := sign()
		if fault.KindOf(err) != fault.WrongState || fault.ReasonOf(err) != reason {
			t.Errorf("%s: %v, want the reason %d", when, err, reason)
		}
	}
	version := o.KeyRing + "/cryptoKeys/holdfast-k-1/cryptoKeyVersions/1"
	operator.disable(t, version)
	want("disabled", fault.KeyDisabled)
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	want("to be destroyed", fault.KeyPendingDeletion)
	err := e.SetEnabled(t.Context(), ref, alg.P256, m.Wrapped, true)
	wantKind(t, "SetEnabled of a key that is to be destroyed", err, fault.WrongState)
	s.EndDestruction()
	want("destroyed", fault.KeyUnavailable)
	wantKind(t, "Recover", e.Recover(t.Context(), ref, alg.P256, m.Wrapped), fault.NotFound)
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Errorf("Destroy of what is no more: %v", err)
	}

	other := newEngine(t, Options{Settings: o.Settings, KeyRing: o.KeyRing, Endpoint: o.Endpoint, CA: o.CA, Credentials: o.Credentials})
	r := reference(other.ring.Key("holdfast-none-1"), 1, rowOf(t, other, alg.P256))
	r.Public = m.Public
	lost, err := other.Open(t.Context(), ref, alg.P256, sealed(t, other, ref, alg.P256, r))
	if err != nil {
		t.Fatal(err)
	}
	k = lost
	want("not there", fault.KeyUnavailable)
	if got, err := other.Condition(t.Context(), ref, alg.P256, sealed(t, other, ref, alg.P256, r)); err != nil || got != engine.Gone {
		t.Errorf("not there: %s, %v", got, err)
	}
	if err := other.Destroy(t.Context(), ref, sealed(t, other, ref, alg.P256, r)); err != nil {
		t.Errorf("Destroy of what is not there: %v", err)
	}
}

// TestReferences: a reference that nobody here wrote does not open.
func TestReferences(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Settings: remote.Settings{Name: "google"}, Anonymous: true, KeyRing: "projects/p/locations/l/keyRings/r"})
	ref := engine.Ref{Realm: key.DefaultRealm, ID: "k", Version: 1}
	for name, change := range map[string]func(r *remote.Reference){
		"no name":         func(r *remote.Reference) { r.Name = "" },
		"a version":       func(r *remote.Reference) { r.Name += "/cryptoKeyVersions/1" },
		"no number":       func(r *remote.Reference) { r.Version = "x" },
		"no algorithm":    func(r *remote.Reference) { r.Type = "" },
		"another's words": func(r *remote.Reference) { r.Type = "HMAC_SHA1" },
	} {
		r := reference(e.ring.Key("k"), 1, rowOf(t, e, alg.AES256))
		change(r)
		_, err := e.Open(t.Context(), ref, alg.AES256, sealed(t, e, ref, alg.AES256, r))
		wantKind(t, name, err, fault.Internal)
	}
}
