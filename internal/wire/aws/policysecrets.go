package aws

import (
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// The condition keys of AWS Secrets Manager ("Actions, resources, and condition
// keys for AWS Secrets Manager", Service Authorization Reference). Those about
// replicas and rotation by functions are never present.

// secret returns what is asked of a secret, nothing where there is none.
func secret(r *policy.Request) *policy.Secret {
	if s := attributes(r).Secret; s != nil {
		return s
	}
	return &policy.Secret{}
}

func secretARN(r *policy.Request) (policy.Value, bool) {
	return policy.Text(ResourceARN(r.Resource)), r.Resource.Kind == key.KindSecret
}

func secretName(r *policy.Request) (policy.Value, bool) { return present(secret(r).Name) }

func secretDescription(r *policy.Request) (policy.Value, bool) {
	return present(secret(r).Description)
}

func secretKey(r *policy.Request) (policy.Value, bool) { return present(secret(r).Key) }

func secretVersion(r *policy.Request) (policy.Value, bool) { return present(secret(r).Version) }

func secretStage(r *policy.Request) (policy.Value, bool) {
	return present(StageName(secret(r).Stage))
}

func secretForced(r *policy.Request) (policy.Value, bool) {
	return policy.Bool(secret(r).Forced), r.Action == key.DeleteSecret
}

func secretBlocks(r *policy.Request) (policy.Value, bool) {
	return policy.Bool(secret(r).NotPublic), r.Action == key.PutSecretPolicy
}

// stageNames are the staging labels that mean something to Secrets Manager,
// by what Holdfast calls them. All others are their users' own.
var stageNames = map[string]string{"current": "AWSCURRENT", "previous": "AWSPREVIOUS", "pending": "AWSPENDING"}

var stages = inverse(stageNames)

// StageName returns the staging label of a stage.
func StageName(stage string) string {
	if name, ok := stageNames[stage]; ok {
		return name
	}
	return stage
}

// ParseStage returns the stage of a staging label. It is false for the labels
// that Holdfast has for AWS's own.
func ParseStage(label string) (stage string, ok bool) {
	if stage, ok = stages[label]; ok {
		return stage, true
	}
	_, taken := stageNames[label]
	return label, !taken
}

// SecretsAlias is the alias of the key that seals secrets which name none.
const SecretsAlias = "alias/aws/secretsmanager"

// SecretContext returns the encryption context under which a version of a
// secret is sealed ("Secret encryption and decryption in AWS Secrets Manager",
// AWS Secrets Manager User Guide).
func SecretContext(secret key.Resource, version string) []key.Tag {
	return []key.Tag{{Key: "SecretARN", Value: ResourceARN(secret)}, {Key: "SecretVersionId", Value: version}}
}

// SecretsKeyPolicy returns the policy of the key that seals secrets which name
// none: whoever may use the secrets uses it through them, and the account may
// read what it is.
func SecretsKeyPolicy(realm key.RealmID, region string) key.Document {
	root := PrincipalARN(key.Principal{Realm: realm, Kind: key.Root})
	return key.Document{Dialect: Dialect, Text: `{
  "Version" : "2012-10-17",
  "Id" : "secrets-1",
  "Statement" : [ {
    "Sid" : "Use through Secrets Manager",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + string(realm) + `",
        "kms:ViaService" : "secretsmanager.` + region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Read its metadata",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + root + `"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*" ],
    "Resource" : "*"
  } ]
}`}
}
