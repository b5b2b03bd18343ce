package notice

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/event"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestNextDigest is the table of when digests are due.
func TestNextDigest(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		d         Digest
		now, want string
	}{
		{Digest{Every: 30 * time.Minute}, "2027-01-01T08:00:00Z", "2027-01-01T08:30:00Z"},
		{Digest{Every: 30 * time.Minute}, "2027-01-01T08:29:59Z", "2027-01-01T08:30:00Z"},
		{Digest{Every: 24 * time.Hour}, "2027-01-01T08:29:59Z", "2027-01-02T00:00:00Z"},
		{Digest{Hour: 8}, "2027-01-01T07:59:59Z", "2027-01-01T08:00:00Z"},
		{Digest{Hour: 8}, "2027-01-01T08:00:00Z", "2027-01-02T08:00:00Z"},
		{Digest{Hour: 8, Minute: 15, Location: berlin}, "2027-01-01T08:00:00Z", "2027-01-02T07:15:00Z"},
		{Digest{Hour: 8, Location: berlin}, "2027-03-27T12:00:00Z", "2027-03-28T06:00:00Z"}, // the clock goes forward that night
		{Digest{Hour: 2, Minute: 30, Location: berlin}, "2027-03-27T12:00:00Z", "2027-03-28T01:30:00Z"},
		{Digest{Hour: 23, Location: berlin}, "2027-12-31T22:30:00Z", "2028-01-01T22:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.d.next(now).Format(time.RFC3339); got != tt.want {
			t.Errorf("%+v after %s is %s, want %s", tt.d, tt.now, got, tt.want)
		}
	}
}

// TestDigest: what happens in a day comes in one message at its time, and what
// is too much for one in another.
func TestDigest(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{Channels: []Channel{{Name: "daily", Targets: []string{"a", "b"}, Digest: &Digest{Hour: 6}, Sender: r}}})
	for n := range MaxDigest + 5 {
		f.emit(f.expiring(fmt.Sprintf("%03d.example.com", n), 7))
	}
	other := f.expiring("other.example.com", 7)
	other.Realm = "210987654321"
	f.emit(other)
	for range 21 {
		f.pass(time.Hour)
		f.tick()
	}
	if len(r.got) != 0 || f.states() != "0 failed, 0 waiting, 6 collecting, 0 delivered" {
		t.Fatalf("%d messages came before the time, %s", len(r.got), f.states())
	}
	r.failing(func(*Message) error { return errAway })
	f.pass(time.Hour)
	f.tick()
	late := f.expiring("late.example.com", 7)
	f.emit(late)
	r.failing(nil)
	f.pass(2 * time.Minute)
	f.tick()
	sizes := map[string][]int{}
	for _, m := range r.got {
		sizes[m.Target+" "+string(m.Realm)] = append(sizes[m.Target+" "+string(m.Realm)], len(m.Events))
		if !m.Digest {
			t.Error("a digest is none")
		}
	}
	want := map[string][]int{
		"a 123456789012": {MaxDigest, 5}, "b 123456789012": {MaxDigest, 5}, "a 210987654321": {1}, "b 210987654321": {1},
	}
	if diff := cmp.Diff(want, sizes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := f.states(); got != "0 failed, 0 waiting, 2 collecting, 6 delivered" {
		t.Error(got)
	}
}

// TestTexts compares what people read with golden files.
func TestTexts(t *testing.T) {
	at := start()
	f := &fixture{t: t, now: at}
	soon := f.expiring("web.example.com", 1)
	soon.Details = append(soon.Details, event.Detail{Name: "serial", Value: "0198c0de"})
	denied := &event.Event{
		ID: "access.denied-burst/123456789012/u/1", Kind: event.DeniedBurst, Realm: realm, Region: region, Time: at.Add(-time.Hour),
		Subject: "123456789012/user/mallory", Name: "mallory", Summary: "mallory was refused 20 times within 12s.",
		Details: []event.Detail{{Name: "last action", Value: "kms:Sign"}},
	}
	sly := f.expiring("a\r\nBcc: all@example.com\u202e.example.com", 30)
	renewed := &event.Event{
		ID: "certificate.renewed/1", Kind: event.CertificateRenewed, Realm: realm, Region: region, Time: at.Add(time.Minute),
		Subject: "123456789012/eu-central-1/managed/1", Name: "api.example.com", Summary: "The certificate of api.example.com was renewed.",
	}
	for name, m := range map[string]*Message{
		"single": {ID: "0198c0de-7b1e-7000-8000-000000000001", Channel: "ops-mail", Realm: realm, Events: []*event.Event{soon}},
		"sly":    {ID: "0198c0de-7b1e-7000-8000-000000000002", Channel: "ops-mail", Realm: realm, Events: []*event.Event{sly}},
		"digest": {ID: "0198c0de-7b1e-7000-8000-000000000003", Channel: "daily", Realm: realm, Digest: true, Events: []*event.Event{renewed, sly, denied, soon}},
		"one":    {ID: "0198c0de-7b1e-7000-8000-000000000004", Channel: "daily", Realm: realm, Digest: true, Events: []*event.Event{renewed}},
	} {
		var got strings.Builder
		got.WriteString("Subject: " + m.Title() + "\n\n" + m.Text() + "\nParagraphs:\n")
		for _, p := range m.Paragraphs() {
			fmt.Fprintf(&got, "%q\n", p)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
