package aws

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/emersion/go-smtp"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// postOffice is an HTTPS endpoint and a mail server, which keep what they get.
type postOffice struct {
	https *httptest.Server
	posts chan []byte
	mails chan string
	smtp  net.Listener

	mu     sync.Mutex // guards broken
	broken bool       // the endpoint answers 503
}

// openPostOffice starts both on this machine.
func openPostOffice(t *testing.T) *postOffice {
	t.Helper()
	o := &postOffice{posts: make(chan []byte, 16), mails: make(chan string, 16)}
	o.https = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		broken := o.broken
		o.mu.Unlock()
		if broken {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			o.posts <- body
		}
	}))
	t.Cleanup(o.https.Close)
	var err error
	if o.smtp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil { //nolint:noctx // it lives as long as the test
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{office: o}, nil }))
	go func() { _ = server.Serve(o.smtp) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return o
}

func (o *postOffice) breakDown(broken bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = broken
}

// session takes one mail after the other.
type session struct {
	office *postOffice
	to     string
}

func (s *session) Reset()                                    {}
func (s *session) Logout() error                             { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err == nil {
		s.office.mails <- s.to + "\n" + string(text)
	}
	return err
}

// next returns what arrives within a time.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case one := <-from:
		return one
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrives")
	}
	panic("not reached")
}

// posted is a message as it comes over HTTPS.
type posted struct {
	ID                                                 string `json:"MessageId"`
	Type, Token, TopicArn, Subject, Message, Timestamp string
	SignatureVersion, Signature, SigningCertURL        string
	SubscribeURL, UnsubscribeURL                       string
}

// verify verifies the signature, which has to be of version 2.
func (p *posted) verify(t *testing.T, c *http.Client) {
	t.Helper()
	pairs := []string{"Message", p.Message, "MessageId", p.ID}
	if p.Type == "Notification" {
		if p.Subject != "" {
			pairs = append(pairs, "Subject", p.Subject)
		}
		pairs = append(pairs, "Timestamp", p.Timestamp)
	} else {
		pairs = append(pairs, "SubscribeURL", p.SubscribeURL, "Timestamp", p.Timestamp, "Token", p.Token)
	}
	sum := sha256.Sum256([]byte(strings.Join(append(pairs, "TopicArn", p.TopicArn, "Type", p.Type), "\n") + "\n"))
	block, _ := pem.Decode(visit(t, c, p.SigningCertURL))
	signature, err := base64.StdEncoding.DecodeString(p.Signature)
	if err != nil || block == nil || p.SignatureVersion != "2" {
		t.Fatalf("signature %q of version %q, certificate %v: %v", p.Signature, p.SignatureVersion, block, err)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("%s: %v", p.Type, err)
	}
}

// visit gets a link, as a receiver does.
func visit(t *testing.T, c *http.Client, link string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", link, answer.StatusCode, err, body)
	}
	return body
}

// links finds the links of a mail's text.
var links = regexp.MustCompile(`https://\S+`)

// linkOf returns the first link in a mail that asks for an action, and the
// mail's subject.
func linkOf(t *testing.T, text, action string) (link, subject string) {
	t.Helper()
	_, text, _ = strings.Cut(text, "\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("=\r\n"), nil), []byte("=3D"), []byte("="))
	}
	for _, found := range links.FindAllString(string(body), -1) {
		if u, err := url.Parse(found); err == nil && u.Query().Get("Action") == action {
			return found, m.Header.Get("Subject")
		}
	}
	t.Fatalf("no link for %s in %s", action, body)
	return "", ""
}

