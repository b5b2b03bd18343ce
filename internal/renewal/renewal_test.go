package renewal_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/renewal"
)

const day = 24 * time.Hour

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestDue has when the rules renew, without and with all of the jitter.
func TestDue(t *testing.T) {
	for name, test := range map[string]struct {
		rule         renewal.Rule
		life         time.Duration
		latest, soon time.Duration // since the beginning
	}{
		"default, 395 days":       {renewal.Rule{}, 395 * day, 335 * day, 334 * day},
		"default, 90 days":        {renewal.Rule{}, 90 * day, 60 * day, 59 * day},
		"default, a week":         {renewal.Rule{}, 6 * day, 4 * day, 4*day - 6*day/20},
		"default, an hour":        {renewal.Rule{}, time.Hour, 40 * time.Minute, 37 * time.Minute},
		"30 days before":          {renewal.Rule{Before: 30 * day}, 90 * day, 60 * day, 59 * day},
		"a quarter":               {renewal.Rule{Share: 0.25}, 40 * day, 30 * day, 29 * day},
		"no jitter":               {renewal.Rule{Before: 30 * day, Jitter: new(time.Duration)}, 90 * day, 60 * day, 60 * day},
		"ten days of jitter":      {renewal.Rule{Before: 30 * day, Jitter: new(10 * day)}, 90 * day, 60 * day, 50 * day},
		"too much jitter":         {renewal.Rule{Before: 30 * day, Jitter: new(30 * day)}, 40 * day, 10 * day, 5 * day},
		"longer than it is valid": {renewal.Rule{Before: 90 * day}, 30 * day, 3 * day, 2 * day},
	} {
		end := begin.Add(test.life)
		if got := test.rule.Due(begin, end, 0).Sub(begin); got != test.latest {
			t.Errorf("%s: due after %s at the latest, want %s", name, got, test.latest)
		}
		got := test.rule.Due(begin, end, renewal.Seed(math.Nextafter(1, 0))).Sub(begin)
		if d := got - test.soon; d < -time.Second || d > time.Second {
			t.Errorf("%s: due after %s at the soonest, want %s", name, got, test.soon)
		}
	}
}

// anyRule returns a rule that Check takes.
func anyRule(r *rand.Rand) renewal.Rule {
	var rule renewal.Rule
	switch r.IntN(3) {
	case 0:
		rule.Before = renewal.MinBefore + time.Duration(r.Int64N(int64(400*day)))
	case 1:
		rule.Share = renewal.MinShare + r.Float64()*(renewal.MaxShare-renewal.MinShare)
	}
	if r.IntN(2) == 0 {
		rule.Jitter = new(time.Duration(r.Int64N(int64(renewal.MaxJitter))))
	}
	return rule
}

// TestDueStaysWithin: whatever the rule, a renewal is due when a twentieth of
// the lifetime has passed and before the end, and with more jitter not later.
func TestDueStaysWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		rule := anyRule(r)
		if err := rule.Check(); err != nil {
			t.Fatal(err)
		}
		life := time.Minute + time.Duration(r.Int64N(int64(1000*day)))
		end, seed := begin.Add(life), renewal.Seed(r.Float64())
		due := rule.Due(begin, end, seed)
		if due.Before(begin.Add(life/20-1)) || due.After(end) {
			t.Fatalf("%s, valid for %s: due after %s", rule.String(), life, due.Sub(begin))
		}
		if latest := rule.Due(begin, end, 0); due.After(latest) {
			t.Fatalf("%s: due %s, later than without jitter, %s", rule.String(), due, latest)
		}
		if again := rule.Due(begin, end, seed); !again.Equal(due) {
			t.Fatalf("%s: due %s, and then %s", rule.String(), due, again)
		}
	}
}

// TestJitterSpreads: ten thousand certificates that were issued together are
// renewed evenly over the time of their jitter, and their successors in
// another order.
func TestJitterSpreads(t *testing.T) {
	const many, slots = 10_000, 24
	for _, life := range []time.Duration{90 * day, 30 * day, 7 * day} {
		var rule renewal.Rule
		end := begin.Add(life)
		latest := rule.Due(begin, end, 0)
		width := min(day, life/20)
		var count [slots]int
		same := 0
		for i := range many {
			id := "0193a1c2-0000-7000-8000-" + strconv.Itoa(100_000_000_000+i)
			due := rule.Due(begin, end, renewal.SeedOf(id, "1"))
			count[min(slots-1, int(latest.Sub(due)*slots/width))]++
			next := rule.Due(begin, end, renewal.SeedOf(id, "2"))
			if d := next.Sub(due); d > -width/slots && d < width/slots {
				same++
			}
		}
		for slot, n := range count {
			if n < many/slots*8/10 || n > many/slots*12/10 {
				t.Errorf("%s: %d of %d are due in part %d of %d", life, n, many, slot, slots)
			}
		}
		if same > many/8 {
			t.Errorf("%s: %d of %d are due at nearly the same time again", life, same, many)
		}
	}
}

