package aws

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// values returns all values of a condition key in a request, joined with "|";
// "-" when there is none.
func values(t *testing.T, name string, r *policy.Request) string {
	t.Helper()
	k, err := Vocabulary().ConditionKey(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if k.Get != nil {
		for i := 0; ; i++ {
			v, ok := k.Get(r, i)
			if !ok {
				break
			}
			list = append(list, v.String())
		}
	}
	if len(list) > 1 && !k.Multivalued {
		t.Errorf("%s has %d values", name, len(list))
	}
	if list == nil {
		return "-"
	}
	return strings.Join(list, "|")
}

func TestKeysAboutTheCaller(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	session := key.Caller{
		Principal: key.Principal{Realm: realm, Kind: key.Session, Name: "ops/Deploy/ci"}, UserID: "AROAX:ci",
		MFA: true, AuthenticatedAt: now.Add(-90*time.Second - time.Millisecond), Tags: []key.Tag{{Key: "Team", Value: "blue"}},
	}
	user := key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: "ops/alice"}, UserID: "AIDAX"}
	root := key.Caller{Principal: key.Principal{Realm: realm, Kind: key.Root}}
	service := key.Caller{Principal: key.Principal{Realm: realm, Kind: key.Service, Name: "ca/" + uuid}}
	nobody := key.Caller{Principal: key.Principal{Kind: key.Anonymous}}
	for _, c := range []struct {
		key                                  string
		root, user, session, service, nobody string
	}{
		{"aws:PrincipalArn", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/ops/alice", "arn:aws:iam::123456789012:role/ops/Deploy", "-", "-"},
		{"aws:PrincipalAccount", "123456789012", "123456789012", "123456789012", "-", "anonymous"},
		{"kms:CallerAccount", "123456789012", "123456789012", "123456789012", "-", "anonymous"},
		{"aws:PrincipalType", "Account", "User", "AssumedRole", "-", "Anonymous"},
		{"aws:PrincipalIsAWSService", "false", "false", "false", "true", "false"},
		{"aws:PrincipalServiceName", "-", "-", "-", "acm-pca.amazonaws.com", "-"},
		{"aws:userid", "123456789012", "AIDAX", "AROAX:ci", "-", "-"},
		{"aws:username", "-", "alice", "-", "-", "-"},
		{"aws:PrincipalTag/Team", "-", "-", "blue", "-", "-"},
		{"aws:PrincipalTag/team", "-", "-", "blue", "-", "-"},
		{"AWS:principaltag/TEAM", "-", "-", "blue", "-", "-"},
		{"aws:MultiFactorAuthPresent", "-", "-", "true", "-", "-"},
		{"aws:MultiFactorAuthAge", "-", "-", "90", "-", "-"},
		{"aws:TokenIssueTime", "-", "-", "2026-11-22T11:58:29Z", "-", "-"},
		{"aws:SourceAccount", "-", "-", "-", "123456789012", "-"},
		{"aws:SourceOwner", "-", "-", "-", "123456789012", "-"},
		{"aws:SourceArn", "-", "-", "-", "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/" + uuid, "-"},
		{"aws:ViaAWSService", "false", "false", "false", "false", "false"},
		{"aws:CalledVia", "-", "-", "-", "-", "-"},
		{"aws:PrincipalOrgID", "-", "-", "-", "-", "-"},
		{"kms:ViaService", "-", "-", "-", "-", "-"},
	} {
		for _, who := range []struct {
			caller key.Caller
			want   string
		}{{root, c.root}, {user, c.user}, {session, c.session}, {service, c.service}, {nobody, c.nobody}} {
			r := &policy.Request{Call: &key.Call{Caller: who.caller, Time: now, Region: "eu-west-1"}}
			if got := values(t, c.key, r); got != who.want {
				t.Errorf("%s of %s is %q, want %q", c.key, who.caller.Principal, got, who.want)
			}
		}
	}
}

