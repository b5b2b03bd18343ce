package compliance

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(days int) time.Time { return now.AddDate(0, 0, -days) }

func in(days int) time.Time { return now.AddDate(0, 0, days) }

// good returns a key that breaks no rule, for changes.
func good(change func(*Key)) *Key {
	k := &Key{
		Place: Holdfast, Resource: "123456789012/us-east-1/k", ID: "k", Region: "us-east-1", Type: TypeOf(alg.AES256, alg.EncryptDecrypt),
		State: Known(key.Enabled), Created: Known(ago(10)), Renewed: Known(ago(10)), Rotation: Known(Rotation{true, true, 365}),
		Protection: Known(key.Software), Origin: Known(key.Generated), Exportable: Known(false),
		Policy:   Known([]Statement{{Label: "1"}}),
		Activity: Known(Activity{Since: ago(200), Used: ago(1), Users: []string{"r:user:app"}, Administrators: []string{"r:user:admin"}}),
		Both:     Known([]string(nil)),
	}
	if change != nil {
		change(k)
	}
	return k
}

// leaf returns a certificate that breaks no rule, for changes.
func leaf(change func(*Certificate)) *Certificate {
	c := &Certificate{
		Place: Holdfast, Resource: "a/01", Name: "CN=web", Issuer: "a", Serial: "01", Type: TypeOf(alg.P256, alg.SignVerify),
		Signature: "ECDSA-SHA256", Server: true, NotBefore: ago(10), NotAfter: in(80),
	}
	if change != nil {
		change(c)
	}
	return c
}

// server returns an installation that breaks no rule, for changes.
func server(change func(*Installation)) *Installation {
	i := &Installation{
		Place: Holdfast, Resource: "123456789012/server", Logging: Known(Log{On: true, Where: "audit log"}), Retention: Known(Retention{}),
		Copies: Known(1), FIPS: Known(FIPS{Module: "v1.0.0", Enabled: true}), Root: Known(Root{Ways: []string{"hsm"}}),
		Devices: []Device{{"hsm-1", Known("FIPS 140-3 level 3")}}, DevicesKnown: true,
	}
	if change != nil {
		change(i)
	}
	return i
}

func typed112() Type { return TypeOf(alg.RSA2048, alg.SignVerify) }

// row is a resource and what a rule says of it: a *Key, *Certificate,
// *Installation or *Exception.
type row struct {
	name     string
	resource any
	want     Verdict
	// text is in the evidence, or in the reason.
	text string
	// severity is that of the finding, 0 for the rule's.
	severity Severity
}

