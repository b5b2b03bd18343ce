package rotation_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// midnight is the last second of a day, on which every key's time of day is
// over: so the day on which one is due does not depend on its id.
var midnight = start.Truncate(day).Add(day - time.Second)

var update = flag.Bool("update", false, "write the golden file")

// TestPlan compares a plan of three years with the one on file. Times of day are of the keys' ids and are left out.
func TestPlan(t *testing.T) {
	f := newFixture(t)
	f.at = midnight
	f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
	f.create(alg.P256, alg.SignVerify, "alias/signing", key.Tag{Key: "team", Value: "pki"})
	f.create(alg.P384, alg.KeyAgreement, "alias/agreement")
	f.create(alg.HMAC256, alg.GenerateVerifyMAC, "alias/tokens", key.Tag{Key: "team", Value: "web"})
	own := f.create(alg.AES256, alg.EncryptDecrypt, "alias/own")
	must(t, f.keys.EnableRotation(t.Context(), f.admin(), byID(own.Name.ID), 500))
	off := f.create(alg.AES256, alg.EncryptDecrypt, "alias/off")
	must(t, f.keys.DisableKey(t.Context(), f.admin(), byID(off.Name.ID)))
	f.put(rotation.Rule{Name: "pki", Select: rotation.Selector{Tags: []key.Tag{{Key: "team", Value: "pki"}}}, PeriodDays: 1000, OverlapDays: 30, NoticeDays: 60})
	f.put(rotation.Rule{Name: "rest", Select: rotation.Selector{Keys: []string{"alias/data", "alias/a*"}}, OverlapDays: 90, NoticeDays: 30})
	var lines []string
	for after, pages := key.ID(""), 0; ; pages++ {
		p, err := f.Plan(t.Context(), f.admin(), &rotation.PlanRequest{Months: 36, After: after, Limit: 2})
		must(t, err)
		for _, k := range p.Keys {
			lines = append(lines, fmt.Sprintf("%s: rule %q, own %t, %s %s every %d days, told on %s. %s\n%s",
				k.Name(), k.RuleName(), k.Own, k.Action, date(k.Due), k.PeriodDays, date(k.Notice), k.Why, steps(k.Steps)))
		}
		if after = p.Next; after == "" {
			if pages != 2 {
				t.Errorf("%d pages of six keys", pages+1)
			}
			break
		}
	}
	slices.Sort(lines)
	got, file := strings.Join(lines, ""), filepath.Join("testdata", "plan.golden")
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func date(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.DateOnly)
}

