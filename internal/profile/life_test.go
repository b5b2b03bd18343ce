package profile

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestLife says when a certificate made at noon is valid, below an issuer
// that is valid from 11:58 for ten days.
func TestLife(t *testing.T) {
	issuer := &x509.Certificate{NotBefore: noon.Add(-2 * time.Minute), NotAfter: noon.Add(10 * day)}
	ended := &x509.Certificate{NotBefore: noon.Add(-2 * day), NotAfter: noon}
	long := &x509.Certificate{NotBefore: noon.Add(-2 * day), NotAfter: noon.AddDate(50, 0, 0)}
	for name, c := range map[string]struct {
		life     Life
		issuer   *x509.Certificate
		from, to time.Duration // from noon
		reason   fault.Reason
		refused  bool
	}{
		"standard":              {Life{Standard: Days(5), Maximum: Days(9)}, issuer, 0, 5 * day, 0, false},
		"asked for":             {Life{Asked: Days(1), Standard: Days(5), Maximum: Days(9)}, issuer, 0, day, 0, false},
		"the shortest":          {Life{Asked: Validity{For: time.Minute}, Maximum: Days(1)}, issuer, 0, time.Minute, 0, false},
		"too short":             {Life{Asked: Validity{For: time.Minute - 1}, Maximum: Days(1)}, issuer, 0, 0, fault.ProfileViolation, true},
		"negative":              {Life{Asked: Days(-1), Maximum: Days(1)}, issuer, 0, 0, fault.ProfileViolation, true},
		"the longest":           {Life{Asked: Days(9), Maximum: Days(9)}, issuer, 0, 9 * day, 0, false},
		"too long":              {Life{Asked: Validity{For: 9*day + time.Second}, Maximum: Days(9)}, issuer, 0, 0, fault.ProfileViolation, true},
		"backdated":             {Life{Standard: Days(1), Maximum: Days(1), Backdate: time.Minute}, issuer, -time.Minute, day, 0, false},
		"before the issuer":     {Life{Standard: Days(1), Maximum: Days(1), Backdate: time.Hour}, issuer, -2 * time.Minute, day, 0, false},
		"cut to the issuer":     {Life{Standard: Days(20), Maximum: Days(20)}, issuer, 0, 10 * day, 0, false},
		"asked past the issuer": {Life{Asked: Days(11), Maximum: Days(20)}, issuer, 0, 0, fault.ProfileViolation, true},
		"asked and cut":         {Life{Asked: Days(11), Maximum: Days(20), Cut: true}, issuer, 0, 10 * day, 0, false},
		"self-signed":           {Life{Standard: Days(20), Maximum: Days(20), Backdate: time.Hour}, nil, -time.Hour, 20 * day, 0, false},
		"the issuer has ended":  {Life{Standard: Days(1), Maximum: Days(1)}, ended, 0, 0, 0, true},
		"three months":          {Life{Asked: Validity{Months: 3}}, long, 0, noon.AddDate(0, 3, 0).Sub(noon), 0, false},
		"two years":             {Life{Asked: Validity{Years: 2}}, long, 0, noon.AddDate(2, 0, 0).Sub(noon), 0, false},
		"until a time":          {Life{Asked: Validity{Until: noon.Add(3 * time.Hour)}}, long, 0, 3 * time.Hour, 0, false},
		"until the past":        {Life{Asked: Validity{Until: noon.Add(-time.Hour)}}, long, 0, 0, fault.ProfileViolation, true},
		"two ways at once":      {Life{Asked: Validity{For: day, Until: noon.Add(time.Hour)}}, long, 0, 0, fault.ProfileViolation, true},
		"a month in days":       {Life{Asked: Days(31), Maximum: Validity{Months: 1}}, long, 0, 0, fault.ProfileViolation, true},
		"from the past":         {Life{Asked: Validity{For: day, NotBefore: noon.Add(-day)}}, long, -day, day, 0, false},
		"from the future":       {Life{Asked: Validity{For: day, NotBefore: noon.Add(day)}}, long, day, 2 * day, 0, false},
		"from after the end":    {Life{Asked: Validity{Until: noon.Add(time.Hour), NotBefore: noon.Add(2 * time.Hour)}}, long, 0, 0, fault.ProfileViolation, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got x509.Certificate
			err := c.life.Put(&got, c.issuer, noon)
			if c.refused {
				if err == nil || fault.ReasonOf(err) != c.reason {
					t.Errorf("%v to %v, error %v", got.NotBefore, got.NotAfter, err)
				}
				return
			}
			if err != nil || got.NotBefore.Sub(noon) != c.from || got.NotAfter.Sub(noon) != c.to {
				t.Errorf("%v to %v (%v), want %v and %v from noon", got.NotBefore, got.NotAfter, err, c.from, c.to)
			}
		})
	}
}

