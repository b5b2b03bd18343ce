package aws

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// listener is an HTTPS server that gets what a topic has to say.
type listener struct {
	*httptest.Server
	got chan heard
}

// heard is a message of Amazon SNS.
type heard struct{ Type, Token, TopicArn, Subject, Message string }

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{got: make(chan heard, 16)}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var h heard
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil && json.Unmarshal(body, &h) == nil {
			l.got <- h
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// next returns the next message of a type.
func (l *listener) next(t *testing.T, kind string) heard {
	t.Helper()
	for {
		select {
		case h := <-l.got:
			if h.Type == kind {
				return h
			}
		case <-time.After(time.Minute):
			t.Fatalf("no %s arrived", kind)
		}
	}
}

// watched starts a server of the test's own that trusts the listener and whose
// clock is quick, and returns it with its environment. More is what else is in
// its configuration.
func watched(t *testing.T, l *listener, more ...string) *target {
	t.Helper()
	tg, _ := setup(t)
	onlyOurs(t, tg)
	dir := t.TempDir()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})
	write(t, dir, "listener.pem", certificate)
	write(t, dir, "config.yaml", []byte("lifecycle: {interval: 200ms}\negress: {ca_certificate: "+filepath.Join(dir, "listener.pem")+"}\n"+strings.Join(more, "\n")))
	server, err := compat.Start(t.Context(), tg.server.Binary, filepath.Join(dir, "data"), "--in-memory", "--config", filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	own := &target{url: server.URL, region: tg.region, account: tg.account, server: server}
	own.env = append(compat.Environ(), server.Env...)
	own.env = append(own.env, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	own.creds = aws.Credentials{
		AccessKeyID: compat.Lookup(server.Env, "AWS_ACCESS_KEY_ID"), SecretAccessKey: compat.Lookup(server.Env, "AWS_SECRET_ACCESS_KEY"),
	}
	if own.http, err = compat.Trusting(compat.Lookup(server.Env, "AWS_CA_BUNDLE")); err != nil {
		t.Fatal(err)
	}
	return own
}

// alarmMessage is what an alarm publishes.
type alarmMessage struct {
	AlarmName, NewStateValue, NewStateReason, OldStateValue, AlarmArn string
	Trigger                                                           struct {
		MetricName, Namespace, Statistic string
		Dimensions                       []struct{ Name, Value string }
		Threshold                        float64
	}
}

// TestAlarm has the AWS CLI make an alarm over the errors of a key, and then
// errors: the alarm goes off, a subscriber over HTTPS hears of it, and
// aws-sdk-go-v2, the CLI and boto3 are told the same figures.
func TestAlarm(t *testing.T) {
	t.Parallel()
	need(t, programs().aws)
	need(t, programs().boto3)
	l := newListener(t)
	tg := watched(t, l)
	ctx := t.Context()
	topic := subscribed(t, tg, l, "key-watch")
	keys := tg.kms(tg.creds)
	made, err := keys.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	tg.execute(t, t.TempDir(), "aws", "cloudwatch", "put-metric-alarm", "--alarm-name", "signing-fails", "--metric-name", "Errors",
		"--namespace", "AWS/KMS", "--statistic", "Sum", "--period", "10", "--threshold", "2", "--comparison-operator", "GreaterThanOrEqualToThreshold",
		"--dimensions", "Name=KeyId,Value="+*id, "--evaluation-periods", "1", "--alarm-actions", topic)
	began := time.Now()
	fail(t, keys, id)

	checkMessage(t, l.next(t, "Notification"), topic, *id)
	listed, err := tg.server.Run(ctx, "alarm", "list", "--state", "alarm")
	if row := regexp.MustCompile(`(?m)^signing-fails +alarm .* calls errors ` + *id + ` +sum greater-or-equal 2 in 1 of 1 x 10s`); err != nil || !row.MatchString(listed) {
		t.Errorf("%v: %s", err, listed)
	}
	checkFigures(t, tg, id, began)
	file, err := filepath.Abs("testdata/cloudwatch/cloudwatch.py")
	if err != nil {
		t.Fatal(err)
	}
	out := tg.execute(t, t.TempDir(), "python3", file, *id, topic)
	if !strings.Contains(out, "all is as it should be") {
		t.Error(out)
	}
	again := l.next(t, "Notification") // the one that the drill in the Python program called for
	if !strings.HasPrefix(again.Subject, `ALARM: "drill-`) {
		t.Errorf("%+v", again)
	}
}

// fail has the key refuse to sign, three times within ten seconds of the clock.
func fail(t *testing.T, keys *kms.Client, id *string) {
	t.Helper()
	if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if end := now.Truncate(10 * time.Second).Add(10 * time.Second); end.Sub(now) < 2*time.Second {
		time.Sleep(end.Sub(now)) // else the period might end between two of them
	}
	for range 3 {
		_, err := keys.Sign(t.Context(), &kms.SignInput{KeyId: id, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if code(err) != "DisabledException" {
			t.Fatal(err)
		}
	}
}

func checkMessage(t *testing.T, h heard, topic, id string) {
	t.Helper()
	var m alarmMessage
	if err := json.Unmarshal([]byte(h.Message), &m); err != nil {
		t.Fatalf("%v: %s", err, h.Message)
	}
	if h.TopicArn != topic || !strings.HasPrefix(h.Subject, `ALARM: "signing-fails" in `) {
		t.Errorf("topic %s, subject %s", h.TopicArn, h.Subject)
	}
	if m.AlarmName != "signing-fails" || m.NewStateValue != "ALARM" || !strings.Contains(m.NewStateReason, "[3.0 (") ||
		!strings.HasSuffix(m.AlarmArn, ":alarm:signing-fails") || m.Trigger.MetricName != "Errors" || m.Trigger.Namespace != "AWS/KMS" ||
		m.Trigger.Statistic != "SUM" || m.Trigger.Threshold != 2 || len(m.Trigger.Dimensions) != 1 || m.Trigger.Dimensions[0].Value != id {
		t.Errorf("%s", h.Message)
	}
}

// checkFigures asks aws-sdk-go-v2, which speaks CBOR.
func checkFigures(t *testing.T, tg *target, id *string, began time.Time) {
	t.Helper()
	c := cloudwatch.New(cloudwatch.Options{
		Region: tg.region, HTTPClient: tg.http, Credentials: provider(tg.creds), RetryMaxAttempts: 1, BaseEndpoint: tg.base(),
	})
	ctx := t.Context()
	if err := cloudwatch.NewAlarmExistsWaiter(c).Wait(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"signing-fails"}}, time.Minute); err != nil {
		t.Error(err)
	}
	dimension := cwtypes.Dimension{Name: aws.String("KeyId"), Value: id}
	metric := func(name string) *cwtypes.MetricStat {
		return &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String("AWS/KMS"), MetricName: &name, Dimensions: []cwtypes.Dimension{dimension}},
			Period: aws.Int32(3600), Stat: aws.String("Sum"),
		}
	}
	data, err := c.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("e"), MetricStat: metric("Errors")}, {Id: aws.String("r"), MetricStat: metric("Requests")}},
		StartTime:         aws.Time(began.Add(-time.Hour)), EndTime: aws.Time(began.Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range data.MetricDataResults {
		for i, v := range r.Values {
			got[*r.Id] += v
			if age := time.Since(r.Timestamps[i]); age < 0 || age > 3*time.Hour {
				t.Errorf("a datapoint is of %s", r.Timestamps[i])
			}
		}
	}
	if got["e"] != 3 || got["r"] != 5 { // it was made, disabled, and refused to sign
		t.Errorf("figures: %v", got)
	}
	_, err = c.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("none"), StateValue: cwtypes.StateValueOk, StateReason: aws.String("r")})
	refused(t, err, "ResourceNotFound", "The alarm does not exist.")
	_, err = c.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("percentile"), ExtendedStatistic: aws.String("p99"), MetricName: aws.String("Requests"), Namespace: aws.String("AWS/KMS"),
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	})
	refused(t, err, "InvalidParameterValue", "Holdfast does not support the parameter ExtendedStatistic.")
	_, err = c.GetDashboard(context.WithoutCancel(ctx), &cloudwatch.GetDashboardInput{DashboardName: aws.String("none")})
	refused(t, err, "InvalidAction", "*")
}

