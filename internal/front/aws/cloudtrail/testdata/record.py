"""Records what botocore sends for each operation of AWS CloudTrail.

    python3 internal/front/aws/cloudtrail/testdata/record.py

writes testdata/requests/*.http, as the recorder of AWS KMS does for its own.
"""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "kms", "testdata"))

import record  # noqa: E402

NAME = "audit"
ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
FAR = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/far"
TAGS = [{"Key": "team", "Value": "security"}, {"Key": "empty"}]

CLOUDTRAIL = {
    "AddTags": {"ResourceId": ARN, "TagsList": TAGS},
    "CreateTrail": {"Name": NAME, "S3BucketName": "audit-logs", "S3KeyPrefix": "prod/", "IncludeGlobalServiceEvents": True,
                    "IsMultiRegionTrail": True, "EnableLogFileValidation": False, "IsOrganizationTrail": False, "TagsList": TAGS},
    "DeleteTrail": {"Name": NAME},
    "DescribeTrails": {"trailNameList": [NAME, FAR], "includeShadowTrails": False},
    "GetEventSelectors": {"TrailName": NAME},
    "GetTrail": {"Name": FAR},
    "GetTrailStatus": {"Name": NAME},
    "ListTags": {"ResourceIdList": [ARN, FAR]},
    "ListTrails": {},
    "LookupEvents": {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "Sign"}], "StartTime": 1795000000,
                     "EndTime": 1795400000, "MaxResults": 7},
    "PutEventSelectors": {"TrailName": NAME, "EventSelectors": [
        {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "ExcludeManagementEventSources": ["kms.amazonaws.com"],
         "DataResources": [{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}]}, {"IncludeManagementEvents": False}]},
    "RemoveTags": {"ResourceId": ARN, "TagsList": [{"Key": "team"}]},
    "StartLogging": {"Name": NAME},
    "StopLogging": {"Name": ARN},
    "UpdateTrail": {"Name": NAME, "S3KeyPrefix": "", "IsMultiRegionTrail": False},
}

if __name__ == "__main__":
    for name, args in CLOUDTRAIL.items():
        record.record("cloudtrail", name, args, os.path.join(here, "requests"))