func TestKeysAboutTheRequest(t *testing.T) {
	full := &policy.Request{Call: &key.Call{
		Region: "eu-west-1", Source: netip.MustParseAddr("::ffff:192.0.2.1"), UserAgent: "aws-cli/2", Secure: true,
		Time: time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC),
	}}
	empty := &policy.Request{Call: &key.Call{Time: time.Unix(0, 0)}}
	for _, c := range []struct{ key, full, empty string }{
		{"aws:SourceIp", "192.0.2.1", "-"},
		{"aws:SecureTransport", "true", "false"},
		{"aws:CurrentTime", "2026-11-22T12:00:00Z", "1970-01-01T00:00:00Z"},
		{"aws:EpochTime", "2026-11-22T12:00:00Z", "1970-01-01T00:00:00Z"},
		{"aws:UserAgent", "aws-cli/2", "-"},
		{"aws:RequestedRegion", "eu-west-1", "-"},
	} {
		if got := values(t, c.key, full); got != c.full {
			t.Errorf("%s is %q, want %q", c.key, got, c.full)
		}
		if got := values(t, c.key, empty); got != c.empty {
			t.Errorf("%s of an empty request is %q, want %q", c.key, got, c.empty)
		}
	}
}

func TestKeysAboutTheResource(t *testing.T) {
	yes := true
	k := &key.Key{
		Name: key.Name{Realm: realm, Region: "eu-west-1", ID: uuid}, Spec: alg.RSA2048, Usage: alg.SignVerify,
		Origin: key.Generated, Tags: []key.Tag{{Key: "env", Value: "lower"}, {Key: "Env", Value: "upper"}},
	}
	sign := &policy.Request{Action: key.Sign, Resource: k.Resource(), Attributes: &policy.Attributes{
		Algorithm: alg.PSSSHA256, Form: alg.Digest, Alias: "alias/web",
	}}
	encrypt := &policy.Request{Action: key.Encrypt, Resource: k.Resource(), Attributes: &policy.Attributes{
		Algorithm: alg.OAEPSHA256, Context: []key.Tag{{Key: "App", Value: "x"}, {Key: "Db", Value: ""}}, ReEncryptSame: &yes,
	}}
	create := &policy.Request{Action: key.CreateKey, Resource: key.Resource{Realm: realm}, Attributes: &policy.Attributes{
		Spec: alg.P384, Tags: []key.Tag{{Key: "team", Value: "blue"}}, BypassLockout: true,
	}}
	manage := &policy.Request{Action: key.PutKeyPolicy, Resource: k.Resource(), Attributes: &policy.Attributes{
		WaitDays: 7, PeriodDays: 90, Profile: "tls-server", Algorithm: alg.HMACSHA256,
	}}
	list := &policy.Request{Action: key.ListKeys}
	for _, c := range []struct{ key, sign, encrypt, create, manage, list string }{
		{"kms:KeySpec", "RSA_2048", "RSA_2048", "ECC_NIST_P384", "RSA_2048", "-"},
		{"kms:CustomerMasterKeySpec", "RSA_2048", "RSA_2048", "ECC_NIST_P384", "RSA_2048", "-"},
		{"kms:KeyUsage", "SIGN_VERIFY", "SIGN_VERIFY", "SIGN_VERIFY", "SIGN_VERIFY", "-"},
		{"kms:CustomerMasterKeyUsage", "SIGN_VERIFY", "SIGN_VERIFY", "SIGN_VERIFY", "SIGN_VERIFY", "-"},
		{"kms:KeyOrigin", "AWS_KMS", "AWS_KMS", "AWS_KMS", "AWS_KMS", "-"},
		{"kms:MultiRegion", "false", "false", "false", "false", "-"},
		{"kms:SigningAlgorithm", "RSASSA_PSS_SHA_256", "-", "-", "-", "-"},
		{"kms:EncryptionAlgorithm", "-", "RSAES_OAEP_SHA_256", "-", "-", "-"},
		{"kms:MacAlgorithm", "-", "-", "-", "HMAC_SHA_256", "-"},
		{"kms:KeyAgreementAlgorithm", "-", "-", "-", "-", "-"},
		{"kms:MessageType", "DIGEST", "-", "-", "-", "-"},
		{"kms:RequestAlias", "alias/web", "-", "-", "-", "-"},
		{"kms:ResourceAliases", "-", "-", "-", "-", "-"},
		{"kms:EncryptionContext:App", "-", "x", "-", "-", "-"},
		{"kms:EncryptionContext:app", "-", "x", "-", "-", "-"},
		{"kms:EncryptionContext:Db", "-", "", "-", "-", "-"},
		{"kms:EncryptionContextKeys", "-", "App|Db", "-", "-", "-"},
		{"kms:ReEncryptOnSameKey", "-", "true", "-", "-", "-"},
		{"aws:RequestTag/team", "-", "-", "blue", "-", "-"},
		{"aws:TagKeys", "-", "-", "team", "-", "-"},
		{"aws:ResourceTag/env", "lower", "lower", "-", "lower", "-"},
		{"aws:ResourceTag/Env", "upper", "upper", "-", "upper", "-"},
		{"aws:ResourceTag/ENV", "lower", "lower", "-", "lower", "-"},
		{"aws:ResourceAccount", "123456789012", "123456789012", "123456789012", "123456789012", "-"},
		{"kms:BypassPolicyLockoutSafetyCheck", "-", "-", "true", "false", "-"},
		{"kms:ScheduleKeyDeletionPendingWindowInDays", "-", "-", "-", "7", "-"},
		{"kms:RotationPeriodInDays", "-", "-", "-", "90", "-"},
		{"kms:DataKeyPairSpec", "-", "-", "-", "-", "-"},
		{"acm-pca:TemplateArn", "-", "-", "-", "arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1", "-"},
		{"holdfast:Profile", "-", "-", "-", "tls-server", "-"},
	} {
		for _, of := range []struct {
			what    string
			request *policy.Request
			want    string
		}{{"sign", sign, c.sign}, {"encrypt", encrypt, c.encrypt}, {"create", create, c.create}, {"manage", manage, c.manage}, {"list", list, c.list}} {
			if got := values(t, c.key, of.request); got != of.want {
				t.Errorf("%s of %s is %q, want %q", c.key, of.what, got, of.want)
			}
		}
	}
}

