"""Records what botocore sends for each operation of AWS Secrets Manager.

    python3 internal/front/aws/secretsmanager/testdata/record.py

writes testdata/requests/*.http, as the recorder of AWS KMS does for its own.
"""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "kms", "testdata"))

import record  # noqa: E402

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf"
TOKEN = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "11234567-89ab-cdef-0123-456789abcdef"
POLICY = '{"Version":"2012-10-17","Statement":[]}'

SECRETS = {
    "BatchGetSecretValue": {"SecretIdList": ["prod/db", ARN]},
    "CreateSecret": {"Name": "prod/db", "ClientRequestToken": TOKEN, "Description": "the \"database\"", "KmsKeyId": "alias/secrets",
                     "SecretString": "{\"password\":\"ünï\\n\"}", "Tags": [{"Key": "team", "Value": "web"}, {"Key": "bare", "Value": ""}],
                     "ForceOverwriteReplicaSecret": False},
    "DeleteResourcePolicy": {"SecretId": "prod/db"},
    "DeleteSecret": {"SecretId": ARN, "RecoveryWindowInDays": 7},
    "DescribeSecret": {"SecretId": ARN[:-7]},
    "GetRandomPassword": {"PasswordLength": 20, "ExcludeCharacters": "\"@/\\", "ExcludePunctuation": True, "IncludeSpace": True},
    "GetResourcePolicy": {"SecretId": "prod/db"},
    "GetSecretValue": {"SecretId": "prod/db", "VersionStage": "AWSPREVIOUS"},
    "ListSecretVersionIds": {"SecretId": "prod/db", "IncludeDeprecated": True, "MaxResults": 1},
    "ListSecrets": {"IncludePlannedDeletion": True, "MaxResults": 5, "SortBy": "name", "SortOrder": "asc",
                    "Filters": [{"Key": "name", "Values": ["prod/", "!test"]}, {"Key": "all", "Values": ["web"]}]},
    "PutResourcePolicy": {"SecretId": "prod/db", "ResourcePolicy": POLICY, "BlockPublicPolicy": True},
    "PutSecretValue": {"SecretId": "prod/db", "ClientRequestToken": TOKEN, "SecretBinary": b"\x00bytes\xff",
                       "VersionStages": ["AWSPENDING", "blue"]},
    "RestoreSecret": {"SecretId": "prod/db"},
    "TagResource": {"SecretId": "prod/db", "Tags": [{"Key": "team", "Value": "web"}]},
    "UntagResource": {"SecretId": "prod/db", "TagKeys": ["team", "other"]},
    "UpdateSecret": {"SecretId": "prod/db", "ClientRequestToken": TOKEN, "Description": "", "KmsKeyId": "", "SecretString": "new"},
    "UpdateSecretVersionStage": {"SecretId": "prod/db", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN, "MoveToVersionId": OTHER},
    "ValidateResourcePolicy": {"SecretId": "prod/db", "ResourcePolicy": POLICY},
}

if __name__ == "__main__":
    for name, args in SECRETS.items():
        record.record("secretsmanager", name, args, os.path.join(here, "requests"))
