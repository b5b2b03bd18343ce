package cloudwatch_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/wire/cbor"
)

const (
	one = "ValidationException 1 validation error detected: Value "
	put = `{"AlarmName":"a","Namespace":"AWS/KMS","MetricName":"Errors","Statistic":"Sum","Period":60,"EvaluationPeriods":1,` +
		`"Threshold":1,"ComparisonOperator":"GreaterThanThreshold"}`
	statistics = `{"Namespace":"AWS/KMS","MetricName":"Errors","StartTime":1795431600,"EndTime":1795435200,"Period":60,"Statistics":["Sum"]}`
	data       = `{"MetricDataQueries":[{"Id":"m1","MetricStat":{"Metric":{"Namespace":"AWS/KMS","MetricName":"Errors"},"Period":60,"Stat":"Sum"}}],` +
		`"StartTime":1795431600,"EndTime":1795435200}`
)

// with returns a request with another member, or another value of one.
func with(body, member string) string { return strings.TrimSuffix(body, "}") + "," + member + "}" }

func instead(body, old, text string) string { return strings.Replace(body, old, text, 1) }

// about returns a fault about the alarm.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "alarm:Delete", Public: "the public text", Resource: "123456789012/us-east-1/alarm/one",
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	const text = " The public text."
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "DeleteAlarms", Body: `{"AlarmNames":["one"]}`, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:        "500 InternalServiceFault",
			fault.InvalidArgument: "400 InvalidParameterValueException" + text,
			fault.Unauthenticated: "403 InvalidClientTokenId The security token included in the request is invalid.",
			fault.PermissionDenied: "403 AccessDenied User: arn:aws:iam::123456789012:user/alice is not authorized to perform: " +
				"cloudwatch:DeleteAlarms on resource: arn:aws:cloudwatch:us-east-1:123456789012:alarm:one",
			fault.NotFound:      "404 ResourceNotFound" + text,
			fault.AlreadyExists: "400 InvalidParameterValueException" + text,
			fault.WrongState:    "400 InvalidParameterValueException" + text,
			fault.Conflict:      "429 ConcurrentModificationException" + text,
			fault.Unsupported:   "400 InvalidParameterValueException" + text,
			fault.LimitExceeded: "400 LimitExceededFault" + text,
			fault.BadCiphertext: "400 InvalidParameterValueException" + text,
			fault.BadSignature:  "400 InvalidParameterValueException" + text,
			fault.Unavailable:   "503 ServiceUnavailable" + text,
		},
	})
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) {
	awstest.TestSecretCause(t, fake, "DeleteAlarms", `{"AlarmNames":["one"]}`)
}

