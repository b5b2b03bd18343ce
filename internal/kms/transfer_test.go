package kms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

func (f *fixture) exportable(spec alg.Spec, usage alg.Usage) *key.Key {
	f.t.Helper()
	k, err := f.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: usage, Exportable: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// TestOnlyExportableKeysLeave: a key is exportable from its first day, for
// whoever may ExportKey, while it is enabled; after a restart too.
func TestOnlyExportableKeysLeave(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.people["user"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Sign","kms:DescribeKey"],"Resource":"*"}}`)}
	f.people["careful"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":"kms:Export*","Resource":"*"}]}`)}
	kept, loose := f.create(alg.P256, alg.SignVerify), f.exportable(alg.P256, alg.SignVerify)
	disabled := f.exportable(alg.HMAC256, alg.GenerateVerifyMAC)
	must(t, f.DisableKey(ctx, f.admin(), refTo(disabled)))
	for range 2 {
		for _, test := range []struct {
			name   string
			who    string
			k      *key.Key
			kind   fault.Kind
			reason fault.Reason
		}{
			{"a key that was not made so", "admin", kept, fault.WrongState, fault.NotExportable},
			{"a disabled key", "admin", disabled, fault.WrongState, fault.KeyDisabled},
			{"who may only sign", "user", loose, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
			{"who is denied kms:Export*", "careful", loose, fault.PermissionDenied, fault.DeniedByIdentityPolicy},
		} {
			got, err := f.ExportKey(ctx, f.as(test.who), refTo(test.k))
			want(t, err, test.kind, test.reason)
			if got != nil {
				t.Errorf("%s: the material left", test.name)
			}
		}
		got, err := f.ExportKey(ctx, f.admin(), refTo(loose))
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey(got.Material.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(&private.(*ecdsa.PrivateKey).PublicKey)
		if err != nil || !bytes.Equal(spki, loose.Current().Public) {
			t.Errorf("another key was exported (%v)", err)
		}
		if e := f.log.last(); e.Action != key.ExportKey || e.Result != "ok" || e.Resource != loose.Name.String() || e.Decision != audit.Allowed {
			t.Errorf("the entry of the export is %+v", e)
		}
		f.open()
	}
	described, err := f.DescribeKey(ctx, f.admin(), refTo(loose))
	if err != nil || !described.Exportable {
		t.Errorf("the key is described as %+v, %v", described, err)
	}
	call := f.admin()
	call.DryRun = true
	_, err = f.ExportKey(ctx, call, refTo(loose))
	want(t, err, fault.InvalidArgument, fault.DryRun)
}

// TestExportedMaterialHidesItself: no way of printing or logging shows it.
func TestExportedMaterialHidesItself(t *testing.T) {
	f := newFixture(t)
	k := f.exportable(alg.HMAC256, alg.GenerateVerifyMAC)
	got, err := f.ExportKey(t.Context(), f.admin(), refTo(k))
	if err != nil {
		t.Fatal(err)
	}
	plain := bytes.Clone(got.Material.Reveal())
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("exported", slog.Any("key", got.Material), slog.Any("all", got)) //nolint:sloglint // a test
	asJSON, err := json.Marshal(got)
	must(t, err)
	entry := fmt.Sprintf("%+v", f.log.last())
	for _, text := range []string{
		fmt.Sprint(got.Material), fmt.Sprintf("%x %v %+v %#v %s", got.Material, got, *got, got.Material, got.Material),
		string(asJSON), log.String(), entry,
	} {
		for _, form := range []string{hex.EncodeToString(plain), string(plain), fmt.Sprintf("%q", plain)} {
			if strings.Contains(text, form) {
				t.Errorf("the material is in %q", text)
			}
		}
	}
	got.Material.Wipe()
	if !bytes.Equal(got.Material.Reveal(), make([]byte, len(plain))) {
		t.Error("Wipe left something")
	}
}

// TestImport: a key that its owner brings works as it did elsewhere.
func TestImport(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	theirs, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(theirs)
	must(t, err)
	k, err := f.ImportKey(ctx, f.admin(), &kms.ImportKeyRequest{
		CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.P384, Usage: alg.SignVerify, Description: "from elsewhere"}, Material: der,
	})
	must(t, err)
	clear(der)
	if k.Origin != key.Imported || k.State != key.Enabled || k.Exportable || len(k.Versions) != 1 {
		t.Errorf("the key is %+v", k)
	}
	if e := f.log.last(); e.Action != key.ImportKey || e.Resource != k.Name.String() {
		t.Errorf("the entry is %+v", e)
	}
	f.open()
	digest := sha256.Sum256([]byte("message"))
	signed, err := f.Sign(ctx, f.admin(), &kms.SignRequest{
		Key: refTo(k), Algorithm: alg.ECDSASHA384, Message: engine.Message{Form: alg.Digest, Bytes: append(digest[:], digest[:16]...)},
	})
	must(t, err)
	if !ecdsa.VerifyASN1(&theirs.PublicKey, append(digest[:], digest[:16]...), signed.Signature) {
		t.Error("the owner's public half does not verify the signature")
	}
	_, err = f.ExportKey(ctx, f.admin(), refTo(k))
	want(t, err, fault.WrongState, fault.NotExportable)

	secret := bytes.Repeat([]byte("0123456789abcdef"), 2)
	aes, err := f.ImportKey(ctx, f.admin(), &kms.ImportKeyRequest{
		CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256, Exportable: true}, Material: secret,
	})
	must(t, err)
	want(t, f.EnableRotation(ctx, f.admin(), refTo(aes), 0), fault.WrongState, fault.OriginForbids)
	out, err := f.ExportKey(ctx, f.admin(), refTo(aes))
	if err != nil || !bytes.Equal(out.Material.Reveal(), secret) {
		t.Errorf("the export is not what was imported (%v)", err)
	}
}

func TestRefusedImports(t *testing.T) {
	f := newFixture(t)
	f.people["maker"] = []*policy.Policy{compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}`)}
	good := bytes.Repeat([]byte{1, 2}, 16)
	for name, test := range map[string]struct {
		who    string
		req    kms.ImportKeyRequest
		kind   fault.Kind
		reason fault.Reason
	}{
		"may only create": {"maker", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256}, Material: good}, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"no spec":         {"admin", kms.ImportKeyRequest{Material: good}, fault.InvalidArgument, fault.Unspecified},
		"too short":       {"admin", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256}, Material: good[:16]}, fault.InvalidArgument, fault.Unspecified},
		"weak":            {"admin", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256}, Material: make([]byte, 32)}, fault.InvalidArgument, fault.WeakKey},
		"no material":     {"admin", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify}, Material: nil}, fault.InvalidArgument, fault.Unspecified},
		"another pair":    {"admin", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.AES256}, Material: good, Public: good}, fault.InvalidArgument, fault.IncorrectKey},
		"wrong usage":     {"admin", kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.EncryptDecrypt}, Material: good}, fault.InvalidArgument, fault.IncompatibleUsage},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Keys()
			_, err := f.ImportKey(t.Context(), f.as(test.who), &test.req)
			want(t, err, test.kind, test.reason)
			if f.Keys() != before {
				t.Error("a key was made all the same")
			}
		})
	}
}

// TestEntrusted: a part of Holdfast has a key of its own; nobody else's grant
// reaches it, and its end is a scheduled deletion.
func TestEntrusted(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	req := &kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify, Exportable: true}}
	nobody := f.as("nobody")
	k, err := f.Entrust(ctx, nobody, "managed/1", req)
	must(t, err)
	if e := f.log.last(); e.Principal != "123456789012:service:managed/1" || e.Action != key.CreateKey || e.RequestID != nobody.RequestID {
		t.Errorf("the entry is %+v", e)
	}
	_, err = f.ExportKey(ctx, nobody, refTo(k))
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	_, err = f.ExportEntrusted(ctx, nobody, "managed/2", k.Name.ID)
	if fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("another part of Holdfast exports the key: %v", err)
	}
	out, err := f.ExportEntrusted(ctx, nobody, "managed/1", k.Name.ID)
	must(t, err)
	again, err := f.Entrust(ctx, nobody, "managed/2", &kms.ImportKeyRequest{CreateKeyRequest: req.CreateKeyRequest, Material: slices.Clone(out.Material.Reveal())})
	must(t, err)
	if again.Origin != key.Imported || !bytes.Equal(again.Current().Public, k.Current().Public) {
		t.Errorf("the imported key is %+v", again)
	}
	must(t, f.EndEntrusted(ctx, nobody, "managed/1", k.Name.ID))
	must(t, f.EndEntrusted(ctx, nobody, "managed/1", k.Name.ID))
	must(t, f.EndEntrusted(ctx, nobody, "managed/1", "no such key"))
	ended, err := f.DescribeKey(ctx, f.admin(), refTo(k))
	if err != nil || ended.State != key.PendingDeletion {
		t.Errorf("the key is %+v, %v", ended, err)
	}
	_, err = f.ExportEntrusted(ctx, nobody, "managed/1", k.Name.ID)
	want(t, err, fault.WrongState, fault.KeyPendingDeletion)
}
