"""Keys from boto3: what an inventory and a compliance check do, and the rest
of the key's administration. Every step asserts; the end prints a line."""

import json
import os
import uuid

import boto3
from botocore.exceptions import ClientError

# endpoint_url is passed because boto3 of 2022 reads no AWS_ENDPOINT_URL.
kms = boto3.client("kms", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
sts = boto3.client("sts", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
run = uuid.uuid4().hex


def refused(code, call, **arguments):
    """The call must fail with the code; returns the message."""
    try:
        call(**arguments)
    except ClientError as e:
        error = e.response["Error"]
        assert error["Code"] == code, error
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, e.response
        assert e.response["ResponseMetadata"]["RequestId"], e.response
        return error.get("Message", "")
    raise AssertionError(f"{call.__name__} succeeded, want {code}")


account = sts.get_caller_identity()["Account"]
made = [
    kms.create_key(Description=f"{run} {i}", Tags=[{"TagKey": "run", "TagValue": run}])["KeyMetadata"]
    for i in range(7)
]
key = made[0]["KeyId"]

# Pagination: the paginators read all pages, and a small page loses nothing.
listed = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate() for k in page["Keys"]]
assert {m["KeyId"] for m in made} <= set(listed)
assert len(listed) == len(set(listed)), "a key is listed twice"
small = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}) for k in page["Keys"]]
assert {m["KeyId"] for m in made} <= set(small)
aliases = [f"alias/{run}-{i}" for i in range(5)]
for alias in aliases:
    kms.create_alias(AliasName=alias, TargetKeyId=key)
pages = kms.get_paginator("list_aliases").paginate(KeyId=key, PaginationConfig={"PageSize": 2})
assert sorted(a["AliasName"] for page in pages for a in page["Aliases"]) == aliases
refused("InvalidMarkerException", kms.list_keys, Marker="not a marker of ours")

# The walk of a compliance check: every key, its rotation and its policy.
for page in kms.get_paginator("list_keys").paginate():
    for entry in page["Keys"]:
        metadata = kms.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
        assert metadata["CreationDate"].tzinfo is not None
        # Keys of AWS's own are those of secrets, which others make meanwhile.
        assert metadata["KeyManager"] == "CUSTOMER" or entry["KeyId"] not in {m["KeyId"] for m in made}, metadata
        if metadata["KeySpec"] == "SYMMETRIC_DEFAULT":
            kms.get_key_rotation_status(KeyId=entry["KeyId"])
        document = json.loads(kms.get_key_policy(KeyId=entry["KeyId"], PolicyName="default")["Policy"])
        assert document["Statement"], document

# Administration.
kms.update_alias(AliasName=aliases[0], TargetKeyId=made[1]["KeyId"])
assert kms.describe_key(KeyId=aliases[0])["KeyMetadata"]["KeyId"] == made[1]["KeyId"]
kms.delete_alias(AliasName=aliases[0])
refused("NotFoundException", kms.describe_key, KeyId=aliases[0])
kms.update_key_description(KeyId=key, Description="changed")
assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "changed"
kms.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{i}", "TagValue": str(i)} for i in range(9)])
kms.untag_resource(KeyId=key, TagKeys=["t0", "run"])
tags = kms.get_paginator("list_resource_tags").paginate(KeyId=key, PaginationConfig={"PageSize": 4})
assert sorted(t["TagKey"] for page in tags for t in page["Tags"]) == [f"t{i}" for i in range(1, 9)]
assert kms.list_resource_tags(KeyId=key, Limit=4)["Truncated"] is True
assert refused("TagException", kms.tag_resource, KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": ""}]) == "Tags beginning with aws: are reserved"
document = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*"},
}
kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(document))
assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == document
assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]

# Rotation and the end of a key.
kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=365)
status = kms.get_key_rotation_status(KeyId=key)
assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 365, status
for _ in range(3):
    kms.rotate_key_on_demand(KeyId=key)
rotations = kms.get_paginator("list_key_rotations").paginate(KeyId=key, PaginationConfig={"PageSize": 1}) if kms.can_paginate("list_key_rotations") else [kms.list_key_rotations(KeyId=key)]
assert [r["RotationType"] for page in rotations for r in page["Rotations"]] == ["ON_DEMAND"] * 3
kms.disable_key_rotation(KeyId=key)
kms.disable_key(KeyId=key)
message = refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
assert message == made[0]["Arn"] + " is disabled.", message
kms.enable_key(KeyId=key)
deleted = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
assert deleted["KeyState"] == "PendingDeletion" and deleted["PendingWindowInDays"] == 7, deleted
message = refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"x")
assert message == made[0]["Arn"] + " is pending deletion.", message
kms.cancel_key_deletion(KeyId=key)
assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
for m in made:
    kms.schedule_key_deletion(KeyId=m["KeyId"], PendingWindowInDays=7)
print(f"boto3 {boto3.__version__}: keys, aliases, tags, policies, rotation and deletion")
