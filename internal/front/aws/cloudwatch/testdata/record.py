"""Records what botocore sends for each operation of Amazon CloudWatch.

    python3 internal/front/aws/cloudwatch/testdata/record.py

writes testdata/requests/*.http in CBOR, and testdata/json and testdata/query in
the two other protocols, as the recorder of AWS KMS does for its own.
"""
import datetime
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "kms", "testdata"))

import record  # noqa: E402

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
SNS = "arn:aws:sns:us-east-1:123456789012:"
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:Ünïcode / slash"
START = datetime.datetime(2026, 11, 23, 11, 0, 0, tzinfo=datetime.timezone.utc)
END = START + datetime.timedelta(hours=1)
DIMENSIONS = [{"Name": "KeyId", "Value": KEY}, {"Name": "Operation", "Value": "Sign"}]
METRIC = {"Namespace": "AWS/KMS", "MetricName": "Errors", "Dimensions": DIMENSIONS}

CLOUDWATCH = {
    "DeleteAlarms": {"AlarmNames": ["one", "two & three"]},
    "DescribeAlarmHistory": {"AlarmName": "one", "HistoryItemType": "StateUpdate", "StartDate": START, "EndDate": END,
                             "MaxRecords": 7, "ScanBy": "TimestampAscending"},
    "DescribeAlarms": {"AlarmNamePrefix": "kms", "StateValue": "ALARM", "MaxRecords": 3, "AlarmTypes": ["MetricAlarm"]},
    "DescribeAlarmsForMetric": dict(METRIC, Statistic="Sum", Period=300),
    "DisableAlarmActions": {"AlarmNames": ["one"]},
    "EnableAlarmActions": {"AlarmNames": ["one"]},
    "GetMetricData": {"MetricDataQueries": [
        {"Id": "m1", "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "Sum"}, "Label": "errors", "ReturnData": True},
        {"Id": "m2", "MetricStat": {"Metric": {"Namespace": "AWS/ACMPrivateCA", "MetricName": "Success"}, "Period": 300,
                                    "Stat": "Average", "Unit": "Count"}}],
        "StartTime": START, "EndTime": END, "ScanBy": "TimestampDescending", "MaxDatapoints": 100},
    "GetMetricStatistics": dict(METRIC, StartTime=START, EndTime=END, Period=60, Statistics=["Sum", "Average"], Unit="Count"),
    "ListMetrics": {"Namespace": "AWS/KMS", "MetricName": "Errors", "Dimensions": [{"Name": "KeyId"}, {"Name": "Operation", "Value": "Sign"}],
                    "RecentlyActive": "PT3H"},
    "ListTagsForResource": {"ResourceARN": ARN},
    "PutMetricAlarm": {
        "AlarmName": "Ünïcode / slash", "AlarmDescription": "a \"quoted\" text", "ActionsEnabled": False,
        "OKActions": [], "AlarmActions": [SNS + "alerts", SNS + "pager"], "InsufficientDataActions": [SNS + "calm"],
        "MetricName": "Errors", "Namespace": "AWS/KMS", "Statistic": "Sum", "Dimensions": DIMENSIONS, "Period": 300, "Unit": "Count",
        "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 1.5, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching", "Tags": [{"Key": "team", "Value": "pki"}, {"Key": "empty", "Value": ""}]},
    "SetAlarmState": {"AlarmName": "one", "StateValue": "ALARM", "StateReason": "a drill", "StateReasonData": '{"drill":true}'},
    "TagResource": {"ResourceARN": ARN, "Tags": [{"Key": "team", "Value": "pki"}]},
    "UntagResource": {"ResourceARN": ARN, "TagKeys": ["team", "other"]},
}

if __name__ == "__main__":
    for name, args in CLOUDWATCH.items():
        for folder, protocol in {"requests": "smithy-rpc-v2-cbor", "json": "json", "query": "query"}.items():
            record.record("cloudwatch", name, args, os.path.join(here, folder), protocol)
