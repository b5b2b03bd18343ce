package aws

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// subscribed returns the ARN of a new topic of a server, with the listener as
// its confirmed subscriber.
func subscribed(t *testing.T, tg *target, l *listener, name string) string {
	t.Helper()
	c := sns.New(sns.Options{Region: tg.region, HTTPClient: tg.http, Credentials: provider(tg.creds), RetryMaxAttempts: 1, BaseEndpoint: tg.base()})
	topic, err := c.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("https"), Endpoint: &l.URL}); err != nil {
		t.Fatal(err)
	}
	token := l.next(t, "SubscriptionConfirmation").Token
	if _, err := c.ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: topic.TopicArn, Token: &token}); err != nil {
		t.Fatal(err)
	}
	return *topic.TopicArn
}

// renewalManager is the program of a text that looks for certificates which end
// soon and tells of them: its class, and the handler after it.
var renewalManager = regexp.MustCompile(`(?m)^class CertificateRenewalManager:\n(?:(?:[ \t].*)?\n)+def lambda_handler\(event, context\):\n(?:(?:[ \t].*)?\n)+`)

// TestSeedRenewalManager runs that program, unchanged, from the texts in the
// folder HOLDFAST_SEEDS: its list of certificates, its look at one of them, and
// its handler, of whose message a subscriber of the topic hears.
func TestSeedRenewalManager(t *testing.T) {
	sources := seedPrograms(t, renewalManager)
	need(t, programs().boto3)
	l := newListener(t)
	tg := watched(t, l)
	authority, _ := newAuthority(t, tg)
	topic := subscribed(t, tg, l, "expiry")
	for _, source := range sources {
		work := t.TempDir()
		write(t, work, "manager.py", []byte("import boto3\nfrom datetime import datetime, timedelta\nimport json\n\n"+source))
		write(t, work, "run.py", []byte(`
import json, subprocess, sys
import boto3
from manager import CertificateRenewalManager, lambda_handler

ca, topic = sys.argv[1:]
acm = boto3.client("acm")
arn = acm.request_certificate(DomainName="seed.example.com", CertificateAuthorityArn=ca)["CertificateArn"]
manager = CertificateRenewalManager()
assert arn not in [c["arn"] for c in manager.check_expiring_certificates()]
found = [c for c in manager.check_expiring_certificates(days_threshold=400) if c["arn"] == arn]
assert found and found[0]["type"] == "PRIVATE" and found[0]["status"] == "ISSUED" and found[0]["domain"] == "seed.example.com", found
assert manager.renew_private_certificate(arn, ca) == {"old_cert_arn": arn, "domain": "seed.example.com", "status": "renewed"}

assert json.loads(lambda_handler({"sns_topic_arn": topic, "ca_arn": ca}, None)["body"])["expiring_count"] == 0
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "old.key",
                "-out", "old.pem", "-days", "20", "-subj", "/CN=old.example.com", "-addext", "subjectAltName=DNS:old.example.com"],
               check=True, capture_output=True)
old = acm.import_certificate(Certificate=open("old.pem", "rb").read(), PrivateKey=open("old.key", "rb").read())["CertificateArn"]
answer = lambda_handler({"sns_topic_arn": topic, "ca_arn": ca}, None)
body = json.loads(answer["body"])
assert answer["statusCode"] == 200 and body["expiring_count"] == 1 and body["expiring_certificates"][0]["arn"] == old, answer
`))
		tg.execute(t, work, "python3", "run.py", authority, topic)
		told := l.next(t, "Notification")
		var message struct {
			Subject  string                                  `json:"subject"`
			Expiring []struct{ Domain, Type, Status string } `json:"expiring_certificates"`
		}
		if err := json.Unmarshal([]byte(told.Message), &message); err != nil {
			t.Fatalf("%v: %s", err, told.Message)
		}
		if told.Subject != "Certificate Expiry Alert" || !strings.HasPrefix(message.Subject, told.Subject+": 1 ") ||
			len(message.Expiring) != 1 || message.Expiring[0].Domain != "old.example.com" || message.Expiring[0].Type != "IMPORTED" {
			t.Errorf("the subscriber is told %+v", told)
		}
	}
}

