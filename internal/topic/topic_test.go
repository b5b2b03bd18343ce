package topic_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// TestWay follows a message from its publisher to everybody who wants it.
func TestWay(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	f.subscribe(ref, "https", "https://a.example.com/hook", topic.Wishes{})
	f.subscribe(ref, "http", "http://b.example.com/", topic.Wishes{Raw: true})
	f.subscribe(ref, "email", "ops@example.com", topic.Wishes{Filter: `{"severity":["high"]}`})
	f.subscribe(ref, "email-json", "bot@example.com", topic.Wishes{Filter: `{"order":{"total":[{"numeric":[">",100]}]}}`, OnBody: true})
	pending, err := f.Subscribe(t.Context(), f.admin(), ref, &topic.Subscribing{Protocol: "https", Endpoint: "https://c.example.com/"})
	must(t, err)
	f.tick()
	f.post.take()

	f.publish(ref, topic.Publication{
		Body: `{"order":{"total":150}}`, Bodies: map[topic.Protocol]string{topic.Email: "an order of 150"},
		Attributes: []topic.Attribute{{Name: "severity", Type: "String", Text: "high"}},
	})
	f.publish(ref, topic.Publication{Body: "no JSON"})
	f.tick()
	wanted := []string{
		"bot@example.com: notification {\"order\":{\"total\":150}}",
		"http://b.example.com/: notification no JSON",
		"http://b.example.com/: notification {\"order\":{\"total\":150}}",
		"https://a.example.com/hook: notification no JSON",
		"https://a.example.com/hook: notification {\"order\":{\"total\":150}}",
		"ops@example.com: notification an order of 150",
	}
	if diff := cmp.Diff(wanted, lines(f.post.take())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := f.count(); n != 5 { // reminders of five subscriptions, and nothing that was delivered
		t.Errorf("%d rows stay", n)
	}
	_, counts, err := f.Describe(t.Context(), f.admin(), ref)
	if err != nil || counts != (topic.Counts{Confirmed: 4, Pending: 1}) {
		t.Errorf("%v %v", counts, err)
	}

	f.clock = f.clock.Add(3*24*time.Hour + time.Minute) // nobody confirmed the fifth
	f.tick()
	_, _, err = f.Subscription(t.Context(), f.admin(), pending.Resource())
	want(t, err, fault.NotFound)
	if n := f.count(); n != 0 {
		t.Errorf("%d rows stay", n)
	}
	must(t, f.Delete(t.Context(), f.admin(), ref))
	_, err = f.Publish(t.Context(), f.admin(), ref, &topic.Publication{Body: "x"})
	want(t, err, fault.NotFound)
}

// TestSignatures: both versions verify with the certificate that the message
// names, and the key of version 2 cannot leave.
func TestSignatures(t *testing.T) {
	f := newFixture(t)
	for version, hash := range map[int]crypto.Hash{1: crypto.SHA1, 2: crypto.SHA256} {
		ref := f.make("v"+string(rune('0'+version)), topic.Settings{Signature: version}).Resource
		f.subscribe(ref, "https", "https://a.example.com/", topic.Wishes{})
		f.publish(ref, topic.Publication{Body: "hello"})
		f.tick()
		m := f.post.take()[0].message
		der, err := f.Certificate(t.Context(), m.Certificate)
		must(t, err)
		c, err := x509.ParseCertificate(der)
		must(t, err)
		canonical := f.post.Canonical(&m)
		one, two := sha1.Sum(canonical), sha256.Sum256(canonical)
		digest := map[crypto.Hash][]byte{crypto.SHA1: one[:], crypto.SHA256: two[:]}[hash]
		if err := rsa.VerifyPKCS1v15(c.PublicKey.(*rsa.PublicKey), hash, digest, m.Signature); err != nil || m.Version != version {
			t.Errorf("version %d is %d: %v", version, m.Version, err)
		}
		if c.Subject.CommonName != principal || c.CheckSignatureFrom(c) == nil {
			t.Errorf("the certificate is of %s and must be of no authority", c.Subject)
		}
	}
	list, _, err := f.keys.ListKeys(t.Context(), f.admin(), kms.Page{Limit: 10})
	must(t, err)
	exportable := 0
	for _, k := range list {
		d, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: k})
		must(t, err)
		if d.Exportable {
			exportable++
		}
	}
	if len(list) != 2 || exportable != 1 {
		t.Errorf("%d keys, %d of them exportable", len(list), exportable)
	}
	again := topic.New(f.config) // after a restart the same certificate is used
	ref := topic.Ref(realm, region, "v1")
	_, err = again.Publish(t.Context(), f.admin(), ref, &topic.Publication{Body: "again"})
	must(t, err)
	if list, _, err = f.keys.ListKeys(t.Context(), f.admin(), kms.Page{Limit: 10}); err != nil || len(list) != 2 {
		t.Errorf("%d keys: %v", len(list), err)
	}
}

