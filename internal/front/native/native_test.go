package native_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/deployment"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/front/native/approvals"
	"github.com/holdfast-kms/holdfast/internal/front/native/auditlog"
	"github.com/holdfast-kms/holdfast/internal/front/native/authorities"
	"github.com/holdfast-kms/holdfast/internal/front/native/clientcerts"
	"github.com/holdfast-kms/holdfast/internal/front/native/compliance"
	"github.com/holdfast-kms/holdfast/internal/front/native/deployments"
	nativeinventory "github.com/holdfast-kms/holdfast/internal/front/native/inventory"
	"github.com/holdfast-kms/holdfast/internal/front/native/keys"
	nativemanaged "github.com/holdfast-kms/holdfast/internal/front/native/managed"
	"github.com/holdfast-kms/holdfast/internal/front/native/notices"
	"github.com/holdfast-kms/holdfast/internal/front/native/providers"
	"github.com/holdfast-kms/holdfast/internal/front/native/roles"
	"github.com/holdfast-kms/holdfast/internal/front/native/rotations"
	nativesecrets "github.com/holdfast-kms/holdfast/internal/front/native/secrets"
	"github.com/holdfast-kms/holdfast/internal/front/native/tokens"
	nativetopics "github.com/holdfast-kms/holdfast/internal/front/native/topics"
	"github.com/holdfast-kms/holdfast/internal/front/native/users"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/retention"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/status"
	storage "github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// house is the API on a real door, all in memory, with an administrator.
type house struct {
	front      *native.Front
	config     native.Config
	log        *audit.Memory
	id, secret string
	// observed are the codes that the front end reported, newest last.
	observed []string
}

const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

func newHouse(t testing.TB) *house {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	compile := func(kind policy.Kind) func(key.Document) (*policy.Policy, error) {
		return func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), kind, aws.Vocabulary())
		}
	}
	h := &house{log: audit.NewMemory(10_000)}
	root, err := seal.Ephemeral()
	must(err)
	store := mem.New()
	directory, err := identity.Open(ctx, identity.Config{Root: root, Store: store, Compile: compile(policy.ForIdentity), CompileTrust: compile(policy.ForTrust)})
	must(err)
	gate, err := approval.NewGate(approval.Config{Store: store, Key: make([]byte, 32), Rules: []approval.Rule{{
		Name: "users", Actions: []string{"identity:DeleteUser"}, Resources: []string{"*/user/critical"}, Require: approval.Others, Count: 1,
		Expires: time.Hour, Valid: time.Hour,
	}}})
	must(err)
	g := guard.Gated(h.log, directory, gate)
	admin := identity.NewAdmin(directory, g)
	engine, err := soft.New(seal.NewKeyring(root, store), soft.Options{PureGo: true})
	must(err)
	t.Cleanup(func() { must(engine.Close()) })
	door, err := kms.New(ctx, kms.Config{
		Guard: g, Store: store, Engine: engine, Compile: compile(policy.ForResource), DefaultPolicy: aws.DefaultKeyPolicy,
	})
	must(err)
	issuers, err := ca.New(ctx, ca.Config{Keys: door, Guard: g, Store: store})
	must(err)
	certificates, err := inventory.New(ctx, inventory.Config{Authorities: issuers, Guard: g, Store: store})
	must(err)
	t.Cleanup(func() { must(certificates.Close()) })
	lists, err := status.New(ctx, status.Config{Authorities: issuers, Keys: door, Guard: g, Store: store})
	must(err)
	kept := managed.New(managed.Config{Keys: door, Authorities: issuers, Guard: g, Store: store, Principal: aws.ManagedService})
	hidden := secret.New(secret.Config{
		Keys: door, Guard: g, Store: store, Compile: compile(policy.ForResource), Alias: aws.SecretsAlias, KeyPolicy: aws.SecretsKeyPolicy, Context: aws.SecretContext,
	})
	tell, err := notice.New(notice.Config{Store: store, Guard: g, Channels: []notice.Channel{{Name: "hook", Kind: "webhook", Sender: nobody{}}}})
	must(err)
	must(store.Update(ctx, func(tx storage.Tx) error {
		return event.Emit(tx, &event.Event{ID: "1", Kind: event.CertificateExpired, Realm: key.DefaultRealm, Time: time.Now().Add(-time.Minute), Summary: "It has expired.", Details: []event.Detail{{Name: "serial", Value: "1"}}})
	}))
	_, err = tell.Tick(ctx)
	must(err)
	topics := topic.New(topic.Config{
		Guard: g, Store: store, Keys: door, Compile: compile(policy.ForResource), DefaultPolicy: aws.DefaultTopicPolicy,
	})
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Root}}, Time: time.Now()}
	k, err := admin.Bootstrap(ctx, call, "admin", key.Document{Dialect: "aws", Text: everything}, nil)
	must(err)
	h.id, h.secret = k.ID, k.Secret
	h.config = native.Config{
		Operations: slices.Concat(keys.Operations(door), users.Operations(admin), roles.Operations(admin), authorities.Operations(issuers, lists, certificates),
			nativeinventory.Operations(certificates), nativemanaged.Operations(kept), nativesecrets.Operations(hidden), nativetopics.Operations(topics), tokens.Operations(fakeTokens{}), providers.Operations(fakeProviders{}),
			clientcerts.Operations(admin, issuers), deployments.Operations(deployment.New(g, store, nil)), notices.Operations(tell), approvals.Operations(approval.New(gate, g)), auditlog.Operations(fakeAudit{}, retention.New(retention.Config{Guard: g, Store: store})),
			compliance.Operations(newSurvey(door, issuers, certificates, directory, h.log, g)),
			rotations.Operations(rotation.New(rotation.Config{Keys: door, Guard: g, Store: store}))),
		Directory: directory, Door: door, Version: wire.ServerVersion{Version: "test"},
		Observe: func(_ context.Context, _, operation, code string, _ time.Duration) {
			h.observed = append(h.observed, operation+" "+code)
		},
	}
	h.front = native.New(h.config)
	return h
}