// TestRetry has the waits of a certificate with much time left, without and
// with all of the jitter.
func TestRetry(t *testing.T) {
	end := begin.Add(300 * day)
	for failures, want := range []time.Duration{
		15 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, day, day,
	} {
		if got := renewal.Retry(begin, failures, end, 0).Sub(begin); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
		if got := renewal.Retry(begin, failures, end, 0.999999).Sub(begin); got < want*3/4 || got > want*7/8 {
			t.Errorf("after %d failures and with jitter: %s of %s", failures, got, want)
		}
	}
}

// TestRetryStaysWithin: waits grow with the failures, are never longer than an
// eighth of the time that is left (or a minute), and never end after the
// certificate. However long the failures last, there is an attempt in the
// last two minutes.
func TestRetryStaysWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		left := time.Second + time.Duration(r.Int64N(int64(90*day)))
		end, seed := begin.Add(left), renewal.Seed(r.Float64())
		last := time.Duration(0)
		for failures := 1; failures < 12; failures++ {
			wait := renewal.Retry(begin, failures, end, seed).Sub(begin)
			if wait < last || wait <= 0 || wait > left || wait > max(time.Minute, left/8) {
				t.Fatalf("%s left, %d failures: wait %s after %s", left, failures, wait, last)
			}
			last = wait
		}
		at, attempts := begin, 0
		for at.Before(end) {
			attempts++
			if at = renewal.Retry(at, attempts, end, seed); attempts > 1000 {
				t.Fatalf("%s left: more than %d attempts", left, attempts)
			}
			if at.Before(end) && end.Sub(at) < 2*time.Minute {
				break
			}
		}
		if left > 4*time.Minute && !at.Before(end) {
			t.Fatalf("%s left: the last attempt but one was too early", left)
		}
	}
}

func TestSpread(t *testing.T) {
	for name, test := range map[string]struct {
		over, left, want time.Duration // want is the most
	}{
		"plenty of time": {day, 30 * day, day},
		"little time":    {day, 4 * day, day / 2},
		"none":           {day, -day, 0},
		"at once":        {0, 30 * day, 0},
	} {
		at := renewal.Spread(begin, test.over, begin.Add(test.left), 0.5).Sub(begin)
		if at != test.want/2 {
			t.Errorf("%s: %s later, want half of %s", name, at, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, rule := range map[string]renewal.Rule{
		"both":             {Before: day, Share: 0.5},
		"seconds":          {Before: time.Second},
		"before it began":  {Before: -day},
		"a century":        {Before: 36500 * day},
		"all of it":        {Share: 1},
		"less than none":   {Share: -0.1},
		"no number":        {Share: math.NaN()},
		"another key":      {Key: "old"},
		"negative jitter":  {Jitter: new(time.Duration(-1))},
		"a year of jitter": {Jitter: new(365 * day)},
	} {
		if err := rule.Check(); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]struct {
		in   renewal.Text
		rule renewal.Rule
	}{
		"with a third of the lifetime left, at most 60d": {renewal.Text{}, renewal.Rule{}},
		"30d before the end":                             {renewal.Text{Before: "30d"}, renewal.Rule{Before: 30 * day}},
		"with 12.5% of the lifetime left, with the same key, spread over 1d12h": {
			renewal.Text{Share: 0.125, Key: "same", Jitter: "1d12h"}, renewal.Rule{Share: 0.125, Key: renewal.SameKey, Jitter: new(36 * time.Hour)},
		},
		"1h before the end, spread over 0s": {renewal.Text{Before: "1h", Key: "new", Jitter: "0s"}, renewal.Rule{Before: time.Hour, Key: renewal.NewKey, Jitter: new(time.Duration)}},
	} {
		got, err := want.in.Rule()
		if err != nil || !cmp.Equal(*got, want.rule) || got.String() != text || !cmp.Equal(got.Text(), want.in) {
			t.Errorf("%+v: %+v (%q), %v", want.in, got, got.String(), err)
		}
	}
	for _, bad := range []renewal.Text{{Before: "soon"}, {Before: "0d"}, {Before: "30"}, {Jitter: "1h1d"}, {Jitter: "-1d"}, {Key: "x"}, {Before: "1d", Share: 0.5}} {
		if _, err := bad.Rule(); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// FuzzDuration: what is read is written back as the same.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"30d", "1d12h30m10s", "0s", "", "d", "1x", "1h1h", "99999999999d", "36500d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := renewal.ParseDuration(text)
		if err != nil {
			return
		}
		again, err := renewal.ParseDuration(renewal.FormatDuration(d))
		if err != nil || again != d {
			t.Errorf("%q is %s, which is written %q", text, d, renewal.FormatDuration(d))
		}
	})
}
