package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Notices are how people are told what happens (docs/notices.md).
type Notices struct {
	// Channels are the ways to tell somebody. Default: none, and nobody is told.
	Channels []NoticeChannel `yaml:"channels"`
	// Rules say which channels are told of what. Default: all of everything.
	Rules []NoticeRule `yaml:"rules"`
	// GiveUp is for how long a notice is tried, 1h to 720h. Default: 72h.
	GiveUp time.Duration `yaml:"give_up"`
	// CertificateDays and AuthorityDays are how many days before their ends
	// certificates and authorities are told of, 1 to 365. Default: 30, 14, 7, 1 and
	// 90, 30, 14, 7, 1.
	CertificateDays []int `yaml:"certificate_days"`
	AuthorityDays   []int `yaml:"authority_days"`
	// Denials are how many refusals of one caller within DenialsWindow are told
	// of, 2 to 100000 and 10s to 24h. Default: 20 within 5m.
	Denials       int           `yaml:"denials"`
	DenialsWindow time.Duration `yaml:"denials_window"`
}

// NoticeChannel is a way to tell somebody: one of Mail, Webhook, Slack and
// Topic says which.
type NoticeChannel struct {
	// Name is what rules and commands call it: lower-case letters, digits and
	// dashes.
	Name string `yaml:"name"`
	// Digest tells what happened together. Default: each event by itself.
	Digest *NoticeDigest `yaml:"digest"`

	Mail    *NoticeMail    `yaml:"mail"`
	Webhook *NoticeWebhook `yaml:"webhook"`
	Slack   *NoticeSlack   `yaml:"slack"`
	Topic   *NoticeTopic   `yaml:"topic"`
}

// NoticeDigest is when a channel is told: Every so often, or At a time of day.
type NoticeDigest struct {
	// Every is 1m to 24h. Default: once a day.
	Every time.Duration `yaml:"every"`
	// At is a time of day, such as "08:00", in Zone. Default: 00:00.
	At string `yaml:"at"`
	// Zone is a time zone, such as Europe/Berlin. Default: UTC.
	Zone string `yaml:"zone"`
}

// NoticeMail is e-mail by the server of Mail, to each receiver a mail of its
// own.
type NoticeMail struct {
	// To are 1 to 20 addresses.
	To []string `yaml:"to"`
}

