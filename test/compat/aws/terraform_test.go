package aws

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestTerraform replays what the AWS provider of Terraform sends for an
// aws_kms_key and an aws_kms_alias, from create to destroy, with the waits of
// its source: so many equal reads in a row. No provider can be installed where
// these tests run, hence the replay.
func TestTerraform(t *testing.T) {
	tg, c := setup(t)
	ctx := t.Context()
	if _, err := sts.New(tg.stsOptions(tg.creds)).GetCallerIdentity(ctx, nil); err != nil {
		t.Fatal(err) // the provider's start
	}

	// Create: the key, rotation, then waits.
	document := `{"Version":"2012-10-17","Statement":[{"Action":"kms:*","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + tg.account + `:root"},"Resource":"*"}]}`
	created, err := c.CreateKey(ctx, &kms.CreateKeyInput{
		Description: aws.String("by terraform"), KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt,
		Policy: &document, BypassPolicyLockoutSafetyCheck: false, MultiRegion: aws.Bool(false), Tags: []types.Tag{tag("Name", "t")},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := created.KeyMetadata.KeyId
	if _, err := c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(120)}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if got := policy(t, c, id); !sameJSON(t, got, document) {
			t.Errorf("policy %s", got)
		}
		wantTags(t, c, id, map[string]string{"Name": "t"})
	}

	// Read.
	if got := describe(t, c, id); got.KeySpec != types.KeySpecSymmetricDefault || got.Origin != types.OriginTypeAwsKms || aws.ToBool(got.MultiRegion) {
		t.Errorf("metadata %+v", got)
	}
	if got := rotation(t, c, id); !got.KeyRotationEnabled || aws.ToInt32(got.RotationPeriodInDays) != 120 {
		t.Errorf("rotation %+v", got)
	}

	// The alias: created, then found in the list of all.
	name := "alias/" + strings.ToLower(t.Name()) + "-" + (*id)[:8]
	if _, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: id}); err != nil {
		t.Fatal(err)
	}
	if !hasAlias(t, c, name) {
		t.Errorf("%s is not listed", name)
	}

	// Update: is_enabled = false, and back; 15 equal reads each.
	if _, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	wantState(t, c, id, types.KeyStateDisabled, 15)
	if _, err := c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	wantState(t, c, id, types.KeyStateEnabled, 15)
	if _, err := c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: id, Description: aws.String("changed")}); err != nil {
		t.Fatal(err)
	}

	// Destroy, twice: the second is tolerated by its text.
	if _, err := c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name}); err != nil {
		t.Fatal(err)
	}
	schedule(t, c, id)
	wantState(t, c, id, types.KeyStatePendingDeletion, 1)
	_, err = c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(30)})
	if code(err) != "KMSInvalidStateException" || !strings.Contains(err.Error(), "is pending deletion") {
		t.Errorf("a second destroy: %v", err)
	}
}

func wantState(t *testing.T, c *kms.Client, id *string, want types.KeyState, reads int) {
	t.Helper()
	for range reads {
		if got := describe(t, c, id).KeyState; got != want {
			t.Errorf("state %s, want %s", got, want)
		}
	}
}

func hasAlias(t *testing.T, c *kms.Client, name string) bool {
	t.Helper()
	for p := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Aliases {
			if *a.AliasName == name {
				return true
			}
		}
	}
	return false
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}
