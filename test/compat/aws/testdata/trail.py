"""Trails from Python: every operation that is served, the files that a trail
delivers, and the history of events page by page."""
import datetime
import glob
import gzip
import json
import os
import time

import boto3
from botocore.exceptions import ClientError

trails = boto3.client("cloudtrail")
kms = boto3.client("kms")
NAME = "py-%d" % time.time_ns()
# What this program does to its key. Others look at all keys meanwhile.
DONE = ["CreateKey", "Encrypt", "ScheduleKeyDeletion"]


def refused(code, call, **arguments):
    """Calls what has to fail."""
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
    else:
        raise AssertionError("%s was not refused" % arguments)


def delivered():
    """Returns the records of all files of this program's trail, by their ids."""
    records = {}
    pattern = os.path.join(os.environ["HOLDFAST_DIR"], "buckets", "audit-logs", NAME, "AWSLogs", "*", "CloudTrail", "*", "*", "*", "*", "*.json.gz")
    for path in glob.glob(pattern):
        with gzip.open(path) as file:
            for record in json.load(file)["Records"]:
                assert record["eventID"] not in records, "twice: %s" % record
                records[record["eventID"]] = record
    return records


made = trails.create_trail(Name=NAME, S3BucketName="audit-logs", S3KeyPrefix=NAME, TagsList=[{"Key": "a", "Value": "1"}])
arn = made["TrailARN"]
try:
    trails.start_logging(Name=NAME)
    key = kms.create_key(Tags=[{"TagKey": "k", "TagValue": "v"}])["KeyMetadata"]["Arn"]
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"tenant": "t1"})
    refused("NotFoundException", kms.encrypt, KeyId="alias/" + NAME, Plaintext=b"x")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

    assert trails.get_trail(Name=arn)["Trail"]["HomeRegion"] == trails.meta.region_name
    assert NAME in [t["Name"] for t in trails.describe_trails(trailNameList=[NAME])["trailList"]]
    assert NAME in [t["Name"] for page in trails.get_paginator("list_trails").paginate() for t in page["Trails"]]
    trails.add_tags(ResourceId=arn, TagsList=[{"Key": "b", "Value": "2"}])
    trails.remove_tags(ResourceId=arn, TagsList=[{"Key": "a"}])
    assert trails.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"] == [{"Key": "b", "Value": "2"}]
    assert trails.update_trail(Name=NAME, IsMultiRegionTrail=True)["IsMultiRegionTrail"]
    refused("InvalidTrailNameException", trails.get_trail, Name="a")
    refused("TrailNotFoundException", trails.get_trail_status, Name="nobodys")

    selectors = [{"Name": "writes", "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["false"]}]}]
    trails.put_event_selectors(TrailName=NAME, AdvancedEventSelectors=selectors)
    assert trails.get_event_selectors(TrailName=NAME)["AdvancedEventSelectors"] == selectors
    refused("InvalidEventSelectorsException", trails.put_event_selectors, TrailName=NAME,
            AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "weather", "Equals": ["fine"]}]}])
    trails.put_event_selectors(TrailName=NAME, EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}])

    pages = trails.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": key}], PaginationConfig={"PageSize": 1},
        StartTime=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1))
    events = [e for page in pages for e in page["Events"] if e["EventName"] in DONE]
    assert [e["EventName"] for e in events] == DONE[::-1], events
    record = json.loads(events[1]["CloudTrailEvent"])
    assert record["requestParameters"]["encryptionContext"] == {"tenant": "t1"} and record["eventVersion"] == "1.11", record
    assert record["resources"][0]["ARN"] == key and record["userIdentity"]["accessKeyId"] == events[1]["AccessKeyId"], record
    for name, value in {"EventId": events[1]["EventId"], "Username": events[1]["Username"], "AccessKeyId": events[1]["AccessKeyId"],
                        "EventSource": "kms.amazonaws.com", "ResourceType": "AWS::KMS::Key", "ReadOnly": "true", "EventName": "Encrypt"}.items():
        found = trails.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": name, "AttributeValue": value}],
            StartTime=events[1]["EventTime"], EndTime=events[1]["EventTime"])
        assert events[1]["EventId"] in [e["EventId"] for page in found for e in page["Events"]], (name, value)
    refused("InvalidTimeRangeException", trails.lookup_events, StartTime=2, EndTime=1)

    deadline = time.time() + 90
    while "LatestDeliveryTime" not in trails.get_trail_status(Name=NAME) and time.time() < deadline:
        time.sleep(1)
    status = trails.get_trail_status(Name=NAME)
    assert status["IsLogging"] and "LatestDeliveryTime" in status and "LatestDeliveryError" not in status, status
    if os.environ.get("HOLDFAST_DIR"):
        records = delivered()
        mine = [r for r in records.values() if any(x["ARN"] == key for x in r.get("resources", [])) and r["eventName"] in DONE]
        assert [r["eventName"] for r in mine] == DONE, mine
        assert events[1]["EventId"] in records
    trails.stop_logging(Name=arn)
    assert not trails.get_trail_status(Name=NAME)["IsLogging"]
finally:
    trails.delete_trail(Name=NAME)
refused("TrailNotFoundException", trails.delete_trail, Name=NAME)