// cases are the specification: what each rule says, of a resource that breaks
// it and of one that does not at least.
var cases = map[string][]row{
	"key-rotation-off": {
		{"off", good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}) }), Failed, "not enabled", 0},
		{"off, disabled", good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}); k.State = Known(key.Disabled) }), Failed, "", 0},
		{"on", good(nil), Passed, "", 0},
		{"asymmetric", good(func(k *Key) { k.Type = typed112() }), NotApplicable, "", 0},
		{"imported", good(func(k *Key) { k.Rotation = Known(Rotation{}) }), NotApplicable, "", 0},
		{"pending deletion", good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}); k.State = Known(key.PendingDeletion) }), NotApplicable, "", 0},
		{"the cloud's own", good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}); k.Foreign = true }), NotApplicable, "", 0},
		{"not told", good(func(k *Key) { k.Rotation = Unknown[Rotation]("no right") }), NotEvaluated, "no right", 0},
	},
	"key-old": {
		{"1096 days", good(func(k *Key) { k.Created = Known(ago(1096)) }), Failed, "Key is 1096 days old", 0},
		{"succeeded", good(func(k *Key) { k.Created, k.Succeeded = Known(ago(1096)), true }), NotApplicable, "", 0},
		{"1095 days", good(func(k *Key) { k.Created = Known(ago(1095)) }), Passed, "", 0},
		{"not told", good(func(k *Key) { k.Created = Fact[time.Time]{} }), NotEvaluated, "does not tell", 0},
	},
	"key-cryptoperiod": {
		{"AES, two years", good(func(k *Key) { k.Renewed = Known(ago(731)) }), Failed, "731 days", 0},
		{"AES, made long ago and rotated", good(func(k *Key) { k.Created = Known(ago(2000)) }), Passed, "", 0},
		{"signing, two years", good(func(k *Key) { k.Type = typed112(); k.Renewed = Known(ago(731)) }), Passed, "", 0},
		{"signing, three years", good(func(k *Key) { k.Type = typed112(); k.Renewed = Known(ago(1096)) }), Failed, "1 to 3 years", 0},
		{"MAC", good(func(k *Key) { k.Type = TypeOf(alg.HMAC256, alg.GenerateVerifyMAC); k.Renewed = Known(ago(800)) }), Failed, "authentication", 0},
		{"agreement", good(func(k *Key) { k.Type = TypeOf(alg.P256, alg.KeyAgreement); k.Renewed = Known(ago(800)) }), Failed, "agreement", 0},
		{"transport", good(func(k *Key) { k.Type = TypeOf(alg.RSA3072, alg.EncryptDecrypt); k.Renewed = Known(ago(800)) }), Failed, "transport", 0},
		{"an authority's", good(func(k *Key) { k.Type = typed112(); k.Renewed = Known(ago(1096)); k.Authority = "a" }), NotApplicable, "", 0},
		{"disabled", good(func(k *Key) { k.Renewed = Known(ago(731)); k.State = Known(key.Disabled) }), NotApplicable, "", 0},
		{"succeeded", good(func(k *Key) { k.Renewed, k.Succeeded = Known(ago(731)), true }), NotApplicable, "", 0},
		{"not told what for", good(func(k *Key) { k.Type.Usage = alg.NoUsage }), NotEvaluated, "what the key is for", 0},
	},
	"key-unused": {
		{"long ago", good(func(k *Key) {
			k.Created = Known(ago(300))
			k.Activity = Known(Activity{Since: ago(200), Used: ago(91)})
		}), Failed, "91 days ago", 0},
		{"never", good(func(k *Key) { k.Created = Known(ago(300)); k.Activity = Known(Activity{Since: ago(200)}) }), Failed, "Nobody", 0},
		{"the log is short", good(func(k *Key) { k.Created = Known(ago(300)); k.Activity = Known(Activity{Since: ago(30)}) }), NotEvaluated, "goes back", 0},
		{"the log begins before the key", good(func(k *Key) { k.Created = Known(ago(100)); k.Activity = Known(Activity{Since: ago(101)}) }), Failed, "Nobody", 0},
		{"used", good(func(k *Key) { k.Created = Known(ago(300)) }), Passed, "", 0},
		{"new", good(func(k *Key) { k.Activity = Known(Activity{Since: ago(200)}) }), Passed, "", 0},
	},
	"policy-open-to-all": {
		{"open", good(func(k *Key) { k.Policy = Known([]Statement{{Label: "\"all\"", Everyone: true}}) }), Failed, `statement "all"`, 0},
		{"under a condition", good(func(k *Key) {
			k.Policy = Known([]Statement{{Everyone: true, Conditions: []string{"aws:PrincipalOrgID"}}})
		}), Passed, "", 0},
		{"named", good(nil), Passed, "", 0},
		{"not told", good(func(k *Key) { k.Policy = Unknown[[]Statement]("refused") }), NotEvaluated, "refused", 0},
	},
	"policy-open-under-conditions": {
		{"under a condition", good(func(k *Key) {
			k.Policy = Known([]Statement{{Label: "2", Everyone: true, Conditions: []string{"aws:PrincipalOrgID"}}})
		}), Failed, "aws:PrincipalOrgID", 0},
		{"open", good(func(k *Key) { k.Policy = Known([]Statement{{Everyone: true}}) }), Passed, "", 0},
	},
	"policy-all-actions": {
		{"all", good(func(k *Key) { k.Policy = Known([]Statement{{Label: "1", All: true}, {Label: "3", All: true}}) }), Failed, "statement 1, 3", 0},
		{"some", good(nil), Passed, "", 0},
	},
	"use-not-logged": {
		{"in memory", server(func(i *Installation) { i.Logging = Known(Log{Where: "only in memory"}) }), Failed, "only in memory", 0},
		{"on disk", server(nil), Passed, "", 0},
		{"not told", server(func(i *Installation) { i.Logging = Unknown[Log]("no trails here") }), NotEvaluated, "no trails", 0},
	},
	"audit-retention": {
		{"half a year", server(func(i *Installation) { i.Retention = Known(Retention{180}) }), Failed, "180 days", 0},
		{"a year", server(func(i *Installation) { i.Retention = Known(Retention{365}) }), Passed, "", 0},
		{"for ever", server(nil), Passed, "", 0},
		{"not told", server(func(i *Installation) { i.Retention = Fact[Retention]{} }), NotEvaluated, "", 0},
	},
	"audit-one-place": {
		{"one", server(func(i *Installation) { i.Copies = Known(0) }), Failed, "Neither", 0},
		{"two", server(nil), Passed, "", 0},
	},
	"key-weak": {
		{"RSA of 1024 bits", good(func(k *Key) { k.Type = Type{"rsa-1024", alg.RSA, 1024, alg.SignVerify} }), Failed, "80 bits", 0},
		{"P-192", good(func(k *Key) { k.Type = Type{"p-192", alg.EC, 192, alg.SignVerify} }), Failed, "96 bits", 0},
		{"RSA of 2048 bits", good(func(k *Key) { k.Type = typed112() }), Passed, "", 0},
		{"another type", good(func(k *Key) { k.Type = Type{Name: "SM2"} }), NotEvaluated, "SM2", 0},
	},
	"key-112-bits": {
		{"RSA of 2048 bits", good(func(k *Key) { k.Type = typed112() }), Failed, "112 bits", 0},
		{"RSA of 3072 bits", good(func(k *Key) { k.Type = TypeOf(alg.RSA3072, alg.SignVerify) }), Passed, "", 0},
		{"weaker", good(func(k *Key) { k.Type = Type{"rsa-1024", alg.RSA, 1024, alg.SignVerify} }), NotApplicable, "", 0},
	},
	"pq-confidentiality": {
		{"RSA", good(func(k *Key) { k.Type = TypeOf(alg.RSA4096, alg.EncryptDecrypt) }), Failed, "rsa-4096", 0},
		{"ECDH", good(func(k *Key) { k.Type = TypeOf(alg.P521, alg.KeyAgreement) }), Failed, "p-521", 0},
		{"AES", good(nil), Passed, "", 0},
		{"signing", good(func(k *Key) { k.Type = typed112() }), NotApplicable, "", 0},
		{"MAC", good(func(k *Key) { k.Type = TypeOf(alg.HMAC256, alg.GenerateVerifyMAC) }), NotApplicable, "", 0},
	},
	"pq-signature": {
		{"Ed25519", good(func(k *Key) { k.Type = TypeOf(alg.Ed25519, alg.SignVerify) }), Failed, "ed25519", 0},
		{"ML-DSA-44", good(func(k *Key) { k.Type = TypeOf(alg.MLDSA44, alg.SignVerify) }), Passed, "", 0},
		{"AES", good(nil), NotApplicable, "", 0},
	},
	"cnsa2-algorithm": {
		{"P-384", good(func(k *Key) { k.Type = TypeOf(alg.P384, alg.SignVerify) }), Failed, "p-384", 0},
		{"ML-DSA-65", good(func(k *Key) { k.Type = TypeOf(alg.MLDSA65, alg.SignVerify) }), Failed, "ml-dsa-65", 0},
		{"AES-128", good(func(k *Key) { k.Type = Type{"aes-128", alg.AES, 128, alg.EncryptDecrypt} }), Failed, "aes-128", 0},
		{"HMAC-SHA-256", good(func(k *Key) { k.Type = TypeOf(alg.HMAC256, alg.GenerateVerifyMAC) }), Failed, "hmac-256", 0},
		{"HMAC-SHA-384", good(func(k *Key) { k.Type = TypeOf(alg.HMAC384, alg.GenerateVerifyMAC) }), Passed, "", 0},
		{"ML-DSA-87", good(func(k *Key) { k.Type = TypeOf(alg.MLDSA87, alg.SignVerify) }), Passed, "", 0},
		{"AES-256", good(nil), Passed, "", 0},
	},
	"key-outside-hsm": {
		{"an authority's", good(func(k *Key) { k.Authority = "a" }), Failed, "The key of an authority, in software", 0},
		{"tagged", good(func(k *Key) { k.Tags = []key.Tag{{Key: "protection", Value: "hsm"}} }), Failed, "Tagged protection=hsm", 0},
		{"in an HSM", good(func(k *Key) { k.Authority, k.Protection = "a", Known(key.HSM) }), Passed, "", 0},
		{"in a service", good(func(k *Key) { k.Authority, k.Protection = "a", Known(key.Outside) }), NotEvaluated, "a service", 0},
		{"any other", good(nil), NotApplicable, "", 0},
	},
	"key-exportable": {
		{"exportable", good(func(k *Key) { k.Exportable = Known(true) }), Failed, "exportable", 0},
		{"not", good(nil), Passed, "", 0},
	},
	"root-key-in-the-clear": {
		{"a file", server(func(i *Installation) { i.Root = Known(Root{[]string{"file"}, true}) }), Failed, "file", 0},
		{"an HSM", server(nil), Passed, "", 0},
	},
	"no-hsm": {
		{"none", server(func(i *Installation) { i.Devices = nil }), Failed, "software", 0},
		{"one", server(nil), Passed, "", 0},
		{"an account", server(func(i *Installation) { i.Devices, i.DevicesKnown = nil, false }), NotApplicable, "", 0},
	},
	"fips-mode-off": {
		{"off", server(func(i *Installation) { i.FIPS = Known(FIPS{Module: "v1.0.0"}) }), Failed, "v1.0.0", 0},
		{"on", server(nil), Passed, "", 0},
	},
	"fips-module-not-frozen": {
		{"latest", server(func(i *Installation) { i.FIPS = Known(FIPS{Module: "latest", Enabled: true}) }), Failed, "not a frozen", 0},
		{"frozen", server(nil), Passed, "", 0},
	},
	"fips-hsm-mode": {
		{"not", server(func(i *Installation) { i.Devices[0].Mode = Known(NotFIPS) }), Failed, "hsm-1", 0},
		{"silent", server(func(i *Installation) { i.Devices[0].Mode = Unknown[string]("PKCS #11 has no question for it") }), NotEvaluated, "PKCS #11", 0},
		{"in it", server(nil), Passed, "", 0},
	},
	"same-caller-administers-and-uses": {
		{"one", good(func(k *Key) {
			k.Activity = Known(Activity{Users: []string{"r:user:a", "r:user:b"}, Administrators: []string{"r:user:b"}})
		}), Failed, "r:user:b", 0},
		{"two", good(nil), Passed, "", 0},
		{"not told", good(func(k *Key) { k.Activity = Unknown[Activity]("no right to read the audit log") }), NotEvaluated, "no right", 0},
	},
	"same-caller-may-administer-and-use": {
		{"many", good(func(k *Key) { k.Both = Known([]string{"f", "e", "d", "c", "b", "a"}) }), Failed, "a, b, c, d, e and 1 more", 0},
		{"nobody", good(nil), Passed, "", 0},
	},
	"certificate-weak-key": {
		{"RSA of 1024 bits", leaf(func(c *Certificate) { c.Type = Type{"rsa-1024", alg.RSA, 1024, 0} }), Failed, "rsa-1024", 0},
		{"P-256", leaf(nil), Passed, "", 0},
		{"another", leaf(func(c *Certificate) { c.Type = Type{Name: "GOST"} }), NotEvaluated, "", 0},
	},
	"certificate-weak-signature": {
		{"SHA-1", leaf(func(c *Certificate) { c.Signature, c.Broken = "SHA1-RSA", true }), Failed, "SHA1-RSA", 0},
		{"SHA-256", leaf(nil), Passed, "", 0},
	},
	"certificate-outlives-algorithm": {
		{"RSA of 2048 bits until 2031", leaf(func(c *Certificate) { c.Type, c.NotAfter = typed112(), in(5*365) }), Failed, "2031", 0},
		{"until 2030", leaf(func(c *Certificate) { c.Type, c.NotAfter = typed112(), in(4*365) }), Passed, "", 0},
		{"weaker", leaf(func(c *Certificate) { c.Type = Type{"rsa-1024", alg.RSA, 1024, 0} }), NotApplicable, "", 0},
	},
	"certificate-long-lived": {
		{"399 days", leaf(func(c *Certificate) { c.NotAfter = c.NotBefore.AddDate(0, 0, 399).Add(-time.Second) }), Failed, "399 days", 0},
		{"398 days", leaf(func(c *Certificate) { c.NotAfter = c.NotBefore.AddDate(0, 0, 398).Add(-time.Second) }), Passed, "", 0},
		{"for clients", leaf(func(c *Certificate) { c.Server, c.NotAfter = false, in(4000) }), NotApplicable, "", 0},
	},
	"certificate-expiring": {
		{"in 29 days", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter = ago(300), in(29) }), Failed, "in 29 days", 0},
		{"ended", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter = ago(300), ago(1) }), Failed, "Ended", High},
		{"ended, with a successor", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter, c.Successor = ago(300), ago(1), in(90) }), Passed, "", 0},
		{"in 31 days", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter = ago(300), in(31) }), Passed, "", 0},
		{"a short one, in the middle of its life", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter = ago(5), in(5) }), Passed, "", 0},
		{"a short one, at its end", leaf(func(c *Certificate) { c.NotBefore, c.NotAfter = ago(7), in(3) }), Failed, "", 0},
		{"an authority's", leaf(func(c *Certificate) { c.NotAfter, c.Authority = in(1), "a" }), NotApplicable, "", 0},
	},
	"authority-expiring": {
		{"in 179 days", leaf(func(c *Certificate) { c.NotAfter, c.Authority = in(179), "a" }), Failed, "in 179 days", 0},
		{"ended", leaf(func(c *Certificate) { c.NotAfter, c.Authority = ago(1), "a" }), Failed, "Ended", 0},
		{"in 181 days", leaf(func(c *Certificate) { c.NotAfter, c.Authority = in(181), "a" }), Passed, "", 0},
		{"a leaf", leaf(func(c *Certificate) { c.NotAfter = in(1) }), NotApplicable, "", 0},
	},
	"exception-expired": {
		{"yesterday", &Exception{Rule: "key-old", Resource: "k", Owner: "ops", Until: "2026-11-22"}, Failed, "ops", 0},
		{"today", &Exception{Rule: "key-old", Resource: "k", Owner: "ops", Until: "2026-11-23"}, Passed, "", 0},
	},
}