// TestRetries: what fails for the moment is tried again by the rule, what fails
// for good is given up, and is visible for 14 days.
func TestRetries(t *testing.T) {
	f := newFixture(t)
	rule := &topic.Retry{Retries: 3, Immediate: 1, MinDelay: 10 * time.Second, MaxDelay: 20 * time.Second, Backoff: topic.Linear}
	ref := f.make("orders", topic.Settings{Retry: rule}).Resource
	f.subscribe(ref, "https", "https://down.example.com/", topic.Wishes{})
	f.subscribe(ref, "https", "https://gone.example.com/", topic.Wishes{})
	f.subscribe(ref, "https", "https://up.example.com/", topic.Wishes{})
	f.post.fail["https://down.example.com/"] = errors.New("connection refused")
	f.post.fail["https://gone.example.com/"] = errPermanent
	f.post.attempts = 0
	f.publish(ref, topic.Publication{Body: "one"})
	f.tick() // one attempt each
	f.tick() // the retry without a wait
	if diff := cmp.Diff([]string{"https://up.example.com/: notification one"}, lines(f.post.take())); diff != "" || f.post.attempts != 4 {
		t.Errorf("%d attempts (-want +got)\n%s", f.post.attempts, diff)
	}
	f.publish(ref, topic.Publication{Body: "two"}) // which waits with the first one at the endpoint that is down
	f.tick()
	if f.post.attempts != 6 {
		t.Errorf("%d attempts: a resting endpoint is left alone", f.post.attempts)
	}
	f.post.take()
	f.clock = f.clock.Add(10 * time.Second)
	f.post.fail["https://down.example.com/"] = nil
	f.tick()
	wanted := []string{"https://down.example.com/: notification one", "https://down.example.com/: notification two"}
	if diff := cmp.Diff(wanted, lines(f.post.take())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	failed, _, err := f.Failed(t.Context(), f.admin(), kms.Page{Limit: 10})
	must(t, err)
	if len(failed) != 2 || failed[0].Endpoint != "https://gone.example.com/" || failed[0].Attempts != 1 || failed[0].Cause != errPermanent.Error() {
		t.Errorf("%+v", failed)
	}
	f.post.fail["https://down.example.com/"] = errors.New("connection refused")
	f.publish(ref, topic.Publication{Body: "three"})
	for range 10 {
		f.tick()
		f.clock = f.clock.Add(20 * time.Second)
	}
	failed, _, err = f.Failed(t.Context(), f.admin(), kms.Page{Limit: 10})
	must(t, err)
	i := slices.IndexFunc(failed, func(f *topic.Failed) bool { return f.Endpoint == "https://down.example.com/" })
	if i < 0 || failed[i].Attempts != 4 || failed[i].Cause != "connection refused" {
		t.Errorf("%+v", failed)
	}
	page, next, err := f.Failed(t.Context(), f.admin(), kms.Page{Limit: 1})
	if err != nil || len(page) != 1 || next == "" {
		t.Errorf("a page of %d, next %q: %v", len(page), next, err)
	}
	f.clock = f.clock.Add(15 * 24 * time.Hour)
	f.tick()
	if failed, _, err = f.Failed(t.Context(), f.admin(), kms.Page{Limit: 10}); err != nil || len(failed) != 0 || f.count() != 0 {
		t.Errorf("%v stay, %d rows: %v", failed, f.count(), err)
	}
}

// TestEnding: who has the link of a subscription can end it and take it back,
// unless it is guarded.
func TestEnding(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	sub := f.subscribe(ref, "https", "https://a.example.com/", topic.Wishes{})
	must(t, f.Unsubscribe(t.Context(), f.nobody(), sub.Resource()))
	f.publish(ref, topic.Publication{Body: "missed"})
	f.tick()
	got := f.post.take()
	if len(got) != 1 || got[0].message.Kind != topic.Goodbye {
		t.Fatalf("%v", lines(got))
	}
	_, counts, err := f.Describe(t.Context(), f.admin(), ref)
	if err != nil || counts.Deleted != 1 {
		t.Errorf("%+v %v", counts, err)
	}
	_, err = f.Confirm(t.Context(), f.admin(), ref, got[0].message.Token, true) // back, and guarded from now on
	must(t, err)
	want(t, f.Unsubscribe(t.Context(), f.nobody(), sub.Resource()), fault.PermissionDenied)
	if got := f.log.last(); !strings.Contains(got, "signed requests only") {
		t.Error(got)
	}
	must(t, f.Unsubscribe(t.Context(), f.admin(), sub.Resource()))
	must(t, f.Unsubscribe(t.Context(), f.admin(), sub.Resource())) // once more is no error
	want(t, f.Unsubscribe(t.Context(), f.nobody(), sub.Resource()), fault.PermissionDenied)
}

// TestTokens: a token confirms the subscription that it was made for, for three
// days, and an endpoint that is asked again gets a new one.
func TestTokens(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	elsewhere := f.make("others", topic.Settings{}).Resource
	ask := func() string {
		_, err := f.Subscribe(t.Context(), f.admin(), ref, &topic.Subscribing{Protocol: "email", Endpoint: "ops@example.com"})
		must(t, err)
		f.tick()
		return f.post.take()[0].message.Token
	}
	first := ask()
	second := ask()
	for name, c := range map[string]struct {
		ref   key.Resource
		token string
	}{
		"none": {ref, ""}, "nonsense": {ref, strings.Repeat("0", 96)}, "an older one": {ref, first},
		"of another topic": {elsewhere, second}, "changed": {ref, second[:95] + "g"},
	} {
		_, err := f.Confirm(t.Context(), f.nobody(), c.ref, c.token, false)
		if fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.clock = f.clock.Add(3*24*time.Hour - time.Second)
	s, err := f.Confirm(t.Context(), f.nobody(), ref, second, false)
	if err != nil || s.State() != topic.Confirmed {
		t.Errorf("%v", err)
	}
	_, err = f.Confirm(t.Context(), f.nobody(), ref, second, false) // twice is once
	must(t, err)
	f.clock = f.clock.Add(time.Second)
	_, err = f.Confirm(t.Context(), f.nobody(), ref, second, false)
	want(t, err, fault.InvalidArgument)
}

// TestKey: messages of a topic with a key wait under that key, and are decrypted
// as who published them.
func TestKey(t *testing.T) {
	f := newFixture(t)
	k, err := f.keys.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Usage: alg.EncryptDecrypt})
	must(t, err)
	ref := f.make("orders", topic.Settings{Key: kms.Ref{ID: k.Name.ID}, KeyName: string(k.Name.ID)}).Resource
	f.subscribe(ref, "https", "https://a.example.com/", topic.Wishes{})
	f.let("publisher", `["sns:Publish","kms:GenerateDataKey"]`)
	publish := func() error {
		_, err := f.Publish(t.Context(), f.as("publisher"), ref, &topic.Publication{Body: "secret"})
		return err
	}
	must(t, publish())
	f.tick()
	if got := f.post.take(); len(got) != 0 {
		t.Errorf("delivered without kms:Decrypt: %v", lines(got))
	}
	f.let("publisher", `["sns:Publish","kms:GenerateDataKey","kms:Decrypt"]`)
	f.clock = f.clock.Add(time.Minute)
	f.tick()
	if diff := cmp.Diff([]string{"https://a.example.com/: notification secret"}, lines(f.post.take())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	f.let("publisher", `"sns:Publish"`)
	want(t, publish(), fault.PermissionDenied)
	must(t, f.keys.DisableKey(t.Context(), f.admin(), kms.Ref{ID: k.Name.ID}))
	_, err = f.Publish(t.Context(), f.admin(), ref, &topic.Publication{Body: "x"})
	want(t, err, fault.WrongState)
}

// TestWho: who may publish by which policy, and as whom Holdfast does.
func TestWho(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	f.let("nobody", `"kms:*"`)
	f.let("publisher", `"sns:Publish"`)
	stranger := f.as("admin")
	stranger.Caller.Principal.Realm = other
	elsewhere := f.admin()
	elsewhere.Region = "us-east-1"
	tests := []struct {
		name string
		call *key.Call
		want fault.Kind
		ok   bool
	}{
		{"the owner's administrator", f.admin(), 0, true},
		{"a user whose policy lets him", f.as("publisher"), 0, true},
		{"a user without a policy for it", f.as("nobody"), fault.PermissionDenied, false},
		{"another account", stranger, fault.PermissionDenied, false},
		{"another region", elsewhere, fault.InvalidArgument, false},
		{"nobody", f.nobody(), fault.PermissionDenied, false},
	}
	for _, test := range tests {
		_, err := f.Publish(t.Context(), test.call, ref, &topic.Publication{Body: "x"})
		if (err == nil) != test.ok || err != nil && fault.KindOf(err) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := f.PublishAs(t.Context(), "cloudwatch.amazonaws.com", realm, region, "orders", "an\nalarm", "text"); err != nil {
		t.Errorf("the default policy lets the realm's services publish: %v", err)
	}
	want(t, f.PublishAs(t.Context(), "cloudwatch.amazonaws.com", other, region, "orders", "", "x"), fault.PermissionDenied)
	_, err := f.Change(t.Context(), f.admin(), ref, func(s *topic.Settings) error {
		s.Policy = key.Document{Dialect: aws.Dialect, Text: `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":"` + string(other) + `"},"Action":"SNS:Publish","Resource":"` + aws.ResourceARN(ref) + `"},
			{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:user/publisher"},"Action":"SNS:*","Resource":"*"}]}`}
		return nil
	})
	must(t, err)
	_, err = f.Publish(t.Context(), stranger, ref, &topic.Publication{Body: "x"})
	must(t, err)
	_, err = f.Publish(t.Context(), f.as("publisher"), ref, &topic.Publication{Body: "x"})
	want(t, err, fault.PermissionDenied)
	want(t, f.PublishAs(t.Context(), "cloudwatch.amazonaws.com", realm, region, "orders", "", "x"), fault.PermissionDenied)
	_, err = f.Change(t.Context(), f.admin(), ref, func(s *topic.Settings) error {
		s.Policy = key.Document{Dialect: aws.Dialect, Text: "{"}
		return nil
	})
	want(t, err, fault.InvalidArgument)
}

// TestRefused has what cannot be.
func TestRefused(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{DisplayName: "Orders"}).Resource
	create := func(name string, s topic.Settings) error {
		_, err := f.Create(t.Context(), f.admin(), name, &s, nil)
		return err
	}
	subscribe := func(protocol, endpoint string, w topic.Wishes) error {
		_, err := f.Subscribe(t.Context(), f.admin(), ref, &topic.Subscribing{Wishes: w, Protocol: protocol, Endpoint: endpoint})
		return err
	}
	publish := func(p topic.Publication) error {
		_, err := f.Publish(t.Context(), f.admin(), ref, &p)
		return err
	}
	attribute := func(name, kind, text string) error {
		return publish(topic.Publication{Body: "x", Attributes: []topic.Attribute{{Name: name, Type: kind, Text: text}}})
	}
	f.subscribe(ref, "https", "https://a.example.com/", topic.Wishes{Raw: true})
	dry := f.admin()
	dry.DryRun = true
	_, dryRun := f.Publish(t.Context(), dry, ref, &topic.Publication{Body: "x"})
	tests := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"a FIFO topic", create("orders.fifo", topic.Settings{}), fault.Unsupported},
		{"a bad name", create("a b", topic.Settings{}), fault.InvalidArgument},
		{"no name", create("", topic.Settings{}), fault.InvalidArgument},
		{"the name again, of other settings", create("orders", topic.Settings{DisplayName: "x"}), fault.AlreadyExists},
		{"a long display name", create("a", topic.Settings{DisplayName: strings.Repeat("é", 101)}), fault.InvalidArgument},
		{"a third signature", create("a", topic.Settings{Signature: 3}), fault.InvalidArgument},
		{"an endless rule", create("a", topic.Settings{Retry: &topic.Retry{Retries: 101, MinDelay: 1, MaxDelay: 1}}), fault.InvalidArgument},
		{"a rule without a function", create("a", topic.Settings{Retry: &topic.Retry{MinDelay: time.Second, MaxDelay: time.Second}}), fault.InvalidArgument},
		{"a queue", subscribe("sqs", "arn:aws:sqs:eu-central-1:123456789012:q", topic.Wishes{}), fault.Unsupported},
		{"a telephone", subscribe("sms", "+49123456789", topic.Wishes{}), fault.Unsupported},
		{"a pigeon", subscribe("pigeon", "home", topic.Wishes{}), fault.InvalidArgument},
		{"http for https", subscribe("https", "http://a.example.com/", topic.Wishes{}), fault.InvalidArgument},
		{"a password in an address", subscribe("https", "https://a:b@a.example.com/", topic.Wishes{}), fault.Unsupported},
		{"no address", subscribe("https", "https:///x", topic.Wishes{}), fault.InvalidArgument},
		{"a name with an address", subscribe("email", "Ops <ops@example.com>", topic.Wishes{}), fault.InvalidArgument},
		{"raw mail", subscribe("email", "ops@example.com", topic.Wishes{Raw: true}), fault.InvalidArgument},
		{"a filter that is none", subscribe("email", "ops@example.com", topic.Wishes{Filter: "[]"}), fault.InvalidArgument},
		{"other wishes", subscribe("https", "https://a.example.com/", topic.Wishes{}), fault.AlreadyExists},
		{"nothing", publish(topic.Publication{}), fault.InvalidArgument},
		{"too much", publish(topic.Publication{Body: strings.Repeat("x", topic.MaxMessage+1)}), fault.InvalidArgument},
		{"no UTF-8", publish(topic.Publication{Body: "\xff"}), fault.InvalidArgument},
		{"two lines of a subject", publish(topic.Publication{Body: "x", Subject: "a\nb"}), fault.InvalidArgument},
		{"an attribute without a name", attribute("", "String", "x"), fault.InvalidArgument},
		{"an attribute of no type", attribute("a", "Date", "x"), fault.InvalidArgument},
		{"a number that is none", attribute("a", "Number", "0x1"), fault.InvalidArgument},
		{"an array that is none", attribute("a", "String.Array", "{}"), fault.InvalidArgument},
		{"an empty attribute", attribute("a", "String", ""), fault.InvalidArgument},
		{"a dry run", dryRun, fault.InvalidArgument},
	}
	for _, test := range tests {
		if test.err == nil || fault.KindOf(test.err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, test.err, test.want)
		}
	}
	if n := f.count(); n != 1 {
		t.Errorf("%d rows were written", n)
	}
	unlinked := f.config
	unlinked.Linked, unlinked.Mailer = false, nil
	for protocol, endpoint := range map[string]string{"https": "https://b.example.com/", "email": "ops@example.com"} {
		_, err := topic.New(unlinked).Subscribe(t.Context(), f.admin(), ref, &topic.Subscribing{Protocol: protocol, Endpoint: endpoint})
		if err == nil {
			t.Errorf("%s: a server without an address or mail took the subscription", protocol)
		}
	}
}

