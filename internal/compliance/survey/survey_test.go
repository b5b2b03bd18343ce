package survey_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/survey"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/keypolicy"
)

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

func (p people) Holders(realm key.RealmID) (list []identity.Holder) {
	for name, policies := range p {
		who := key.Principal{Realm: realm, Kind: key.User, Name: name}
		list = append(list, identity.Holder{Principal: who, Acts: who, Policies: policies})
	}
	return list
}

// fixture is a survey of real keys, authorities and certificates, in memory.
type fixture struct {
	*survey.Service
	t      *testing.T
	keys   *kms.Service
	ca     *ca.Service
	log    *audit.Memory
	people people
	now    time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, log: audit.NewMemory(10_000), people: people{}, now: time.Now()}
	f.let("admin", `"*"`)
	root, err := seal.Ephemeral()
	must(t, err)
	rows := mem.New()
	engine, err := soft.New(seal.NewKeyring(root, rows), soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	g := guard.New(f.log, f.people)
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	f.keys, err = kms.New(t.Context(), kms.Config{Guard: g, Store: rows, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile})
	must(t, err)
	f.ca, err = ca.New(t.Context(), ca.Config{Keys: f.keys, Guard: g, Store: rows, Compile: compile})
	must(t, err)
	certificates, err := inventory.New(t.Context(), inventory.Config{Authorities: f.ca, Guard: g, Store: rows})
	must(t, err)
	t.Cleanup(func() { must(t, certificates.Close()) })
	f.Service = survey.New(survey.Config{
		Keys: f.keys, Authorities: f.ca, Inventory: certificates, Holders: f.people, Log: index.Over(f.log, func(*entry.Entry, func(string, string)) {}),
		Guard: g, Statements: func(d key.Document) ([]compliance.Statement, error) { return keypolicy.Statements(d.Text) },
		Words: func(s alg.Spec, u alg.Usage) (string, string) { return aws.SpecName(s), aws.UsageName(u) },
		Installation: func(_ context.Context, _ *key.Call, i *compliance.Installation) error {
			i.Logging = compliance.Known(compliance.Log{On: true})
			return nil
		},
		Now: func() time.Time { return f.now },
	})
	return f
}

