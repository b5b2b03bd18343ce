package server

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	awssns "github.com/holdfast-kms/holdfast/internal/front/aws/sns"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openTopics opens the topics, whose messages leave by the courier.
func (i *instance) openTopics(c *config.Config, keyring *seal.Keyring, log *slog.Logger) {
	var mailer topic.Mailer // none without a mail server
	if i.mailer != nil {
		mailer = topicMail{i.mailer, c.Mail.From}
	}
	i.topics = topic.New(topic.Config{
		Guard: i.guard, Store: i.store, Keys: i.keys, Wrapper: keyring, Form: &awssns.Form{PublicURL: c.PublicURL},
		Poster: topicPoster{i.poster}, Mailer: mailer, Permanent: courier.Permanent, Principal: aws.TopicService,
		Linked: c.PublicURL != "", Compile: compiler(policy.ForResource), DefaultPolicy: aws.DefaultTopicPolicy, Log: log,
	})
	i.closers = append(i.closers, i.topics.Close)
}

// topicPoster posts messages of topics.
type topicPoster struct{ out *courier.HTTP }

// Post implements topic.Poster.
func (p topicPoster) Post(ctx context.Context, url string, header []topic.Header, body []byte) error {
	h := http.Header{}
	for _, one := range header {
		h.Set(one.Name, one.Value)
	}
	return p.out.Post(ctx, url, h, body)
}

// topicMail sends messages of topics.
type topicMail struct {
	out  *courier.SMTP
	from string
}

// Send implements topic.Mailer.
func (m topicMail) Send(ctx context.Context, mail *topic.Mail) error {
	return m.out.Send(ctx, &courier.Mail{
		From: m.from, To: []string{mail.To}, Subject: mail.Subject, Text: mail.Text, ID: mail.ID, Date: mail.Time,
	})
}