// TestListings: topics and subscriptions come in pages, each once.
func TestListings(t *testing.T) {
	f := newFixture(t)
	var names []string
	for _, name := range []string{"c", "a", "b"} {
		f.make(name, topic.Settings{})
		f.subscribe(topic.Ref(realm, region, name), "email", name+"@example.com", topic.Wishes{})
	}
	f.subscribe(topic.Ref(realm, region, "a"), "email", "second@example.com", topic.Wishes{})
	page := kms.Page{Limit: 2}
	for first := true; first || page.After != ""; first = false {
		list, next, err := f.List(t.Context(), f.admin(), page)
		must(t, err)
		for _, one := range list {
			names = append(names, one.Resource.ID)
		}
		page.After = next
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	of := func(list func(p kms.Page) ([]*topic.Subscription, string, error)) int {
		seen, page := map[string]bool{}, kms.Page{Limit: 1}
		for first := true; first || page.After != ""; first = false {
			l, next, err := list(page)
			must(t, err)
			for _, s := range l {
				seen[s.ID] = true
			}
			page.After = next
		}
		return len(seen)
	}
	all := of(func(p kms.Page) ([]*topic.Subscription, string, error) {
		return f.Subscriptions(t.Context(), f.admin(), p)
	})
	one := of(func(p kms.Page) ([]*topic.Subscription, string, error) {
		return f.TopicSubscriptions(t.Context(), f.admin(), topic.Ref(realm, region, "a"), p)
	})
	if all != 4 || one != 2 {
		t.Errorf("%d subscriptions in all, %d of one topic", all, one)
	}
}

// TestTags: tags are merged, and taken away.
func TestTags(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	must(t, f.Tag(t.Context(), f.admin(), ref, []key.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}}))
	must(t, f.Untag(t.Context(), f.admin(), ref, []string{"b", "c"}))
	tags, err := f.Tags(t.Context(), f.admin(), ref)
	if diff := cmp.Diff([]key.Tag{{Key: "a", Value: "2"}}, tags); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	want(t, f.Tag(t.Context(), f.admin(), ref, []key.Tag{{Key: "aws:x"}}), fault.InvalidArgument)
}

// TestStart: what is published is delivered with nobody ticking, also after a
// restart, and Close waits.
func TestStart(t *testing.T) {
	f := newFixture(t)
	ref := f.make("orders", topic.Settings{}).Resource
	f.subscribe(ref, "https", "https://a.example.com/", topic.Wishes{})
	f.publish(ref, topic.Publication{Body: "before"}) // which nobody delivers yet
	arrived := func(text string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for time.Now().Before(deadline) {
			if got := lines(f.post.take()); len(got) == 1 && got[0] == "https://a.example.com/: notification "+text {
				return
			} else if len(got) > 0 {
				t.Fatalf("%v", got)
			}
			runtime.Gosched()
		}
		t.Fatalf("%s does not arrive", text)
	}
	again := topic.New(f.config)
	again.Start()
	arrived("before")
	_, err := again.Publish(t.Context(), f.admin(), ref, &topic.Publication{Body: "after"})
	must(t, err)
	arrived("after")
	must(t, again.Close())
}
