package azurekv

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// adopted adopts a key and opens it.
func adopted(t *testing.T, e *Engine, name string) (engine.Kind, *remote.Reference, *engine.Key) {
	t.Helper()
	kind, m, err := e.Adopt(t.Context(), refOf(1), name)
	if err != nil {
		t.Fatalf("Adopt of %s: %v", name, err)
	}
	r, err := remote.Unseal(e.box, refOf(1), kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), refOf(1), kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return kind, r, k
}

func versionOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// TestAdoptNames is every name that a key has, and which version each means.
func TestAdoptNames(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	old := s.AddKey(t, "web", azure.CreateKey{Type: azure.EC, Curve: azure.P256})
	current := s.AddKey(t, "web", azure.CreateKey{Type: azure.EC, Curve: azure.P256})
	base := s.URL() + "/keys/web"
	for name, version := range map[string]string{
		current: versionOf(current), old: versionOf(old), base: versionOf(current), base + "/": versionOf(current),
		"web": versionOf(current), "web/" + versionOf(old): versionOf(old), "WEB": versionOf(current),
	} {
		kind, r, k := adopted(t, e, name)
		if kind.Spec != alg.P256 || kind.Usage != alg.SignVerify || r.Version != version || !r.Adopted || !strings.EqualFold(r.Name, base) {
			t.Errorf("%s: %+v", name, r)
		}
		if err := signWith(k); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	made := keep(t, e, refOf(5))
	for name, want := range map[string]fault.Kind{
		"": fault.InvalidArgument, "a b": fault.InvalidArgument, "web/v/w": fault.InvalidArgument, s.URL() + "/secrets/web": fault.InvalidArgument,
		"http://127.0.0.1/keys/web": fault.InvalidArgument, s.URL(): fault.InvalidArgument, "nobody": fault.NotFound,
		"web/00000000000000000000000000000000": fault.NotFound, "https://other.vault.azure.net/keys/web": fault.NotFound,
		s.URL() + "/certificates/nobody": fault.NotFound, remote.KeyName(made.ref): fault.WrongState,
	} {
		_, _, err := e.Adopt(t.Context(), refOf(1), name)
		wantKind(t, err, want, name)
	}
}

// TestAdoptCertificate: a certificate's name means its key.
func TestAdoptCertificate(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	name := s.AddCertificate(t, "site")
	kind, r, k := adopted(t, e, name)
	if kind.Spec != alg.RSA2048 || r.Name != s.URL()+"/keys/site" || r.Version == "" {
		t.Errorf("%+v, %+v", kind, r)
	}
	if err := signWith(k); err != nil {
		t.Error(err)
	}
	managed := azurekvtest.StartManagedHSM(t)
	_, _, err := newEngine(t, options(managed)).Adopt(t.Context(), refOf(1), managed.URL()+"/certificates/site")
	wantKind(t, err, fault.Unsupported, "a certificate of a Managed HSM")
}

// TestKeyOps: what a key's owner allows is what it does here.
func TestKeyOps(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	type ops = []azure.KeyOperation
	all := []string{"encrypt-decrypt", "sign-verify"}
	for name, tt := range map[string]struct {
		ops    ops
		usage  alg.Usage
		usages []string
		via    string
	}{
		"all":     {nil, alg.SignVerify, []string{"sign-verify", "encrypt-decrypt"}, ""},
		"sign":    {ops{azure.Sign, azure.Verify}, alg.SignVerify, all[1:], ""},
		"decrypt": {ops{azure.Encrypt, azure.Decrypt}, alg.EncryptDecrypt, all[:1], ""},
		"wrap":    {ops{azure.WrapKey, azure.UnwrapKey}, alg.EncryptDecrypt, all[:1], "unwrapKey"},
		"unwrap":  {ops{azure.UnwrapKey, azure.Sign}, alg.SignVerify, []string{"sign-verify", "encrypt-decrypt"}, "unwrapKey"},
	} {
		kind, r, k := adopted(t, e, s.AddKey(t, name, azure.CreateKey{Type: azure.RSA, Ops: tt.ops}))
		if kind.Usage != tt.usage || !cmp.Equal(r.Usages, tt.usages) || r.Type != tt.via {
			t.Errorf("%s: %s, %v, %q", name, kind.Usage, r.Usages, r.Type)
		}
		signs, decrypts := strings.Contains(strings.Join(tt.usages, " "), "sign"), strings.Contains(strings.Join(tt.usages, " "), "decrypt")
		if err := signWith(k); signs && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !signs {
			wantKind(t, err, fault.InvalidArgument, name+" signs")
		}
		public, err := engine.ParsePublic(alg.RSA2048, r.Public)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range alg.RSA2048.For(alg.EncryptDecrypt) {
			ciphertext, err := public.Encrypt(a, []byte("secret"))
			if err != nil {
				t.Fatal(err)
			}
			plaintext, err := engine.Decrypt(k.Decrypter, a, ciphertext)
			if decrypts && (err != nil || string(plaintext) != "secret") {
				t.Errorf("%s: %s: %q, %v", name, a, plaintext, err)
			} else if !decrypts {
				wantKind(t, err, fault.InvalidArgument, name+" decrypts")
			}
		}
		s.RemoveKey(name)
	}
	for name, c := range map[string]azure.CreateKey{
		"only encrypts": {Type: azure.RSA, Ops: ops{azure.Encrypt}}, "only takes keys": {Type: azure.RSAHSM, Ops: ops{azure.Import}},
	} {
		name = strings.ReplaceAll(name, " ", "-")
		_, _, err := e.Adopt(t.Context(), refOf(1), s.AddKey(t, name, c))
		wantKind(t, err, fault.Unsupported, name)
		s.RemoveKey(name)
	}
}

// TestRotatedAES: a key that was adopted without a version encrypts with the
// current one and decrypts with all; one with a version stays with it.
func TestRotatedAES(t *testing.T) {
	t.Parallel()
	s := azurekvtest.StartManagedHSM(t)
	e := newEngine(t, options(s))
	aes := azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: azure.OperationsFor(alg.EncryptDecrypt)}
	first := s.AddKey(t, "aes", aes)
	_, r, follows := adopted(t, e, "aes")
	_, pinned, stays := adopted(t, e, first)
	if r.Version != "" || pinned.Version != versionOf(first) {
		t.Errorf("the versions are %q and %q", r.Version, pinned.Version)
	}
	seal := func(k *engine.Key) []byte {
		t.Helper()
		c, err := k.AEAD.Seal(nil, []byte("plaintext"), []byte("a"))
		if err != nil || len(c) != len("plaintext")+k.AEAD.Overhead() {
			t.Fatalf("%d bytes, %v", len(c), err)
		}
		return c
	}
	old, oldStays := seal(follows), seal(stays)
	second := versionOf(s.AddKey(t, "aes", aes))
	now := seal(follows)
	opens := func(k *engine.Key, c []byte) error {
		p, err := k.AEAD.Open(nil, c, []byte("a"))
		if err == nil && string(p) != "plaintext" {
			t.Errorf("opened as %q", p)
		}
		return err
	}
	for what, c := range map[string][]byte{"old": old, "new": now} {
		if err := opens(follows, c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if v, _, ok := unpack(now); !ok || v != second {
		t.Errorf("the new one has the version %q, %t", v, ok)
	}
	for what, c := range map[string][]byte{"old": old, "its own": oldStays} {
		if err := opens(stays, c); err != nil {
			t.Errorf("%s, with the first version: %v", what, err)
		}
	}
	wantKind(t, opens(stays, now), fault.BadCiphertext, "a ciphertext of the second version, with the first")
	unknown := bytes.Clone(now)
	unknown[1] ^= 1
	for range 2 {
		wantKind(t, opens(follows, unknown), fault.BadCiphertext, "a version that the key does not have")
	}
	s.RemoveKey("aes")
	err := opens(follows, now)
	wantKind(t, err, fault.WrongState, "a key that is gone")
}

// TestSymmetricProbe: what a vault does not say of a symmetric key is found out,
// and keys of other sizes are not adopted.
func TestSymmetricProbe(t *testing.T) {
	t.Parallel()
	s := azurekvtest.StartManagedHSM(t)
	e := newEngine(t, options(s))
	signing, sealing := azure.OperationsFor(alg.GenerateVerifyMAC), azure.OperationsFor(alg.EncryptDecrypt)
	kind, r, k := adopted(t, e, s.AddKey(t, "mac", azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: signing}))
	if kind.Spec != alg.HMAC256 || r.Version == "" {
		t.Errorf("%+v, %+v", kind, r)
	}
	code, err := k.MAC.Sum(nil, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	message := engine.Message{Form: alg.Raw, Bytes: []byte("message")}
	if err := k.Verifier.Verify(alg.HMACSHA256, message, code); err != nil {
		t.Errorf("its own code: %v", err)
	}
	code[0] ^= 1
	wantKind(t, k.Verifier.Verify(alg.HMACSHA256, message, code), fault.BadSignature, "another code")
	wantKind(t, k.Verifier.Verify(alg.HMACSHA256, message, nil), fault.BadSignature, "no code")
	_, err = k.MAC.Sum(nil, nil)
	wantKind(t, err, fault.InvalidArgument, "a code of nothing")

	off := false
	for name, tt := range map[string]struct {
		c    azure.CreateKey
		want fault.Kind
	}{
		"aes-128":      {azure.CreateKey{Type: azure.OctHSM, Size: 128, Ops: sealing}, fault.Unsupported},
		"mac-192":      {azure.CreateKey{Type: azure.OctHSM, Size: 192, Ops: signing}, fault.Unsupported},
		"wraps":        {azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: []azure.KeyOperation{azure.WrapKey, azure.UnwrapKey}}, fault.Unsupported},
		"only-decrypt": {azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: []azure.KeyOperation{azure.Decrypt}}, fault.Unsupported},
		"disabled":     {azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: signing, Attributes: &azure.Attributes{Enabled: &off}}, fault.WrongState},
	} {
		_, _, err := e.Adopt(t.Context(), refOf(1), s.AddKey(t, name, tt.c))
		wantKind(t, err, tt.want, name)
	}
	_, _, sealer := adopted(t, e, s.AddKey(t, "aes", azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: sealing}))
	_, err = sealer.AEAD.Seal(nil, nil, nil)
	wantKind(t, err, fault.InvalidArgument, "the encryption of nothing")
}

