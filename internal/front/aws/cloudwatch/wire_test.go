package cloudwatch_test

import (
	"encoding/xml"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudwatch"
	"github.com/holdfast-kms/holdfast/internal/wire/cbor"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// readCBOR returns what an answer in CBOR says, as JSON.
func readCBOR(t *testing.T) func(string) string {
	return func(body string) string {
		text, err := cbor.JSON([]byte(body))
		if err != nil {
			t.Errorf("%x: %v", body, err)
			return body
		}
		return normal(t, text)
	}
}

// TestWirePairs sends what botocore sends for every operation, in CBOR, and
// compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: cloudwatch.Operations(), Update: *update, Mask: readCBOR(t)})
}

// TestProtocols holds that what botocore sends in JSON 1.0 and in Query asks
// the door the same as in CBOR, and has the same answer.
func TestProtocols(t *testing.T) {
	for _, o := range cloudwatch.Operations() {
		if !o.Served {
			continue
		}
		t.Run(o.Name, func(t *testing.T) {
			r, when := awstest.Recorded(t, o.Name)
			first, door := awstest.Answered(t, fake, r, when)
			if first.Header().Get("Content-Type") != "application/cbor" || first.Header().Get("Smithy-Protocol") != "rpc-v2-cbor" {
				t.Errorf("headers in CBOR: %v", first.Header())
			}
			said := readCBOR(t)(first.Body.String())

			r, when = awstest.RecordedIn(t, "testdata/json", o.Name)
			second, other := awstest.Answered(t, fake, r, when)
			body := second.Body.Bytes()
			if len(body) == 0 {
				body = []byte("{}")
			}
			if second.Header().Get("Content-Type") != "application/x-amz-json-1.0" || second.Code != http.StatusOK {
				t.Errorf("JSON: %d, headers %v: %s", second.Code, second.Header(), body)
			}
			if got := normal(t, body); got != said {
				t.Errorf("JSON:\n%s\nCBOR:\n%s", got, said)
			}
			if !slices.Equal(door.Log, other.Log) {
				t.Errorf("JSON asks %q\nCBOR asks %q", other.Log, door.Log)
			}

			r, when = awstest.RecordedIn(t, "testdata/query", o.Name)
			third, last := awstest.Answered(t, fake, r, when)
			if !slices.Equal(door.Log, last.Log) {
				t.Errorf("Query asks %q\nCBOR asks  %q", last.Log, door.Log)
			}
			if third.Header().Get("Content-Type") != "text/xml" || third.Code != http.StatusOK {
				t.Errorf("Query: %d, headers %v: %s", third.Code, third.Header(), third.Body)
			}
			checkXML(t, o.Name, third.Body.String())
		})
	}
}

// checkXML compares an answer with testdata/xml.
func checkXML(t *testing.T, operation, got string) {
	t.Helper()
	var whole struct {
		XMLName  xml.Name
		Metadata struct {
			RequestID string `xml:"RequestId"`
		} `xml:"ResponseMetadata"`
	}
	if err := xml.Unmarshal([]byte(got), &whole); err != nil {
		t.Fatal(err)
	}
	if whole.XMLName.Space != "http://monitoring.amazonaws.com/doc/2010-08-01/" || whole.XMLName.Local != operation+"Response" || whole.Metadata.RequestID == "" {
		t.Errorf("%+v", whole)
	}
	got = strings.ReplaceAll(got, whole.Metadata.RequestID, "ID")
	path := filepath.Join("testdata", "xml", operation+".xml")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, cloudwatch 1.75.5): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `AssociateDatasetKmsKey CreateResourceMetricsConfiguration DeleteAlarmMuteRule DeleteAlarms
DeleteAnomalyDetector DeleteDashboards DeleteInsightRules DeleteMetricStream DeleteResourceMetricsConfiguration
DescribeAlarmContributors DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric DescribeAnomalyDetectors
DescribeInsightRules DisableAlarmActions DisableInsightRules DisassociateDatasetKmsKey EnableAlarmActions
EnableInsightRules GetAlarmMuteRule GetDashboard GetDataset GetInsightRuleReport GetMetricData GetMetricStatistics
GetMetricStream GetMetricWidgetImage GetOTelEnrichment GetResourceMetricsConfiguration ListAlarmMuteRules ListDashboards
ListManagedInsightRules ListMetricStreams ListMetrics ListTagsForResource PutAlarmMuteRule PutAnomalyDetector
PutCompositeAlarm PutDashboard PutInsightRule PutLogAlarm PutManagedInsightRules PutMetricAlarm PutMetricData
PutMetricStream SetAlarmState StartMetricStreams StartOTelEnrichment StopMetricStreams StopOTelEnrichment TagResource
UntagResource UpdateOTelEnrichment UpdateResourceMetricsConfiguration`
	awstest.TestOperations(t, cloudwatch.Operations(), all)
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-cloudwatch.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var served, not []string
	for _, o := range cloudwatch.Operations() {
		if o.Served {
			served = append(served, o.Name)
		} else {
			not = append(not, o.Name)
		}
	}
	const begin, end = "<!-- operations: written by go test ./internal/front/aws/cloudwatch -update -->\n", "<!-- end of operations -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no marks for the operations")
	}
	table := fmt.Sprintf("%d of %d: %s.\n\nRefused by name: %s.\n", len(served), len(served)+len(not), strings.Join(served, ", "), strings.Join(not, ", "))
	want := before + begin + table + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws-cloudwatch.md is out of date: go test ./internal/front/aws/cloudwatch -update")
	}
}

// FuzzHandler holds that any body to any operation is answered, see
// awstest.FuzzHandler.
func FuzzHandler(f *testing.F) {
	for _, file := range []string{"PutMetricAlarm", "GetMetricData", "ListMetrics"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "json", file+".http"))
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		f.Add(file, body)
	}
	awstest.FuzzHandler(f, fake)
}
