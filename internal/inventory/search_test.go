package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// world is a fixture with certificates of every sort.
type world struct {
	*fixture
	all []*Entry // of the default realm
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{fixture: newFixture(t)}
	w.authority(t, key.DefaultRealm, "beta")
	other := w.authority(t, "000000000042", "other")
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	shared := newKey(t)
	for i := range n {
		w.pass(time.Duration(random.IntN(10_000)) * time.Millisecond)
		s := spec{
			profile: pick("tls-server", "tls-server", "tls-client"), requester: pick("000000000001/user/a", "000000000001/user/b"),
			days: []int{1, 20, 90, 90}[random.IntN(4)], signer: shared,
		}
		if random.IntN(3) > 0 {
			s.signer = nil
		}
		switch random.IntN(5) {
		case 0:
			s.common = fmt.Sprintf("Person %d, Jr.", i)
		case 1:
			s.common = fmt.Sprintf("h%d.example.com", i)
			s.names = []string{s.common, "www." + s.common, "10.0.0.1"}
		case 2:
			s.names = []string{"*.example.org", fmt.Sprintf("a%d.sub.example.com", i), "example.com"}
		case 3:
			s.names = []string{fmt.Sprintf("spiffe://trust.example/ns/%d", i%3), "mail@example.com"}
		case 4:
			s.common = "UPPER.Example.COM"
			s.names = []string{"upper.example.com", "2001:db8::1", "exampleXcom"}
		}
		if random.IntN(6) == 0 {
			s.revoked = []ca.Reason{ca.KeyCompromise, ca.CertificateHold, ca.Superseded}[random.IntN(3)]
		}
		authorities := w.house.All()
		a := authorities[random.IntN(len(authorities))]
		c := w.issue(t, a, s)
		if a != other {
			w.all = append(w.all, &Entry{Certificate: c, ID: ca.CertificateID(c.Authority, c.Serial)})
		}
	}
	for i := range n / 10 {
		template := w.template(t, spec{common: fmt.Sprintf("f%d.example.com", i), names: []string{fmt.Sprintf("f%d.example.com", i), "foreign.example.net"}})
		der := newCertificate(t, template, template, shared.Public(), shared)
		out, err := w.Register(t.Context(), w.as("admin"), "", []Sighting{{Data: der, Address: []string{"", "host:443"}[i%2]}})
		if err != nil {
			t.Fatal(err)
		}
		w.all = append(w.all, out.Entries...)
	}
	return w
}

// search returns the ids of all pages.
func (f *fixture) search(t testing.TB, q Query, limit int) (ids []string) {
	t.Helper()
	for page := (kms.Page{Limit: limit}); ; {
		list, next, err := f.Search(t.Context(), f.as("admin"), q, page)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if len(list) > limit {
			t.Errorf("%+v: a page of %d", q, len(list))
		}
		for _, e := range list {
			ids = append(ids, e.ID)
		}
		if page.After = next; next == "" {
			return ids
		}
	}
}

func queries(w *world) map[string]Query {
	person := w.all[slices.IndexFunc(w.all, func(e *Entry) bool { return strings.HasPrefix(e.Subject, "CN=Person") })]
	one, foreign := w.all[len(w.all)/3], w.all[len(w.all)-1]
	soonest, late := w.clock.AddDate(0, 0, 5), start.Add(15*time.Minute)
	list := map[string]Query{
		"everything":            {},
		"issued":                {Origin: Issued},
		"foreign":               {Origin: Elsewhere},
		"serial":                {Serial: one.Serial},
		"serial with colons":    {Serial: strings.ToUpper(one.Serial[:2] + ":" + one.Serial[2:])},
		"foreign serial":        {Serial: foreign.Serial},
		"serial of nobody":      {Serial: "01"},
		"key":                   {Key: term.KeyHash(one.DER)},
		"key of many":           {Key: term.KeyHash(foreign.DER)},
		"key of nobody":         {Key: strings.Repeat("ab", 32)},
		"name":                  {Name: "example.com"},
		"name in capitals":      {Name: "EXAMPLE.com"},
		"common name":           {Name: term.CommonName(person.Subject)},
		"address":               {Name: "10.0.0.1"},
		"address in long":       {Name: "2001:DB8:0::1"},
		"mail":                  {Name: "mail@example.com"},
		"URI":                   {Name: "spiffe://trust.example/ns/1"},
		"URI by its start":      {Name: "spiffe://trust.example/*"},
		"below":                 {Name: ".example.com"},
		"domain and below":      {Name: "**.example.com"},
		"below another":         {Name: ".sub.example.com"},
		"wildcard":              {Name: "*.example.org"},
		"pattern":               {Name: "h*.example.com"},
		"pattern without end":   {Name: "h1*"},
		"pattern in the middle": {Name: "*.h*e.com"},
		"name of nobody":        {Name: "nobody.example.com"},
		"profile":               {Profile: "tls-client"},
		"requester":             {Requester: "000000000001/user/b"},
		"place":                 {Place: "host:"},
		"place and name":        {Place: "host:443", Name: ".example.com"},
		"place of nobody":       {Place: "ost:"},
		"issued at of nobody":   {Origin: Issued, Place: "host:"},
		"both":                  {Profile: "tls-client", Requester: "000000000001/user/b"},
		"profile of nobody":     {Profile: "nobody"},
		"text":                  {Text: "PERSON 1"},
		"text in a name":        {Text: "1.sub"},
		"subject":               {Subject: "o=holdfast"},
		"ends soon":             {ExpiresBefore: soonest},
		"ends late":             {ExpiresAfter: soonest},
		"ends between":          {ExpiresAfter: soonest, ExpiresBefore: w.clock.AddDate(0, 0, 30)},
		"ends before it starts": {ExpiresAfter: soonest, ExpiresBefore: soonest.Add(-time.Hour)},
		"issued late":           {Origin: Issued, IssuedAfter: late},
		"issued early":          {Origin: Issued, IssuedBefore: late},
		"profile issued late":   {Profile: "tls-client", IssuedAfter: late},
		"authority":             {Authority: "alpha"},
		"authority by id":       {Authority: w.house.list[0].ID, Name: ".example.com"},
		"authority and key":     {Authority: "beta", Key: term.KeyHash(foreign.DER)},
		"authority and profile": {Authority: "beta", Profile: "tls-server"},
		"authority and end":     {Authority: "beta", ExpiresBefore: soonest},
		"name and more":         {Name: ".example.com", Profile: "tls-server", State: Valid, ExpiresAfter: soonest},
	}
	for _, s := range States() {
		list["state "+string(s)] = Query{State: s}
		list["state of an authority "+string(s)] = Query{State: s, Authority: "alpha"}
	}
	return list
}

