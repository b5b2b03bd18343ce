package cloudtrail_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudtrail"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: cloudtrail.Operations(), Update: *update})
}

// TestBothTargets: SDKs that are made from Smithy models name the service
// without its name space.
func TestBothTargets(t *testing.T) {
	service, d := fake(t)
	for _, target := range []string{service.Target, "CloudTrail_20131101"} {
		r := awstest.NewRequest(t, service, "ListTrails", "{}")
		r.Header.Set(sigv4.HeaderTarget, target+".ListTrails")
		sigv4.Sign(r, []byte("{}"), sigv4.Credentials{
			AccessKeyID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		}, "us-east-1", service.Scope, time.Now())
		w := httptest.NewRecorder()
		front.New(front.Config{Services: []front.Service{service}, Directory: awstest.NewDirectory(), Door: d}).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

// TestOperations holds the table against the list of AWS's operations
// (botocore 1.43.11): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `AddTags CancelQuery CreateChannel CreateDashboard CreateEventDataStore CreateTrail DeleteChannel DeleteDashboard
DeleteEventDataStore DeleteResourcePolicy DeleteTrail DeregisterOrganizationDelegatedAdmin DescribeQuery DescribeTrails
DisableFederation EnableFederation GenerateQuery GetChannel GetDashboard GetEventConfiguration GetEventDataStore
GetEventSelectors GetImport GetInsightSelectors GetQueryResults GetResourcePolicy GetTrail GetTrailStatus ListChannels
ListDashboards ListEventDataStores ListImportFailures ListImports ListInsightsData ListInsightsMetricData ListPublicKeys
ListQueries ListTags ListTrails LookupEvents PutEventConfiguration PutEventSelectors PutInsightSelectors PutResourcePolicy
RegisterOrganizationDelegatedAdmin RemoveTags RestoreEventDataStore SearchSampleQueries StartDashboardRefresh
StartEventDataStoreIngestion StartImport StartLogging StartQuery StopEventDataStoreIngestion StopImport StopLogging
UpdateChannel UpdateDashboard UpdateEventDataStore UpdateTrail`
	awstest.TestOperations(t, cloudtrail.Operations(), all)
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-cloudtrail.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var served, unserved []string
	for _, o := range cloudtrail.Operations() {
		if o.Served {
			served = append(served, o.Name)
		} else {
			unserved = append(unserved, o.Name)
		}
	}
	text := fmt.Sprintf("%d of %d: %s.\n\nNot served: %s.\n", len(served), len(served)+len(unserved), strings.Join(served, ", "), strings.Join(unserved, ", "))
	const begin, end = "<!-- operations: written by go test ./internal/front/aws/cloudtrail -update -->\n", "<!-- end of operations -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no marks for the operations")
	}
	want := before + begin + text + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws-cloudtrail.md is out of date: go test ./internal/front/aws/cloudtrail -update")
	}
}