func judge(r *Rule, resource any) Outcome {
	m := Moment{Defaults(), now}
	switch x := resource.(type) {
	case *Key:
		return r.key(&m, x)
	case *Certificate:
		return r.certificate(&m, x)
	case *Installation:
		return r.installation(&m, x)
	case *Exception:
		return r.exception(&m, x)
	}
	panic("no resource")
}

func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s: the id is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Severity == 0 || len(r.Controls) == 0 || r.Advice == "" || !slices.Contains(Categories(), r.Category) {
			t.Errorf("%s: the row is not whole", r.ID)
		}
		if r.Subject() != SubjectException && r.Mend[Holdfast] == "" {
			t.Errorf("%s: no command mends it", r.ID)
		}
		verdicts := map[Verdict]bool{}
		for _, c := range cases[r.ID] {
			got := judge(&r, c.resource)
			verdicts[got.Verdict] = true
			if got.Verdict != c.want || !strings.Contains(got.Text, c.text) || c.want == Failed && got.Severity != c.severity {
				t.Errorf("%s: %s: %+v, want %d, %q", r.ID, c.name, got, c.want, c.text)
			}
		}
		if !verdicts[Failed] || !verdicts[Passed] {
			t.Errorf("%s: the table has no resource that breaks it, or none that does not", r.ID)
		}
	}
	for id := range cases {
		if !seen[id] {
			t.Errorf("%s is in the table, and is no rule", id)
		}
	}
}

