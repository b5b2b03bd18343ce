package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// newUser makes a user with the program's own command line and returns the
// credential and ARN. The text is the user's identity policy, "" for none.
func newUser(t *testing.T, tg *target, policy string) (aws.Credentials, string) {
	t.Helper()
	onlyOurs(t, tg)
	name := fmt.Sprintf("u%d", time.Now().UnixNano())
	cli(t, tg, "identity", "user", "create", name)
	t.Cleanup(func() { cli(t, tg, "identity", "user", "delete", name, "--yes") })
	if policy != "" {
		file := filepath.Join(t.TempDir(), "policy.json")
		if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		cli(t, tg, "identity", "user", "policy", "put", name, "--policy-name", "p", "--in", file)
	}
	var k struct {
		ID     string `json:"id"`
		Secret string `json:"secret_access_key"`
	}
	if err := json.Unmarshal([]byte(cli(t, tg, "identity", "access-key", "create", name, "--json")), &k); err != nil {
		t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, "arn:aws:iam::" + tg.account + ":user/" + name
}

// cli runs the program's command line as the administrator. It outlives the
// test's context, to clean up.
func cli(t *testing.T, tg *target, args ...string) string {
	t.Helper()
	out, err := tg.server.Run(context.Background(), args...)
	if err != nil {
		t.Error(err)
	}
	return out
}

// denied checks an AccessDeniedException and that its text names who, what
// and on what.
func denied(t *testing.T, err error, words ...string) {
	t.Helper()
	if code(err) != "AccessDeniedException" {
		t.Errorf("got %v, want AccessDeniedException", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the text lacks %q: %v", w, err)
		}
	}
}

// TestIdentityPolicy: a user may do what the account's policy lets in and the
// own policy allows, and nothing else.
func TestIdentityPolicy(t *testing.T) {
	tg, admin := setup(t)
	mine := newKey(t, admin, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, tag("for", "signing"))
	other := newKey(t, admin, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	creds, arn := newUser(t, tg, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["kms:Sign","kms:Describe*"],"Resource":"`+*mine.Arn+`"},
		{"Effect":"Deny","Action":"kms:Sign","Resource":"*","Condition":{"StringEquals":{"kms:MessageType":"DIGEST"}}}
	]}`)
	c := tg.kms(creds)

	who, err := sts.New(tg.stsOptions(creds)).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != arn || *who.Account != tg.account {
		t.Errorf("GetCallerIdentity: %+v, %v", who, err)
	}
	sign := &kms.SignInput{KeyId: mine.KeyId, Message: make([]byte, 32), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
	if _, err := c.Sign(t.Context(), sign); err != nil {
		t.Errorf("an allowed Sign: %v", err)
	}
	if _, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: mine.Arn}); err != nil {
		t.Errorf("an allowed DescribeKey, by wildcard: %v", err)
	}
	sign.MessageType = types.MessageTypeDigest
	_, err = c.Sign(t.Context(), sign)
	denied(t, err, arn, "kms:Sign", *mine.Arn, "explicit deny")
	sign.MessageType, sign.KeyId = types.MessageTypeRaw, other.KeyId
	_, err = c.Sign(t.Context(), sign)
	denied(t, err, arn, "kms:Sign", *other.Arn, "no identity-based policy allows")
	_, err = c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: mine.KeyId})
	denied(t, err, arn, "kms:DisableKey", *mine.Arn)
	_, err = c.CreateKey(t.Context(), &kms.CreateKeyInput{})
	denied(t, err, arn, "kms:CreateKey")
	_, err = c.ListKeys(t.Context(), &kms.ListKeysInput{})
	denied(t, err, arn, "kms:ListKeys")
	if got := describe(t, admin, mine.KeyId); got.KeyState != types.KeyStateEnabled {
		t.Errorf("a denied call changed the key to %s", got.KeyState)
	}
}

// TestKeyPolicyDecidesFirst: without the account's root in a key's policy no
// identity policy opens it, not the administrator's either; a user whom it
// names needs no identity policy.
func TestKeyPolicyDecidesFirst(t *testing.T) {
	tg, admin := setup(t)
	creds, arn := newUser(t, tg, "")
	policy := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":["kms:Encrypt","kms:Decrypt","kms:PutKeyPolicy"],"Resource":"*",
		 "Condition":{"StringEquals":{"kms:EncryptionContext:purpose":"test"}}},
		{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":["kms:PutKeyPolicy","kms:ScheduleKeyDeletion"],"Resource":"*"}
	]}`
	_, err := admin.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})
	refused(t, err, "MalformedPolicyDocumentException", "*") // it would lock the caller out
	out, err := admin.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy, BypassPolicyLockoutSafetyCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	id, user := out.KeyMetadata.KeyId, tg.kms(creds)
	t.Cleanup(func() {
		_, _ = user.ScheduleKeyDeletion(context.Background(), &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)})
	})

	good := &kms.EncryptInput{KeyId: id, Plaintext: []byte("x"), EncryptionContext: map[string]string{"purpose": "test"}}
	if _, err := user.Encrypt(t.Context(), good); err != nil {
		t.Errorf("the user whom the policy names: %v", err)
	}
	_, err = user.Encrypt(t.Context(), &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	denied(t, err, arn, "kms:Encrypt", *out.KeyMetadata.Arn)
	_, err = admin.Encrypt(t.Context(), good)
	denied(t, err, "kms:Encrypt", "no resource-based policy allows")
	_, err = admin.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: id})
	denied(t, err, "kms:DescribeKey")
}

