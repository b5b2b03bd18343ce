"""Figures and alarms from Python, over each of CloudWatch's protocols: what
boto3 chooses by itself (JSON, so far), CBOR and Query. The key of the first argument refused
to sign three times; the topic of the second one hears of a drill."""
import datetime
import sys

import boto3
from botocore.exceptions import ClientError
from botocore.session import Session

KEY, TOPIC = sys.argv[1:]
DIMENSIONS = [{"Name": "KeyId", "Value": KEY}]
now = datetime.datetime.now(datetime.timezone.utc)
since, until = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=1)


def client(protocol):
    """A client of CloudWatch that speaks the protocol."""
    core = Session()
    if protocol:
        loader = core.get_component("data_loader")
        load = loader.load_service_model

        def choose(name, kind, *args, **kwargs):
            model = load(name, kind, *args, **kwargs)
            if (name, kind) == ("cloudwatch", "service-2"):
                model["metadata"].update(protocol=protocol, protocols=[protocol])
            return model

        loader.load_service_model = choose
    return boto3.Session(botocore_session=core).client("cloudwatch")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return
    raise AssertionError(f"{call} was not refused")


def figures(cw):
    stats = cw.get_metric_statistics(
        Namespace="AWS/KMS", MetricName="Errors", Dimensions=DIMENSIONS + [{"Name": "Operation", "Value": "Sign"}],
        StartTime=since, EndTime=until, Period=7200, Statistics=["Sum", "SampleCount", "Average", "Minimum", "Maximum"])
    assert stats["Label"] == "Errors", stats
    points = stats["Datapoints"]
    assert sum(p["Sum"] for p in points) == 3 and sum(p["SampleCount"] for p in points) == 3, stats
    assert all(p["Average"] == p["Minimum"] == p["Maximum"] == 1 and p["Unit"] == "Count" for p in points), stats
    assert all(isinstance(p["Timestamp"], datetime.datetime) and abs(p["Timestamp"] - now) < datetime.timedelta(hours=3) for p in points)
    pages = cw.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[{"Id": "requests", "MetricStat": {
            "Metric": {"Namespace": "AWS/KMS", "MetricName": "Requests", "Dimensions": DIMENSIONS}, "Period": 10, "Stat": "Sum"}}],
        StartTime=since, EndTime=until, ScanBy="TimestampAscending", PaginationConfig={"PageSize": 1})
    values, times = [], []
    for page in pages:
        for result in page["MetricDataResults"]:
            values += result["Values"]
            times += result["Timestamps"]
    assert sum(values) == 5 and times == sorted(times), (values, times)
    names = {(m["MetricName"], len(m["Dimensions"])) for page in cw.get_paginator("list_metrics").paginate(
        Namespace="AWS/KMS", Dimensions=DIMENSIONS, RecentlyActive="PT3H") for m in page["Metrics"]}
    assert ("Errors", 1) in names and ("Denied", 2) in names and ("Throttles", 1) in names, names


def alarms(cw, name):
    cw.put_metric_alarm(
        AlarmName=name, AlarmDescription="a drill & no more", Namespace="AWS/KMS", MetricName="Requests", Dimensions=DIMENSIONS,
        Statistic="Sum", Period=86400, EvaluationPeriods=1, DatapointsToAlarm=1, Threshold=1e6, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore", AlarmActions=[TOPIC], Tags=[{"Key": "team", "Value": "pki"}])
    arn = None
    for page in cw.get_paginator("describe_alarms").paginate(AlarmNamePrefix="drill-", PaginationConfig={"PageSize": 1}):
        for alarm in page["MetricAlarms"]:
            if alarm["AlarmName"] == name:
                arn = alarm["AlarmArn"]
                assert alarm["Threshold"] == 1e6 and alarm["Dimensions"] == DIMENSIONS and alarm["AlarmActions"] == [TOPIC], alarm
                assert alarm["TreatMissingData"] == "ignore" and alarm["ActionsEnabled"] and alarm["OKActions"] == [], alarm
                assert abs(alarm["AlarmConfigurationUpdatedTimestamp"] - now) < datetime.timedelta(minutes=5), alarm
    assert arn, "the alarm is not listed"
    found = cw.describe_alarms_for_metric(Namespace="AWS/KMS", MetricName="Requests", Dimensions=DIMENSIONS, Statistic="Sum")["MetricAlarms"]
    assert name in [a["AlarmName"] for a in found], found
    cw.tag_resource(ResourceARN=arn, Tags=[{"Key": "drill", "Value": "yes"}])
    cw.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert cw.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "drill", "Value": "yes"}]
    cw.disable_alarm_actions(AlarmNames=[name])
    assert not cw.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["ActionsEnabled"]
    cw.enable_alarm_actions(AlarmNames=[name])
    items = [i["HistoryItemType"] for i in cw.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]]
    assert items.count("ConfigurationUpdate") == 3, items


def refusals(cw):
    refused("ResourceNotFound", cw.delete_alarms, AlarmNames=["there is none"])
    refused("ResourceNotFoundException", cw.list_tags_for_resource, ResourceARN=TOPIC.replace(":sns:", ":cloudwatch:").rsplit(":", 1)[0] + ":alarm:none")
    refused("InvalidNextToken", cw.describe_alarms, NextToken="x")
    refused("InvalidAction", cw.put_dashboard, DashboardName="d", DashboardBody="{}")
    refused("InvalidParameterValue", cw.get_metric_data, StartTime=since, EndTime=until, MetricDataQueries=[{"Id": "x", "Expression": "1+1"}])
    refused("InvalidParameterCombination", cw.get_metric_statistics, Namespace="AWS/KMS", MetricName="Errors", EndTime=until,
            StartTime=since - datetime.timedelta(hours=5), Period=10, Statistics=["Sum"])
    refused("ValidationError", cw.describe_alarms, StateValue="WRONG")


for protocol in (None, "smithy-rpc-v2-cbor", "query"):
    cloudwatch = client(protocol)
    assert protocol in (None, cloudwatch.meta.service_model.resolved_protocol)
    figures(cloudwatch)
    alarms(cloudwatch, "drill-" + (protocol or "own"))
    refusals(cloudwatch)

first = client(None)
history = first.describe_alarm_history(AlarmName="signing-fails", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
assert any(i["HistorySummary"].endswith("to ALARM") for i in history), history
first.set_alarm_state(AlarmName="drill-own", StateValue="ALARM", StateReason="a drill")
first.delete_alarms(AlarmNames=["drill-smithy-rpc-v2-cbor", "drill-query"])
print("all is as it should be")