// TestSearch: whichever way a query is answered, it finds what a look at every
// certificate finds, each once, in pages of any size.
func TestSearch(t *testing.T) {
	w := newWorld(t, 300)
	w.caughtUp(t)
	w.pass(2 * 24 * time.Hour) // the first have ended
	for name, q := range queries(w) {
		t.Run(name, func(t *testing.T) {
			var want []string
			checked := q
			if err := checked.check(); err != nil {
				t.Fatal(err)
			}
			for _, e := range w.all {
				ours := q.Authority == "" || e.Foreign == nil && (q.Authority == e.Authority || q.Authority == w.named(e.Authority))
				origin := q.Origin == AnyOrigin || (q.Origin == Elsewhere) == (e.Foreign != nil)
				if ours && origin && checked.wants(e, w.clock) {
					want = append(want, e.ID)
				}
			}
			slices.Sort(want)
			first := w.search(t, q, 1000)
			for _, limit := range []int{1, 7, 40} {
				if diff := cmp.Diff(first, w.search(t, q, limit)); diff != "" {
					t.Errorf("pages of %d are another list (-large +small):\n%s", limit, diff)
				}
			}
			slices.Sort(first)
			if diff := cmp.Diff(want, first); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.HasSuffix(name, "of nobody") != (len(want) == 0) && name != "ends before it starts" {
				t.Errorf("the query says nothing: %d certificates", len(want))
			}
			// The same without the index.
			w.index.mu.Lock()
			w.index.mark.Ready = false
			w.index.mu.Unlock()
			slow := w.search(t, q, 100)
			w.index.mu.Lock()
			w.index.mark.Ready = true
			w.index.mu.Unlock()
			slices.Sort(slow)
			if diff := cmp.Diff(want, slow); diff != "" {
				t.Errorf("without the index (-want +got):\n%s", diff)
			}
		})
	}
}

func (f *fixture) named(id string) string {
	for _, a := range f.house.All() {
		if a.ID == id {
			return a.Name
		}
	}
	return ""
}

// TestOrder: what ends first comes first.
func TestOrder(t *testing.T) {
	w := newWorld(t, 100)
	var last time.Time
	byID := map[string]*Entry{}
	for _, e := range w.all {
		byID[e.ID] = e
	}
	for _, id := range w.search(t, Query{ExpiresAfter: w.clock}, 3) {
		if end := byID[id].NotAfter; end.Before(last) {
			t.Errorf("%s ends before the one before it", id)
		} else {
			last = end
		}
	}
}

// TestManyAtOneTime: more ends at one second than are read at a time.
func TestManyAtOneTime(t *testing.T) {
	f := newFixture(t)
	for i := range 70 {
		c := f.issue(t, f.house.list[0], spec{common: fmt.Sprint(i)})
		f.pass(time.Millisecond)
		_ = c
	}
	for _, limit := range []int{1, 5, 16, 69, 70, 100} {
		got := f.search(t, Query{ExpiresAfter: start}, limit)
		slices.Sort(got)
		if got = slices.Compact(got); len(got) != 70 {
			t.Errorf("pages of %d: %d certificates", limit, len(got))
		}
	}
}

// TestFreshlyIssued: a search never misses what was stored before it.
func TestFreshlyIssued(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	for i := range 20 {
		name := fmt.Sprintf("h%d.example.com", i)
		c := f.issue(t, f.house.list[0], spec{names: []string{name}})
		if got := f.search(t, Query{Name: name}, 10); len(got) != 1 || got[0] != ca.CertificateID(c.Authority, c.Serial) {
			t.Fatalf("%s: %v", name, got)
		}
	}
}

