package kms_test

import (
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// TestProvide: a provided key is made once for a realm in a region, however many
// ask at once; its policy lets nobody manage it.
func TestProvide(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	p := &kms.Provision{Alias: aws.SecretsAlias, Description: "d", Policy: aws.SecretsKeyPolicy(f.admin().Caller.Principal.Realm, f.admin().Region)}
	var all sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		all.Go(func() {
			k, err := f.Provide(ctx, f.admin(), "secret", p)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = string(k.Name.ID)
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two keys were made: %v", ids)
		}
	}
	k, err := f.DescribeKey(ctx, f.admin(), kms.Ref{Alias: aws.SecretsAlias})
	if err != nil || !k.Provided || !k.Rotation.Enabled || k.Rotation.PeriodDays != kms.DefaultRotate || len(k.Grants) != 0 {
		t.Errorf("the key is %+v, %v", k, err)
	}
	elsewhere := f.admin()
	elsewhere.Region = "us-west-2"
	if other, err := f.Provide(ctx, elsewhere, "secret", p); err != nil || other.Name.ID == k.Name.ID {
		t.Errorf("in another region it is %v, %v", other, err)
	}
	ref := kms.Ref{ID: k.Name.ID}
	for what, err := range map[string]error{
		"disable": f.DisableKey(ctx, f.admin(), ref), "describe anew": f.UpdateDescription(ctx, f.admin(), ref, "x"),
		"use by itself": func() error {
			_, err := f.GenerateDataKey(ctx, f.admin(), &kms.DataKeyRequest{Key: ref, Bytes: 32})
			return err
		}(),
		"delete": func() error { _, err := f.ScheduleDeletion(ctx, f.admin(), ref, 7); return err }(),
	} {
		if fault.KindOf(err) != fault.PermissionDenied || err == nil {
			t.Errorf("to %s it gives %v", what, err)
		}
	}
	through := f.admin()
	through.Via = "secret"
	if _, err := f.GenerateDataKey(ctx, through, &kms.DataKeyRequest{Key: ref, Bytes: 32}); err != nil {
		t.Error(err)
	}
}