// TestMonthEnds: a month that lacks the day ends on its last one.
func TestMonthEnds(t *testing.T) {
	for _, c := range []struct {
		from string
		v    Validity
		want string
	}{
		{"2027-01-31", Validity{Months: 1}, "2027-02-28"},
		{"2028-01-31", Validity{Months: 1}, "2028-02-29"},
		{"2028-02-29", Validity{Years: 1}, "2029-02-28"},
		{"2027-08-31", Validity{Months: 13}, "2028-09-30"},
		{"2027-01-15", Validity{Months: 1, For: day}, "2027-02-16"},
	} {
		from, err := time.Parse(time.DateOnly, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.v.end(from).Format(time.DateOnly); got != c.want {
			t.Errorf("%s and %s is %s, want %s", c.from, c.v, got, c.want)
		}
	}
}

// TestProfileLife: what a profile says of those who ask.
func TestProfileLife(t *testing.T) {
	in := func(v Validity) *Input {
		i := input(t, Subject{CommonName: "a"}, Names{})
		i.Validity = v
		return i
	}
	fixed := compile(t, Profile{FixedValidity: true})
	free := compile(t, Profile{AskStart: true})
	for name, c := range map[string]struct {
		profile *Profile
		asked   Validity
		good    bool
	}{
		"the fixed one":          {fixed, Validity{}, true},
		"the fixed one by name":  {fixed, Days(90), true},
		"another one":            {fixed, Days(89), false},
		"a start":                {fixed, Validity{NotBefore: noon}, false},
		"a start where allowed":  {free, Validity{NotBefore: noon}, true},
		"beyond the issuer's":    {free, Validity{Years: 20}, false},
		"the longest that there": {free, Validity{Years: 10}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.profile.Draft(t.Context(), in(c.asked))
			wantViolation(t, err, c.good)
		})
	}
}

// TestValidityText is the table of validities as text.
func TestValidityText(t *testing.T) {
	for text, want := range map[string]Validity{
		"90d": Days(90), "36h": {For: 36 * time.Hour}, "13mo": {Months: 13}, "2y": {Years: 2}, "1y6mo": {Years: 1, Months: 6},
		"1d12h30m15s": {For: day + 12*time.Hour + 30*time.Minute + 15*time.Second}, "0s": {},
		"9999-12-31T23:59:59Z": {Until: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	} {
		got, err := ParseValidity(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v (%v)", text, got, err)
		}
		if again, err := ParseValidity(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q, which is %+v (%v)", text, got, again, err)
		}
	}
	for _, text := range []string{"", "90", "d", "90 d", "-1d", "1h1d", "1d1d", "1w", "99999999999d", "2000y", "2030-01-01", "2030-13-01T00:00:00Z", "0001-01-01T00:00:00Z"} {
		if v, err := ParseValidity(text); err == nil {
			t.Errorf("%q is %+v", text, v)
		}
	}
}

// FuzzValidity: what parses formats back and parses the same.
func FuzzValidity(f *testing.F) {
	for _, s := range []string{"90d", "1y6mo", "2030-12-31T23:59:59Z", "1d12h30m15s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseValidity(text)
		if err != nil {
			return
		}
		if again, err := ParseValidity(v.String()); err != nil || !again.Until.Equal(v.Until) || again.For != v.For || again.Months != v.Months || again.Years != v.Years {
			t.Errorf("%q is %+v, written %q, read %+v (%v)", text, v, v, again, err)
		}
	})
}