func TestRefusedQueries(t *testing.T) {
	f := newFixture(t)
	for name, q := range map[string]Query{
		"state":     {State: "odd"},
		"origin":    {Origin: "odd"},
		"serial":    {Serial: "xyz"},
		"key":       {Key: "abcd"},
		"long":      {Name: strings.Repeat("a", 601)},
		"long text": {Text: strings.Repeat("a", 601)},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := f.Search(t.Context(), f.as("admin"), q, kms.Page{})
			wantFault(t, err, fault.InvalidArgument, "")
		})
	}
	_, _, err := f.Search(t.Context(), f.as("admin"), Query{Authority: "nobody"}, kms.Page{})
	wantFault(t, err, fault.NotFound, "authority")
	for _, marker := range []string{"x", "key:1", ":", "all" + strings.Repeat("x", 2000)} {
		_, _, err := f.Search(t.Context(), f.as("admin"), Query{}, kms.Page{After: marker})
		wantFault(t, err, fault.InvalidArgument, "marker")
	}
}

func TestDecisions(t *testing.T) {
	f := newFixture(t)
	f.issue(t, f.house.list[0], spec{common: "a"})
	beta := f.authority(t, key.DefaultRealm, "beta")
	_, _, err := f.Search(t.Context(), f.as("nobody"), Query{}, kms.Page{})
	wantFault(t, err, fault.PermissionDenied, "")
	if e := f.log.last(); e.Decision != audit.Denied || e.Action != key.ListCertificates {
		t.Errorf("the entry is %+v", e)
	}
	list, _, err := f.Search(t.Context(), f.as("reader"), Query{Authority: "alpha"}, kms.Page{})
	if err != nil || len(list) != 1 {
		t.Errorf("of one authority: %d, %v", len(list), err)
	}
	_, _, err = f.Search(t.Context(), f.as("reader"), Query{Authority: beta.ID}, kms.Page{})
	wantFault(t, err, fault.PermissionDenied, "")
	_, _, err = f.Search(t.Context(), f.as("reader"), Query{}, kms.Page{})
	wantFault(t, err, fault.PermissionDenied, "")
	for name, call := range map[string]func() error{
		"export": func() error { _, err := f.Export(t.Context(), f.as("nobody"), Query{}, CSV, nil); return err },
		"problems": func() error {
			_, _, err := f.Problems(t.Context(), f.as("nobody"), Query{}, kms.Page{})
			return err
		},
		"forecast": func() error { _, err := f.Forecast(t.Context(), f.as("nobody"), ""); return err },
		"register": func() error { _, err := f.Register(t.Context(), f.as("nobody"), "", nil); return err },
		"forget":   func() error { return f.Forget(t.Context(), f.as("nobody"), []string{"x"}) },
		"certificate": func() error {
			_, err := f.Certificate(t.Context(), f.as("nobody"), "found/x")
			return err
		},
		"report": func() error {
			_, err := f.CreateReport(t.Context(), f.as("nobody"), &ReportRequest{Authority: "alpha"})
			return err
		},
		"describe report": func() error {
			_, err := f.DescribeReport(t.Context(), f.as("nobody"), "alpha", "x")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantFault(t, call(), fault.PermissionDenied, "") })
	}
	if list, _, err := f.Search(t.Context(), f.foreigner(), Query{}, kms.Page{}); err != nil || len(list) != 0 {
		t.Errorf("another realm sees %d (%v)", len(list), err)
	}
}

// TestPagesAreBounded: a query that no index answers looks at no more than so
// many certificates a page, and says where it stopped.
func TestPagesAreBounded(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	first := f.issue(t, f.house.list[0], spec{common: "straw"})
	err := f.store.Update(t.Context(), func(tx store.Tx) error {
		c := *first
		for i := range maxLooks + 10 {
			c.Serial = fmt.Sprintf("01%08x", i)
			if err := tx.Put(store.Certificates, c.Row()); err != nil {
				return err
			}
		}
		c.Subject, c.Serial = "CN=needle", "00"
		if err := tx.Put(store.Certificates, c.Row()); err != nil {
			return err
		}
		c.Serial = "ff"
		return tx.Put(store.Certificates, c.Row())
	})
	if err != nil {
		t.Fatal(err)
	}
	list, next, err := f.Search(t.Context(), f.as("admin"), Query{Text: "needle"}, kms.Page{Limit: 10})
	if err != nil || len(list) != 1 || next == "" {
		t.Fatalf("the first page has %d, next %q, %v", len(list), next, err)
	}
	list, next, err = f.Search(t.Context(), f.as("admin"), Query{Text: "needle"}, kms.Page{Limit: 10, After: next})
	if err != nil || len(list) != 1 || next != "" || list[0].Serial != "ff" {
		t.Fatalf("the second page has %d, next %q, %v", len(list), next, err)
	}
}
