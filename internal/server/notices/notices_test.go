package notices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/courier/couriertest"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// request is what a webhook got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

// topics keeps what is published.
type topics struct {
	got []string
	err error
}

func (p *topics) PublishAs(_ context.Context, service string, realm key.RealmID, region, topic, subject, message string) error {
	p.got = append(p.got, fmt.Sprintf("%s %s %s %s %q %d", service, realm, region, topic, subject, len(message)))
	return p.err
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func at() time.Time { return time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC) }

func happening(name string) *event.Event {
	return &event.Event{
		ID: "certificate.expiring/a/" + name + "/7", Kind: event.CertificateExpiring, Realm: key.DefaultRealm, Region: "eu-central-1", Time: at(),
		Subject: "123456789012/eu-central-1/certificate/a/1", Name: name, Summary: "The certificate of " + name + " expires in 7 days.",
		Details: []event.Detail{{Name: "days", Value: "7"}},
	}
}

// TestChannels: an event goes out by every kind of channel, from a
// configuration as people write it.
func TestChannels(t *testing.T) {
	var requests []request
	var mu sync.Mutex // guards requests: the channels are told at the same time
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, request{r.URL.Path, r.Header, body})
	}))
	defer receiver.Close()
	server := &couriertest.MailServer{Password: "geheim"}
	where := server.Serve(t, "starttls")
	c, err := config.Parse(fmt.Appendf(nil, `data: /d
mail: {server: "localhost:%d", from: Holdfast <holdfast@example.com>}
notices:
  channels:
    - {name: mail, mail: {to: [ops@example.org, Boss <boss@example.org>]}}
    - {name: hook, webhook: {url: "%s/hook", secret_file: %s}}
    - {name: chat, slack: {url_file: %s}}
    - {name: bus, topic: {name: alarms, region: us-east-1}}
`, where.Port, receiver.URL, written(t, "secret", secret+"\n"), written(t, "url", receiver.URL+"/services/T0/B0/x\n")))
	if err != nil {
		t.Fatal(err)
	}
	mailer, err := courier.NewSMTP(courier.SMTPOptions{
		Host: "localhost", Port: where.Port, Roots: where.Roots, Method: "plain", User: "holdfast", Password: func() (string, error) { return "geheim", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	poster := courier.NewHTTP(courier.HTTPOptions{Egress: courier.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	bus := new(topics)
	channels, rules, err := Open(&c, Ways{Mailer: mailer, Poster: poster, Publisher: bus, Service: "notices", Now: at})
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, channels, rules, happening("web.example.com"))

	mails := server.Mails()
	if len(mails) != 2 || server.Plain() {
		t.Fatalf("%d mails came, without TLS: %v", len(mails), server.Plain())
	}
	_, text, _ := strings.Cut(mails[0], "\r\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Subject"); got != "[Holdfast] warning: The certificate of web.example.com expires in 7 days." || !strings.HasSuffix(m.Header.Get("Message-ID"), "@example.com>") {
		t.Errorf("the mail has subject %q and id %q", got, m.Header.Get("Message-ID"))
	}
	if len(requests) != 2 {
		t.Fatalf("%d requests came", len(requests))
	}
	for _, r := range requests {
		if r.path == "/hook" {
			checkHook(t, r)
		} else {
			checkSlack(t, r)
		}
	}
	if want := []string{`notices 123456789012 us-east-1 alarms "[Holdfast] warning: The certificate of web.example.com expires in 7 days." 436`}; !cmp.Equal(want, bus.got) {
		t.Error(cmp.Diff(want, bus.got))
	}
}

// deliver emits events and hands them over.
func deliver(t *testing.T, channels []notice.Channel, rules []notice.Rule, list ...*event.Event) {
	t.Helper()
	s := mem.New()
	n, err := notice.New(notice.Config{Store: s, Channels: channels, Rules: rules, Now: at})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for _, e := range list {
			if err := event.Emit(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = n.Tick(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkHook(t *testing.T, r request) {
	t.Helper()
	verifier, err := courier.ParseSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(r.header, at(), r.body); err != nil || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v, with the headers %v", err, r.header)
	}
	var body map[string]any
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "certificate.expiring", "timestamp": "2027-01-01T08:00:00Z", "data": map[string]any{
			"id": "certificate.expiring/a/web.example.com/7", "kind": "certificate.expiring", "realm": "123456789012", "region": "eu-central-1",
			"time": "2027-01-01T08:00:00Z", "subject": "123456789012/eu-central-1/certificate/a/1", "name": "web.example.com", "severity": "warning",
			"summary": "The certificate of web.example.com expires in 7 days.", "details": []any{map[string]any{"name": "days", "value": "7"}},
		},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("the webhook's body (-want +got):\n%s", diff)
	}
}

func checkSlack(t *testing.T, r request) {
	t.Helper()
	var body struct {
		Text   string            `json:"text"`
		Blocks []json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil || !strings.HasPrefix(body.Text, "[Holdfast] warning") || len(body.Blocks) != 3 || r.path != "/services/T0/B0/x" {
		t.Errorf("%s to %s, %v", r.body, r.path, err)
	}
}

// TestDigestBody: what a webhook gets of a digest.
func TestDigestBody(t *testing.T) {
	body, err := payload(&notice.Message{ID: "1", Realm: key.DefaultRealm, Created: at(), Digest: true, Events: []*event.Event{happening("a"), happening("b")}})
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Type string
		Data struct {
			Title  string
			Events []struct{ Name, Severity string }
		}
	}
	if err := json.Unmarshal(body, &d); err != nil || d.Type != "digest" || d.Data.Title != "[Holdfast] 2 notices (2 warning)" || len(d.Data.Events) != 2 || d.Data.Events[1].Severity != "warning" {
		t.Errorf("%s, %v", body, err)
	}
}

// TestJudged: what package courier says, in package notice's words.
func TestJudged(t *testing.T) {
	cause := errors.New("x")
	same := func(a, b error) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) && errors.Is(a, cause) }
	for name, tt := range map[string]struct{ err, want error }{
		"refused": {&courier.Failure{Permanent: true, Err: cause}, notice.Refused(cause)},
		"down":    {&courier.Failure{Down: true, Err: cause}, notice.Down(cause)},
		"neither": {&courier.Failure{Err: cause}, &courier.Failure{Err: cause}},
	} {
		if got := judged(tt.err); !same(got, tt.want) {
			t.Errorf("%s: %T", name, got)
		}
	}
	if judged(nil) != nil {
		t.Error("no error is one")
	}
	for kind, want := range map[fault.Kind]error{fault.InvalidArgument: notice.Refused(cause), fault.Unavailable: &fault.Error{}, fault.NotFound: &fault.Error{}} {
		s := &topicSender{&topics{err: &fault.Error{Kind: kind, Err: cause}}, "notices", &config.NoticeTopic{Name: "t"}}
		if got := s.Send(t.Context(), &notice.Message{Events: []*event.Event{happening("ü")}}); !same(got, want) {
			t.Errorf("%s: %T", kind, got)
		}
	}
}

// TestRefusedChannels: what cannot be opened says why, without a secret.
func TestRefusedChannels(t *testing.T) {
	good := written(t, "secret", secret)
	for name, tt := range map[string]struct {
		channel config.NoticeChannel
		want    string
	}{
		"no secret":       {config.NoticeChannel{Name: "a", Webhook: &config.NoticeWebhook{URL: "https://a", SecretFile: "/nowhere"}}, "no such file"},
		"a wrong secret":  {config.NoticeChannel{Name: "a", Webhook: &config.NoticeWebhook{URL: "https://a", SecretFile: written(t, "s", "geheim")}}, "whsec_"},
		"no address":      {config.NoticeChannel{Name: "a", Webhook: &config.NoticeWebhook{URLFile: "/nowhere", SecretFile: good}}, "no such file"},
		"a wrong address": {config.NoticeChannel{Name: "a", Slack: &config.NoticeSlack{URLFile: written(t, "u", "http://geheim.example.com")}}, "in the clear"},
		"a long file":     {config.NoticeChannel{Name: "a", Slack: &config.NoticeSlack{URLFile: written(t, "u", strings.Repeat("x", maxFile+1))}}, "more than"},
		"no topics":       {config.NoticeChannel{Name: "a", Topic: &config.NoticeTopic{Name: "t"}}, "no topics"},
	} {
		_, _, err := Open(&config.Config{Notices: config.Notices{Channels: []config.NoticeChannel{tt.channel}}}, Ways{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "channel a") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