// nobody takes no message.
type nobody struct{}

func (nobody) Send(context.Context, *notice.Message) error {
	return notice.Refused(errors.New("422 no"))
}

// TestNotices: what could not be told, and having it tried again.
func TestNotices(t *testing.T) {
	h := newHouse(t)
	var list wire.NoticeList
	h.ask(t, "GET", "/notices?state=failed", "", &list)
	if len(list.Notices) != 1 || list.Notices[0].Error != "422 no" || list.Notices[0].Events != nil || list.Notices[0].Title != "[Holdfast] critical: It has expired." {
		t.Fatalf("%+v", list)
	}
	var one wire.Notice
	h.ask(t, "GET", "/notices/"+list.Notices[0].ID, "", &one)
	if len(one.Events) != 1 || one.Events[0].Severity != "critical" || one.Events[0].Details[0].Value != "1" || !one.NextAt.IsZero() {
		t.Errorf("%+v", one)
	}
	h.ask(t, "POST", "/notices/"+one.ID+"/retry", "", &one)
	if one.State != "waiting" || one.NextAt.IsZero() {
		t.Errorf("%+v", one)
	}
	var channels wire.NoticeChannelList
	h.ask(t, "GET", "/notice-channels", "", &channels)
	if len(channels.Channels) != 1 || channels.Channels[0].GivenUp != 1 || channels.Channels[0].Waiting != 1 || channels.Channels[0].State != "up" {
		t.Errorf("%+v", channels)
	}
	var trial wire.NoticeTrial
	h.ask(t, "POST", "/notice-channels/hook/test", "", &trial)
	if len(trial.Results) != 1 || trial.Results[0].OK || trial.Results[0].Error != "422 no" {
		t.Errorf("%+v", trial)
	}
	for path, want := range map[string]int{"POST /notice-channels/none/test": http.StatusNotFound, "GET /notices?state=lost": http.StatusBadRequest, "GET /notices/1": http.StatusNotFound} {
		method, target, _ := strings.Cut(path, " ")
		if got := h.serve(h.request(method, target, "")).Code; got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
}

// fakeAudit answers with the filter that it was asked for.
type fakeAudit struct{}

func (fakeAudit) Audit(_ context.Context, _ *key.Call, f wire.AuditFilter) (*wire.AuditList, error) {
	text, err := json.Marshal(f)
	return &wire.AuditList{Records: []wire.AuditRecord{{Why: string(text)}}}, err
}

func (fakeAudit) ExportAudit(_ context.Context, _ *key.Call, f wire.AuditFilter, format string, open func(string) io.Writer) error {
	_, err := fmt.Fprintf(open("text/plain"), "%s %s %s", format, f.Action, f.Since.Format(time.RFC3339))
	return err
}

func (fakeAudit) Sinks(context.Context, *key.Call) (*wire.AuditSinkList, error) {
	return &wire.AuditSinkList{Sinks: []wire.AuditSink{{Name: "siem"}}}, nil
}

// fakeTokens has one token, and tells who asks nothing.
type fakeTokens struct{}

func (fakeTokens) HSMs(context.Context, *key.Call) (*wire.HSMList, error) {
	return &wire.HSMList{HSMs: []wire.HSM{{Name: "luna"}}}, nil
}

func (fakeTokens) HSM(_ context.Context, _ *key.Call, name string) (*wire.HSM, error) {
	return nil, fault.New(fault.NotFound, "no %s", name)
}

func (fakeTokens) Objects(_ context.Context, _ *key.Call, name string) (*wire.HSMObjectList, error) {
	return nil, fault.New(fault.NotFound, "no %s", name)
}

// fakeProviders has one provider with one key.
type fakeProviders struct{}

func (fakeProviders) Providers(context.Context, *key.Call) (*wire.ProviderList, error) {
	return &wire.ProviderList{Providers: []wire.Provider{{Name: "aws"}}}, nil
}

func (fakeProviders) Provider(_ context.Context, _ *key.Call, name string) (*wire.Provider, error) {
	return nil, fault.New(fault.NotFound, "no %s", name)
}

func (fakeProviders) Keys(_ context.Context, _ *key.Call, name, page string) (*wire.ProviderKeyList, error) {
	return nil, fault.New(fault.NotFound, "no %s, no %s", name, page)
}

func (fakeProviders) Test(_ context.Context, _ *key.Call, name string, _ *wire.TestProviderRequest) (*wire.ProviderTrial, error) {
	return nil, fault.New(fault.NotFound, "no %s", name)
}

// request returns a request of the administrator from this machine.
func (h *house) request(method, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, wire.Prefix+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:5000"
	r.SetBasicAuth(h.id, h.secret)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (h *house) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.front.ServeHTTP(w, r)
	return w
}

// ask sends a request that is to go well, and reads the answer into v.
func (h *house) ask(t *testing.T, method, path, body string, v any) {
	t.Helper()
	w := h.serve(h.request(method, path, body))
	if w.Code/100 != 2 {
		t.Fatalf("%s %s answers %d: %s", method, path, w.Code, w.Body)
	}
	if v == nil {
		if w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Fatalf("%s %s answers %d %q, want 204 and nothing", method, path, w.Code, w.Body)
		}
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatal(err)
	}
}

