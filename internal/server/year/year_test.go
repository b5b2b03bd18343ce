package year_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/server/year"
)

const day = 24 * time.Hour

// TestYear: ten thousand certificates of 90, 30 and 7 days, all issued within
// minutes, live through a year in which authorities refuse, the disk fails,
// servers are killed, an authority is replaced and nobody takes notices. None
// expires, no minute has more renewals than its bound, and each is told of once,
// as are the ends of those that nobody renews: before each, 30, 14, 7 and 1 days,
// as far as they live twice as long, and then.
//
// A year of 10,000 takes many minutes: without HOLDFAST_LONG ("make soak") it
// is fewer of them, under a bound that is as much lower.
func TestYear(t *testing.T) {
	size, rest, dir := 25, 2*time.Hour, memory(t)
	switch {
	case os.Getenv("HOLDFAST_LONG") != "":
		size, rest, dir = 1000, 0, t.TempDir()
	case raced:
		size = 5
	}
	same := renewal.Rule{Share: 0.25, Key: renewal.SameKey}
	together := renewal.Rule{Before: 9 * day, Jitter: new(time.Duration)}
	p := &year.Plan{
		Groups: []year.Group{
			{Number: 6 * size, Validity: 90 * day},
			{Number: size, Validity: 90 * day, Rule: same},
			{Number: 2 * size, Validity: 30 * day, Rule: together},
			{Number: size, Validity: 7 * day},
		},
		Unrenewed: []year.Group{{Number: size, Validity: 300 * day}, {Number: size, Validity: 40 * day}, {Number: size, Validity: 370 * day}},
		For:       365 * day, PerMinute: size, Servers: 2, Rest: rest, Dir: dir,
		Incidents: slices.Concat(
			year.Refusal(19*day, 9*time.Hour), year.Refusal(59*day, 31*time.Hour), year.Refusal(300*day, 20*time.Hour),
			year.Forbidden(120*day, 26*time.Hour), year.BrokenDisk(80*day, 40*time.Minute), year.BrokenDisk(239*day, 5*time.Hour),
			year.Away(30*day, 9*time.Hour), year.Away(269*day+9*time.Hour, 50*time.Hour),
			[]year.Incident{
				year.Kill(4*day+12*time.Hour, 40), year.Kill(60*day+7*time.Hour, 333), year.Kill(121*day+2*time.Hour, 77),
				year.Kill(220*day+3*time.Hour, 1234), year.Kill(270*day, 5), year.Restart(100 * day), year.Restart(200 * day), year.NewCertificate(150 * day), year.NewAuthority(220 * day),
			},
		),
	}
	r := year.Run(t, p)
	t.Log(r)
	if want := 10 * size; r.Certificates != want || r.Renewed < 14*want || r.Failed == 0 || r.Restarts < 6 ||
		r.Refused == 0 || r.Ending < (5+4+3)*size {
		t.Errorf("it was no such year: %+v", r)
	}
}

// memory returns a directory in memory where there is such, because what takes
// the time else is the disk: a year's durable writes, one after the other.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-year-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
