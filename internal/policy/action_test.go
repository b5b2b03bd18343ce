package policy_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Which requests the Action, NotAction, Resource and NotResource elements are
// about. The caller is alice, whom a policy of her own allows something.

func TestAction(t *testing.T) {
	const no = "not allowed by identity: " + noOwn
	const yes = "allow: " + byOwn
	action := func(name, element string, a key.Action, want string) specification {
		return specification{
			name: name, key: rootStatement, who: "alice", action: a, want: want,
			identity: []string{`{"Effect":"Allow",` + element + `,"Resource":"*"}`},
		}
	}
	check(t, []specification{
		action("one action", `"Action":"kms:Encrypt"`, key.Encrypt, yes),
		action("another action", `"Action":"kms:Encrypt"`, key.Decrypt, no),
		action("a list", `"Action":["kms:Encrypt","kms:Decrypt"]`, key.Decrypt, yes),
		action("everything", `"Action":"*"`, key.Encrypt, yes),
		action("every service", `"Action":"*:*"`, key.Encrypt, yes),
		action("a whole service", `"Action":"kms:*"`, key.ScheduleKeyDeletion, yes),
		action("another service", `"Action":"acm-pca:*"`, key.Encrypt, no),
		action("a prefix", `"Action":"kms:ReEncrypt*"`, key.ReEncryptFrom, yes),
		action("a prefix is not what only contains it", `"Action":"kms:Encrypt*"`, key.ReEncryptTo, no),
		action("a suffix", `"Action":"kms:*crypt"`, key.Decrypt, yes),
		action("an infix", `"Action":"kms:*DataKey*"`, key.GenerateDataKeyWithoutPlaintext, yes),
		action("one character", `"Action":"kms:?ign"`, key.Sign, yes),
		action("one character is not two", `"Action":"kms:?gn"`, key.Sign, no),
		action("case does not matter", `"Action":"KMS:encrypt"`, key.Encrypt, yes),
		action("nor with wildcards", `"Action":"Kms:GENERATE*"`, key.GenerateMAC, yes),
		action("an action that does not exist", `"Action":["kms:Export*","kms:Encrypt"]`, key.Encrypt, yes),
		action("only actions that do not exist", `"Action":"kms:ExportKeyMaterial"`, key.Encrypt, no),
		action("all but one", `"NotAction":"kms:Decrypt"`, key.Encrypt, yes),
		action("that one", `"NotAction":"kms:Decrypt"`, key.Decrypt, no),
		action("all but a service", `"NotAction":["kms:*","iam:*"]`, key.Encrypt, no),
		action("all but what does not exist", `"NotAction":"kms:Export*"`, key.Encrypt, yes),
		action("all but everything", `"NotAction":"*"`, key.Encrypt, no),
	})
}

func TestActionsOfOtherServices(t *testing.T) {
	atLarge := func(r *policy.Request) { r.Resource = key.Resource{Realm: home} }
	action := func(name string, a key.Action) specification {
		return specification{
			name: name, who: "alice", action: a, want: "allow: " + byOwn, edit: atLarge,
			identity: []string{`{"Effect":"Allow","Action":"` + name + `","Resource":"*"}`},
		}
	}
	check(t, []specification{
		action("acm-pca:IssueCertificate", key.IssueCertificate),
		action("iam:CreateUser", key.CreateUser),
		action("sts:GetCallerIdentity", key.GetCallerIdentity),
		action("cloudtrail:LookupEvents", key.ReadAudit),
		action("holdfast:*", key.ResetServer),
		action("kms:GenerateMac", key.GenerateMAC),
	})
}

