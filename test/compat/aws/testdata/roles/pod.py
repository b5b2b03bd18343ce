"""A pod with a service account: boto3 finds the token and the role in the
environment, and asks for credentials by itself. Then what roles are for."""
import boto3
from botocore.exceptions import ClientError

print(boto3.client("sts").get_caller_identity()["Arn"])
kms = boto3.client("kms")
kms.list_keys()
try:
    kms.create_key()
except ClientError as e:
    assert e.response["Error"]["Code"] == "AccessDeniedException", e
else:
    raise AssertionError("the role may list keys, and no more")