// startWithMail starts a server of the test's own, which trusts the post
// office.
func startWithMail(t *testing.T, tg *target, o *postOffice) (*sns.Client, *http.Client) {
	t.Helper()
	dir := t.TempDir()
	ca := filepath.Join(dir, "office.pem")
	write(t, dir, "office.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.https.Certificate().Raw}))
	write(t, dir, "holdfast.yaml", fmt.Appendf(nil, "egress: {allow: [127.0.0.0/8], ca_certificate: %s}\n"+
		"mail: {server: %q, security: none, from: Holdfast <holdfast@example.com>}\n", ca, o.smtp.Addr()))
	s, err := compat.Start(t.Context(), tg.server.Binary, filepath.Join(dir, "data"), "--config", filepath.Join(dir, "holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := compat.Trusting(compat.Lookup(s.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		t.Fatal(err)
	}
	creds := aws.Credentials{
		AccessKeyID: compat.Lookup(s.Env, "AWS_ACCESS_KEY_ID"), SecretAccessKey: compat.Lookup(s.Env, "AWS_SECRET_ACCESS_KEY"),
	}
	return sns.New(sns.Options{
		Region: "us-east-1", HTTPClient: client, Credentials: provider(creds), RetryMaxAttempts: 1, BaseEndpoint: &s.URL,
	}), client
}

// TestTopics leads messages to an HTTPS endpoint and to people's mail with
// aws-sdk-go-v2: asked, confirmed by what arrived, published, received,
// verified, and ended by a link.
func TestTopics(t *testing.T) {
	t.Parallel()
	tg, _ := setup(t)
	onlyOurs(t, tg)
	o := openPostOffice(t)
	c, client := startWithMail(t, tg, o)
	ctx := t.Context()
	made, err := c.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders"), Attributes: map[string]string{"SignatureVersion": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	topic := made.TopicArn
	subscribe := func(protocol, endpoint string) string {
		t.Helper()
		out, err := c.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: &protocol, Endpoint: &endpoint, ReturnSubscriptionArn: true})
		if err != nil {
			t.Fatal(err)
		}
		return *out.SubscriptionArn
	}
	receive := func() *posted {
		t.Helper()
		p := new(posted)
		if err := json.Unmarshal(next(t, o.posts), p); err != nil {
			t.Fatal(err)
		}
		p.verify(t, client)
		return p
	}
	webhook := subscribe("https", o.https.URL+"/hook")
	asked := receive()
	confirmed, err := c.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: topic, Token: &asked.Token})
	if err != nil || *confirmed.SubscriptionArn != webhook {
		t.Fatalf("%v, want %s: %v", confirmed, webhook, err)
	}
	subscribe("email", "ops@example.com")
	link, subject := linkOf(t, next(t, o.mails), "ConfirmSubscription")
	if visit(t, client, link); subject != "orders: please confirm your subscription" {
		t.Errorf("the subject is %q", subject)
	}

	published, err := c.Publish(ctx, &sns.PublishInput{TopicArn: topic, Subject: aws.String("An order"), Message: aws.String("Number 4711")})
	if err != nil {
		t.Fatal(err)
	}
	if p := receive(); p.Type != "Notification" || p.ID != *published.MessageId || p.Message != "Number 4711" || p.Subject != "An order" {
		t.Errorf("%+v", p)
	}
	text := next(t, o.mails)
	if !strings.HasPrefix(text, "ops@example.com\n") || !strings.Contains(text, "Number 4711") {
		t.Errorf("the mail is %s", text)
	}
	link, subject = linkOf(t, text, "Unsubscribe")
	if visit(t, client, link); subject != "An order" {
		t.Errorf("the subject is %q", subject)
	}
	if _, subject = linkOf(t, next(t, o.mails), "ConfirmSubscription"); subject != "orders: your subscription has ended" {
		t.Errorf("the subject is %q", subject)
	}

	o.breakDown(true) // what is published meanwhile arrives afterwards
	if _, err := c.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: &webhook, AttributeName: aws.String("DeliveryPolicy"),
		AttributeValue: aws.String(`{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":60}}`),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("later")}); err != nil {
		t.Fatal(err)
	}
	o.breakDown(false)
	if p := receive(); p.Message != "later" {
		t.Errorf("%+v", p)
	}

	_, err = c.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("lambda"), Endpoint: aws.String("x")})
	if _, ok := errors.AsType[*types.InvalidParameterException](err); !ok {
		t.Errorf("a function subscribes: %v", err)
	}
	if _, err := c.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic})
	if _, ok := errors.AsType[*types.NotFoundException](err); !ok {
		t.Errorf("a topic that is deleted: %v", err)
	}
}

// snsCall finds the operations that the Python program calls.
var snsCall = regexp.MustCompile(`sns\.(?:get_paginator\(")?([a-z]+(?:_[a-z_]+)?)(?:[(",])`)

// TestEveryTopicOperationHasACase: what the page documents, sns.py calls.
func TestEveryTopicOperationHasACase(t *testing.T) {
	everyDocumented(t, "aws-sns.md", "testdata/sns.py", snsCall)
}
