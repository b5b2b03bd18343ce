package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

const good = `version: 1
exceptions:
  - rule: key-rotation-off
    resource: alias/legacy-*
    owner: payments@example.com
    reason: The old terminals keep what is encrypted under one key.
    until: 2027-06-30
  - {rule: cnsa2-algorithm, resource: "*", owner: ciso, reason: no national security system, until: "2028-01-01"}
`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := []compliance.Exception{
		{Rule: "key-rotation-off", Resource: "alias/legacy-*", Owner: "payments@example.com", Reason: "The old terminals keep what is encrypted under one key.", Until: "2027-06-30"},
		{Rule: "cnsa2-algorithm", Resource: "*", Owner: "ciso", Reason: "no national security system", Until: "2028-01-01"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	const head = "version: 1\nexceptions:\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "empty"},
		"no YAML":               {"version: [", "cannot be read"},
		"another version":       {"version: 2\n", "version 2"},
		"an unknown key":        {"version: 1\nexception: []\n", "line 2: field exception not found"},
		"an unknown member":     {head + "  - rule: key-old\n    who: me\n", `line 4: an exception has no member "who"`},
		"a member twice":        {head + "  - rule: key-old\n    rule: key-old\n", "line 4"},
		"a list in a text":      {head + "  - rule: [key-old]\n", `line 3: "rule" must be a text`},
		"no owner":              {head + "  - {rule: key-old, resource: x, reason: y, until: 2027-01-01}\n", "line 3: an exception needs an owner"},
		"no end":                {head + "  - {rule: key-old, resource: x, reason: y, owner: z}\n", "line 3: an exception needs the day when it ends"},
		"an end that is no day": {head + "  - {rule: key-old, resource: x, reason: y, owner: z, until: 2027-02-30}\n", "line 3"},
		"no reason":             {head + "  - {rule: key-old, resource: x, owner: z, until: 2027-01-01}\n", "needs a reason"},
		"no resource":           {head + "  - {rule: key-old, reason: y, owner: z, until: 2027-01-01}\n", "names a rule and a resource"},
		"no such rule":          {head + "  - {rule: key-oldest, resource: x, reason: y, owner: z, until: 2027-01-01}\n", `"key-oldest" is no rule`},
		"a rule of exceptions":  {head + "  - {rule: exception-expired, resource: x, reason: y, owner: z, until: 2027-01-01}\n", "no rule that can be excused"},
		"two documents":         {good + "---\nversion: 1\n", "one document"},
		"no list":               {"version: 1\nexceptions: 3\n", "cannot be read"},
		"too long":              {strings.Repeat("#", MaxSize+1), "at most"},
	} {
		got, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, got, err, c.want)
		}
	}
}

// FuzzParse: what is read is whole: each exception has what it must have.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("version: 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse([]byte(text))
		if err != nil {
			return
		}
		for _, x := range list {
			if err := x.Check(); err != nil {
				t.Errorf("%+v: %v", x, err)
			}
		}
	})
}