// NoticeWebhook is a program that takes signed POST requests (Standard
// Webhooks). The address is in URL or in the file URLFile; plain http is for a
// receiver on this machine only.
type NoticeWebhook struct {
	URL     string `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// SecretFile has what requests are signed with: "whsec_" and the base64 of 24
	// to 64 bytes, one a line, at most three.
	SecretFile string `yaml:"secret_file"`
}

// NoticeSlack is an incoming webhook of Slack's, or of what is compatible. Its
// address is a secret: URLFile has it.
type NoticeSlack struct {
	URLFile string `yaml:"url_file"`
}

// NoticeTopic is a topic of this server's. Default: of the realm and region of
// what happened.
type NoticeTopic struct {
	Name   string `yaml:"name"`
	Realm  string `yaml:"realm"`
	Region string `yaml:"region"`
}

// NoticeRule says which events go to Channels. What is left out is not asked
// for.
type NoticeRule struct {
	// Kinds are such as certificate.expiring or certificate.*.
	Kinds []string `yaml:"kinds"`
	Realm string   `yaml:"realm"`
	// Severity is the least: info, warning or critical. Default: info.
	Severity string `yaml:"severity"`
	// Names are what the event is about, with * for any characters.
	Names    []string `yaml:"names"`
	Channels []string `yaml:"channels"`
}

var channelName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Kind returns which kind of channel it is, "" for none or several.
func (c *NoticeChannel) Kind() string {
	kinds := map[string]bool{"mail": c.Mail != nil, "webhook": c.Webhook != nil, "slack": c.Slack != nil, "topic": c.Topic != nil}
	found := ""
	for kind, there := range kinds {
		if there && found != "" {
			return ""
		}
		if there {
			found = kind
		}
	}
	return found
}

func (n *Notices) validate(by *Mail, refuse func(name, format string, args ...any)) {
	var names []string
	for i := range n.Channels {
		c := &n.Channels[i]
		field := fmt.Sprintf("notices.channels[%d]", i)
		if !channelName.MatchString(c.Name) || slices.Contains(names, c.Name) {
			refuse(field, "the name %q is not of lower-case letters, digits and dashes, or is taken", c.Name)
		}
		names = append(names, c.Name)
		c.validate(field, by, refuse)
	}
	for i := range n.Rules {
		n.Rules[i].validate(fmt.Sprintf("notices.rules[%d]", i), names, refuse)
	}
	between := func(name string, is bool) {
		if !is {
			refuse("notices."+name, "it is out of its range")
		}
	}
	between("give_up", n.GiveUp >= time.Hour && n.GiveUp <= 720*time.Hour)
	between("denials", n.Denials >= 2 && n.Denials <= 100_000)
	between("denials_window", n.DenialsWindow >= 10*time.Second && n.DenialsWindow <= 24*time.Hour)
	for _, days := range append(slices.Clone(n.CertificateDays), n.AuthorityDays...) {
		between("certificate_days and authority_days", days >= 1 && days <= 365)
	}
}

func (r *NoticeRule) validate(field string, channels []string, refuse func(name, format string, args ...any)) {
	for _, name := range r.Channels {
		if !slices.Contains(channels, name) {
			refuse(field, "there is no channel %q", name)
		}
	}
	if len(r.Channels) == 0 {
		refuse(field, "it names no channel")
	}
	if !slices.Contains([]string{"", "info", "warning", "critical"}, r.Severity) {
		refuse(field, "severity %q is none of info, warning, critical", r.Severity)
	}
}

func (c *NoticeChannel) validate(field string, by *Mail, refuse func(name, format string, args ...any)) {
	switch c.Kind() {
	case "":
		refuse(field, "give one of mail, webhook, slack and topic")
	case "mail":
		c.Mail.validate(field+".mail", by, refuse)
	case "webhook":
		c.Webhook.validate(field+".webhook", refuse)
	case "slack":
		if c.Slack.URLFile == "" {
			refuse(field+".slack", "url_file is missing")
		}
		absolute(field+".slack.url_file", c.Slack.URLFile, refuse)
	case "topic":
		if c.Topic.Name == "" {
			refuse(field+".topic", "name is missing")
		}
	}
	if d := c.Digest; d != nil {
		if _, err := time.LoadLocation(d.Zone); err != nil {
			refuse(field+".digest.zone", "%v", err)
		}
		if _, _, err := d.Time(); err != nil || d.Every != 0 && (d.At != "" || d.Every < time.Minute || d.Every > 24*time.Hour) {
			refuse(field+".digest", "give a time of day as in at: \"08:00\", or every: from 1m to 24h")
		}
	}
}

// Time returns the time of day of a digest that comes once a day.
func (d *NoticeDigest) Time() (hour, minute int, err error) {
	if d.At == "" {
		return 0, 0, nil
	}
	t, err := time.Parse("15:04", d.At)
	return t.Hour(), t.Minute(), err
}

func (m *NoticeMail) validate(field string, by *Mail, refuse func(name, format string, args ...any)) {
	if by.Server == "" {
		refuse(field, "there is no mail server: mail.server")
	}
	if len(m.To) == 0 || len(m.To) > 20 {
		refuse(field, "to has 1 to 20 addresses")
	}
	for _, address := range m.To {
		checkAddress(field, address, refuse)
	}
}

func (w *NoticeWebhook) validate(field string, refuse func(name, format string, args ...any)) {
	if (w.URL == "") == (w.URLFile == "") {
		refuse(field, "give either url or url_file")
	}
	if w.URL != "" {
		if err := CheckReceiver(w.URL); err != nil {
			refuse(field+".url", "%v", err)
		}
	}
	if w.SecretFile == "" {
		refuse(field, "secret_file is missing: receivers have to know who sends")
	}
	absolute(field+".url_file", w.URLFile, refuse)
	absolute(field+".secret_file", w.SecretFile, refuse)
}

// CheckReceiver returns an error for an address that notices are not posted to.
// It does not repeat the address, which may be a secret.
func CheckReceiver(address string) error {
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is not an https address without a user")
	case u.Scheme == "http" && !Loopback(withPort(u)):
		return errors.New("its host is not this machine, and would be told in the clear: use https")
	}
	return nil
}