// TestSigningAlgorithmCondition: the policy that PKI guides hand out, which
// lets a role sign with one algorithm only and forbids what does not exist.
func TestSigningAlgorithmCondition(t *testing.T) {
	tg, admin := setup(t)
	creds, arn := newUser(t, tg, "")
	m := newKey(t, admin, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)
	doc := `{"Version":"2012-10-17","Statement":[
		{"Sid":"Admins","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + tg.account + `:root"},"Action":"kms:*","Resource":"*"},
		{"Sid":"Issue","Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":["kms:Sign","kms:GetPublicKey"],"Resource":"*",
		 "Condition":{"StringEquals":{"kms:SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}}},
		{"Sid":"NoExport","Effect":"Deny","Principal":"*","Action":["kms:Export*"],"Resource":"*"}
	]}`
	if _, err := admin.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: m.KeyId, Policy: &doc}); err != nil {
		t.Fatal(err)
	}
	in := &kms.SignInput{KeyId: m.KeyId, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256}
	c := tg.kms(creds)
	if _, err := c.Sign(t.Context(), in); err != nil {
		t.Errorf("the algorithm of the policy: %v", err)
	}
	in.SigningAlgorithm = types.SigningAlgorithmSpecRsassaPssSha256
	_, err := c.Sign(t.Context(), in)
	denied(t, err, arn, "kms:Sign")
}

// TestDisabledCredential: an access key that was disabled is refused from the
// next request on, and taken again when it is enabled.
func TestDisabledCredential(t *testing.T) {
	tg, _ := setup(t)
	creds, arn := newUser(t, tg, "")
	user := arn[strings.LastIndex(arn, "/")+1:]
	whoAmI := func() error {
		_, err := sts.New(tg.stsOptions(creds)).GetCallerIdentity(t.Context(), nil)
		return err
	}
	if err := whoAmI(); err != nil {
		t.Fatal(err)
	}
	cli(t, tg, "identity", "access-key", "disable", user, "--id", creds.AccessKeyID)
	if err := whoAmI(); code(err) != "InvalidClientTokenId" {
		t.Errorf("disabled: %v", err)
	}
	if _, err := tg.kms(creds).ListKeys(t.Context(), &kms.ListKeysInput{}); code(err) != unknownKey {
		t.Errorf("disabled, KMS: %v", err)
	}
	cli(t, tg, "identity", "access-key", "enable", user, "--id", creds.AccessKeyID)
	if err := whoAmI(); err != nil {
		t.Errorf("enabled again: %v", err)
	}
}

// TestSessionCredentials: temporary credentials act as who made them, and
// only with their token.
func TestSessionCredentials(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	var s struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
		Token  string `json:"session_token"`
	}
	if err := json.Unmarshal([]byte(cli(t, tg, "identity", "session", "create", "--duration", "15m", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	creds := aws.Credentials{AccessKeyID: s.ID, SecretAccessKey: s.Secret, SessionToken: s.Token}
	if _, err := tg.kms(creds).ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
		t.Errorf("with its token: %v", err)
	}
	creds.SessionToken = ""
	if _, err := tg.kms(creds).ListKeys(t.Context(), &kms.ListKeysInput{}); code(err) != unknownKey {
		t.Errorf("without its token: %v", err)
	}
	creds.SessionToken = s.Token[:len(s.Token)-1] + "A"
	if _, err := tg.kms(creds).ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil && !strings.HasSuffix(s.Token, "A") {
		t.Error("with another token: served")
	}
}

// TestEveryCallIsOnRecord: allowed, denied and refused calls are in the audit
// log under the request id that the client got; the log verifies, and holds
// no secret.
func TestEveryCallIsOnRecord(t *testing.T) {
	tg, c := setup(t)
	onlyOurs(t, tg)
	m := newKey(t, c, "", "")
	secret := fmt.Sprintf("secret %d", time.Now().UnixNano())
	if _, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte(secret)}); err != nil {
		t.Fatal(err)
	}
	for operation, body := range map[string]string{
		"DescribeKey": `{"KeyId":"` + *m.KeyId + `"}`,
		"Encrypt":     `{"KeyId":"` + unknown + `","Plaintext":"QQ=="}`,
		"Decrypt":     `not JSON`,
	} {
		id := tg.call(t, operation, body).header.Get("X-Amzn-Requestid")
		if out := cli(t, tg, "audit", "search", "--request", id, "--json"); !strings.Contains(out, id) {
			t.Errorf("%s %s is not on record: %s", operation, body, out)
		}
	}
	cli(t, tg, "audit", "verify")
	if out := cli(t, tg, "audit", "search", "--resource", *m.KeyId, "--json"); strings.Contains(out, secret) || strings.Contains(out, tg.creds.SecretAccessKey) {
		t.Error("the audit log holds a secret")
	}
}
