package aws

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func (t *target) cloudtrail() *cloudtrail.Client {
	return cloudtrail.New(cloudtrail.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: t.base(),
	})
}

// TestTrail leads a trail through its life with aws-sdk-go-v2, which names
// the service without its name space, and looks up what happened to a key.
func TestTrail(t *testing.T) {
	t.Parallel()
	tg, keys := setup(t)
	c, ctx := tg.cloudtrail(), t.Context()
	name := aws.String("go-" + strconv.FormatInt(time.Now().UnixNano(), 10))
	made, err := c.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: name, S3BucketName: aws.String("audit-logs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.DeleteTrail(context.Background(), &cloudtrail.DeleteTrailInput{Name: name}) // the test may have done it
	})
	if _, err := c.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: made.TrailARN}); err != nil {
		t.Fatal(err)
	}
	status, err := c.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: name})
	if err != nil || !*status.IsLogging || status.StartLoggingTime == nil {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = c.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: name, S3BucketName: aws.String("audit-logs")})
	if _, ok := errors.AsType[*types.TrailAlreadyExistsException](err); !ok {
		t.Errorf("made twice: %v", err)
	}

	k := newKey(t, keys, kmstypes.KeySpecSymmetricDefault, kmstypes.KeyUsageTypeEncryptDecrypt)
	if _, err := keys.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	found := lookup(t, c, types.LookupAttributeKeyResourceName, *k.Arn)
	if len(found) != 2 || *found[0].EventName != "Encrypt" || *found[1].EventName != "CreateKey" || *found[0].EventSource != "kms.amazonaws.com" {
		t.Fatalf("found %+v", found)
	}
	var record struct {
		EventName   string
		AwsRegion   string
		ReadOnly    bool
		EventID     string
		RequestID   string
		ErrorCode   string
		Resources   []struct{ ARN string }
		TLSDetails  *struct{} `json:"tlsDetails"`
		UserAgent   string
		EventSource string
	}
	if err := json.Unmarshal([]byte(*found[0].CloudTrailEvent), &record); err != nil {
		t.Fatal(err)
	}
	if record.EventName != "Encrypt" || record.AwsRegion != tg.region || !record.ReadOnly || record.EventID != *found[0].EventId || record.Resources[0].ARN != *k.Arn {
		t.Errorf("the record is %s", *found[0].CloudTrailEvent)
	}
	if again := lookup(t, c, types.LookupAttributeKeyEventId, *found[0].EventId); len(again) != 1 || *again[0].EventName != "Encrypt" {
		t.Errorf("by its id: %+v", again)
	}
	if _, err := c.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetTrail(ctx, &cloudtrail.GetTrailInput{Name: name})
	if _, ok := errors.AsType[*types.TrailNotFoundException](err); !ok {
		t.Errorf("a trail that is deleted: %v", err)
	}
}

// lookup returns all events that have an attribute.
func lookup(t *testing.T, c *cloudtrail.Client, name types.LookupAttributeKey, value string) (list []types.Event) {
	t.Helper()
	pages := cloudtrail.NewLookupEventsPaginator(c, &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: name, AttributeValue: &value}}, MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page.Events...)
	}
	return list
}

// trailCall finds the operations that the Python program calls.
var trailCall = regexp.MustCompile(`trails\.(?:get_paginator\(")?([a-z]+_[a-z_]+)`)

// TestEveryTrailOperationHasACase: what the page documents, trail.py calls.
func TestEveryTrailOperationHasACase(t *testing.T) {
	everyDocumented(t, "aws-cloudtrail.md", "testdata/trail.py", trailCall)
}

// complianceChecker is the class of a text that reports on keys and trails:
// from its first line to the next one that is not indented.
var complianceChecker = regexp.MustCompile(`(?m)^class KMSComplianceChecker:\n(?:(?:[ \t].*)?\n)+`)

// TestSeedComplianceChecker runs that class, unchanged, from the texts in the
// folder HOLDFAST_SEEDS, in a region without trails and then with one.
func TestSeedComplianceChecker(t *testing.T) {
	tg, _ := setup(t)
	need(t, programs().boto3)
	for _, class := range seedPrograms(t, complianceChecker) {
		work := t.TempDir()
		program := "import boto3, json\nfrom datetime import datetime, timedelta\nfrom typing import List, Dict, Any\n\n" + class + `
region = "ap-southeast-3"
checker = KMSComplianceChecker(region)
key = checker.kms_client.create_key()["KeyMetadata"]["KeyId"]
report = checker.generate_compliance_report()
assert [i["severity"] for i in report["issues"]["logging"]] == ["HIGH"], report
assert [i["key_id"] for i in report["issues"]["key_rotation"]] == [key], report
trails = boto3.client("cloudtrail", region_name=region)
trails.create_trail(Name="seed", S3BucketName="audit-logs")
trails.start_logging(Name="seed")
checker.kms_client.enable_key_rotation(KeyId=key)
report = checker.generate_compliance_report()
assert report["issues"]["logging"] == [] and report["issues"]["key_rotation"] == [] and report["summary"]["high_severity"] == 0, report
trails.delete_trail(Name="seed")
checker.kms_client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
`
		write(t, work, "checker.py", []byte(program))
		tg.execute(t, work, "python3", "checker.py")
	}
}
