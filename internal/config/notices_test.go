package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestNotices reads a channel of each kind.
func TestNotices(t *testing.T) {
	c, err := Parse([]byte(`data: /d
notices:
  give_up: 24h
  certificate_days: [21, 3]
  channels:
    - name: ops
      mail: {to: [ops@example.com]}
      digest: {at: "08:00", zone: Europe/Berlin}
    - {name: pager, webhook: {url: "https://pager.example.com/hook", secret_file: /etc/s}}
    - {name: chat, slack: {url_file: /etc/slack}, digest: {every: 30m}}
    - {name: bus, topic: {name: alarms}}
  rules:
    - {kinds: ["certificate.*"], severity: warning, names: ["*.example.com"], channels: [ops, chat]}
mail: {server: "mail.example.com:2525", auth: plain, user: u, password_file: /etc/p, from: Holdfast <holdfast@example.com>}
egress: {allow: [10.0.0.0/8, "fd00::/8"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Notices{
		GiveUp: 24 * time.Hour, CertificateDays: []int{21, 3}, Denials: 20, DenialsWindow: 5 * time.Minute,
		Channels: []NoticeChannel{
			{
				Name: "ops", Digest: &NoticeDigest{At: "08:00", Zone: "Europe/Berlin"}, Mail: &NoticeMail{To: []string{"ops@example.com"}},
			},
			{Name: "pager", Webhook: &NoticeWebhook{URL: "https://pager.example.com/hook", SecretFile: "/etc/s"}},
			{Name: "chat", Digest: &NoticeDigest{Every: 30 * time.Minute}, Slack: &NoticeSlack{URLFile: "/etc/slack"}},
			{Name: "bus", Topic: &NoticeTopic{Name: "alarms"}},
		},
		Rules: []NoticeRule{{Kinds: []string{"certificate.*"}, Severity: "warning", Names: []string{"*.example.com"}, Channels: []string{"ops", "chat"}}},
	}
	if diff := cmp.Diff(want, c.Notices); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	mail := Mail{Server: "mail.example.com:2525", Auth: "plain", User: "u", PasswordFile: "/etc/p", From: "Holdfast <holdfast@example.com>"}
	if diff := cmp.Diff(mail, c.Mail); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if diff := cmp.Diff(networks, c.Egress.Allow, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestNoticesRefused: each line is wrong by itself.
func TestNoticesRefused(t *testing.T) {
	for text, want := range map[string]string{
		"channels: [{name: Ops, topic: {name: t}}]":                                             "lower-case",
		"channels: [{name: a, topic: {name: t}}, {name: a, topic: {name: t}}]":                  "taken",
		"channels: [{name: a}]":                                                                 "one of mail",
		"channels: [{name: a, topic: {name: t}, slack: {url_file: /s}}]":                        "one of mail",
		"channels: [{name: a, topic: {}}]":                                                      "name is missing",
		"channels: [{name: a, slack: {}}]":                                                      "url_file is missing",
		"channels: [{name: a, slack: {url_file: s}}]":                                           "not an absolute path",
		"channels: [{name: a, webhook: {secret_file: /s}}]":                                     "either url or url_file",
		"channels: [{name: a, webhook: {url: \"https://a\"}}]":                                  "secret_file is missing",
		"channels: [{name: a, webhook: {url: \"http://a.example.com\", secret_file: /s}}]":      "in the clear",
		"channels: [{name: a, webhook: {url: \"https://u:p@a.example.com\", secret_file: /s}}]": "without a user",
		"channels: [{name: a, topic: {name: t}, digest: {at: \"25:00\"}}]":                      "time of day",
		"channels: [{name: a, topic: {name: t}, digest: {every: 1s}}]":                          "1m to 24h",
		"channels: [{name: a, topic: {name: t}, digest: {every: 1h, at: \"08:00\"}}]":           "1m to 24h",
		"channels: [{name: a, topic: {name: t}, digest: {zone: Nowhere/Land}}]":                 "zone",
		"rules: [{channels: [a]}]":                                                              "no channel \"a\"",
		"channels: [{name: a, mail: {to: [b@example.com]}}]":                                    "no mail server",
		"channels: [{name: a, mail: {}}]":                                                       "1 to 20",
		"channels: [{name: a, mail: {to: [nobody]}}]":                                           "no address",
		"rules: [{}]": "names no channel",
		"{channels: [{name: a, topic: {name: t}}], rules: [{severity: loud, channels: [a]}]}": "severity",
		"give_up: 1m":                "give_up",
		"denials: 1":                 "denials",
		"denials_window: 1s":         "denials_window",
		"certificate_days: [0]":      "certificate_days",
		"authority_days: [30, 4000]": "authority_days",
	} {
		body := "data: /d\nnotices:\n  " + text + "\n"
		if _, err := Parse([]byte(body)); fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something with %q", text, err, want)
		}
	}
	if _, err := Parse([]byte("data: /d\negress: {allow: [10.0.0.0/64]}\n")); err == nil {
		t.Error("a network that is none is taken")
	}
	for text, want := range map[string]string{
		"{from: a@example.com}":                                    "server is missing",
		"{server: m, from: nobody}":                                "no address",
		"{server: m, from: a@example.com, security: ssl}":          "security",
		"{server: m, from: a@example.com, auth: cram, user: u}":    "auth",
		"{server: m, from: a@example.com, auth: plain}":            "go together",
		"{server: m, from: a@example.com, password: x}":            "password",
		"{server: m, from: a@example.com, ca_certificate: ca.pem}": "absolute",
	} {
		if _, err := Parse([]byte("data: /d\nmail: " + text + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something with %q", text, err, want)
		}
	}
}