// signingHandler is the program of a text that signs the digest of what it
// gets: from its imports to its last line that is indented.
var signingHandler = regexp.MustCompile(`(?m)^import boto3\nimport base64\nimport hashlib\n(?:[^\n]*\n){1,4}?def lambda_handler\(event, context\):\n(?:(?:[ \t\x{a0}].*)?\n)+`)

// TestSeedSigningHandler runs that program, unchanged, from the texts in the
// folder HOLDFAST_SEEDS; Go's own ECDSA verifies what it returns. Only the
// no-break spaces that a page has on empty lines become spaces.
func TestSeedSigningHandler(t *testing.T) {
	sources := seedPrograms(t, signingHandler)
	need(t, programs().boto3)
	tg := watched(t, newListener(t))
	keys := tg.kms(tg.creds)
	made, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP384, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/pki-signing-key"), TargetKeyId: made.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	public, err := keys.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: made.KeyMetadata.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		work := t.TempDir()
		write(t, work, "lambda_function.py", []byte(strings.ReplaceAll(source, "\u00a0", " ")))
		out := tg.execute(t, work, "python3", "-c", "import json, lambda_function; print(json.dumps(lambda_function.lambda_handler({'data': 'a document'}, None)))")
		var answer struct {
			StatusCode int    `json:"statusCode"`
			Signature  string `json:"signature"`
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v: %s", err, out)
		}
		signature, err := base64.StdEncoding.DecodeString(answer.Signature)
		digest := sha512.Sum384([]byte("a document"))
		if err != nil || !ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), digest[:], signature) {
			t.Errorf("%v: the signature %s is not the key's", err, answer.Signature)
		}
	}
}

// alarmCommand is the command of a text that makes an alarm.
var alarmCommand = regexp.MustCompile(`(?m)^aws cloudwatch put-metric-alarm (?:[^\n\\]*\\\n)*[^\n\\]*$`)

// TestSeedAlarm runs that command, unchanged but for its placeholder, from the
// texts in the folder HOLDFAST_SEEDS: the key's next error goes off to a
// subscriber of the topic that it names.
func TestSeedAlarm(t *testing.T) {
	commands := seedPrograms(t, alarmCommand)
	need(t, programs().aws)
	l := newListener(t)
	tg := watched(t, l)
	for _, command := range commands {
		action := regexp.MustCompile(`arn:aws:sns:([^:]+):\S+:(\S+)`).FindStringSubmatch(command)
		if action == nil {
			t.Fatalf("it tells no topic: %s", command)
		}
		tg := *tg
		tg.region, tg.env = action[1], append(slices.Clone(tg.env), "AWS_REGION="+action[1], "AWS_DEFAULT_REGION="+action[1])
		if topic := subscribed(t, &tg, l, action[2]); topic != action[0] {
			t.Fatalf("the topic is %s, the command's is %s", topic, action[0])
		}
		keys := tg.kms(tg.creds)
		made, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP384, KeyUsage: types.KeyUsageTypeSignVerify})
		if err != nil {
			t.Fatal(err)
		}
		filled := strings.ReplaceAll(command, "<key-id>", *made.KeyMetadata.KeyId)
		tg.execute(t, t.TempDir(), "bash", "-euc", filled)
		began := time.Now()
		fail(t, keys, made.KeyMetadata.KeyId)
		told := l.next(t, "Notification")
		t.Logf("told after %s: %s", time.Since(began).Round(time.Second), told.Subject)
		var message alarmMessage
		if err := json.Unmarshal([]byte(told.Message), &message); err != nil {
			t.Fatal(err)
		}
		if message.NewStateValue != "ALARM" || !strings.Contains(command, " "+message.AlarmName+" ") || message.Trigger.MetricName != "Errors" {
			t.Errorf("the subscriber is told %+v", message)
		}
	}
}
