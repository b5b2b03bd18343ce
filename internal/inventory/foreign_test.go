package inventory

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/bundle"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/term"
)

func pemOf(ders ...[]byte) []byte {
	var b []byte
	for _, der := range ders {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return b
}

// foreign makes a root, an intermediate and a leaf that nobody here knows.
func foreign(t testing.TB, name string) (root, intermediate, leaf []byte) {
	t.Helper()
	rootKey, middleKey, leafKey := newKey(t), newKey(t), newKey(t)
	r := &x509.Certificate{
		SerialNumber: big.NewInt(11), Subject: pkix.Name{CommonName: "Foreign root"}, NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	m := *r
	m.SerialNumber, m.Subject = big.NewInt(12), pkix.Name{CommonName: "Foreign intermediate"}
	l := &x509.Certificate{
		SerialNumber: big.NewInt(13), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: start.AddDate(0, -1, 0), NotAfter: start.AddDate(1, 0, 0),
	}
	root = newCertificate(t, r, r, rootKey.Public(), rootKey)
	intermediate = newCertificate(t, &m, r, middleKey.Public(), rootKey)
	return root, intermediate, newCertificate(t, l, &m, leafKey.Public(), middleKey)
}

func TestRegister(t *testing.T) {
	f := newFixture(t)
	root, middle, leaf := foreign(t, "web.example.net")
	first := f.clock
	out, err := f.Register(t.Context(), f.as("admin"), "scan", []Sighting{
		{Data: pemOf(leaf, middle), Address: "10.0.0.1:443", Name: "web.example.net"},
		{Data: leaf, Address: "/etc/ssl/web.der"},
		{Data: root},
	})
	if err != nil || out.Added != 3 || out.Own != 0 || len(out.Entries) != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	f.pass(time.Hour)
	if out, err = f.Register(t.Context(), f.as("admin"), "", []Sighting{{Data: leaf, Address: "10.0.0.1:443", Name: "web.example.net"}}); err != nil || out.Added != 0 {
		t.Fatalf("again: %+v, %v", out, err)
	}
	got, err := f.Certificate(t.Context(), f.as("admin"), "found/"+Fingerprint(leaf))
	if err != nil {
		t.Fatal(err)
	}
	want := &Foreign{
		Fingerprint: Fingerprint(leaf), Source: "scan", Issuer: "CN=Foreign intermediate", FirstSeen: first, LastSeen: f.clock,
		Places: []Place{
			{Address: "/etc/ssl/web.der", Chain: []string{}, Seen: first},
			{Address: "10.0.0.1:443", Name: "web.example.net", Chain: []string{}, Seen: f.clock},
		},
	}
	got.Foreign.subject = nil
	for i := range got.Foreign.Places {
		if got.Foreign.Places[i].Chain == nil {
			got.Foreign.Places[i].Chain = []string{}
		}
	}
	if diff := cmp.Diff(want, got.Foreign, cmp.AllowUnexported(Foreign{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, q := range []Query{{Origin: Elsewhere}, {Name: ".example.net"}, {Serial: "0d"}, {Key: term.KeyHash(leaf)}} {
		if ids := f.search(t, q, 10); !slices.Contains(ids, "found/"+Fingerprint(leaf)) {
			t.Errorf("%+v finds %v", q, ids)
		}
	}
	if list, _, err := f.Search(t.Context(), f.foreigner(), Query{}, kms.Page{}); err != nil || len(list) != 0 {
		t.Errorf("another realm sees %d (%v)", len(list), err)
	}
}

func TestForget(t *testing.T) {
	f := newFixture(t)
	_, middle, leaf := foreign(t, "web.example.net")
	if _, err := f.Register(t.Context(), f.as("admin"), "", []Sighting{{Data: pemOf(leaf, middle)}}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, f.Forget(t.Context(), f.foreigner(), []string{Fingerprint(leaf)}), fault.NotFound, "fingerprint")
	wantFault(t, f.Forget(t.Context(), f.as("admin"), []string{Fingerprint(leaf), "ab"}), fault.NotFound, "fingerprint")
	wantFault(t, f.Forget(t.Context(), f.as("admin"), nil), fault.InvalidArgument, "1 to")
	if got := f.search(t, Query{}, 10); len(got) != 2 {
		t.Errorf("what was refused has removed some: %v", got)
	}
	if err := f.Forget(t.Context(), f.as("admin"), []string{Fingerprint(leaf), Fingerprint(middle)}); err != nil {
		t.Fatal(err)
	}
	if got, n := f.search(t, Query{}, 10), f.terms(t); len(got) != 0 || n != 0 {
		t.Errorf("left: %v and %d terms", got, n)
	}
	_, err := f.Certificate(t.Context(), f.as("admin"), "found/"+Fingerprint(leaf))
	wantFault(t, err, fault.NotFound, "fingerprint")
}

func TestRegisterRefuses(t *testing.T) {
	f := newFixture(t)
	_, _, leaf := foreign(t, "a")
	many := make([]Sighting, MaxRegister+1)
	for i := range many {
		der := slices.Clone(leaf)
		der[len(der)-1] ^= byte(i)
		der[len(der)-2] ^= byte(i >> 8)
		many[i].Data = der
	}
	for name, c := range map[string]struct {
		sightings []Sighting
		kind      fault.Kind
	}{
		"nothing":        {nil, fault.InvalidArgument},
		"no certificate": {[]Sighting{{Data: []byte("hello")}}, fault.InvalidArgument},
		"a key":          {[]Sighting{{Data: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: leaf})}}, fault.InvalidArgument},
		"half of one":    {[]Sighting{{Data: leaf[:100]}}, fault.InvalidArgument},
		"one and a half": {[]Sighting{{Data: append(slices.Clone(leaf), leaf[:50]...)}}, fault.InvalidArgument},
		"a long place":   {[]Sighting{{Data: leaf, Address: strings.Repeat("a", 1001)}}, fault.InvalidArgument},
		"too many":       {many, fault.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Register(t.Context(), f.as("admin"), "", c.sightings)
			wantFault(t, err, c.kind, "")
		})
	}
	call := f.as("admin")
	call.DryRun = true
	_, err := f.Register(t.Context(), call, "", []Sighting{{Data: leaf}})
	wantFault(t, err, fault.InvalidArgument, "dry run")
	if got := f.search(t, Query{}, 10); len(got) != 0 {
		t.Errorf("registered: %v", got)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	var list []Place
	for i := range maxPlaces + 5 {
		list = addPlace(list, Place{Address: string(rune('A' + i))})
	}
	list = addPlace(list, Place{Address: "F", Seen: start})
	if len(list) != maxPlaces || list[0].Address != "G" || !list[maxPlaces-1].Seen.Equal(start) {
		t.Errorf("%d places, from %v to %v", len(list), list[0], list[len(list)-1])
	}
}

// kinds returns the kinds of an entry's problems, with their places.
func kinds(list []Problem) []string {
	var out []string
	for _, p := range list {
		out = append(out, strings.TrimSuffix(string(p.Kind)+" "+p.Place, " "))
	}
	slices.Sort(out)
	return out
}

func TestProblems(t *testing.T) {
	f := newFixture(t)
	a := f.house.list[0]
	root, middle, leaf := foreign(t, "web.example.net")
	own := f.issue(t, a, spec{names: []string{"own.example.com"}, days: 89})
	revoked := f.issue(t, a, spec{names: []string{"bad.example.com"}, revoked: ca.KeyCompromise})
	ending := f.issue(t, a, spec{names: []string{"ending.example.com"}, days: 10, age: 80})
	expired := f.issue(t, a, spec{names: []string{"expired.example.com"}, days: -1})

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakly := f.template(t, spec{names: []string{"weak.example.com"}})
	issuer, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	weakDER := newCertificate(t, weakly, issuer, weak.Public(), f.house.keys[a.ID])
	future := f.template(t, spec{names: []string{"future.example.com"}})
	future.NotBefore = f.clock.AddDate(0, 0, 1)
	futureDER := newCertificate(t, future, issuer, newKey(t).Public(), f.house.keys[a.ID])

	const at, file = "10.0.0.1:443", "/etc/ssl/a.pem"
	for name, c := range map[string]struct {
		sightings []Sighting
		want      []string
	}{
		"nothing is wrong": {[]Sighting{{Data: own.DER, Address: at, Name: "own.example.com"}}, nil},
		"in a file":        {[]Sighting{{Data: own.DER, Address: file}}, nil},
		"wrong name":       {[]Sighting{{Data: own.DER, Address: at, Name: "other.example.com"}}, []string{"hostname-mismatch " + at}},
		"no name":          {[]Sighting{{Data: own.DER, Address: at}}, []string{"hostname-mismatch " + at}},
		"revoked":          {[]Sighting{{Data: revoked.DER, Address: at, Name: "bad.example.com"}}, []string{"revoked"}},
		"ends soon":        {[]Sighting{{Data: ending.DER}}, []string{"expires-soon"}},
		"expired":          {[]Sighting{{Data: expired.DER}}, []string{"expired"}},
		"weak key":         {[]Sighting{{Data: weakDER}}, []string{"weak-key"}},
		"not yet":          {[]Sighting{{Data: futureDER}}, []string{"not-yet-valid"}},
		"alone":            {[]Sighting{{Data: leaf}}, []string{"chain-incomplete"}},
		"without the root": {[]Sighting{{Data: pemOf(leaf, middle)}}, []string{"chain-incomplete"}},
		"another's root":   {[]Sighting{{Data: pemOf(leaf, middle)}, {Data: root}}, []string{"untrusted-issuer"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := f.Register(t.Context(), f.as("admin"), "", c.sightings); err != nil {
				t.Fatal(err)
			}
			first, err := bundle.Read(c.sightings[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Certificate(t.Context(), f.as("admin"), "found/"+Fingerprint(first[0]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, kinds(got.Problems)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%+v", diff, got.Problems)
			}
			for _, e := range f.search(t, Query{Origin: Elsewhere}, 100) {
				if err := f.Forget(t.Context(), f.as("admin"), []string{strings.TrimPrefix(e, "found/")}); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	// Of our own, only what ends soon is a problem.
	list, next, err := f.Problems(t.Context(), f.as("admin"), Query{}, kms.Page{})
	if err != nil || next != "" || len(list) != 1 || list[0].Serial != ending.Serial {
		t.Errorf("%d have problems (%v)", len(list), err)
	}
	forecast, err := f.Forecast(t.Context(), f.as("admin"), "")
	if diff := cmp.Diff([]Expiring{{7, 0}, {30, 1}, {90, 2}}, forecast); err != nil || diff != "" {
		t.Errorf("the forecast (-want +got):\n%s%v", diff, err)
	}
}

// TestChainsAtServers: a server has to send what its clients lack.
func TestChainsAtServers(t *testing.T) {
	f := newFixture(t)
	root, middle, leaf := foreign(t, "web.example.net")
	pool := x509.NewCertPool()
	rootCertificate, err := x509.ParseCertificate(root)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(rootCertificate)
	f.roots = pool
	const good, bad = "10.0.0.1:443", "10.0.0.2:443"
	_, err = f.Register(t.Context(), f.as("admin"), "", []Sighting{
		{Data: pemOf(leaf, middle), Address: good, Name: "web.example.net"},
		{Data: leaf, Address: bad, Name: "web.example.net"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Certificate(t.Context(), f.as("admin"), "found/"+Fingerprint(leaf))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"chain-incomplete " + bad}, kinds(got.Problems)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%+v", diff, got.Problems)
	}
}

func TestCertificate(t *testing.T) {
	f := newFixture(t)
	c := f.issue(t, f.house.list[0], spec{common: "a"})
	got, err := f.Certificate(t.Context(), f.as("admin"), "alpha/"+c.Serial)
	if err != nil || got.ID != c.Authority+"/"+c.Serial || got.Foreign != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for id, kind := range map[string]fault.Kind{
		"": fault.InvalidArgument, "alpha": fault.InvalidArgument, "alpha/00": fault.NotFound, "nobody/00": fault.NotFound, "found/00": fault.NotFound,
	} {
		_, err := f.Certificate(t.Context(), f.as("admin"), id)
		wantFault(t, err, kind, "")
	}
}
