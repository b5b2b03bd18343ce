package aws

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// lifeCycle has the cases of states, rotation and policies.
var lifeCycle = map[string]func(*testing.T, *target, *kms.Client){
	"DisableKey": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		blob := encrypt(t, c, m.KeyId, []byte("x"), nil).CiphertextBlob
		if _, err := c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: m.KeyId}); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, c, m.KeyId); got.Enabled || got.KeyState != types.KeyStateDisabled {
			t.Errorf("state %s, enabled %t", got.KeyState, got.Enabled)
		}
		_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
		refused(t, err, "DisabledException", *m.Arn+" is disabled.")
		_, err = c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
		refused(t, err, "DisabledException", *m.Arn+" is disabled.")
	},
	"EnableKey": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		if _, err := c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: m.KeyId}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: m.Arn}); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, c, m.KeyId); !got.Enabled || got.KeyState != types.KeyStateEnabled {
			t.Errorf("state %s, enabled %t", got.KeyState, got.Enabled)
		}
		encrypt(t, c, m.KeyId, []byte("x"), nil)
	},
	"ScheduleKeyDeletion": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		blob := encrypt(t, c, m.KeyId, []byte("x"), nil).CiphertextBlob
		out, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId, PendingWindowInDays: aws.Int32(8)})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != *m.Arn || out.KeyState != types.KeyStatePendingDeletion || aws.ToInt32(out.PendingWindowInDays) != 8 {
			t.Errorf("answer %+v", out)
		}
		if wait := time.Until(*out.DeletionDate); wait < 8*24*time.Hour-time.Hour || wait > 8*24*time.Hour+time.Hour {
			t.Errorf("deletion in %v, want 8 days", wait)
		}
		for _, call := range []func() error{
			func() error {
				_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
				return err
			},
			func() error {
				_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
				return err
			},
			func() error { _, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: m.KeyId}); return err },
			func() error {
				_, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId})
				return err
			},
		} {
			refused(t, call(), "KMSInvalidStateException", *m.Arn+" is pending deletion.")
		}
	},
	"CancelKeyDeletion": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		schedule(t, c, m.KeyId)
		out, err := c.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: m.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != *m.Arn {
			t.Errorf("answer for %s", *out.KeyId)
		}
		if got := describe(t, c, m.KeyId); got.KeyState != types.KeyStateDisabled || got.DeletionDate != nil {
			t.Errorf("state %s, deletion %v", got.KeyState, got.DeletionDate)
		}
	},
	"EnableKeyRotation": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		if _, err := c.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: m.KeyId, RotationPeriodInDays: aws.Int32(90)}); err != nil {
			t.Fatal(err)
		}
		got := rotation(t, c, m.KeyId)
		if !got.KeyRotationEnabled || aws.ToInt32(got.RotationPeriodInDays) != 90 || got.NextRotationDate == nil {
			t.Errorf("status %+v", got)
		}
	},
	"DisableKeyRotation": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		if _, err := c.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: m.KeyId}); err != nil {
			t.Fatal(err)
		}
		if got := rotation(t, c, m.KeyId); aws.ToInt32(got.RotationPeriodInDays) != 365 {
			t.Errorf("the default period is %d days", aws.ToInt32(got.RotationPeriodInDays))
		}
		if _, err := c.DisableKeyRotation(t.Context(), &kms.DisableKeyRotationInput{KeyId: m.KeyId}); err != nil {
			t.Fatal(err)
		}
		if got := rotation(t, c, m.KeyId); got.KeyRotationEnabled {
			t.Errorf("status %+v", got)
		}
	},
	"GetKeyRotationStatus": func(t *testing.T, _ *target, c *kms.Client) {
		if got := rotation(t, c, newKey(t, c, "", "").KeyId); got.KeyRotationEnabled {
			t.Errorf("a new key rotates: %+v", got)
		}
		// It must succeed on an asymmetric key too: compliance checks ask of all.
		if got := rotation(t, c, newKey(t, c, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify).KeyId); got.KeyRotationEnabled {
			t.Errorf("an asymmetric key rotates: %+v", got)
		}
	},
	"RotateKeyOnDemand": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		blob := encrypt(t, c, m.KeyId, []byte("old"), nil).CiphertextBlob
		out, err := c.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: m.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != *m.Arn {
			t.Errorf("answer for %s", *out.KeyId)
		}
		after := describe(t, c, m.KeyId)
		if *after.Arn != *m.Arn || aws.ToString(after.CurrentKeyMaterialId) == aws.ToString(m.CurrentKeyMaterialId) {
			t.Errorf("ARN %s, material %s: the first must stay, the second must not", *after.Arn, aws.ToString(after.CurrentKeyMaterialId))
		}
		got := decrypt(t, c, blob, nil)
		if equal(t, "old ciphertext", got.Plaintext, []byte("old")); aws.ToString(got.KeyMaterialId) != aws.ToString(m.CurrentKeyMaterialId) {
			t.Errorf("the old ciphertext names material %s", aws.ToString(got.KeyMaterialId))
		}
		fresh := decrypt(t, c, encrypt(t, c, m.KeyId, []byte("new"), nil).CiphertextBlob, nil)
		if aws.ToString(fresh.KeyMaterialId) != aws.ToString(after.CurrentKeyMaterialId) {
			t.Errorf("a new ciphertext names material %s", aws.ToString(fresh.KeyMaterialId))
		}
		_, err = c.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: newKey(t, c, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify).KeyId})
		refused(t, err, "UnsupportedOperationException", "")
	},
	"ListKeyRotations": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		for range 3 {
			if _, err := c.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: m.KeyId}); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for p := kms.NewListKeyRotationsPaginator(c, &kms.ListKeyRotationsInput{KeyId: m.KeyId, Limit: aws.Int32(2)}); p.HasMorePages(); {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rotations {
				if n++; r.RotationType != types.RotationTypeOnDemand || r.RotationDate == nil {
					t.Errorf("rotation %+v", r)
				}
			}
		}
		if n != 3 {
			t.Errorf("%d rotations, want 3", n)
		}
	},
	"PutKeyPolicy": func(t *testing.T, tg *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		doc := `{"Version":"2012-10-17","Statement":[{"Sid":"all","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + tg.account + `:root"},"Action":"kms:*","Resource":"*"}]}`
		if _, err := c.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: m.KeyId, PolicyName: aws.String("default"), Policy: &doc}); err != nil {
			t.Fatal(err)
		}
		if got := policy(t, c, m.KeyId); got != doc {
			t.Errorf("the policy reads back as %s", got)
		}
		for bad, want := range map[string]string{
			`{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Principal":"*","Action":"kms:*","Resource":"*"}]}`: "MalformedPolicyDocumentException",
			`not a policy`: "MalformedPolicyDocumentException",
			// Nobody could change the policy again.
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Sign","Resource":"*"}]}`: "MalformedPolicyDocumentException",
		} {
			_, err := c.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: m.KeyId, Policy: &bad})
			refused(t, err, want, "*")
		}
		if got := policy(t, c, m.KeyId); got != doc {
			t.Errorf("a refused policy was stored: %s", got)
		}
	},
	"GetKeyPolicy": func(t *testing.T, tg *target, c *kms.Client) {
		doc := policy(t, c, newKey(t, c, "", "").KeyId)
		var got struct {
			Statement []struct {
				Effect, Action, Resource string
				Principal                struct{ AWS string }
			}
		}
		if err := json.Unmarshal([]byte(doc), &got); err != nil {
			t.Fatalf("the default policy: %v\n%s", err, doc)
		}
		if len(got.Statement) != 1 || got.Statement[0].Principal.AWS != "arn:aws:iam::"+tg.account+":root" || got.Statement[0].Action != "kms:*" {
			t.Errorf("the default policy is %s", doc)
		}
	},
	"ListKeyPolicies": func(t *testing.T, _ *target, c *kms.Client) {
		out, err := c.ListKeyPolicies(t.Context(), &kms.ListKeyPoliciesInput{KeyId: newKey(t, c, "", "").KeyId})
		if err != nil || !slices.Equal(out.PolicyNames, []string{"default"}) || out.Truncated {
			t.Errorf("got %+v, %v", out, err)
		}
	},
}

func rotation(t *testing.T, c *kms.Client, id *string) *kms.GetKeyRotationStatusOutput {
	t.Helper()
	out, err := c.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: id})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func policy(t *testing.T, c *kms.Client, id *string) string {
	t.Helper()
	out, err := c.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: id, PolicyName: aws.String("default")})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Policy
}