// let gives a user an identity policy that allows actions, as JSON.
func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`), policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}}, RequestID: "r", API: "test",
		Operation: "test", Region: "us-east-1", Time: f.now,
	}
}

func (f *fixture) newKey(spec alg.Spec, usage alg.Usage, alias, region string) *key.Key {
	f.t.Helper()
	call := f.as("admin")
	call.Region = region
	k, err := f.keys.CreateKey(f.t.Context(), call, &kms.CreateKeyRequest{Spec: spec, Usage: usage, Alias: alias})
	must(f.t, err)
	return k
}

func (f *fixture) check(user string) *compliance.Report {
	f.t.Helper()
	r, err := f.Check(f.t.Context(), f.as(user), compliance.Defaults())
	must(f.t, err)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// broken returns the rules that a resource breaks.
func broken(r *compliance.Report, resource string) (rules []string) {
	for i := range r.Findings {
		if f := &r.Findings[i]; strings.HasSuffix(f.Resource, resource) {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	return rules
}

// has reports whether a rule has a gap with a reason.
func has(r *compliance.Report, rule, reason string) bool {
	return slices.ContainsFunc(r.Gaps, func(g compliance.Gap) bool { return g.Rule == rule && strings.Contains(g.Reason, reason) })
}

func wantRules(t *testing.T, r *compliance.Report, resource string, want ...string) {
	t.Helper()
	if got := broken(r, resource); !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", resource, got, want)
	}
}

const byDefault = "policy-all-actions"

// TestKeys: keys of all regions are judged, with what the audit log and the
// policies tell of them.
func TestKeys(t *testing.T) {
	f := newFixture(t)
	aes := f.newKey(alg.AES256, alg.EncryptDecrypt, "alias/data", "us-east-1")
	far := f.newKey(alg.AES256, alg.EncryptDecrypt, "", "eu-central-1")
	must(t, f.keys.EnableRotation(t.Context(), f.as("admin"), kms.Ref{ID: aes.Name.ID}, 0))
	_, err := f.keys.Encrypt(t.Context(), f.as("admin"), &kms.EncryptRequest{Key: kms.Ref{ID: aes.Name.ID}, Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	must(t, err)
	r := f.check("admin")
	wantRules(t, r, string(aes.Name.ID), byDefault, "same-caller-administers-and-uses", "same-caller-may-administer-and-use")
	wantRules(t, r, string(far.Name.ID), "key-rotation-off", byDefault, "same-caller-may-administer-and-use")
	i := slices.IndexFunc(r.Findings, func(x compliance.Finding) bool { return x.Rule == "same-caller-administers-and-uses" })
	if x := r.Findings[i]; x.Name != "alias/data" || !strings.Contains(x.Evidence, "123456789012:user:admin") || x.Region != "us-east-1" {
		t.Errorf("%+v", x)
	}

	f.let("operator", `["kms:PutKeyPolicy","kms:ScheduleKeyDeletion"]`)
	f.let("application", `["kms:Encrypt","kms:Decrypt"]`)
	delete(f.people, "admin")
	f.let("auditor", `["holdfast:CheckCompliance","kms:DescribeKey","kms:GetKeyPolicy","cloudtrail:LookupEvents","iam:ListUsers","iam:ListRoles","holdfast:ListCertificates"]`)
	r = f.check("auditor")
	wantRules(t, r, string(far.Name.ID), "key-rotation-off", byDefault)

	f.now = f.now.AddDate(4, 0, 0)
	r = f.check("auditor")
	wantRules(t, r, string(far.Name.ID), "key-cryptoperiod", "key-old", "key-rotation-off", "key-unused", byDefault)
}

// TestRights: what a caller may not see is not evaluated, and never passed.
func TestRights(t *testing.T) {
	f := newFixture(t)
	k := f.newKey(alg.AES256, alg.EncryptDecrypt, "", "us-east-1")
	f.let("nobody", `"kms:DescribeKey"`)
	if _, err := f.Check(t.Context(), f.as("nobody"), compliance.Defaults()); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("%v, want a refusal", err)
	}
	f.let("blind", `"holdfast:CheckCompliance"`)
	r := f.check("blind")
	wantRules(t, r, string(k.Name.ID))
	if !has(r, "key-rotation-off", "may not describe") || !has(r, "certificate-expiring", "may not list certificates") {
		t.Errorf("the gaps are %+v", r.Gaps)
	}
	f.let("half", `["holdfast:CheckCompliance","kms:DescribeKey"]`)
	r = f.check("half")
	wantRules(t, r, string(k.Name.ID), "key-rotation-off")
	for rule, reason := range map[string]string{
		byDefault: "may not read the key's policy", "key-unused": "may not read the audit log", "same-caller-may-administer-and-use": "may not list users",
	} {
		if !has(r, rule, reason) {
			t.Errorf("%s has no gap %q: %+v", rule, reason, r.Gaps)
		}
	}
	for _, x := range r.Results {
		if slices.Contains([]string{byDefault, "key-unused", "certificate-expiring", "policy-open-to-all"}, x.Rule) && x.Passed > 0 {
			t.Errorf("%s passes what the caller may not see", x.Rule)
		}
	}
	foreign := f.as("blind")
	foreign.Caller.Principal.Realm = "999999999999"
	other, err := f.Check(t.Context(), foreign, compliance.Defaults())
	must(t, err)
	if len(broken(other, string(k.Name.ID))) > 0 || has(other, "key-rotation-off", "may not describe") {
		t.Errorf("another realm sees the key: %+v", other)
	}
}

// TestRecorded: a check is an entry of the audit log, with its numbers; also
// one that was refused.
func TestRecorded(t *testing.T) {
	f := newFixture(t)
	f.newKey(alg.AES256, alg.EncryptDecrypt, "", "us-east-1")
	f.check("admin")
	found := false
	for r, err := range f.log.Read(t.Context(), audit.Filter{Action: "compliance:Check"}) {
		must(t, err)
		found = r.Entry.Result == "ok" && slices.Contains(r.Entry.Details, audit.Detail{Name: "keys", Value: "1"})
	}
	if !found {
		t.Error("no entry tells of the check")
	}
}

// TestCertificates: those of authorities and those that they issued are judged,
// and one that something takes the place of is not missed.
func TestCertificates(t *testing.T) {
	f := newFixture(t)
	k := f.newKey(alg.RSA2048, alg.SignVerify, "alias/ca", "us-east-1")
	a, err := f.ca.CreateAuthority(t.Context(), f.as("admin"), &ca.CreateAuthorityRequest{
		Name: "root", Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: "Root"}, Validity: 10 * 365 * 24 * time.Hour,
	})
	must(t, err)
	issue := func(days int) *ca.Issued {
		t.Helper()
		c, err := f.ca.Issue(t.Context(), f.as("admin"), &ca.IssueRequest{
			Authority: a.ID, Profile: "tls-server", NewKey: alg.P256, Subject: profile.Subject{CommonName: "web.example.com"},
			Names: profile.Names{DNS: []string{"web.example.com"}}, Validity: profile.Days(days),
		})
		must(t, err)
		return c
	}
	first, second := issue(90), issue(390)
	r := f.check("admin")
	wantRules(t, r, a.ID, "certificate-outlives-algorithm")
	wantRules(t, r, string(k.Name.ID), "cnsa2-algorithm", "key-112-bits", "key-outside-hsm", byDefault, "pq-signature", "same-caller-may-administer-and-use")
	wantRules(t, r, first.Serial)
	wantRules(t, r, second.Serial)
	f.now = f.now.AddDate(0, 0, 85)
	r = f.check("admin")
	wantRules(t, r, first.Serial) // the second takes its place
	f.now = f.now.AddDate(0, 0, 290)
	r = f.check("admin")
	wantRules(t, r, second.Serial, "certificate-expiring")
	i := slices.IndexFunc(r.Findings, func(x compliance.Finding) bool { return x.Rule == "certificate-expiring" })
	if x := r.Findings[i]; x.Command != "holdfast cert issue --ca "+a.ID+" --csr {request.pem}" || x.ID != second.Serial {
		t.Errorf("%+v", x)
	}
}

// TestDocumentedRights: with the policy of docs/compliance.md, nothing is hidden
// from a check.
func TestDocumentedRights(t *testing.T) {
	text, err := os.ReadFile("../../../docs/compliance.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "```json\n")
	document, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/compliance.md has no policy")
	}
	f := newFixture(t)
	k := f.newKey(alg.P256, alg.SignVerify, "alias/ca", "us-east-1")
	_, err = f.ca.CreateAuthority(t.Context(), f.as("admin"), &ca.CreateAuthorityRequest{
		Name: "root", Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: "Root"}, Validity: 10 * 365 * 24 * time.Hour,
	})
	must(t, err)
	p, err := policy.Compile([]byte(document), policy.ForIdentity, aws.Vocabulary())
	must(t, err)
	f.people["auditor"] = []*policy.Policy{p}
	for _, g := range f.check("auditor").Gaps {
		if strings.Contains(g.Reason, "may not") {
			t.Errorf("%s: %s", g.Rule, g.Reason)
		}
	}
}
