package place

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// pages is a place that lists a key a page.
type pages []engine.Listed

func (p pages) List(_ context.Context, page string) ([]engine.Listed, string, error) {
	i := len(page)
	next := ""
	if i+1 < len(p) {
		next = strings.Repeat("x", i+1)
	}
	return p[i : i+1], next, nil
}

// TestList: what a list of keys tells is judged, and what it does not tell is
// not evaluated.
func TestList(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	never, yearly := time.Duration(0), 365*24*time.Hour
	signs := engine.Kind{Spec: alg.RSA2048, Usage: alg.SignVerify}
	encrypts := engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}
	keys := pages{
		{Name: "plain", Kind: encrypts, Condition: engine.Usable, Created: now.AddDate(-4, 0, 0), Renewed: now.AddDate(-4, 0, 0), Rotation: &never, Protection: key.Software},
		{Name: "kept", Kind: encrypts, Condition: engine.Usable, Created: now.AddDate(-1, 0, 0), Renewed: now, Rotation: &yearly, Protection: key.HSM},
		{Name: "signs", Kind: signs, Condition: engine.Usable, Renewed: now},
		{Name: "strange", Type: "SM2", Condition: engine.Usable},
		{Name: "ends", Kind: signs, Condition: engine.Deleted},
	}
	c := compliance.NewChecker("there", compliance.Defaults(), now)
	if err := list(t.Context(), keys, &URI{Scheme: SchemeGoogle}, c); err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	for name, want := range map[string][]string{
		"plain": {"key-cryptoperiod", "key-old", "key-rotation-off"}, "kept": nil, "signs": {"cnsa2-algorithm", "key-112-bits", "pq-signature"},
		"strange": nil, "ends": nil,
	} {
		var got []string
		for i := range r.Findings {
			if r.Findings[i].Resource == name {
				got = append(got, r.Findings[i].Rule)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for rule, reason := range map[string]string{
		"policy-open-to-all": noPolicy, "key-unused": noUse, "key-weak": "the type SM2 is not known", "key-old": "the place does not tell it",
	} {
		if !slices.ContainsFunc(r.Gaps, func(g compliance.Gap) bool { return g.Rule == rule && strings.Contains(g.Reason, reason) }) {
			t.Errorf("%s has no gap %q: %+v", rule, reason, r.Gaps)
		}
	}
	for _, x := range r.Results {
		if x.Rule == "policy-open-to-all" && x.Passed > 0 {
			t.Error("a policy passes that nobody has seen")
		}
	}
}

// TestSurveyRefused: only key services are looked at.
func TestSurveyRefused(t *testing.T) {
	for _, text := range []string{"file:///tmp", "holdfast:///alias/x", "pkcs11:token=x"} {
		u, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := Survey(t.Context(), u, &Settings{Timeout: time.Second}, nil); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%s: %v", text, err)
		}
	}
}
