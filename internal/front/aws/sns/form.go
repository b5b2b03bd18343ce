package sns

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Form is how messages look to receivers ("Parsing Amazon SNS message formats",
// Amazon SNS Developer Guide). It is a topic.Form.
type Form struct {
	// PublicURL is where receivers reach this server.
	PublicURL string
}

// timeForm is how messages have times.
const timeForm = "2006-01-02T15:04:05.000Z"

// types are the kinds of messages.
var types = map[topic.Kind]string{
	topic.Notification: "Notification", topic.Confirmation: "SubscriptionConfirmation", topic.Goodbye: "UnsubscribeConfirmation",
}

func (f *Form) at(query string) string { return strings.TrimSuffix(f.PublicURL, "/") + query }

// confirmURL is where a subscription is confirmed.
func (f *Form) confirmURL(m *topic.Message) string {
	return f.at("/?Action=ConfirmSubscription&TopicArn=" + wire.ResourceARN(m.Topic) + "&Token=" + url.QueryEscape(m.Token))
}

// leaveURL is where a subscription is ended.
func (f *Form) leaveURL(s *topic.Subscription) string {
	return f.at("/?Action=Unsubscribe&SubscriptionArn=" + wire.ResourceARN(s.Resource()))
}

// body returns a message's text: that of messages about subscriptions is ours.
func body(m *topic.Message) string {
	arn := wire.ResourceARN(m.Topic)
	switch m.Kind {
	case topic.Confirmation:
		return "Somebody asked for messages of the topic " + arn + " to be sent here.\nVisit the SubscribeURL of this message to get them."
	case topic.Goodbye:
		return "Messages of the topic " + arn + " are not sent here any more.\nVisit the SubscribeURL of this message to get them again."
	case topic.Notification:
	}
	return m.Body
}

// Canonical implements topic.Form ("Verifying the signatures of Amazon SNS
// messages": names and values, a line each, in the order of the names).
func (f *Form) Canonical(m *topic.Message) []byte {
	pairs := []string{"Message", body(m), "MessageId", m.ID}
	if m.Kind == topic.Notification {
		if m.Subject != "" {
			pairs = append(pairs, "Subject", m.Subject)
		}
		pairs = append(pairs, "Timestamp", m.Time.Format(timeForm))
	} else {
		pairs = append(pairs, "SubscribeURL", f.confirmURL(m), "Timestamp", m.Time.Format(timeForm), "Token", m.Token)
	}
	pairs = append(pairs, "TopicArn", wire.ResourceARN(m.Topic), "Type", types[m.Kind])
	return []byte(strings.Join(pairs, "\n") + "\n")
}

// envelope returns the JSON of a message.
func (f *Form) envelope(m *topic.Message, s *topic.Subscription) []byte {
	var e wire.Encoder
	e.Reset(nil)
	e.Text("Type", types[m.Kind])
	e.Text("MessageId", m.ID)
	if m.Kind != topic.Notification {
		e.Text("Token", m.Token)
	}
	e.Text("TopicArn", wire.ResourceARN(m.Topic))
	if m.Subject != "" {
		e.Text("Subject", m.Subject)
	}
	e.Text("Message", body(m))
	if m.Kind != topic.Notification {
		e.Text("SubscribeURL", f.confirmURL(m))
	}
	e.Text("Timestamp", m.Time.Format(timeForm))
	if m.Signature != nil {
		e.Text("SignatureVersion", strconv.Itoa(m.Version))
		e.Text("Signature", base64.StdEncoding.EncodeToString(m.Signature))
		e.Text("SigningCertURL", f.at(CertificatePrefix+m.Certificate+certificateSuffix))
	}
	if m.Kind == topic.Notification {
		e.Text("UnsubscribeURL", f.leaveURL(s))
		writeAttributes(&e, m.Attributes)
	}
	return e.Bytes()
}

// writeAttributes adds a message's attributes, if it has any.
func writeAttributes(e *wire.Encoder, list []topic.Attribute) {
	if len(list) == 0 {
		return
	}
	e.Object("MessageAttributes", func() {
		for _, a := range list {
			value := a.Text
			if a.Bytes != nil {
				value = base64.StdEncoding.EncodeToString(a.Bytes)
			}
			e.Object(a.Name, func() {
				e.Text("Type", a.Type)
				e.Text("Value", value)
			})
		}
	})
}

// Post implements topic.Form.
func (f *Form) Post(m *topic.Message, s *topic.Subscription, contentType string) (header []topic.Header, content []byte) {
	header = []topic.Header{
		{Name: "Content-Type", Value: "text/plain; charset=UTF-8"},
		{Name: "User-Agent", Value: "Amazon Simple Notification Service Agent"},
		{Name: "x-amz-sns-message-type", Value: types[m.Kind]},
		{Name: "x-amz-sns-message-id", Value: m.ID},
		{Name: "x-amz-sns-topic-arn", Value: wire.ResourceARN(m.Topic)},
	}
	if contentType != "" {
		header[0].Value = contentType
	}
	if m.Kind == topic.Notification {
		header = append(header, topic.Header{Name: "x-amz-sns-subscription-arn", Value: wire.ResourceARN(s.Resource())})
	}
	if s.Raw && m.Kind == topic.Notification {
		return append(header, topic.Header{Name: "x-amz-sns-rawdelivery", Value: "true"}), []byte(m.Body)
	}
	return header, f.envelope(m, s)
}

// Mail implements topic.Form.
func (f *Form) Mail(m *topic.Message, s *topic.Subscription) (subject, text string) {
	name := m.DisplayName
	if name == "" {
		name = m.Topic.ID
	}
	switch {
	case m.Subject != "":
		subject = m.Subject
	case m.Kind == topic.Confirmation:
		subject = name + ": please confirm your subscription"
	case m.Kind == topic.Goodbye:
		subject = name + ": your subscription has ended"
	default:
		subject = name + ": a message"
	}
	if s.Protocol == topic.EmailJSON {
		return subject, string(f.envelope(m, s)) + "\n"
	}
	arn := wire.ResourceARN(m.Topic)
	switch m.Kind {
	case topic.Confirmation:
		return subject, "Somebody asked for messages of the topic\n\n    " + arn + "\n\nto be sent to this address. If you want them, visit\n\n    " +
			f.confirmURL(m) + "\n\nIf you do not, do nothing: you will get no more mail.\n"
	case topic.Goodbye:
		return subject, "Messages of the topic\n\n    " + arn + "\n\nare not sent to this address any more. To get them again, visit\n\n    " +
			f.confirmURL(m) + "\n"
	case topic.Notification:
	}
	return subject, m.Body + "\n\n-- \nTo get no more messages of " + name + ", visit\n" + f.leaveURL(s) + "\n"
}