func TestResource(t *testing.T) {
	const no = "not allowed by identity: " + noOwn
	const yes = "allow: " + byOwn
	resource := func(name, element, want string) specification {
		return specification{
			name: name, key: rootStatement, who: "alice", want: want,
			identity: []string{`{"Effect":"Allow","Action":"kms:*",` + element + `}`},
		}
	}
	check(t, []specification{
		resource("everything", `"Resource":"*"`, yes),
		resource("the key", `"Resource":"`+keyARN+`"`, yes),
		resource("another key", `"Resource":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"`, no),
		resource("the key elsewhere", `"Resource":"arn:aws:kms:eu-west-1:123456789012:key/`+keyID+`"`, no),
		resource("the key in another account", `"Resource":"arn:aws:kms:us-east-1:999999999999:key/`+keyID+`"`, no),
		resource("an alias is not its key", `"Resource":"arn:aws:kms:us-east-1:123456789012:alias/a"`, no),
		resource("one of a list", `"Resource":["arn:aws:kms:us-east-1:123456789012:alias/a","`+keyARN+`"]`, yes),
		resource("all keys of the account and region", `"Resource":"arn:aws:kms:us-east-1:123456789012:key/*"`, yes),
		resource("all regions", `"Resource":"arn:aws:kms:*:123456789012:key/*"`, yes),
		resource("some regions", `"Resource":"arn:aws:kms:us-*-1:123456789012:key/*"`, yes),
		resource("other regions", `"Resource":"arn:aws:kms:eu-*:123456789012:key/*"`, no),
		resource("one character", `"Resource":"arn:aws:kms:us-east-?:123456789012:key/*"`, yes),
		resource("one character is one", `"Resource":"arn:aws:kms:us-east-1?:123456789012:key/*"`, no),
		resource("a pattern cut short", `"Resource":"arn:aws:kms:*"`, yes),
		resource("another service", `"Resource":"arn:aws:s3:::*"`, no),
		resource("a case of its own", `"Resource":"arn:aws:kms:us-east-1:123456789012:KEY/*"`, no),
		resource("a part is not the whole", `"Resource":"arn:aws:kms:us-east-1:123456789012:key"`, no),
		resource("many stars", `"Resource":"arn:aws:kms:*:*:k*y/*-12ab-*-56ef-*"`, yes),
		resource("all but another key", `"NotResource":"arn:aws:kms:us-east-1:123456789012:key/0*"`, yes),
		resource("all but the key", `"NotResource":["arn:aws:kms:us-east-1:123456789012:alias/a","`+keyARN+`"]`, no),
		resource("all but everything", `"NotResource":"*"`, no),
		{
			name: "a key's policy may name its key", who: "alice", want: oneByKey,
			key: `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + keyARN + `"}`,
		},
		{
			name: "a key's policy that names another key", who: "alice", want: "not allowed by the key: " + nothing,
			key: `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"arn:aws:kms:us-east-1:123456789012:key/0"}`,
		},
		{
			name: "an authority", who: "alice", want: "allow: " + byOwn, action: key.IssueCertificate,
			identity: []string{`{"Effect":"Allow","Action":"acm-pca:IssueCertificate","Resource":"arn:aws:acm-pca:*:123456789012:certificate-authority/c1"}`},
			edit: func(r *policy.Request) {
				r.Resource = key.Resource{Kind: key.KindAuthority, Realm: home, Region: "us-east-1", ID: "c1"}
			},
		},
		{
			name: "a user", who: "alice", want: "allow: " + byOwn, action: key.CreateAccessKey,
			identity: []string{`{"Effect":"Allow","Action":"iam:*AccessKey","Resource":"arn:aws:iam::123456789012:user/${aws:username}"}`},
			edit: func(r *policy.Request) {
				r.Resource = key.Resource{Kind: key.KindUser, Realm: home, ID: "alice"}
			},
		},
		{
			name: "an alias", who: "alice", want: "allow: " + byOwn, action: key.CreateAlias,
			identity: []string{`{"Effect":"Allow","Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:alias/team-${aws:PrincipalTag/team}-*"}`},
			edit: func(r *policy.Request) {
				r.Resource = key.Resource{Kind: key.KindAlias, Realm: home, Region: "us-east-1", ID: "alias/team-blue-1"}
			},
		},
	})
}
