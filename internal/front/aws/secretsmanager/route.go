package secretsmanager

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the API of AWS Secrets Manager over secrets.
func New(secrets Secrets) aws.Service {
	f := &front{secrets}
	return aws.Service{
		API: "aws.secretsmanager", Scope: "secretsmanager", Target: "secretsmanager",
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// maxValueBody bounds the bodies with a value: one of 65,536 characters that
// are all written as \u0000, or bytes in base64.
const maxValueBody = 6*maxValue + 32<<10

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("BatchGetSecretValue", key.BatchGetSecretValue, f.batchGetSecretValue),
		aws.JSON("CreateSecret", key.CreateSecret, f.createSecret).UpTo(maxValueBody),
		aws.JSON("DeleteResourcePolicy", key.DeleteSecretPolicy, f.deleteResourcePolicy),
		aws.JSON("DeleteSecret", key.DeleteSecret, f.deleteSecret),
		aws.JSON("DescribeSecret", key.DescribeSecret, f.describeSecret),
		aws.JSON("GetRandomPassword", key.GetRandomPassword, f.getRandomPassword),
		aws.JSON("GetResourcePolicy", key.GetSecretPolicy, f.getResourcePolicy),
		aws.JSON("GetSecretValue", key.GetSecretValue, f.getSecretValue),
		aws.JSON("ListSecretVersionIds", key.ListSecretVersions, f.listSecretVersionIDs),
		aws.JSON("ListSecrets", key.ListSecrets, f.listSecrets),
		aws.JSON("PutResourcePolicy", key.PutSecretPolicy, f.putResourcePolicy),
		aws.JSON("PutSecretValue", key.PutSecretValue, f.putSecretValue).UpTo(maxValueBody),
		aws.JSON("RestoreSecret", key.RestoreSecret, f.restoreSecret),
		aws.JSON("TagResource", key.TagSecret, f.tagResource),
		aws.JSON("UntagResource", key.UntagSecret, f.untagResource),
		aws.JSON("UpdateSecret", key.UpdateSecret, f.updateSecret).UpTo(maxValueBody),
		aws.JSON("UpdateSecretVersionStage", key.UpdateSecretStage, f.updateSecretVersionStage),
		aws.JSON("ValidateResourcePolicy", key.PutSecretPolicy, f.validateResourcePolicy),
	}
}

// unserved are AWS Secrets Manager's other operations (AWS SDK for Go v2,
// secretsmanager 1.50.10): rotation by functions, and replicas.
var unserved = []string{
	"CancelRotateSecret", "RemoveRegionsFromReplication", "ReplicateSecretToRegions", "RotateSecret", "StopReplicationToReplica",
}

// Operations returns all operations of AWS Secrets Manager in the order of
// their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
