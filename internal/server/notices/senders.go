package notices

import (
	"context"
	"encoding/json"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/notice"
)

// judged turns an error of package courier into one of package notice.
func judged(err error) error {
	switch {
	case err == nil:
		return nil
	case courier.Permanent(err):
		return notice.Refused(err)
	case courier.Down(err):
		return notice.Down(err)
	}
	return err
}

// mailSender sends mail.
type mailSender struct {
	mailer Mailer
	from   string
}

// Send implements notice.Sender.
func (s *mailSender) Send(ctx context.Context, m *notice.Message) error {
	domain := "holdfast.invalid"
	if from, err := mail.ParseAddress(s.from); err == nil {
		_, domain, _ = strings.Cut(from.Address, "@")
	}
	return judged(s.mailer.Send(ctx, &courier.Mail{
		From: s.from, To: []string{m.Target}, Subject: m.Title(), Text: m.Text(), ID: m.ID + "@" + domain, Date: m.Created,
		Header: map[string]string{"X-Holdfast-Realm": string(m.Realm), "X-Holdfast-Channel": m.Channel},
	}))
}

// webhookSender posts signed requests.
type webhookSender struct {
	poster  Poster
	address string
	signer  *courier.Signer
	now     func() time.Time
}

// Send implements notice.Sender.
func (s *webhookSender) Send(ctx context.Context, m *notice.Message) error {
	body, err := payload(m)
	if err != nil {
		return notice.Refused(err)
	}
	header := s.signer.Sign(m.ID, s.now(), body)
	header.Set("Content-Type", "application/json")
	return judged(s.poster.Post(ctx, s.address, header, body))
}

// A hook is the body of a webhook, as the Standard Webhooks specification has
// it: what happened, when, and the facts.
type hook struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// happened is an event of a webhook.
type happened struct {
	*event.Event
	Severity string `json:"severity"`
}

// digested is the data of a digest.
type digested struct {
	Realm  key.RealmID `json:"realm"`
	Title  string      `json:"title"`
	Events []happened  `json:"events"`
}

// payload returns the body of a webhook, and of a message to a topic. It is
// the same whenever the message is sent.
func payload(m *notice.Message) ([]byte, error) {
	var all []happened
	for _, e := range m.Events {
		all = append(all, happened{e, notice.SeverityOf(e).String()})
	}
	h := hook{Type: string(m.Events[0].Kind), Timestamp: m.Events[0].Time, Data: all[0]}
	if m.Digest {
		h = hook{Type: "digest", Timestamp: m.Created, Data: digested{m.Realm, m.Title(), all}}
	}
	return json.Marshal(h)
}

// slackSender posts to Slack-compatible webhooks.
type slackSender struct {
	poster  Poster
	address string
}

// Send implements notice.Sender.
func (s *slackSender) Send(ctx context.Context, m *notice.Message) error {
	body, err := courier.Slack(m.Title(), m.Paragraphs())
	if err != nil {
		return notice.Refused(err)
	}
	return judged(s.poster.Post(ctx, s.address, http.Header{"Content-Type": {"application/json"}}, body))
}

// topicSender publishes to a topic.
type topicSender struct {
	publisher Publisher
	service   string
	topic     *config.NoticeTopic
}

// maxSubject is the longest subject of a message to a topic, in characters.
const maxSubject = 100

// Send implements notice.Sender.
func (s *topicSender) Send(ctx context.Context, m *notice.Message) error {
	body, err := payload(m)
	if err != nil {
		return notice.Refused(err)
	}
	realm, region := m.Realm, m.Events[0].Region
	if s.topic.Realm != "" {
		realm = key.RealmID(s.topic.Realm)
	}
	if s.topic.Region != "" {
		region = s.topic.Region
	}
	err = s.publisher.PublishAs(ctx, s.service, realm, region, s.topic.Name, subject(m.Title()), string(body))
	switch fault.KindOf(err) { //nolint:exhaustive // all others may pass
	case fault.InvalidArgument, fault.LimitExceeded, fault.Unsupported:
		if err != nil {
			return notice.Refused(err)
		}
	}
	return err
}

// subject returns a title as the subject of a message to a topic: of printable
// ASCII.
func subject(title string) string {
	text := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, title))
	return string(text[:min(len(text), maxSubject)])
}