// TestGoodPasses: what the table's changes begin with breaks no rule but those
// of its own algorithm.
func TestGoodPasses(t *testing.T) {
	c := NewChecker("here", Defaults(), now)
	c.Key(good(nil))
	c.Certificate(leaf(nil))
	c.Installation(server(nil))
	if r := c.Report(); len(r.Findings) > 0 || len(r.Gaps) > 0 {
		t.Errorf("%+v, %+v", r.Findings, r.Gaps)
	}
}

// TestYears: what is a plan today is a failure when its time is over.
func TestYears(t *testing.T) {
	for _, c := range []struct {
		rule string
		k    *Key
		at   time.Time
		want Severity
	}{
		{"key-112-bits", good(func(k *Key) { k.Type = typed112() }), time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC), Low},
		{"key-112-bits", good(func(k *Key) { k.Type = typed112() }), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), High},
		{"pq-signature", good(func(k *Key) { k.Type = typed112() }), time.Date(2035, 12, 31, 0, 0, 0, 0, time.UTC), Low},
		{"pq-signature", good(func(k *Key) { k.Type = typed112() }), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC), High},
	} {
		check := NewChecker("here", Defaults(), c.at)
		check.Key(c.k)
		i := slices.IndexFunc(check.Report().Findings, func(f Finding) bool { return f.Rule == c.rule })
		if i < 0 || check.report.Findings[i].Severity != c.want {
			t.Errorf("%s at %v: not %v", c.rule, c.at, c.want)
		}
	}
}

// TestUnknownNeverPasses: of a resource of which nothing is known, no rule says
// that it is well.
func TestUnknownNeverPasses(t *testing.T) {
	m := Moment{Defaults(), now}
	for _, r := range Rules() {
		var o Outcome
		switch r.Subject() {
		case SubjectKey:
			o = r.key(&m, &Key{Type: Type{Name: "?"}})
		case SubjectCertificate:
			o = r.certificate(&m, &Certificate{NotBefore: ago(1), NotAfter: in(90), Type: Type{Name: "?"}})
			if slices.Contains([]string{"certificate-expiring"}, r.ID) {
				continue // the times are always there
			}
		case SubjectInstallation:
			o = r.installation(&m, &Installation{})
		case SubjectException:
			continue
		}
		if o.Verdict == Passed {
			t.Errorf("%s passes what nothing is known of", r.ID)
		}
	}
}

// TestDocumentation: the table of docs/compliance.md has every rule as it is.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/compliance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		row := "| `" + r.ID + "` | " + r.Severity.String() + " | " + r.Title + " | " + strings.Join(r.Controls, "; ") + " |\n"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/compliance.md lacks the row\n%s", row)
		}
	}
}
