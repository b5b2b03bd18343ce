// Package notices is the server's side of notices: it makes channels of what a
// configuration says, over the ways out that package courier has.
//
// Start with Open. The package is internal and may change with any release.
package notices

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/notice"
)

// Mailer sends mail. *courier.SMTP is one.
type Mailer interface {
	Send(ctx context.Context, m *courier.Mail) error
}

// Poster posts. *courier.HTTP is one.
type Poster interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) error
}

// Publisher publishes to a topic what a part of Holdfast has to say. Package
// topic's Service is one.
type Publisher interface {
	PublishAs(ctx context.Context, service string, realm key.RealmID, region, topic, subject, message string) error
}

// Ways are the ways out. Those may be nil that no channel needs.
type Ways struct {
	Mailer    Mailer
	Poster    Poster
	Publisher Publisher
	// Service is the name of notices as a service that publishes.
	Service string
	Now     func() time.Time // time.Now when nil
}

// Open returns the configured channels and rules. Files with secrets are read
// once, but for their existence nothing of them shows in an error.
func Open(c *config.Config, w Ways) (channels []notice.Channel, rules []notice.Rule, err error) {
	if w.Now == nil {
		w.Now = time.Now
	}
	for i := range c.Notices.Channels {
		from := &c.Notices.Channels[i]
		channel := notice.Channel{Name: from.Name, Kind: from.Kind(), Digest: digest(from.Digest)}
		if err := w.open(&channel, from, c); err != nil {
			return nil, nil, fmt.Errorf("opening the channel %s of notices: %w", from.Name, err)
		}
		channels = append(channels, channel)
	}
	for _, r := range c.Notices.Rules {
		least, _ := notice.ParseSeverity(r.Severity)
		rules = append(rules, notice.Rule{Kinds: r.Kinds, Realm: key.RealmID(r.Realm), Severity: least, Names: r.Names, Channels: r.Channels})
	}
	return channels, rules, nil
}

// digest returns when a channel is told; the configuration was validated.
func digest(d *config.NoticeDigest) *notice.Digest {
	if d == nil {
		return nil
	}
	out := &notice.Digest{Every: d.Every}
	out.Hour, out.Minute, _ = d.Time()
	out.Location, _ = time.LoadLocation(d.Zone)
	return out
}

func (w *Ways) open(channel *notice.Channel, c *config.NoticeChannel, all *config.Config) (err error) {
	switch channel.Kind {
	case "mail":
		channel.Targets = c.Mail.To
		channel.Sender = &mailSender{w.Mailer, all.Mail.From}
	case "webhook":
		s := &webhookSender{poster: w.Poster, now: w.Now, address: c.Webhook.URL}
		if s.address == "" {
			if s.address, err = address(c.Webhook.URLFile); err != nil {
				return err
			}
		}
		text, err := read(c.Webhook.SecretFile)
		if err != nil {
			return err
		}
		if s.signer, err = courier.ParseSigner(text); err != nil {
			return fault.New(fault.InvalidArgument, "secret_file: %v", err)
		}
		channel.Sender = s
	case "slack":
		s := &slackSender{poster: w.Poster}
		if s.address, err = address(c.Slack.URLFile); err != nil {
			return err
		}
		channel.Sender = s
	case "topic":
		if w.Publisher == nil {
			return fault.New(fault.Unsupported, "this server has no topics")
		}
		channel.Sender = &topicSender{w.Publisher, w.Service, c.Topic}
	default:
		return fault.New(fault.InvalidArgument, "it is of no kind that is known")
	}
	return nil
}

// maxFile is the longest file of a secret, in bytes.
const maxFile = 64 << 10

func read(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the configuration's own
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return strings.TrimSpace(string(text)), err
}

// address reads the address of a receiver.
func address(path string) (string, error) {
	text, err := read(path)
	if err != nil {
		return "", err
	}
	if err := config.CheckReceiver(text); err != nil {
		return "", fault.New(fault.InvalidArgument, "url_file: %v", err)
	}
	return text, nil
}
