"""Records what botocore sends for each operation of AWS CloudHSM.

    python3 internal/front/aws/cloudhsm/testdata/record.py

writes testdata/requests/*.http, as the recorder of AWS KMS does for its own.
"""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "kms", "testdata"))

import record  # noqa: E402

CLUSTER = "cluster-igklspoyj5v"
BACKUP = "backup-ro5c4er4aac"
ARN = "arn:aws:cloudhsm:us-east-1:123456789012:backup/" + BACKUP
TAGS = [{"Key": "team", "Value": "pki"}, {"Key": "empty", "Value": ""}]
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

CLOUDHSM = {
    "CopyBackupToRegion": {"DestinationRegion": "us-west-2", "BackupId": BACKUP, "TagList": TAGS},
    "CreateCluster": {"BackupRetentionPolicy": {"Type": "DAYS", "Value": "30"}, "HsmType": "hsm1.medium", "SourceBackupId": BACKUP,
                      "SubnetIds": ["subnet-12345678", "subnet-87654321"], "TagList": TAGS},
    "CreateHsm": {"ClusterId": CLUSTER, "AvailabilityZone": "us-east-1a"},
    "DeleteBackup": {"BackupId": BACKUP},
    "DeleteCluster": {"ClusterId": CLUSTER},
    "DeleteHsm": {"ClusterId": CLUSTER, "HsmId": "hsm-lgoeqhwqnbg"},
    "DeleteResourcePolicy": {"ResourceArn": ARN},
    "DescribeBackups": {"MaxResults": 10, "Filters": {"clusterIds": [CLUSTER], "states": ["READY"], "neverExpires": ["false"]},
                        "SortAscending": True},
    "DescribeClusters": {"Filters": {"clusterIds": [CLUSTER], "states": ["ACTIVE", "CREATE_IN_PROGRESS"]}, "MaxResults": 5},
    "GetResourcePolicy": {"ResourceArn": ARN},
    "InitializeCluster": {"ClusterId": CLUSTER, "SignedCert": PEM, "TrustAnchor": PEM},
    "ListTags": {"ResourceId": CLUSTER, "MaxResults": 1},
    "ModifyBackupAttributes": {"BackupId": BACKUP, "NeverExpires": True},
    "ModifyCluster": {"BackupRetentionPolicy": {"Type": "DAYS", "Value": "7"}, "ClusterId": CLUSTER},
    "PutResourcePolicy": {"ResourceArn": ARN, "Policy": '{"Version":"2012-10-17"}'},
    "RestoreBackup": {"BackupId": BACKUP},
    "TagResource": {"ResourceId": BACKUP, "TagList": TAGS},
    "UntagResource": {"ResourceId": CLUSTER, "TagKeyList": ["team", "other"]},
}

if __name__ == "__main__":
    for name, args in CLOUDHSM.items():
        record.record("cloudhsmv2", name, args, os.path.join(here, "requests"))