// TestKeysAboutImports has the keys that only an import has.
func TestKeysAboutImports(t *testing.T) {
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	imported := &key.Key{Name: key.Name{Realm: realm, Region: "eu-west-1", ID: uuid}, Spec: alg.P256, Origin: key.Imported}
	create := &policy.Request{Action: key.CreateKey, Attributes: &policy.Attributes{Spec: alg.P256, Origin: key.Imported}}
	parameters := &policy.Request{Action: key.GetImportParameters, Resource: imported.Resource(), Attributes: &policy.Attributes{
		Wrapping: alg.WrapAESKeyWrapSHA256, WrappingSpec: alg.RSA4096,
	}}
	expires := &policy.Request{Action: key.ImportKeyMaterial, Resource: imported.Resource(), Attributes: &policy.Attributes{
		Expiry: &policy.Expiry{At: until},
	}}
	never := &policy.Request{Action: key.ImportKeyMaterial, Resource: imported.Resource(), Attributes: &policy.Attributes{
		Expiry: new(policy.Expiry),
	}}
	for _, c := range []struct{ key, create, parameters, expires, never string }{
		{"kms:KeyOrigin", "EXTERNAL", "EXTERNAL", "EXTERNAL", "EXTERNAL"},
		{"kms:WrappingAlgorithm", "-", "RSA_AES_KEY_WRAP_SHA_256", "-", "-"},
		{"kms:WrappingKeySpec", "-", "RSA_4096", "-", "-"},
		{"kms:KeySpec", "ECC_NIST_P256", "ECC_NIST_P256", "ECC_NIST_P256", "ECC_NIST_P256"},
		{"kms:ExpirationModel", "-", "-", "KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"},
		{"kms:ValidTo", "-", "-", "2027-01-02T03:04:05Z", "-"},
	} {
		for _, of := range []struct {
			what    string
			request *policy.Request
			want    string
		}{{"create", create, c.create}, {"parameters", parameters, c.parameters}, {"expires", expires, c.expires}, {"never", never, c.never}} {
			if got := values(t, c.key, of.request); got != of.want {
				t.Errorf("%s of %s is %q, want %q", c.key, of.what, got, of.want)
			}
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	for _, name := range []string{
		"aws:Referer", "kms:GrantOperations", "acm-pca:Anything", "s3:prefix", "aws:PrincipalTag/", "kms:EncryptionContext:",
	} {
		if k, err := Vocabulary().ConditionKey(name); err != nil || k.Get != nil {
			t.Errorf("%s: %v, present %v; want a key that no request has", name, err, k.Get != nil)
		}
	}
	for _, name := range []string{"", "KeySpec", "aws:", ":KeySpec", "ksm:KeySpec", "ksm:a:b", "/id:sub", "oidc.example.com:", "a.example.com/x:y:sub"} {
		if _, err := Vocabulary().ConditionKey(name); err == nil {
			t.Errorf("%q is a condition key", name)
		}
	}
}

func TestDefaultKeyPolicy(t *testing.T) {
	doc := DefaultKeyPolicy("999999999999")
	p, err := policy.Compile([]byte(doc.Text), policy.ForResource, Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	if doc.Dialect != "aws" {
		t.Errorf("the dialect is %q", doc.Dialect)
	}
	root := key.Principal{Realm: "999999999999", Kind: key.Root}
	for _, a := range key.Actions() {
		in := policy.Input{Resource: p, Request: policy.Request{
			Call: &key.Call{Caller: key.Caller{Principal: root}}, Action: a,
			Resource: key.Resource{Kind: key.KindKey, Realm: "999999999999", Region: "us-east-1", ID: uuid},
		}}
		if got, want := policy.Decide(in).Allowed, strings.HasPrefix(ActionName(a), "kms:"); got != want {
			t.Errorf("%s is allowed: %v, want %v", ActionName(a), got, want)
		}
	}
}

// TestKeysAboutSecrets has those of Secrets Manager, and those about whom a
// part of Holdfast asks for.
func TestKeysAboutSecrets(t *testing.T) {
	full := &policy.Request{
		Call: &key.Call{Region: "eu-west-1", Via: "secret"}, Action: key.DeleteSecret,
		Resource: key.Resource{Kind: key.KindSecret, Realm: realm, Region: "eu-west-1", ID: "prod/db-AbCdEf"},
		Attributes: &policy.Attributes{
			WaitDays: 7, ResourceTags: []key.Tag{{Key: "team", Value: "web"}},
			Secret: &policy.Secret{Name: "prod/db", Description: "d", Key: "alias/a", Version: "v", Stage: "current", Forced: true, NotPublic: true},
		},
	}
	empty := &policy.Request{Call: &key.Call{}, Action: key.PutSecretPolicy}
	for _, c := range []struct{ key, full, empty string }{
		{"secretsmanager:SecretId", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf", "-"},
		{"secretsmanager:Name", "prod/db", "-"},
		{"secretsmanager:Description", "d", "-"},
		{"secretsmanager:KmsKeyId", "alias/a", "-"},
		{"secretsmanager:VersionId", "v", "-"},
		{"secretsmanager:VersionStage", "AWSCURRENT", "-"},
		{"secretsmanager:RecoveryWindowInDays", "7", "-"},
		{"secretsmanager:ForceDeleteWithoutRecovery", "true", "-"},
		{"secretsmanager:BlockPublicPolicy", "-", "false"},
		{"secretsmanager:ResourceTag/team", "web", "-"},
		{"aws:ResourceTag/Team", "web", "-"},
		{"secretsmanager:RotationLambdaARN", "-", "-"},
		{"kms:ViaService", "secretsmanager.eu-west-1.amazonaws.com", "-"},
		{"aws:CalledVia", "secretsmanager.amazonaws.com", "-"},
		{"aws:CalledViaFirst", "secretsmanager.amazonaws.com", "-"},
		{"aws:CalledViaLast", "secretsmanager.amazonaws.com", "-"},
		{"aws:ViaAWSService", "true", "false"},
	} {
		if got := values(t, c.key, full); got != c.full {
			t.Errorf("%s is %q, want %q", c.key, got, c.full)
		}
		if got := values(t, c.key, empty); got != c.empty {
			t.Errorf("%s of an empty request is %q, want %q", c.key, got, c.empty)
		}
	}
}

// TestStageNames: every label has one stage, and a stage's own name is no
// label.
func TestStageNames(t *testing.T) {
	for label, want := range map[string]string{"AWSCURRENT": "current", "AWSPREVIOUS": "previous", "AWSPENDING": "pending", "blue": "blue", "": "", "Current": "Current", "current": "", "pending": ""} {
		stage, ok := ParseStage(label)
		if ok != (want != "" || label == "") || ok && (stage != want || StageName(stage) != label) {
			t.Errorf("%q is the stage %q, %v", label, stage, ok)
		}
	}
}
