package sns_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/front/aws/sns"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/topic"
)

func message() *topic.Message {
	return &topic.Message{
		Kind: topic.Notification, ID: "m", Topic: topic.Ref(key.DefaultRealm, "us-east-1", "orders"), DisplayName: "Orders", Subject: "S",
		Body: "two\nlines", Time: time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC), Token: "t", Signature: []byte{1, 2}, Version: 1,
		Certificate: "c", Attributes: []topic.Attribute{{Name: "n", Type: "Number", Text: "1"}, {Name: "b", Type: "Binary", Bytes: []byte{3}}},
	}
}

// TestCanonical has what signatures are over ("Verifying the signatures of
// Amazon SNS messages", Amazon SNS Developer Guide).
func TestCanonical(t *testing.T) {
	f := &sns.Form{PublicURL: "https://kms.example.com/"}
	m := message()
	const notification = "Message\ntwo\nlines\nMessageId\nm\nSubject\nS\nTimestamp\n2026-11-23T12:00:00.005Z\nTopicArn\n" + arn + "\nType\nNotification\n"
	if diff := cmp.Diff(notification, string(f.Canonical(m))); diff != "" {
		t.Error(diff)
	}
	m.Subject = ""
	if diff := cmp.Diff(strings.Replace(notification, "Subject\nS\n", "", 1), string(f.Canonical(m))); diff != "" {
		t.Error(diff)
	}
	m.Kind = topic.Confirmation
	got := string(f.Canonical(m))
	want := "\nMessageId\nm\nSubscribeURL\nhttps://kms.example.com/?Action=ConfirmSubscription&TopicArn=" + arn +
		"&Token=t\nTimestamp\n2026-11-23T12:00:00.005Z\nToken\nt\nTopicArn\n" + arn + "\nType\nSubscriptionConfirmation\n"
	if !strings.HasPrefix(got, "Message\n") || !strings.HasSuffix(got, want) {
		t.Errorf("%q", got)
	}
}

// TestPost has deliveries over HTTP, raw and not.
func TestPost(t *testing.T) {
	f := &sns.Form{PublicURL: "https://kms.example.com"}
	s := newDoor().subscription
	header, body := f.Post(message(), s, "application/json")
	raw := []topic.Header{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "User-Agent", Value: "Amazon Simple Notification Service Agent"},
		{Name: "x-amz-sns-message-type", Value: "Notification"},
		{Name: "x-amz-sns-message-id", Value: "m"},
		{Name: "x-amz-sns-topic-arn", Value: arn},
		{Name: "x-amz-sns-subscription-arn", Value: subscriptionARN},
		{Name: "x-amz-sns-rawdelivery", Value: "true"},
	}
	if diff := cmp.Diff(raw, header); diff != "" || string(body) != "two\nlines" {
		t.Errorf("%s %s", body, diff)
	}
	s.Raw = false
	header, body = f.Post(message(), s, "")
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Type": "Notification", "MessageId": "m", "TopicArn": arn, "Subject": "S", "Message": "two\nlines",
		"Timestamp": "2026-11-23T12:00:00.005Z", "SignatureVersion": "1", "Signature": "AQI=",
		"SigningCertURL":    "https://kms.example.com/SimpleNotificationService-c.pem",
		"UnsubscribeURL":    "https://kms.example.com/?Action=Unsubscribe&SubscriptionArn=" + subscriptionARN,
		"MessageAttributes": map[string]any{"n": map[string]any{"Type": "Number", "Value": "1"}, "b": map[string]any{"Type": "Binary", "Value": "Aw=="}},
	}
	if diff := cmp.Diff(want, got); diff != "" || header[0].Value != "text/plain; charset=UTF-8" || len(header) != 6 {
		t.Errorf("%v -want +got\n%s", header, diff)
	}
	m := message()
	m.Kind, m.Attributes = topic.Confirmation, nil
	if _, body = f.Post(m, s, ""); !strings.Contains(string(body), `"SubscribeURL":"https://kms.example.com/?Action=ConfirmSubscription&TopicArn=`) {
		t.Errorf("%s", body)
	}
}

// TestMail has mail to people, with the link that each kind needs, and to
// programs.
func TestMail(t *testing.T) {
	f := &sns.Form{PublicURL: "https://kms.example.com"}
	s := newDoor().subscription
	s.Protocol = topic.Email
	tests := []struct {
		kind          topic.Kind
		subject, link string
	}{
		{topic.Notification, "S", "Action=Unsubscribe&SubscriptionArn=" + subscriptionARN},
		{topic.Confirmation, "Orders: please confirm your subscription", "Action=ConfirmSubscription&TopicArn=" + arn + "&Token=t"},
		{topic.Goodbye, "Orders: your subscription has ended", "Action=ConfirmSubscription&TopicArn=" + arn + "&Token=t"},
	}
	for _, test := range tests {
		m := message()
		if m.Kind = test.kind; test.kind != topic.Notification {
			m.Subject = ""
		}
		subject, text := f.Mail(m, s)
		if subject != test.subject || !strings.Contains(text, "https://kms.example.com/?"+test.link+"\n") {
			t.Errorf("%s: %q\n%s", test.kind, subject, text)
		}
	}
	s.Protocol = topic.EmailJSON
	m := message()
	m.Subject, m.DisplayName = "", ""
	subject, text := f.Mail(m, s)
	if subject != "orders: a message" || !json.Valid([]byte(text)) {
		t.Errorf("%q %s", subject, text)
	}
}
