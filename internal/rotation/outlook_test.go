package rotation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

var (
	made    = time.Date(2026, 5, 10, 17, 30, 0, 0, time.UTC)
	ruledAt = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
)

// aKey returns an enabled key with the changes of the test.
func aKey(spec alg.Spec, usage alg.Usage, edit func(*key.Key)) *key.Key {
	k := &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: "eu-central-1", ID: "11111111-2222-4333-8444-555555555555"},
		Spec: spec, Usage: usage, Origin: key.Generated, Protection: key.Software, State: key.Enabled,
		Versions: []key.Version{{Number: 1, CreatedAt: made}}, Tags: []key.Tag{{Key: "team", Value: "pki"}},
	}
	if edit != nil {
		edit(k)
	}
	return k
}

// TestOutlook is what rules mean for each kind of key.
func TestOutlook(t *testing.T) {
	all := Rule{Name: "all", Mode: Automatic, OverlapDays: 90, NoticeDays: 30, Since: ruledAt}
	own := func(k *key.Key) { k.Rotation = key.Rotation{Enabled: true, PeriodDays: 90, Next: ruledAt} }
	grant := func(name string) func(*key.Key) {
		return func(k *key.Key) {
			k.Grants = []key.Grant{{Grantee: key.Principal{Kind: key.Service, Name: name}}}
		}
	}
	succeeded := func(until time.Time) func(*key.Key) {
		return func(k *key.Key) { k.Succession = key.Succession{To: "next", At: ruledAt, Until: until} }
	}
	for name, c := range map[string]struct {
		key   *key.Key
		alias string
		rule  *Rule
		want  string // action, rule, the days of the notice and of the action, why
	}{
		"symmetric":                     {aKey(alg.AES256, alg.EncryptDecrypt, nil), "", &all, "rotate all 2027-04-10 2027-05-10 "},
		"signs":                         {aKey(alg.P256, alg.SignVerify, nil), "alias/a", &all, "successor all 2028-04-09 2028-05-09 "},
		"makes MACs":                    {aKey(alg.HMAC256, alg.GenerateVerifyMAC, nil), "alias/a", &all, "successor all 2027-04-10 2027-05-10 "},
		"decrypts":                      {aKey(alg.RSA2048, alg.EncryptDecrypt, nil), "alias/a", &all, "successor all 2028-04-09 2028-05-09 "},
		"has no alias":                  {aKey(alg.P256, alg.SignVerify, nil), "", &all, "notify all 2028-04-09 2028-05-09 the key has no alias by which its users would find a successor"},
		"agrees":                        {aKey(alg.P256, alg.KeyAgreement, nil), "alias/a", &all, "notify all 2028-04-09 2028-05-09 others hold its public half to agree on secrets or to wrap keys: exchange it with them"},
		"imported":                      {aKey(alg.AES256, alg.EncryptDecrypt, func(k *key.Key) { k.Origin = key.Imported }), "", &all, "notify all 2027-04-10 2027-05-10 its material is imported: import new material, and rotate"},
		"external":                      {aKey(alg.P256, alg.SignVerify, func(k *key.Key) { k.Origin = key.External }), "alias/a", &all, "notify all 2028-04-09 2028-05-09 the key is made and managed elsewhere"},
		"in a key store":                {aKey(alg.AES256, alg.EncryptDecrypt, func(k *key.Key) { k.Store = "cks-1" }), "", &all, "notify all 2027-04-10 2027-05-10 the key lives in a custom key store: make a new key there"},
		"an authority's":                {aKey(alg.P256, alg.SignVerify, grant("ca/1")), "alias/a", &all, "notify all 2028-04-09 2028-05-09 a part of Holdfast signs with it: a certificate authority gets a new key with a new certificate"},
		"a managed certificate's":       {aKey(alg.P256, alg.SignVerify, grant("managed/1")), "alias/a", &all, "none all - - the key is a managed certificate's, whose renewal makes new keys"},
		"only told of":                  {aKey(alg.AES256, alg.EncryptDecrypt, nil), "", &Rule{Name: "n", Mode: Notify, NoticeDays: 7}, "notify n 2027-05-03 2027-05-10 the rule only tells people"},
		"a period of the rule's":        {aKey(alg.AES256, alg.EncryptDecrypt, nil), "", &Rule{Name: "p", PeriodDays: 1000}, "rotate p 2029-02-03 2029-02-03 "},
		"due long ago, with notice":     {aKey(alg.AES256, alg.EncryptDecrypt, nil), "", &Rule{Name: "p", PeriodDays: 100, NoticeDays: 30, Since: ruledAt}, "rotate p 2027-01-02 2027-02-01 "},
		"due long ago, without notice":  {aKey(alg.AES256, alg.EncryptDecrypt, nil), "", &Rule{Name: "p", PeriodDays: 100, Since: ruledAt}, "rotate p 2026-08-18 2026-08-18 "},
		"rotation of its own":           {aKey(alg.AES256, alg.EncryptDecrypt, own), "", &all, "rotate (own) - 2027-01-01 "},
		"disabled":                      {aKey(alg.AES256, alg.EncryptDecrypt, func(k *key.Key) { k.State = key.Disabled }), "", &all, "none - - - the key is disabled"},
		"Holdfast's for its callers":    {aKey(alg.AES256, alg.EncryptDecrypt, func(k *key.Key) { k.Provided = true }), "", &all, "none - - - no rule"},
		"succeeded":                     {aKey(alg.P256, alg.SignVerify, succeeded(ruledAt)), "", &all, "disable - - 2027-01-01 succeeded by next: it verifies and decrypts"},
		"succeeded, and kept":           {aKey(alg.P256, alg.SignVerify, succeeded(time.Time{})), "", &all, "none - - - succeeded by next: it verifies and decrypts until somebody disables it"},
		"no rule is about it, by spec":  {aKey(alg.P256, alg.SignVerify, nil), "", &Rule{Select: Selector{Specs: []alg.Spec{alg.P384}}}, "none - - - no rule"},
		"no rule is about it, by usage": {aKey(alg.P256, alg.SignVerify, nil), "", &Rule{Select: Selector{Usages: []alg.Usage{alg.KeyAgreement}}}, "none - - - no rule"},
	} {
		var aliases []string
		if c.alias != "" {
			aliases = []string{c.alias}
		}
		d := Standard()
		o := outlookOf(c.key, aliases, []*Rule{c.rule}, &d)
		rule := o.RuleName()
		switch {
		case o.Own:
			rule = "(own)"
		case rule == "":
			rule = "-"
		}
		got := fmt.Sprintf("%s %s %s %s %s", o.Action, rule, onDay(o.Notice), onDay(o.Due), o.Why)
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func onDay(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

// TestSelect is which keys a selector is about.
func TestSelect(t *testing.T) {
	k := aKey(alg.P256, alg.SignVerify, nil)
	for name, c := range map[string]struct {
		s    Selector
		want bool
	}{
		"all":                    {Selector{}, true},
		"its id":                 {Selector{Keys: []string{string(k.Name.ID)}}, true},
		"ids like it":            {Selector{Keys: []string{"11111111-*"}}, true},
		"its second alias":       {Selector{Keys: []string{"alias/none", "alias/pki/*"}}, true},
		"an asterisk ends there": {Selector{Keys: []string{"alias/*"}}, false},
		"another alias":          {Selector{Keys: []string{"alias/pki"}}, false},
		"a tag":                  {Selector{Tags: []key.Tag{{Key: "team", Value: "pki"}}}, true},
		"a tag's name":           {Selector{Tags: []key.Tag{{Key: "team", Value: "*"}}}, true},
		"another value":          {Selector{Tags: []key.Tag{{Key: "team", Value: "web"}}}, false},
		"all tags":               {Selector{Tags: []key.Tag{{Key: "team", Value: "pki"}, {Key: "x", Value: "*"}}}, false},
		"one of the specs":       {Selector{Specs: []alg.Spec{alg.P384, alg.P256}}, true},
		"protection":             {Selector{Protections: []key.Protection{key.HSM}}, false},
		"all that is said":       {Selector{Specs: []alg.Spec{alg.P256}, Usages: []alg.Usage{alg.KeyAgreement}}, false},
	} {
		if got := c.s.matches(k, []string{"alias/a/b", "alias/pki/root"}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestCheck is which rules are refused.
func TestCheck(t *testing.T) {
	d := Standard()
	for name, edit := range map[string]func(*Rule){
		"no name":              func(r *Rule) { r.Name = "" },
		"a name with a slash":  func(r *Rule) { r.Name = "a/b" },
		"a long name":          func(r *Rule) { r.Name = strings.Repeat("a", maxName+1) },
		"a mode":               func(r *Rule) { r.Mode = "sometimes" },
		"after":                func(r *Rule) { r.After = "delete" },
		"a long period":        func(r *Rule) { r.PeriodDays = MaxPeriod + 1 },
		"a negative period":    func(r *Rule) { r.PeriodDays = -1 },
		"a negative overlap":   func(r *Rule) { r.OverlapDays = -1 },
		"a long notice":        func(r *Rule) { r.NoticeDays = MaxNotice + 1 },
		"a notice of a period": func(r *Rule) { r.PeriodDays, r.NoticeDays = 30, 30 },
		"no pattern":           func(r *Rule) { r.Select.Keys = []string{""} },
		"classes":              func(r *Rule) { r.Select.Keys = []string{"[a-z]"} },
		"too many":             func(r *Rule) { r.Select.Keys = make([]string, MaxPatterns+1) },
		"a tag without a name": func(r *Rule) { r.Select.Tags = []key.Tag{{Value: "x"}} },
		"a protection":         func(r *Rule) { r.Select.Protections = []key.Protection{"soft"} },
		"a long description":   func(r *Rule) { r.Description = strings.Repeat("a", maxDescription+1) },
	} {
		r := &Rule{Name: "a"}
		if err := r.check(&d); err != nil {
			t.Fatal(err)
		}
		edit(r)
		if err := r.check(&d); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpread holds that keys of one day are due at all times of a day, and
// always at the same one.
func TestSpread(t *testing.T) {
	var hours [24]int
	for i := range 4800 {
		id := key.NewID([16]byte{byte(i), byte(i >> 8), 1})
		at := timeOfDay(id)
		if at < 0 || at >= day || at != timeOfDay(id) {
			t.Fatalf("key %s is due at %s of a day", id, at)
		}
		hours[at/time.Hour]++
	}
	for hour, n := range hours {
		if n < 120 || n > 280 {
			t.Errorf("%d of 4,800 keys are due in hour %d, of about 200", n, hour)
		}
	}
}

// TestRecord holds that rules are stored as they are, and that what is not
// known is not guessed.
func TestRecord(t *testing.T) {
	want := &Rule{
		Realm: key.DefaultRealm, Name: "a", Description: "d", Mode: Notify, PeriodDays: 1, OverlapDays: 2, After: Keep, NoticeDays: 3, Since: ruledAt,
		Select: Selector{
			Keys: []string{"alias/*"}, Tags: []key.Tag{{Key: "a", Value: "b"}}, Specs: []alg.Spec{alg.P256, alg.MLDSA65},
			Usages: []alg.Usage{alg.SignVerify}, Protections: []key.Protection{key.HSM},
		},
	}
	row, err := rowOf(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readRule(row)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, body := range []string{``, `{}`, `{"v":2}`, `{"v":1,"specs":["none"]}`, `{"v":1,"usages":["none"]}`, `{"v":1,"since":"yesterday"}`} {
		if _, err := readRule(store.Row{ID: "x", Body: []byte(body)}); err == nil {
			t.Errorf("%q is a rule", body)
		}
	}
}

// FuzzRecord holds that what is read of the store is stored the same again.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"realm":"123456789012","name":"a","mode":"automatic","since":"2027-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"v":1,"tags":[["a","b"]],"specs":["p-256"],"usages":["sign-verify"],"protections":["hsm"],"period":1,"notice":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := readRule(store.Row{Body: body})
		if err != nil {
			return
		}
		row, err := rowOf(r)
		if err != nil {
			return // a year that JSON does not have
		}
		again, err := readRule(row)
		if err != nil {
			t.Fatalf("%s: %v", row.Body, err)
		}
		if second, err := rowOf(again); err != nil || string(second.Body) != string(row.Body) {
			t.Errorf("%s, then %s: %v", row.Body, second.Body, err)
		}
	})
}

// TestSteps is what a plan has of one key.
func TestSteps(t *testing.T) {
	k := aKey(alg.P256, alg.SignVerify, nil)
	r := &Rule{Name: "r", PeriodDays: 300, OverlapDays: 90, Mode: Automatic}
	d := Standard()
	o := outlookOf(k, []string{"alias/a"}, []*Rule{r}, &d)
	var got []string
	for _, s := range o.steps(made.AddDate(2, 0, 0)) {
		got = append(got, fmt.Sprintf("%s %s %s", onDay(s.At), s.Action, onDay(s.Until)))
	}
	want := []string{
		"2027-03-06 successor 2027-06-04", "2027-06-04 disable -",
		"2027-12-30 successor 2028-03-29", "2028-03-29 disable -", // at another time of day: it is another key
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	o.Rule.After = Keep
	if n := len(o.steps(made.AddDate(2, 0, 0))); n != 2 {
		t.Errorf("%d steps of a key that is kept", n)
	}
	o.PeriodDays = 1
	if n := len(o.steps(made.AddDate(100, 0, 0))); n != maxSteps {
		t.Errorf("%d steps in a century", n)
	}
}
