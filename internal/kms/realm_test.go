package kms_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// A key whose policy gives everything to everybody can be used from another
// realm. It is managed, named and listed from its own realm only.
func TestOtherRealmsUseAndDoNotManage(t *testing.T) {
	f := newFixture(t)
	k, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Policy: &key.Document{
		Dialect: aws.Dialect,
		Text:    `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`,
	}})
	must(t, err)
	must(t, f.CreateAlias(t.Context(), f.admin(), "alias/theirs", refTo(k)))
	stranger := f.admin()
	stranger.Caller.Principal.Realm = "999999999999"
	ref := kms.Ref{Realm: realm, Region: region, ID: k.Name.ID}
	ctx := t.Context()

	out, err := f.Encrypt(ctx, stranger, &kms.EncryptRequest{Key: ref, Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	must(t, err)
	_, err = f.Decrypt(ctx, stranger, &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: out.Ciphertext})
	must(t, err)
	_, err = f.DescribeKey(ctx, stranger, ref)
	must(t, err)
	_, err = f.RotationStatus(ctx, stranger, ref)
	must(t, err)

	for name, act := range map[string]func() error{
		"CreateAlias": func() error { return f.CreateAlias(ctx, stranger, "alias/mine", ref) },
		"UpdateAlias": func() error { return f.UpdateAlias(ctx, stranger, "alias/theirs", ref) },
		"ListAliases": func() error {
			list, _, err := f.ListAliases(ctx, stranger, &ref, kms.Page{Limit: 10})
			if len(list) > 0 {
				t.Errorf("ListAliases tells %v", list)
			}
			return err
		},
		"DisableKey":        func() error { return f.DisableKey(ctx, stranger, ref) },
		"UpdateDescription": func() error { return f.UpdateDescription(ctx, stranger, ref, "x") },
		"PutPolicy":         func() error { return f.PutPolicy(ctx, stranger, ref, k.Policy, false) },
		"Policy":            func() error { _, err := f.Policy(ctx, stranger, ref); return err },
		"Tag":               func() error { return f.Tag(ctx, stranger, ref, []key.Tag{{Key: "a"}}) },
		"ListTags":          func() error { _, _, err := f.ListTags(ctx, stranger, ref, kms.Page{Limit: 10}); return err },
		"ScheduleDeletion":  func() error { _, err := f.ScheduleDeletion(ctx, stranger, ref, 7); return err },
		"RotateOnDemand":    func() error { _, err := f.RotateOnDemand(ctx, stranger, ref); return err },
	} {
		t.Run(name, func(t *testing.T) {
			want(t, act(), fault.PermissionDenied, fault.NoResourcePolicyAllows)
			if e := f.log.last(); e.Decision != audit.Denied || e.Resource != k.Resource().String() {
				t.Errorf("the entry says %q about %q", e.Decision, e.Resource)
			}
		})
	}
	if _, err := f.DescribeKey(ctx, f.admin(), kms.Ref{Alias: "alias/theirs"}); err != nil {
		t.Error(err)
	}
}