func steps(list []rotation.Step) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "  %s %s", date(s.At), s.Action)
		if !s.Until.IsZero() {
			fmt.Fprintf(&b, ", the old key until %s", date(s.Until))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestAuthority holds that nobody does anything without leave, and what is on
// record.
func TestAuthority(t *testing.T) {
	f := newFixture(t)
	ctx, nobody := t.Context(), f.as("nobody")
	for name, ask := range map[string]func() error{
		"put":    func() error { _, err := f.Put(ctx, nobody, &rotation.Rule{Name: "a"}); return err },
		"delete": func() error { return f.Delete(ctx, nobody, "a") },
		"rules":  func() error { _, err := f.Rules(ctx, nobody); return err },
		"plan":   func() error { _, err := f.Plan(ctx, nobody, &rotation.PlanRequest{}); return err },
	} {
		if err := ask(); fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.put(rotation.Rule{Name: "b"})
	f.put(rotation.Rule{Name: "a"})
	f.put(rotation.Rule{Name: "b", Mode: rotation.Notify})
	list, err := f.Rules(ctx, f.admin())
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Mode != rotation.Notify || !list[1].Since.Equal(start) {
		t.Errorf("%+v, %v", list, err)
	}
	must(t, f.Delete(ctx, f.admin(), "a"))
	if err := f.Delete(ctx, f.admin(), "a"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	for i := range rotation.MaxRules - 1 {
		f.put(rotation.Rule{Name: fmt.Sprintf("r%d", i)})
	}
	if _, err := f.Put(ctx, f.admin(), &rotation.Rule{Name: "more"}); fault.KindOf(err) != fault.LimitExceeded {
		t.Errorf("one rule too many: %v", err)
	}
	f.put(rotation.Rule{Name: "b"}) // one that is there
}

// TestStatus holds that what AWS calls the status of a key's rotation tells of
// rules.
func TestStatus(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
	f.keys.FollowRules(f.Status)
	for _, c := range []struct {
		rule rotation.Rule
		days int
	}{
		{rotation.Rule{Select: rotation.Selector{Keys: []string{"alias/none"}}}, 0},
		{rotation.Rule{Select: rotation.Selector{Keys: []string{"alias/data"}}, PeriodDays: 200}, 200},
		{rotation.Rule{Mode: rotation.Notify}, 0},
		{rotation.Rule{}, 365},
	} {
		c.rule.Name = "a"
		f.put(c.rule)
		got, err := f.keys.RotationStatus(t.Context(), f.admin(), byID(k.Name.ID))
		must(t, err)
		if r := got.Rotation; r.Enabled != (c.days != 0) || r.PeriodDays != c.days || r.Next.IsZero() != (c.days == 0) {
			t.Errorf("%+v: %+v", c.rule, r)
		}
	}
	must(t, f.keys.EnableRotation(t.Context(), f.admin(), byID(k.Name.ID), 100))
	if got, err := f.keys.RotationStatus(t.Context(), f.admin(), byID(k.Name.ID)); err != nil || got.Rotation.PeriodDays != 100 {
		t.Errorf("rotation of its own: %+v, %v", got, err)
	}
}

// TestTold holds what people read.
func TestTold(t *testing.T) {
	f := newFixture(t)
	f.at = midnight
	f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
	f.create(alg.P256, alg.SignVerify, "alias/signing")
	f.create(alg.P256, alg.KeyAgreement, "alias/agreement")
	f.put(rotation.Rule{Name: "r", PeriodDays: 10, NoticeDays: 3, OverlapDays: 5})
	told := map[string]string{}
	for range 14 {
		f.pass(day, 6*time.Hour)
		must(t, f.disk.Update(t.Context(), func(tx store.Tx) error {
			due, err := event.Due(tx, f.at, 100)
			for _, e := range due {
				told[string(e.Kind)+" "+e.Name] = e.Summary
				must(t, event.Handled(tx, e, f.at))
			}
			return err
		}))
	}
	next := f.key(byAlias("alias/signing")).Succession.From
	until := f.key(byID(next)).Succession.Until.Format(time.RFC3339)
	want := map[string]string{
		"key.rotation-due alias/data":      "The key alias/data gets new material on 2027-01-11; what it encrypted before still decrypts.",
		"key.rotated alias/data":           "The key alias/data has new material, version 2; what it encrypted before still decrypts.",
		"key.rotation-due alias/signing":   "alias/signing leads to a new key from 2027-01-11 on: whoever has the public half of the present one needs the new one too.",
		"key.rotated alias/signing":        "alias/signing leads to a new key, whose public half others may need; the old key only verifies, until " + until + ".",
		"key.rotation-due alias/agreement": "The key alias/agreement is due for rotation on 2027-01-11, which is for its owner to do: others hold its public half to agree on secrets or to wrap keys: exchange it with them.",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

// TestAsPlanned holds that what a plan of two years says happens when it says.
func TestAsPlanned(t *testing.T) {
	f := newFixture(t)
	f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
	f.create(alg.P256, alg.SignVerify, "alias/signing")
	f.put(rotation.Rule{Name: "r", PeriodDays: 200, NoticeDays: 3, OverlapDays: 50})
	p, err := f.Plan(t.Context(), f.admin(), &rotation.PlanRequest{Months: 24})
	must(t, err)
	var want, got []rotation.Step
	for _, k := range p.Keys {
		want = append(want, k.Steps...)
	}
	slices.SortFunc(want, func(a, b rotation.Step) int { return a.At.Compare(b.At) })
	operations := map[string]rotation.Action{"Rotate": rotation.Rotate, "Succeed": rotation.Succeed, "Disable": rotation.Retire}
	for done := 0; f.at.Before(p.To); {
		f.pass(time.Hour, time.Hour)
		acts := f.acts()
		for _, act := range acts[done:] {
			name, _, _ := strings.Cut(act, " ")
			got = append(got, rotation.Step{Action: operations[name], At: f.at})
		}
		done = len(acts)
	}
	if len(got) != 9 || len(want) != 9 {
		t.Fatalf("%d steps happened, %d were planned", len(got), len(want))
	}
	for i := range want {
		most := time.Hour
		if want[i].Action != rotation.Rotate { // a successor that is made late may have missed its own time of day
			most = day + 2*time.Hour
		}
		if late := got[i].At.Sub(want[i].At); got[i].Action != want[i].Action || late < 0 || late > most {
			t.Errorf("%s at %s, planned was %s at %s", got[i].Action, got[i].At, want[i].Action, want[i].At)
		}
	}
}