// TestPack: what pack makes unpack reads, and nothing else.
func TestPack(t *testing.T) {
	t.Parallel()
	r := operation(12, 5, 16)
	for _, version := range []string{"", "0123456789abcdef0123456789abcdef"} {
		c, err := pack(version, r, 5)
		if err != nil {
			t.Fatal(err)
		}
		v, p, ok := unpack(c)
		if !ok || v != version || !bytes.Equal(p.IV, r.IV) || !bytes.Equal(p.Value, r.Result) || !bytes.Equal(p.AuthenticationTag, r.AuthenticationTag) {
			t.Errorf("version %q reads back as %q, %+v, %t", version, v, p, ok)
		}
		for n := range c {
			if v, p, ok := unpack(c[:n]); ok && (v != version || len(p.Value) >= 5) {
				t.Errorf("%d bytes of %d are read as %q, %+v", n, len(c), v, p)
			}
		}
	}
	for _, version := range []string{"0", "0123456789ABCDEF0123456789ABCDEF", "latest"} {
		if _, err := pack(version, r, 5); err == nil {
			t.Errorf("a version %q is packed", version)
		}
	}
	for _, bad := range [][3]int{{11, 5, 16}, {12, 4, 16}, {12, 5, 12}} {
		if _, err := pack("", operation(bad[0], bad[1], bad[2]), 5); err == nil {
			t.Errorf("%v is packed", bad)
		}
	}
}