// TestMissingResource: of the operations on tags, what is missing has another
// exception.
func TestMissingResource(t *testing.T) {
	d := newDoor()
	d.Err = about(fault.NotFound, fault.Unspecified)
	a := send(t, d, "ListTagsForResource", `{"ResourceARN":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:one"}`)
	if a.Status != http.StatusNotFound || a.Kind != "ResourceNotFoundException" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestQueryCodes holds that an error has the code of Query in every protocol:
// in the header where the body has the exception.
func TestQueryCodes(t *testing.T) {
	for dir, want := range map[string]string{
		"testdata/requests": `{"__type":"InvalidParameterValueException","message":"The public text."}`,
		"testdata/json":     `{"__type":"InvalidParameterValueException","message":"The public text."}`,
		"testdata/query":    "<Type>Sender</Type>\n<Code>InvalidParameterValue</Code>\n<Message>The public text.</Message>",
	} {
		r, when := awstest.RecordedIn(t, dir, "DeleteAlarms")
		d := newDoor()
		d.Err = about(fault.InvalidArgument, fault.Unspecified)
		w, _ := awstest.Answered(t, d.fake, r, when)
		body := w.Body.String()
		if dir == "testdata/requests" {
			text, err := cbor.JSON(w.Body.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		header := w.Header().Get("X-Amzn-Query-Error")
		if w.Code != http.StatusBadRequest || !strings.Contains(body, want) || (header == "InvalidParameterValue;Sender") == (dir == "testdata/query") {
			t.Errorf("%s: %d, header %q: %s", dir, w.Code, header, body)
		}
	}
}

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	awstest.TestBadInput(t, fake, []awstest.Input{
		{Operation: "DeleteAlarms", Body: `{}`, Want: one + "null at 'alarmNames' failed to satisfy constraint: Member must not be null"},
		{Operation: "DeleteAlarms", Body: `{"AlarmNames":[]}`, Want: one + "'[]' at 'alarmNames' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{Operation: "PutMetricAlarm", Body: instead(put, `"Period":60,`, ""), Want: "MissingRequiredParameterException The parameter Period is required."},
		{Operation: "PutMetricAlarm", Body: instead(put, `"Threshold":1,`, ""), Want: "MissingRequiredParameterException The parameter Threshold is required."},
		{Operation: "PutMetricAlarm", Body: instead(put, "GreaterThanThreshold", "LessThanLowerThreshold"), Want: "InvalidParameterValueException Holdfast does not support the ComparisonOperator LessThanLowerThreshold, which is for anomaly detection."},
		{Operation: "PutMetricAlarm", Body: instead(put, "GreaterThanThreshold", "x"), Want: one + "'x' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [GreaterThanOrEqualToThreshold, GreaterThanThreshold, LessThanThreshold, LessThanOrEqualToThreshold, LessThanLowerOrGreaterThanUpperThreshold, LessThanLowerThreshold, GreaterThanUpperThreshold]"},
		{Operation: "PutMetricAlarm", Body: instead(put, "AWS/KMS", "AWS/EC2"), Want: "InvalidParameterValueException Holdfast does not support the metric Errors of AWS/EC2: it has AWS/KMS Requests, AWS/KMS Errors, AWS/KMS Denied, AWS/KMS Throttles, AWS/KMS SecondsUntilKeyMaterialExpiration, AWS/ACMPrivateCA Success, AWS/ACMPrivateCA Failure, AWS/CertificateManager DaysToExpiry."},
		{Operation: "PutMetricAlarm", Body: with(put, `"ExtendedStatistic":"p99"`), Want: "InvalidParameterValueException Holdfast does not support the parameter ExtendedStatistic."},
		{Operation: "PutMetricAlarm", Body: with(put, `"Metrics":[{}]`), Want: "InvalidParameterValueException Holdfast does not support the parameter Metrics."},
		{Operation: "PutMetricAlarm", Body: with(put, `"EvaluationCriteria":{}`), Want: "InvalidParameterValueException Holdfast does not support the parameter EvaluationCriteria."},
		{Operation: "PutMetricAlarm", Body: with(put, `"AlarmActions":["arn:aws:automate:us-east-1:ec2:stop"]`), Want: "InvalidParameterValueException Holdfast does not support the action arn:aws:automate:us-east-1:ec2:stop: it has SNS topics of the alarm's account and region."},
		{Operation: "PutMetricAlarm", Body: with(put, `"OKActions":["arn:aws:sns:us-west-2:123456789012:calm"]`), Want: "InvalidParameterValueException Holdfast does not support the action arn:aws:sns:us-west-2:123456789012:calm: it has SNS topics of the alarm's account and region."},
		{Operation: "PutMetricAlarm", Body: with(put, `"Dimensions":[{"Name":"KeyId","Value":"alias/pki"}]`), Want: "InvalidParameterValueException The value alias/pki of the dimension KeyId is not the id of a key (neither its ARN nor an alias) of this account and region."},
		{Operation: "PutMetricAlarm", Body: with(put, `"Dimensions":[{"Name":"InstanceId","Value":"i-1"}]`), Want: "InvalidParameterValueException The metric does not have the dimension InstanceId, or not more than once."},
		{Operation: "PutMetricAlarm", Body: with(put, `"TreatMissingData":"x"`), Want: one + "'x' at 'treatMissingData' failed to satisfy constraint: Member must satisfy enum value set: [missing, ignore, breaching, notBreaching]"},
		{Operation: "PutMetricAlarm", Body: instead(put, `"Threshold":1`, `"Threshold":"1"`), Want: "SerializationException STRING_VALUE can not be converted to a Double"},
		{Operation: "DescribeAlarms", Body: `{"ChildrenOfAlarmName":"x"}`, Want: "InvalidParameterValueException Holdfast does not support the parameter ChildrenOfAlarmName."},
		{Operation: "DescribeAlarms", Body: `{"AlarmNames":["a"],"AlarmNamePrefix":"b"}`, Want: "InvalidParameterCombinationException The parameters AlarmNames and AlarmNamePrefix must not both be specified."},
		{Operation: "DescribeAlarms", Body: `{"NextToken":"x"}`, Want: "InvalidNextToken The token is not of a page of this listing."},
		{Operation: "SetAlarmState", Body: `{"AlarmName":"a","StateValue":"OK","StateReason":"r","StateReasonData":"{"}`, Want: "InvalidFormatFault The parameter StateReasonData must be JSON."},
		{Operation: "GetMetricStatistics", Body: instead(statistics, `,"Statistics":["Sum"]`, ""), Want: "InvalidParameterCombinationException At least one of the parameters Statistics and ExtendedStatistics must be specified."},
		{Operation: "GetMetricStatistics", Body: with(statistics, `"ExtendedStatistics":["p99"]`), Want: "InvalidParameterValueException Holdfast does not support the parameter ExtendedStatistics."},
		{Operation: "GetMetricStatistics", Body: instead(statistics, "1795435200", "1795431600"), Want: "InvalidParameterValueException The parameter StartTime must be less than the parameter EndTime."},
		{Operation: "GetMetricStatistics", Body: instead(statistics, `"Period":60`, `"Period":5`), Want: "InvalidParameterValueException The parameter Period must be 10, 20, 30 or a multiple of 60: Holdfast has no figures finer than of ten seconds."},
		{Operation: "GetMetricStatistics", Body: instead(statistics, "1795435200", "1795518060"), Want: "InvalidParameterCombinationException You have requested up to 1441 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."},
		{Operation: "GetMetricData", Body: instead(data, `"Stat":"Sum"`, `"Stat":"p99"`), Want: "InvalidParameterValueException Holdfast does not support the statistic p99: it has SampleCount, Average, Sum, Minimum, Maximum, and keeps no distributions."},
		{Operation: "GetMetricData", Body: instead(data, `"Id":"m1"`, `"Id":"M1"`), Want: "InvalidParameterValueException The id M1 is not one that begins with a small letter and is there once."},
		{Operation: "GetMetricData", Body: instead(data, `"Id":"m1"`, `"Id":"m1","Expression":"SUM(METRICS())"`), Want: "InvalidParameterValueException Holdfast does not support the parameter metricDataQueries.1.member.Expression."},
		{Operation: "GetMetricData", Body: instead(data, `"Id":"m1"`, `"Id":"m1","AccountId":"2"`), Want: "InvalidParameterValueException Holdfast does not support the parameter AccountId of another account."},
		{Operation: "GetMetricData", Body: instead(data, `"Id":"m1"`, `"Id":"m1","Label":"${MAX}"`), Want: "InvalidParameterValueException Holdfast does not support dynamic labels, as in the parameter Label of m1."},
		{Operation: "GetMetricData", Body: `{"MetricDataQueries":[{"Id":"m1"}],"StartTime":1,"EndTime":2}`, Want: "InvalidParameterCombinationException The query m1 must have a MetricStat."},
		{Operation: "ListMetrics", Body: `{"IncludeLinkedAccounts":true}`, Want: "InvalidParameterValueException Holdfast does not support the parameter IncludeLinkedAccounts."},
		{Operation: "TagResource", Body: `{"ResourceARN":"arn:aws:cloudwatch:us-west-2:123456789012:alarm:a","Tags":[]}`, Want: "InvalidParameterValueException The value of the parameter ResourceARN is not the ARN of an alarm of this account and region."},
		{Operation: "GetDashboard", Body: `{}`, Want: "InvalidAction The operation GetDashboard is not supported by Holdfast."},
	})
}
