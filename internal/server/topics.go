package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	awssns "github.com/holdfast-kms/holdfast/internal/front/aws/sns"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openTopics opens the topics, whose messages leave by the courier.
func (i *instance) openTopics(c *config.Config, keyring *seal.Keyring, log *slog.Logger) error {
	roots, err := rootsOf("egress.ca_certificate", c.Egress.CACertificate)
	if err != nil {
		return err
	}
	out := courier.NewHTTP(courier.HTTPOptions{Egress: courier.Egress{Allow: c.Egress.Allow}, Roots: roots})
	i.closers = append(i.closers, out.Close)
	mailer, err := topicMailer(c.Topics.Mail)
	if err != nil {
		return err
	}
	i.topics = topic.New(topic.Config{
		Guard: i.guard, Store: i.store, Keys: i.keys, Wrapper: keyring, Form: &awssns.Form{PublicURL: c.PublicURL},
		Poster: topicPoster{out}, Mailer: mailer, Permanent: courier.Permanent, Principal: aws.TopicService,
		Linked: c.PublicURL != "", Compile: compiler(policy.ForResource), DefaultPolicy: aws.DefaultTopicPolicy, Log: log,
	})
	i.closers = append(i.closers, i.topics.Close)
	return nil
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

// topicMailer returns what sends mail, nil without a mail server.
func topicMailer(c *config.MailServer) (topic.Mailer, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // none is one of the settings
	}
	out, err := openMail("topics.mail", c)
	if err != nil {
		return nil, err
	}
	return topicMail{out, c.From}, nil
}

// Send implements topic.Mailer.
func (m topicMail) Send(ctx context.Context, mail *topic.Mail) error {
	return m.out.Send(ctx, &courier.Mail{
		From: m.from, To: []string{mail.To}, Subject: mail.Subject, Text: mail.Text, ID: mail.ID, Date: mail.Time,
	})
}

// openMail returns what hands mail to a server of the configuration.
func openMail(name string, c *config.MailServer) (*courier.SMTP, error) {
	roots, err := rootsOf(name+".ca_certificate", c.CACertificate)
	if err != nil {
		return nil, err
	}
	o := courier.SMTPOptions{Host: c.Server, Security: courier.Security(c.Security), Roots: roots, Method: c.Auth, User: c.User, Hello: c.Hello}
	if host, port, err := net.SplitHostPort(c.Server); err == nil {
		if o.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("%s.server: %q is no port", name, port)
		}
		o.Host = host
	}
	if c.PasswordFile != "" {
		o.Password = func() (string, error) {
			text, err := os.ReadFile(c.PasswordFile)
			return strings.TrimSpace(string(text)), err
		}
	}
	out, err := courier.NewSMTP(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// rootsOf reads a PEM file of whom certificates may be from, nil for "".
func rootsOf(name, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New(name + ": no certificate in PEM")
	}
	return roots, nil
}
