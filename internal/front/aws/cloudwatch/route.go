package cloudwatch

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the API of Amazon CloudWatch over metrics and alarms.
func New(metrics Metrics, alarms Alarms) aws.Service {
	f := &front{metrics, alarms, time.Now}
	return aws.Service{
		API: "aws.cloudwatch", Scope: "monitoring", Target: "GraniteServiceVersion20100801", JSON10: true, CBOR: true,
		Version: "2010-08-01", Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/", QueryCodes: queryCodes,
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("DeleteAlarms", key.DeleteAlarms, f.deleteAlarms),
		aws.JSON("DescribeAlarmHistory", key.DescribeAlarmHistory, f.describeAlarmHistory),
		aws.JSON("DescribeAlarms", key.DescribeAlarms, f.describeAlarms),
		aws.JSON("DescribeAlarmsForMetric", key.DescribeAlarms, f.describeAlarmsForMetric),
		aws.JSON("DisableAlarmActions", key.DisableAlarmActions, f.disableAlarmActions),
		aws.JSON("EnableAlarmActions", key.EnableAlarmActions, f.enableAlarmActions),
		aws.JSON("GetMetricData", key.GetMetricData, f.getMetricData),
		aws.JSON("GetMetricStatistics", key.GetMetricStatistics, f.getMetricStatistics),
		aws.JSON("ListMetrics", key.ListMetrics, f.listMetrics),
		aws.JSON("ListTagsForResource", key.ListAlarmTags, f.listTagsForResource),
		aws.JSON("PutMetricAlarm", key.PutAlarm, f.putMetricAlarm),
		aws.JSON("SetAlarmState", key.SetAlarmState, f.setAlarmState),
		aws.JSON("TagResource", key.TagAlarm, f.tagResource),
		aws.JSON("UntagResource", key.UntagAlarm, f.untagResource),
	}
}

// unserved are Amazon CloudWatch's other operations (AWS SDK for Go v2,
// cloudwatch 1.75.5).
var unserved = []string{
	"AssociateDatasetKmsKey", "CreateResourceMetricsConfiguration", "DeleteAlarmMuteRule", "DeleteAnomalyDetector",
	"DeleteDashboards", "DeleteInsightRules", "DeleteMetricStream", "DeleteResourceMetricsConfiguration",
	"DescribeAlarmContributors", "DescribeAnomalyDetectors", "DescribeInsightRules", "DisableInsightRules",
	"DisassociateDatasetKmsKey", "EnableInsightRules", "GetAlarmMuteRule", "GetDashboard", "GetDataset",
	"GetInsightRuleReport", "GetMetricStream", "GetMetricWidgetImage", "GetOTelEnrichment",
	"GetResourceMetricsConfiguration", "ListAlarmMuteRules", "ListDashboards", "ListManagedInsightRules",
	"ListMetricStreams", "PutAlarmMuteRule", "PutAnomalyDetector", "PutCompositeAlarm", "PutDashboard",
	"PutInsightRule", "PutLogAlarm", "PutManagedInsightRules", "PutMetricData", "PutMetricStream",
	"StartMetricStreams", "StartOTelEnrichment", "StopMetricStreams", "StopOTelEnrichment", "UpdateOTelEnrichment",
	"UpdateResourceMetricsConfiguration",
}

// Operations returns all operations of Amazon CloudWatch in the order of their
// names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