// alarmCall finds the operations that the Python program calls.
var alarmCall = regexp.MustCompile(`(?:cw|first)\.(?:get_paginator\(")?([a-z]+_[a-z_]+)`)

// TestEveryAlarmOperationHasACase: what the page documents, cloudwatch.py calls.
func TestEveryAlarmOperationHasACase(t *testing.T) {
	everyDocumented(t, "aws-cloudwatch.md", "testdata/cloudwatch/cloudwatch.py", alarmCall)
}

// TestNoticeOnATopic: who subscribes to the topic of a channel of notices hears
// that a key is to be destroyed, and that a caller is refused again and again.
func TestNoticeOnATopic(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	tg := watched(t, l, "notices:", "  channels:", "    - {name: bus, topic: {name: ops, region: us-east-1}}", "  denials: 3")
	topic := subscribed(t, tg, l, "ops")
	keys := tg.kms(tg.creds)
	made, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	if _, err := keys.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(30)}); err != nil {
		t.Fatal(err)
	}
	told := l.next(t, "Notification")
	if told.TopicArn != topic || !strings.Contains(told.Subject, "warning") || !strings.Contains(told.Message, "key.deletion-pending") || !strings.Contains(told.Message, *id) {
		t.Errorf("the subscriber is told %+v", told)
	}
	stranger, who := newUser(t, tg, "")
	refused := tg.kms(stranger)
	for range 3 {
		if _, err := refused.ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
			t.Fatal("a user without rights is served")
		}
	}
	if told := l.next(t, "Notification"); !strings.Contains(told.Message, "access.denied-burst") || !strings.Contains(told.Message, filepath.Base(who)) {
		t.Errorf("the subscriber is told %+v", told)
	}
}
