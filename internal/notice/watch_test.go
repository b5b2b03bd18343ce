package notice

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// world is what a Watch looks at, with a clock.
type world struct {
	t           *testing.T
	store       store.Store
	now         time.Time
	authorities []*ca.Authority
	managed     []*managed.Certificate
	serial      int
	behind      bool // the index is
}

func (w *world) Flush(context.Context) (bool, error) { return !w.behind, nil }

func (w *world) All() []*ca.Authority { return w.authorities }

func (w *world) Walk(_ context.Context, after string, limit int) (list []*managed.Certificate, last string, err error) {
	for _, c := range w.managed {
		if c.ID > after && len(list) < limit {
			list = append(list, c)
			last = c.ID
		}
	}
	if len(list) < limit {
		last = ""
	}
	return list, last, nil
}

func newWorld(t *testing.T) *world {
	return &world{t: t, store: mem.New(), now: start(), authorities: []*ca.Authority{
		{ID: "ca-1", Name: "issuing", Realm: realm, Region: region, State: ca.Active},
		{ID: "ca-2", Name: "other", Realm: realm, Region: region, State: ca.Active},
	}}
}

func (w *world) watch() *Watch {
	return NewWatch(WatchConfig{Store: w.store, Authorities: w, Managed: w, Index: w, Now: func() time.Time { return w.now }})
}

func (w *world) update(f func(tx store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// issue stores a certificate of an authority for a name.
func (w *world) issue(authority, name string, begin, end time.Time, change ...func(*ca.Certificate)) *ca.Certificate {
	w.t.Helper()
	w.serial++
	c := &ca.Certificate{
		Authority: authority, Serial: fmt.Sprintf("%032x", w.serial), DER: []byte{0x30, 0}, Subject: "CN=" + name, Names: []string{name},
		IssuedAt: begin, NotBefore: begin, NotAfter: end,
	}
	for _, f := range change {
		f(c)
	}
	w.update(func(tx store.Tx) error {
		for _, row := range term.Of(realm, c) {
			if err := tx.Put(store.Terms, row); err != nil {
				return err
			}
		}
		return tx.Put(store.Certificates, c.Row())
	})
	return c
}

// tick ticks until there is nothing more to look at.
func (w *world) tick(of *Watch) {
	w.t.Helper()
	for n := 0; ; n++ {
		more, err := of.Tick(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !more {
			return
		}
		if n > 10_000 {
			w.t.Fatal("there is always more to look at")
		}
	}
}

// told takes over what was emitted, as "kind name days".
func (w *world) told() (list []string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		due, err := event.Due(tx, w.now, 1_000_000)
		if err != nil {
			return err
		}
		for _, e := range due {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Name, detail(e, "days"))))
			if err := event.Handled(tx, e, w.now); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(list)
	return list
}

// TestYear: a year of certificates, with a Watch that loses its
// memory now and then, and two of them. Each is told of at each number of days
// exactly once.
func TestYear(t *testing.T) {
	w := newWorld(t)
	begin, days := w.now, map[string]int{}
	const hosts = 50
	for n := range hosts {
		w.issue("ca-1", fmt.Sprintf("host-%03d.example.com", n), begin, begin.AddDate(0, 0, 40+6*n).Add(time.Duration(n)*time.Minute))
	}
	one, two := w.watch(), w.watch()
	for n := range 365 * 2 { // every twelve hours
		w.now = begin.Add(time.Duration(n) * 12 * time.Hour)
		w.tick(one)
		w.tick(two)
		for _, line := range w.told() {
			days[line]++
		}
		if n%100 == 99 {
			one = w.watch()
		}
	}
	for n := range hosts {
		name := fmt.Sprintf("host-%03d.example.com", n)
		want := []string{" 14", " 7", " 1"}
		if n >= 4 { // 60 days and more
			want = append(want, " 30")
		}
		for _, d := range want {
			if got := days["certificate.expiring "+name+d]; got != 1 {
				t.Errorf("%s was told of %d times%s days before", name, got, d)
			}
			delete(days, "certificate.expiring "+name+d)
		}
		if got := days["certificate.expired "+name]; got != 1 {
			t.Errorf("that %s has expired was told %d times", name, got)
		}
		delete(days, "certificate.expired "+name)
	}
	if len(days) > 0 {
		t.Errorf("what nobody had to be told: %v", days)
	}
}

// TestIndexBehind: while nobody knows what took a certificate's place, nothing
// is told of its end; afterwards it is.
func TestIndexBehind(t *testing.T) {
	w := newWorld(t)
	w.issue("ca-1", "host.example.com", w.now.AddDate(-1, 0, 0), w.now.AddDate(0, 0, 5))
	of := w.watch()
	w.behind = true
	w.tick(of)
	if told := w.told(); len(told) > 0 {
		t.Errorf("told of %v, with the index behind", told)
	}
	w.behind = false
	w.tick(of)
	if told := w.told(); !slices.Equal(told, []string{"certificate.expiring host.example.com 7"}) {
		t.Errorf("told of %v, with the index up to date", told)
	}
}

// TestManyAtOnce: more certificates end in one second than are looked at in
// one transaction.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	for n := range pageSize*2 + 10 {
		w.issue("ca-1", fmt.Sprintf("host-%04d.example.com", n), w.now.AddDate(-1, 0, 0), w.now.AddDate(0, 0, 5))
	}
	of := w.watch()
	w.tick(of)
	if got := len(w.told()); got != pageSize*2+10 {
		t.Errorf("told of %d", got)
	}
	w.now = w.now.Add(time.Hour)
	w.tick(of)
	w.tick(w.watch())
	if got := w.told(); len(got) != 0 {
		t.Errorf("told again of %d", len(got))
	}
}

