package cloudwatch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudwatch"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// fake returns the API over this door.
func (d *door) fake(testing.TB) (front.Service, *awstest.Door) {
	return cloudwatch.New(metricsDoor{d}, alarmsDoor{d}), &d.Door
}

// TestMessage holds the message of an alarm, by messages of Amazon CloudWatch's
// that people published.
func TestMessage(t *testing.T) {
	a := anAlarm()
	subject, text := cloudwatch.Style{}.Message(a, alarm.OK)
	if want := `ALARM: "one <& two>" in US East (N. Virginia)`; subject != want {
		t.Errorf("subject %q, want %q", subject, want)
	}
	const want = `{"AlarmName":"one <& two>","AlarmDescription":"a text","AWSAccountId":"123456789012",` +
		`"AlarmConfigurationUpdatedTimestamp":"2026-11-23T11:00:00.500+0000","NewStateValue":"ALARM","NewStateReason":"a reason",` +
		`"StateChangeTime":"2026-11-23T11:00:01.500+0000","Region":"US East (N. Virginia)",` +
		`"AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:one <& two>","OldStateValue":"OK","OKActions":[],` +
		`"AlarmActions":["arn:aws:sns:us-east-1:123456789012:alerts"],"InsufficientDataActions":[],` +
		`"Trigger":{"MetricName":"Errors","Namespace":"AWS/KMS","StatisticType":"Statistic","Statistic":"SUM","Unit":"Count",` +
		`"Dimensions":[{"value":"` + keyID + `","name":"KeyId"},{"value":"Sign","name":"Operation"}],"Period":300,"EvaluationPeriods":3,` +
		`"DatapointsToAlarm":2,"ComparisonOperator":"GreaterThanOrEqualToThreshold","Threshold":1.5,"TreatMissingData":"notBreaching",` +
		`"EvaluateLowSampleCountPercentile":""}}`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	a.Description, a.Rule.Unit, a.Rule.Threshold, a.Rule.Datapoints, a.Region = "", "", 1, 0, "mars-north-1"
	a.Name = strings.Repeat("ü", 200)
	subject, text = cloudwatch.Style{}.Message(a, alarm.OK)
	if len(subject) != 100 || !strings.HasSuffix(subject, `?..." in mars-north-1`) {
		t.Errorf("subject %q of %d", subject, len(subject))
	}
	for _, part := range []string{`"AlarmDescription":null`, `"Unit":null`, `"Threshold":1.0`, `"EvaluationPeriods":3,"ComparisonOperator"`, `"Region":"mars-north-1"`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is not in %s", part, text)
		}
	}
}

// TestDetails holds what an alarm says of what it was found from, and that it
// is not longer than AWS's model has it.
func TestDetails(t *testing.T) {
	j := &alarm.Judgement{At: at}
	for i := range 40 {
		j.Points = append(j.Points, metric.Point{Time: at.Add(-time.Duration(i) * time.Minute), Samples: 123456, Sum: 1.25})
	}
	text := cloudwatch.Style{}.Details(anAlarm(), j)
	var got struct {
		RecentDatapoints    []float64
		EvaluatedDatapoints []struct{ Timestamp string }
		StartDate           string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(text) > 4000 {
		t.Fatalf("%d bytes, %v: %s", len(text), err, text)
	}
	last := len(got.EvaluatedDatapoints) - 1
	if len(got.RecentDatapoints) != last+1 || got.StartDate != got.EvaluatedDatapoints[last].Timestamp {
		t.Error(text)
	}
}

// TestDataPages pages through data, a datapoint at a time, in both orders.
func TestDataPages(t *testing.T) {
	query := func(id, stat string) string {
		return `{"Id":"` + id + `","MetricStat":{"Metric":{"Namespace":"AWS/KMS","MetricName":"Errors"},"Period":60,"Stat":"` + stat + `"}}`
	}
	for scan, want := range map[string]string{
		"TimestampAscending":  "m1 PartialData [1]; m1 Complete [0]; m2 PartialData [0.25]; m2 Complete [0]; ",
		"TimestampDescending": "m1 PartialData [0]; m1 Complete [1]; m2 PartialData [0]; m2 Complete [0.25]; ",
	} {
		got, token := "", ""
		for range 5 {
			body := `{"MetricDataQueries":[` + query("m1", "Sum") + `,` + query("m2", "Average") + `],"StartTime":1795431600,"EndTime":1795435200,` +
				`"MaxDatapoints":1,"ScanBy":"` + scan + `","NextToken":"` + token + `"}`
			a := send(t, newDoor(), "GetMetricData", body)
			var page struct {
				MetricDataResults []struct {
					ID         string `json:"Id"`
					StatusCode string
					Values     []float64
				}
				NextToken string
			}
			if err := json.Unmarshal([]byte(a.Body), &page); err != nil {
				t.Fatal(err)
			}
			for _, r := range page.MetricDataResults {
				got += fmt.Sprint(r.ID, " ", r.StatusCode, " ", r.Values, "; ")
			}
			if token = page.NextToken; token == "" {
				break
			}
		}
		if got != want || token != "" {
			t.Errorf("%s: got %s, want %s", scan, got, want)
		}
	}
}

// TestEmpty holds that what Holdfast has no figures of has none, and that the
// call is decided and on record all the same.
func TestEmpty(t *testing.T) {
	d := newDoor()
	for _, body := range []string{
		strings.Replace(statistics, "AWS/KMS", "AWS/EC2", 1), with(statistics, `"Unit":"Bytes"`),
		with(statistics, `"Dimensions":[{"Name":"KeyId","Value":"alias/pki"}]`),
	} {
		d.Log = nil
		send(t, d, "GetMetricStatistics", body)
		if len(d.Log) != 1 || !strings.Contains(d.Log[0], `calls requests "none"`) {
			t.Errorf("%s asks %q", body, d.Log)
		}
	}
}

// TestNames holds that every metric that is kept has a name, and back.
func TestNames(t *testing.T) {
	d := newDoor()
	d.series = nil
	for _, k := range []metric.Kind{metric.Calls, metric.Issues, metric.Material, metric.Expiry} {
		s := errorsOf.Series
		s.Kind = k
		if k != metric.Calls {
			s.Operation = 0
		}
		d.series = append(d.series, s)
	}
	a := send(t, d, "ListMetrics", `{}`)
	var list struct{ Metrics []json.RawMessage }
	if err := json.Unmarshal([]byte(a.Body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Metrics) != 8 {
		t.Errorf("%d metrics: %s", len(list.Metrics), a.Body)
	}
	for _, m := range list.Metrics {
		put := `{"AlarmName":"a","Statistic":"Sum","Period":60,"EvaluationPeriods":1,"Threshold":1,"ComparisonOperator":"LessThanThreshold",` + string(m[1:])
		d.Log = nil
		if a := send(t, d, "PutMetricAlarm", put); a.Status != 200 || len(d.Log) != 1 {
			t.Errorf("%s: %d %s", m, a.Status, a.Body)
		}
	}
}