// problemOf reads the answer to a request that failed.
func problemOf(t *testing.T, w *httptest.ResponseRecorder) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := wire.Decode(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q is no problem: %v", w.Code, w.Body, err)
	}
	if p.Status != w.Code || p.RequestID == "" || p.RequestID != w.Header().Get(wire.HeaderRequestID) {
		t.Errorf("the problem %+v does not go with the status %d and the header %q", p, w.Code, w.Header().Get(wire.HeaderRequestID))
	}
	return p
}

func (h *house) entries(t *testing.T) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	for r, err := range h.log.Read(context.Background(), audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Entry)
	}
	return all
}

// Who is let in, what the others are told, and that each refusal is recorded.
func TestAuthentication(t *testing.T) {
	h := newHouse(t)
	tests := map[string]struct {
		change func(*http.Request)
		kind   string
		reason string
	}{
		"loopback":            {func(*http.Request) {}, "", ""},
		"IPv6 loopback":       {func(r *http.Request) { r.RemoteAddr = "[::1]:1" }, "", ""},
		"mapped loopback":     {func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:1" }, "", ""},
		"plain from afar":     {func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1" }, "unauthenticated", "unsupported-proof"},
		"a forwarded address": {func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1"; r.Header.Set("X-Forwarded-For", "127.0.0.1") }, "unauthenticated", "unsupported-proof"},
		"nothing":             {func(r *http.Request) { r.Header.Del("Authorization") }, "unauthenticated", "missing-credential"},
		"bearer":              {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "unauthenticated", "unsupported-proof"},
		"no base64":           {func(r *http.Request) { r.Header.Set("Authorization", "Basic ***") }, "unauthenticated", "malformed-proof"},
		"no secret":           {func(r *http.Request) { r.SetBasicAuth(h.id, "") }, "unauthenticated", "malformed-proof"},
		"wrong secret":        {func(r *http.Request) { r.SetBasicAuth(h.id, h.secret+"x") }, "unauthenticated", "wrong-proof"},
		"shorter secret":      {func(r *http.Request) { r.SetBasicAuth(h.id, h.secret[:3]) }, "unauthenticated", "wrong-proof"},
		"unknown id":          {func(r *http.Request) { r.SetBasicAuth("AKIAXXXXXXXXXXXXXXXX", h.secret) }, "unauthenticated", "unknown-credential"},
		"wrong token":         {func(r *http.Request) { r.Header.Set(wire.HeaderSessionToken, "x") }, "unauthenticated", "unknown-credential"},
		"no region's name":    {func(r *http.Request) { r.Header.Set(wire.HeaderRegion, "a/b") }, "invalid-argument", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := len(h.entries(t))
			r := h.request("GET", "/whoami", "")
			test.change(r)
			w := h.serve(r)
			entries := h.entries(t)[before:]
			if len(entries) != 1 {
				t.Fatalf("%d audit entries, want 1", len(entries))
			}
			if strings.Contains(w.Body.String(), h.secret) {
				t.Error("the answer has the secret")
			}
			if test.kind == "" {
				if w.Code != http.StatusOK || entries[0].Result != "ok" || entries[0].Method != "basic" {
					t.Errorf("%d %s, entry %+v", w.Code, w.Body, entries[0])
				}
				return
			}
			p := problemOf(t, w)
			if p.Kind != test.kind || p.Reason != test.reason {
				t.Errorf("%s/%s, want %s/%s: %s", p.Kind, p.Reason, test.kind, test.reason, p.Detail)
			}
			if e := entries[0]; e.RequestID != p.RequestID || wire.KindName(0) == e.Result {
				t.Errorf("entry %+v does not go with %+v", e, p)
			}
		})
	}
}

// A secret that stands where the id belongs is not written down.
func TestMisplacedSecret(t *testing.T) {
	h := newHouse(t)
	r := h.request("GET", "/whoami", "")
	r.SetBasicAuth("hunter2/hunter2/hunter2", "x")
	h.serve(r)
	for _, e := range h.entries(t) {
		if strings.Contains(e.Credential, "hunter2") {
			t.Errorf("the entry has what stood in place of the id: %+v", e)
		}
	}
}

// What requests are refused for before they reach an operation.
func TestRefusals(t *testing.T) {
	h := newHouse(t)
	tests := map[string]struct {
		method, path, body string
		status             int
		detail             string
	}{
		"no path":                        {"GET", "/nothing", "", 404, "no operation has this path"},
		"wrong method":                   {"DELETE", "/keys", "", 405, "the path does not take the method DELETE"},
		"unknown parameter":              {"GET", "/keys?limit=1&marker=x", "", 400, `the parameter "marker" is not known`},
		"parameter twice":                {"GET", "/keys?limit=1&limit=2", "", 400, `the parameter "limit" comes twice`},
		"no number":                      {"GET", "/keys?limit=x", "", 400, `the parameter "limit" must be a number from 0 to 1000`},
		"too many":                       {"GET", "/keys?limit=1001", "", 400, `the parameter "limit" must be a number from 0 to 1000`},
		"unknown member":                 {"POST", "/keys", `{"Spec":"x"}`, 400, `the member "Spec" is not known: it is written "spec"`},
		"body where none goes":           {"POST", "/keys/x/enable", `{}`, 400, "this operation takes no body"},
		"body missing":                   {"POST", "/keys", "", 400, "the body must come as Content-Type: application/json"},
		"unknown spec":                   {"POST", "/keys", `{"spec":"RSA_1024"}`, 400, `the key spec "RSA_1024" is not known`},
		"unknown usage":                  {"POST", "/keys", `{"usage":"SIGN"}`, 400, `the usage "SIGN" is not known`},
		"usage to choose":                {"POST", "/keys", `{"spec":"RSA_2048"}`, 400, "a key of spec rsa-2048 needs a usage"},
		"unknown algorithm":              {"POST", "/keys/alias%2Fa/sign", `{"algorithm":"RSA","message":""}`, 400, `the algorithm "RSA" is not known`},
		"no algorithm":                   {"POST", "/keys/alias%2Fa/sign", `{"message":""}`, 400, `the member "algorithm" is missing`},
		"unknown form":                   {"POST", "/keys/alias%2Fa/sign", `{"algorithm":"ECDSA_SHA_256","form":"HASH"}`, 400, `the form "HASH" is not known: it is RAW, DIGEST or EXTERNAL_MU`},
		"unknown dialect":                {"PUT", "/keys/alias%2Fa/policy", `{"dialect":"hcl","document":"x"}`, 400, `the policy dialect "hcl" is not known: it is aws`},
		"no tags to remove":              {"DELETE", "/keys/alias%2Fa/tags", "", 400, `the parameter "key" is missing: name the tags to remove`},
		"no key to name":                 {"POST", "/aliases", `{"name":"alias/a"}`, 400, `the member "key" is missing`},
		"unknown alias":                  {"GET", "/keys/alias%2Fa", "", 404, "alias/a does not exist"},
		"no IP address":                  {"POST", "/certificates", `{"authority":"x","names":{"ips":["1.2.3"]}}`, 400, `the member "names.ips" has "1.2.3", which is no IP address`},
		"no CSR":                         {"POST", "/certificates", `{"authority":"x","csr":"x"}`, 400, `the member "csr" is not one certificate request in PEM`},
		"unknown reason":                 {"POST", "/certificates/x/1/revoke", `{"reason":"bored"}`, 400, `"bored" is no reason for a revocation`},
		"endless validity":               {"POST", "/authorities", `{"name":"x","key":"y","subject":{},"validity_days":9999999}`, 400, `the member "validity_days" must be 0 to 36600`},
		"after and last":                 {"GET", "/audit?after=1&last=1", "", 400, `the parameters "after" and "last" exclude each other`},
		"no position":                    {"GET", "/audit?after=x", "", 400, `the parameter "after" must be a position`},
		"no time":                        {"GET", "/audit?since=yesterday", "", 400, `the parameter "since" must be a time as in RFC 3339`},
		"adopt what":                     {"POST", "/keys/adopt", `{"uri":"","hsm":"luna"}`, 400, `the member "uri" is missing`},
		"adopt from two":                 {"POST", "/keys/adopt", `{"uri":"pkcs11:object=a","hsm":"luna","store":"cks-1"}`, 400, `one of the members "hsm", "store" and "provider" is needed`},
		"adopt by a URI from a provider": {"POST", "/keys/adopt", `{"uri":"pkcs11:object=a","provider":"aws"}`, 400, `the member "name" is missing`},
		"adopt by two names":             {"POST", "/keys/adopt", `{"uri":"pkcs11:object=a","name":"a","hsm":"luna"}`, 400, `a token has URIs, and a provider names: the member "uri" says all`},
		"adopt from no provider":         {"POST", "/keys/adopt", `{"name":"a","provider":"luna"}`, 400, `there is no provider "luna"`},
		"create in two places":           {"POST", "/keys", `{"hsm":"luna","provider":"aws"}`, 400, `the members "hsm" and "provider" exclude one another`},
		"adopt from nowhere":             {"POST", "/keys/adopt", `{"uri":"pkcs11:object=a","hsm":"luna"}`, 400, `there is no engine "luna"`},
		"wrapped, no KEK":                {"POST", "/keys/import-wrapped", `{"wrapped":"AA==","wrapping":"rsa-oaep-sha1"}`, 400, `the member "kek" is missing`},
		"wrapped somehow":                {"POST", "/keys/import-wrapped", `{"wrapped":"AA==","kek":"alias/a","wrapping":"rot13"}`, 400, `the wrapping "rot13" is not known`},
		"a blob and more":                {"POST", "/keys/import-wrapped", `{"blob":"e30=","wrapped":"AA=="}`, 400, `the member "blob" excludes "wrapping" and "wrapped": it says both`},
		"no blob":                        {"POST", "/keys/import-wrapped", `{"blob":"e30="}`, 400, `the transfer blob has the schema_version "", and only "1.0.0" is supported`},
		"a blob into an HSM":             {"POST", "/keys/import-wrapped", `{"blob":"e30=","hsm":"luna"}`, 400, `the members "hsm", "store" and "provider" say nothing here: the key comes to where its key exchange key is`},
		"long body":                      {"POST", "/keys", `{"description":"` + strings.Repeat("x", wire.MaxBody) + `"}`, 422, "the body is longer than 262144 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := h.serve(h.request(test.method, test.path, test.body))
			if p := problemOf(t, w); w.Code != test.status || p.Detail != test.detail {
				t.Errorf("%d %q, want %d %q", w.Code, p.Detail, test.status, test.detail)
			}
		})
	}
	if w := h.serve(h.request("DELETE", "/keys", "")); !cmp.Equal(w.Header()["Allow"], []string{"GET", "POST"}) {
		t.Errorf("Allow is %q", w.Header()["Allow"])
	}
}

// A key's way through the API, by id, alias, ARN and canonical name.
func TestKeys(t *testing.T) {
	h := newHouse(t)
	var k wire.Key
	h.ask(t, "POST", "/keys", `{"spec":"p-256","description":"d","tags":[{"key":"a","value":"b"}]}`, &k)
	if k.Spec != "ECC_NIST_P256" || k.Usage != "SIGN_VERIFY" || k.State != "enabled" || !cmp.Equal(k.Algorithms, []string{"ECDSA_SHA_256"}) {
		t.Errorf("%+v", k)
	}
	h.ask(t, "POST", "/aliases", `{"name":"alias/a/b","key":"`+k.ID+`"}`, nil)
	names := []string{
		k.ID, "alias%2Fa%2Fb", "123456789012%2Fus-east-1%2F" + k.ID, "arn:aws:kms:us-east-1:123456789012:key%2F" + k.ID,
		"arn:aws:kms:us-east-1:123456789012:alias%2Fa%2Fb",
	}
	for _, name := range names {
		var again wire.Key
		h.ask(t, "GET", "/keys/"+name, "", &again)
		if diff := cmp.Diff(k, again); diff != "" {
			t.Errorf("%s (-created +told):\n%s", name, diff)
		}
	}
	var s wire.Signature
	h.ask(t, "POST", "/keys/alias%2Fa%2Fb/sign", `{"algorithm":"ecdsa-sha256","message":"aGk="}`, &s)
	check, err := json.Marshal(wire.VerifyRequest{
		SignRequest: wire.SignRequest{Algorithm: "ECDSA_SHA_256", Message: []byte("hi")}, Signature: s.Signature,
	})
	if err != nil {
		t.Fatal(err)
	}
	var v wire.Verified
	h.ask(t, "POST", "/keys/"+k.ID+"/verify", string(check), &v)
	wrong := bytes.Replace(check, []byte(`"aGk="`), []byte(`"aG8="`), 1)
	if p := problemOf(t, h.serve(h.request("POST", "/keys/"+k.ID+"/verify", string(wrong)))); p.Kind != "bad-signature" {
		t.Errorf("a wrong signature: %+v", p)
	}
	h.ask(t, "POST", "/keys/"+k.ID+"/disable", "", nil)
	if p := problemOf(t, h.serve(h.request("POST", "/keys/"+k.ID+"/sign", `{"algorithm":"ECDSA_SHA_256","message":"aGk="}`))); p.Reason != "key-disabled" {
		t.Errorf("a disabled key: %+v", p)
	}
	h.ask(t, "POST", "/keys/"+k.ID+"/schedule-deletion", `{"days":7}`, &k)
	if k.State != "pending deletion" || k.DeleteAt.IsZero() {
		t.Errorf("%+v", k)
	}
}

// A session proves its user until it ends.
func TestSession(t *testing.T) {
	h := newHouse(t)
	var s wire.Session
	h.ask(t, "POST", "/sessions", `{"seconds":900}`, &s)
	r := h.request("GET", "/whoami", "")
	r.SetBasicAuth(s.AccessKeyID, s.SecretAccessKey)
	r.Header.Set(wire.HeaderSessionToken, s.SessionToken)
	var i wire.Identity
	if w := h.serve(r); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &i) != nil || i.Name != "admin" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The parameters of a search arrive.
func TestAuditFilter(t *testing.T) {
	h := newHouse(t)
	var l wire.AuditList
	h.ask(t, "GET", "/audit?after=7&limit=5&action=key:*&since=2026-01-02T03:04:05Z&result=ok", "", &l)
	var got wire.AuditFilter
	if err := json.Unmarshal([]byte(l.Records[0].Why), &got); err != nil {
		t.Fatal(err)
	}
	want := wire.AuditFilter{After: 7, Limit: 5, Action: "key:*", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Result: "ok"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The parameters of an export arrive, and what it is comes as it says.
func TestAuditExport(t *testing.T) {
	h := newHouse(t)
	w := h.serve(h.request("GET", "/audit-export?format=cef&action=key:*&since=2026-01-02T03:04:05Z", ""))
	if got := w.Body.String(); w.Code != http.StatusOK || got != "cef key:* 2026-01-02T03:04:05Z" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("%d %q %q", w.Code, got, w.Header())
	}
}

// What went well is observed as ok, what did not by its kind.
func TestObserve(t *testing.T) {
	h := newHouse(t)
	h.serve(h.request("GET", "/version", ""))
	h.serve(h.request("GET", "/keys/alias%2Fx", ""))
	h.serve(h.request("GET", "/x", ""))
	want := []string{"GetVersion ok", "DescribeKey not-found", "unknown not-found"}
	if diff := cmp.Diff(want, h.observed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever comes, the answer is the API's own and no server error.
func FuzzRequest(f *testing.F) {
	h := newHouse(f)
	ops := h.front.Operations()
	if len(ops) == 0 {
		f.Fatal("the table is empty")
	}
	for i := range ops {
		f.Add(uint8(i), "alias%2Fx", "limit=1", []byte(`{"key":"alias/x","algorithm":"ECDSA_SHA_256","message":"aGk="}`))
	}
	f.Add(uint8(0), "%00", "after=%ff", []byte(`{"spec":"RSA_2048","policy":{"document":"{}"}}`))
	f.Fuzz(func(t *testing.T, which uint8, name, query string, body []byte) {
		op := ops[int(which)%len(ops)]
		path := op.Path
		for _, p := range []string{"{key}", "{alias}", "{user}", "{policy}", "{id}", "{authority}", "{serial}"} {
			path = strings.ReplaceAll(path, p, name)
		}
		r, err := http.NewRequest(op.Method, "http://127.0.0.1"+wire.Prefix+path+"?"+query, bytes.NewReader(body)) //nolint:noctx // a recorder needs none
		if err != nil {
			return
		}
		r.RemoteAddr = "127.0.0.1:1"
		r.SetBasicAuth(h.id, h.secret)
		r.Header.Set("Content-Type", "application/json")
		w := h.serve(r)
		switch {
		case w.Code >= 500:
			t.Fatalf("%s %s answers %d: %s", op.Method, path, w.Code, w.Body)
		case w.Code >= 400:
			problemOf(t, w)
		}
	})
}