// TestWhoIsToldOf is the table of certificates that nobody is told of.
func TestWhoIsToldOf(t *testing.T) {
	w := newWorld(t)
	year, week := w.now.AddDate(-1, 0, 0), w.now.AddDate(0, 0, 6)
	w.issue("ca-1", "plain.example.com", year, week)
	w.issue("ca-1", "revoked.example.com", year, week, func(c *ca.Certificate) { c.RevokedAt = &w.now })
	w.issue("ca-1", "short.example.com", w.now.AddDate(0, 0, -1), w.now.Add(12*time.Hour))
	w.issue("ca-1", "two-days.example.com", w.now.AddDate(0, 0, -2), w.now.Add(12*time.Hour))
	w.issue("ca-1", "far.example.com", year, w.now.AddDate(0, 2, 0))
	w.issue("ca-1", "long-gone.example.com", year, w.now.AddDate(0, 0, -30))
	w.issue("ca-1", "gone.example.com", year, w.now.AddDate(0, 0, -2))

	w.issue("ca-1", "replaced.example.com", year, week)
	w.issue("ca-1", "replaced.example.com", w.now.AddDate(0, 0, -1), w.now.AddDate(1, 0, 0))
	w.issue("ca-2", "moved.example.com", year, week)
	w.issue("ca-1", "moved.example.com", w.now.AddDate(0, 0, -1), w.now.AddDate(1, 0, 0))
	w.issue("ca-1", "replaced-in-vain.example.com", year, week)
	w.issue("ca-1", "replaced-in-vain.example.com", year, w.now.AddDate(1, 0, 0), func(c *ca.Certificate) { c.RevokedAt = &w.now })
	w.issue("ca-1", "two.example.com", year, week, func(c *ca.Certificate) { c.Names = append(c.Names, "more.example.com") })
	w.issue("ca-1", "two.example.com", year, w.now.AddDate(1, 0, 0))

	kept := w.issue("ca-1", "kept.example.com", year, week)
	w.issue("ca-1", "kept.example.com", year, week) // of a server that was killed before the next one had it
	w.managed = []*managed.Certificate{
		{ID: "1", Kind: managed.Private, Realm: realm, Region: region, Authority: "ca-1", Serial: kept.Serial, Domain: "kept.example.com", DER: kept.DER, NotBefore: year, NotAfter: week, ExportedAt: year},
		{ID: "2", Kind: managed.Private, Realm: realm, Region: region, Authority: "ca-1", Serial: "2", Domain: "stuck.example.com", DER: kept.DER, NotBefore: year, NotAfter: week, ExportedAt: year, Renewal: &managed.Renewal{Outcome: managed.Refused, Attempts: 3}},
		{ID: "3", Kind: managed.Private, Realm: realm, Region: region, Authority: "ca-1", Serial: "3", Domain: "unused.example.com", DER: kept.DER, NotBefore: year, NotAfter: week},
		{ID: "4", Kind: managed.Imported, Realm: realm, Region: region, Serial: "4", Domain: "brought.example.com", DER: kept.DER, NotBefore: year, NotAfter: week},
		{ID: "5", Kind: managed.Private, Realm: realm, Region: region, Domain: "never-issued.example.com"},
		{ID: "6", Kind: managed.Private, Realm: realm, Region: region, Serial: "6", Domain: "late.example.com", DER: kept.DER, NotBefore: year, NotAfter: week, ExportedAt: year, Outlook: managed.Outlook{Due: w.now.AddDate(0, 0, -3)}},
	}
	w.tick(w.watch())
	want := []string{
		"certificate.expired gone.example.com",
		"certificate.expiring brought.example.com 7",
		"certificate.expiring late.example.com 7",
		"certificate.expiring plain.example.com 7",
		"certificate.expiring replaced-in-vain.example.com 7",
		"certificate.expiring stuck.example.com 7",
		"certificate.expiring two-days.example.com 1",
		"certificate.expiring two.example.com 7",
		"certificate.expiring unused.example.com 7",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFound: a certificate from elsewhere is told of when it is found, however
// near its end is.
func TestFound(t *testing.T) {
	w := newWorld(t)
	of := w.watch()
	w.tick(of)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "found.example.net"}, DNSNames: []string{"found.example.net"},
		NotBefore: w.now.AddDate(-1, 0, 0), NotAfter: w.now.AddDate(0, 0, 3),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"v": 1, "der": der, "source": "scan", "places": []map[string]string{{"address": "10.0.0.7:443"}}})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	w.update(func(tx store.Tx) error {
		return tx.Put(store.Found, store.Row{
			ID: string(realm) + "/" + hex.EncodeToString(sum[:]), Columns: []string{ca.ExpiresColumn(string(realm), template.NotAfter)}, Body: body,
		})
	})
	w.now = w.now.Add(2 * time.Hour)
	w.tick(of)
	w.tick(of)
	if diff := cmp.Diff([]string{"certificate.expiring found.example.net 7"}, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAuthorities: who is told of authorities, and when.
func TestAuthorities(t *testing.T) {
	w := newWorld(t)
	w.authorities = nil
	add := func(name string, left int, change ...func(*ca.Authority)) {
		a := &ca.Authority{
			ID: "id-" + name, Name: name, Realm: realm, Region: region, State: ca.Active, Certificate: []byte{1}, Serial: "1",
			NotBefore: w.now.AddDate(-10, 0, 0), NotAfter: w.now.Add(time.Duration(left)*day - time.Hour),
		}
		for _, f := range change {
			f(a)
		}
		w.authorities = append(w.authorities, a)
	}
	add("fresh", 400)
	add("quarter", 90)
	add("month", 29)
	add("tomorrow", 1)
	add("over", 0, func(a *ca.Authority) { a.State = ca.Expired })
	add("replaced", 5, func(a *ca.Authority) { a.Successor = "fresh" })
	add("deleted", 5, func(a *ca.Authority) { a.State = ca.Deleted })
	add("pending", 5, func(a *ca.Authority) { a.State, a.Certificate = ca.Pending, nil })
	add("short", 20, func(a *ca.Authority) { a.NotBefore = w.now.AddDate(0, 0, -10) })
	of := w.watch()
	w.tick(of)
	want := []string{
		"authority.expiring month 30", "authority.expiring over 0", "authority.expiring quarter 90", "authority.expiring tomorrow 1",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.now = w.now.Add(day)
	w.tick(of)
	if got := w.told(); len(got) != 1 || got[0] != "authority.expiring tomorrow 0" {
		t.Errorf("a day later: %v", got)
	}
}

// away is a store that takes nothing.
type away struct{ store.Store }

func (away) Update(context.Context, func(store.Tx) error) error { return errors.New("disk full") }

// TestBursts: a caller who is refused often is told of once in a window, one
// who is refused now and then is not; and nothing is lost with a full disk.
func TestBursts(t *testing.T) {
	b := NewBursts(5, time.Minute)
	at := start()
	refuse := func(who string, n int, gap time.Duration) {
		for i := range n {
			e := &audit.Entry{Time: at.Add(time.Duration(i) * gap), Realm: realm, Principal: who, Decision: audit.Denied, Action: key.Sign, Source: "10.0.0.9"}
			if who == "" {
				e.Decision, e.Result, e.Realm = audit.Undecided, "unauthenticated", ""
			}
			b.Observe(e)
		}
	}
	refuse("123456789012/user/often", 12, time.Second)
	refuse("123456789012/user/seldom", 12, 20*time.Second)
	refuse("", 7, time.Second)
	for range 10 {
		b.Observe(&audit.Entry{Time: at, Realm: realm, Principal: "123456789012/user/good", Decision: audit.Allowed, Result: "ok"})
	}
	w := newWorld(t)
	of := w.watch()
	of.Sources = []Source{b}
	of.Store = away{w.store}
	if _, err := of.Tick(t.Context()); err == nil {
		t.Error("a full disk is no error")
	}
	of.Store = w.store
	w.tick(of)
	w.now = w.now.Add(time.Hour)
	want := []string{"access.denied-burst 123456789012/user/often", "access.denied-burst nobody from 10.0.0.9"}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	at = at.Add(10 * time.Minute)
	refuse("123456789012/user/often", 12, time.Second)
	w.tick(of)
	if got := w.told(); len(got) != 1 {
		t.Errorf("in the next window: %v", got)
	}
}

// TestBurstsAreBounded: however many callers there are, and whatever they call
// themselves, little is remembered; who is refused most stays in sight.
func TestBurstsAreBounded(t *testing.T) {
	b := NewBursts(50, time.Minute)
	at, long := start(), strings.Repeat("x", 5000)
	deny := func(who string) {
		b.Observe(&audit.Entry{Time: at, Realm: realm, Principal: who, Decision: audit.Denied, Resource: long})
	}
	for n := range 20_000 {
		deny(fmt.Sprintf("user-%d-%s", n, "éé"))
		if n%200 == 0 {
			deny("the one")
		}
	}
	if len(b.callers) > maxCallers {
		t.Errorf("%d callers are remembered", len(b.callers))
	}
	list, err := b.Happened(t.Context(), at)
	if err != nil || len(list) != 1 || list[0].Name != "the one" {
		t.Errorf("told of %d bursts, %v", len(list), err)
	}
	b.denials = 1
	for n := range maxBursts + 100 {
		deny(fmt.Sprintf("%d%s", n, strings.Repeat("y", 5000)))
	}
	if list, _ = b.Happened(t.Context(), at); len(list) != maxBursts || len(list[0].ID) > 900 {
		t.Errorf("%d bursts wait, the first with an id of %d bytes", len(list), len(list[0].ID))
	}
}
