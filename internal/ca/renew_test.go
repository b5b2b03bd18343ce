package ca

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

func csrFor(names ...string) *x509.CertificateRequest {
	return &x509.CertificateRequest{DNSNames: names}
}

// TestRenew: the key and the name stay, old certificates verify under the new
// ones and new ones under the old root, and chains below follow.
func TestRenew(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	ctx := t.Context()
	root := f.authority(t, "root", alg.P256, "")
	one := 1
	middle, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		Name: "middle", NewKey: alg.P384, Parent: "root", Subject: profile.Subject{CommonName: "Middle"}, PathLen: &one, Validity: 100 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	sub := f.authority(t, "sub", alg.P256, "middle")
	before := f.issue(t, "sub", "a.example.com")
	f.clock = f.clock.Add(10 * day)
	newRoot, err := f.RenewAuthority(ctx, f.as("admin"), "root", 0)
	if err != nil {
		t.Fatal(err)
	}
	newMiddle, err := f.RenewAuthority(ctx, f.as("admin"), "middle", 90*day)
	if err != nil {
		t.Fatal(err)
	}
	f.Service = f.open(t, "http://pki.example.com")
	for old, a := range map[*Authority]*Authority{root: newRoot, middle: newMiddle} {
		c, was := a.X509(), old.X509()
		if !bytes.Equal(c.RawSubjectPublicKeyInfo, was.RawSubjectPublicKeyInfo) || !bytes.Equal(c.SubjectKeyId, was.SubjectKeyId) ||
			!bytes.Equal(c.RawSubject, was.RawSubject) || c.MaxPathLen != was.MaxPathLen || c.KeyUsage != was.KeyUsage || a.Serial == old.Serial {
			t.Errorf("%s was %+v, is %+v", a.Name, old, a)
		}
		if d := cmp.Diff([][]byte{old.Certificate}, a.Past); d != "" || a.ID != old.ID {
			t.Errorf("past of %s (-want +got):\n%s", a.Name, d)
		}
	}
	after := f.issue(t, "sub", "b.example.com")
	if d := cmp.Diff([][]byte{newMiddle.Certificate, newRoot.Certificate}, f.live.Load().byID[sub.ID].Chain); d != "" {
		t.Errorf("chain of the authority below (-want +got):\n%s", d)
	}
	for _, anchor := range [][]byte{root.Certificate, newRoot.Certificate} {
		for _, c := range []*Issued{before, after} {
			f.verified(t, anchor, [][]byte{sub.Certificate, middle.Certificate}, c.DER)
			f.verified(t, anchor, [][]byte{sub.Certificate, newMiddle.Certificate}, c.DER)
		}
	}
	c, err := f.Certificate(ctx, f.as("admin"), "root", newMiddle.Serial)
	if err != nil || c.Profile != profile.Authority {
		t.Errorf("in the root's inventory: %+v, %v", c, err)
	}
	f.clock = f.clock.Add(91 * day)
	if a, _ := f.ByID(middle.ID); a.State != Expired {
		t.Fatalf("it is %s", a.State)
	}
	if a, err := f.RenewAuthority(ctx, f.as("admin"), "middle", 0); err != nil || a.State != Active {
		t.Errorf("an expired one: %+v, %v", a, err)
	}
	f.disable(t, "root")
	_, err = f.RenewAuthority(ctx, f.as("admin"), "middle", 0)
	wantFault(t, err, fault.WrongState, fault.AuthorityDisabled, "disabled")
	outside := f.outside(t, "Outside", nil, nil)
	_, csr := f.pending(t, "below", Subordinate, alg.P256)
	if _, err := f.importCertificate(t, "below", f.signs(t, outside, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, func(*x509.Certificate) {}), outside.cert.Raw); err != nil {
		t.Fatal(err)
	}
	_, err = f.RenewAuthority(ctx, f.as("admin"), "below", 0)
	wantFault(t, err, fault.WrongState, 0, "issuer is not here")
}

// TestRekeyRoot: a root with a new key, and both directions of trust by
// openssl.
func TestRekeyRoot(t *testing.T) {
	for _, spec := range []alg.Spec{alg.P384, alg.MLDSA65} {
		t.Run(spec.String(), func(t *testing.T) {
			f := newFixture(t, "http://pki.example.com")
			ctx := t.Context()
			old := f.authority(t, "root", alg.P256, "")
			sub := f.authority(t, "sub", alg.P256, "root")
			before := f.issue(t, "sub", "a.example.com")
			fresh, err := f.RekeyAuthority(ctx, f.as("admin"), "root", &RekeyRequest{NewKey: spec})
			if err != nil {
				t.Fatal(err)
			}
			f.Service = f.open(t, "http://pki.example.com")
			was, _ := f.ByID(old.ID)
			if was.State != Disabled || was.Name != "" || was.Successor != fresh.ID || fresh.Name != "root" || fresh.Predecessor != old.ID ||
				fresh.Subject != old.Subject || fresh.Spec != spec || !fresh.KeyOwned || fresh.State != Active {
				t.Errorf("old %+v\nnew %+v", was, fresh)
			}
			if len(fresh.Cross) != 1 || len(was.Cross) != 1 {
				t.Fatalf("%d and %d cross certificates", len(fresh.Cross), len(was.Cross))
			}
			under := f.authority(t, "under", alg.P256, "root")
			after := f.issue(t, "under", "b.example.com")
			if spec != alg.MLDSA65 { // openssl 3.0 does not know it
				f.verified(t, fresh.Certificate, [][]byte{was.Cross[0], sub.Certificate}, before.DER)
				f.verified(t, old.Certificate, [][]byte{fresh.Cross[0], under.Certificate}, after.DER)
			}
			f.revoke(t, before, Superseded)
			for id, serial := range map[string]string{old.ID: serialOf(t, fresh.Cross[0]), fresh.ID: serialOf(t, was.Cross[0])} {
				if _, err := f.Certificate(ctx, f.as("admin"), id, serial); err != nil {
					t.Errorf("the cross certificate is not in its issuer's inventory: %v", err)
				}
			}
			_, err = f.RekeyAuthority(ctx, f.as("admin"), old.ID, &RekeyRequest{NewKey: spec})
			wantFault(t, err, fault.WrongState, 0, "successor")
			_, err = f.Issue(ctx, f.as("admin"), &IssueRequest{Authority: old.ID, Profile: "tls-server", CSR: newCSR(t, alg.P256, csrFor("c.example.com"))})
			wantFault(t, err, fault.WrongState, fault.AuthorityDisabled, "")
		})
	}
}

func serialOf(t testing.TB, der []byte) string {
	t.Helper()
	return (&Authority{cert: parse(t, der)}).described().Serial
}

func (a *Authority) described() *Authority {
	a.describe()
	return a
}

// TestRekeySubordinate: below a parent here at once, below one elsewhere when
// the certificate comes.
func TestRekeySubordinate(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	root := f.authority(t, "root", alg.P256, "")
	sub, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		Name: "sub", NewKey: alg.P256, Parent: "root", Subject: profile.Subject{CommonName: "Sub"}, Tags: []key.Tag{{Key: "a", Value: "b"}}, Mode: ShortLived,
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := f.RekeyAuthority(ctx, f.as("admin"), "sub", &RekeyRequest{Key: f.keys.add(t, alg.Ed25519)})
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Name != "sub" || fresh.Parent != root.ID || fresh.Mode != ShortLived || len(fresh.Tags) != 1 || len(fresh.Cross) != 0 || fresh.KeyOwned {
		t.Errorf("%+v", fresh)
	}
	c := f.issueShort(t, "sub", "a.example.com")
	f.verified(t, root.Certificate, c.Chain, c.DER)
	if was, _ := f.ByID(sub.ID); was.Successor != fresh.ID || was.State != Disabled {
		t.Errorf("%+v", was)
	}

	outside := f.outside(t, "Outside", nil, nil)
	sign := func(csr *x509.CertificateRequest) []byte {
		return f.signs(t, outside, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, func(*x509.Certificate) {})
	}
	first, csr := f.pending(t, "below", Subordinate, alg.P256)
	if _, err := f.importCertificate(t, "below", sign(csr), outside.cert.Raw); err != nil {
		t.Fatal(err)
	}
	next, err := f.RekeyAuthority(ctx, f.as("admin"), "below", &RekeyRequest{NewKey: alg.P256})
	if err != nil {
		t.Fatal(err)
	}
	if was, _ := f.ByID(first.ID); next.State != Pending || was.Name != "below" || was.State != Active {
		t.Errorf("before its certificate comes: old %+v\nnew %+v", was, next)
	}
	f.issue(t, "below", "a.example.com")
	der, err := f.AuthorityCSR(ctx, f.as("admin"), next.ID)
	if err != nil {
		t.Fatal(err)
	}
	if csr, err = x509.ParseCertificateRequest(der); err != nil {
		t.Fatal(err)
	}
	f.Service = f.open(t, "")
	if next, err = f.importCertificate(t, next.ID, sign(csr), outside.cert.Raw); err != nil {
		t.Fatal(err)
	}
	if was, _ := f.ByID(first.ID); next.Name != "below" || was.Name != "" || was.State != Disabled || was.Successor != next.ID {
		t.Errorf("after: old %+v\nnew %+v", was, next)
	}
	if c := f.issue(t, "below", "a.example.com"); c.Authority != next.ID {
		t.Errorf("issued by %s", c.Authority)
	}
}

func (f *fixture) issueShort(t testing.TB, authority string, names ...string) *Issued {
	t.Helper()
	c := f.issue(t, authority, names...)
	if life := c.NotAfter.Sub(f.clock); life > MaxShortLife {
		t.Errorf("a short-lived authority issued for %s", life)
	}
	return c
}

// TestCrossSign both ways: an authority of ours under a root elsewhere is the
// import; here one elsewhere, and one of ours, get certificates of ours.
func TestCrossSign(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	ctx := t.Context()
	one := 1
	a, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{Name: "a", NewKey: alg.P256, Subject: profile.Subject{CommonName: "A"}, PathLen: &one})
	if err != nil {
		t.Fatal(err)
	}
	b := f.authority(t, "b", alg.P384, "")
	leafOfB := f.issue(t, "b", "b.example.com")
	cross, err := f.CrossSign(ctx, f.as("admin"), &CrossSignRequest{Issuer: "a", Authority: "b"})
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, cross.DER)
	if !c.IsCA || c.MaxPathLen != 0 || !bytes.Equal(c.RawSubject, b.X509().RawSubject) || !bytes.Equal(c.SubjectKeyId, b.X509().SubjectKeyId) {
		t.Errorf("%+v", c)
	}
	f.verified(t, a.Certificate, [][]byte{cross.DER}, leafOfB.DER)
	f.Service = f.open(t, "http://pki.example.com")
	if got, _ := f.ByID(b.ID); len(got.Cross) != 1 || got.Parent != "" || !bytes.Equal(got.Certificate, b.Certificate) {
		t.Errorf("%+v", got)
	}
	outside := f.outside(t, "Outside", nil, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
	})
	theirs := f.outside(t, "Theirs", outside, nil)
	bridged, err := f.CrossSign(ctx, f.as("admin"), &CrossSignRequest{Issuer: "b", Certificate: outside.cert.Raw})
	if err != nil {
		t.Fatal(err)
	}
	leaf := f.signs(t, theirs, csrKey(t), &x509.Certificate{DNSNames: []string{"x.example.com"}, Subject: name("x")}, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	f.verified(t, b.Certificate, [][]byte{bridged.DER, theirs.cert.Raw}, leaf)
	if got := parse(t, bridged.DER); len(got.PermittedDNSDomains) != 1 || !got.PermittedDNSDomainsCritical {
		t.Error("the name constraints are lost")
	}
	two := 2
	for what, c := range map[string]struct {
		req    CrossSignRequest
		kind   fault.Kind
		reason fault.Reason
		text   string
	}{
		"nobody":                     {CrossSignRequest{Issuer: "a"}, fault.InvalidArgument, 0, "one of the three"},
		"two at once":                {CrossSignRequest{Issuer: "a", Authority: "b", CSR: []byte{1}}, fault.InvalidArgument, 0, "one of the three"},
		"no issuer":                  {CrossSignRequest{Authority: "b"}, fault.InvalidArgument, 0, "issuer"},
		"itself":                     {CrossSignRequest{Issuer: "a", Authority: "a"}, fault.InvalidArgument, 0, "own key"},
		"no authority":               {CrossSignRequest{Issuer: "a", Certificate: leafOfB.DER}, fault.InvalidArgument, fault.MalformedCertificate, "not one of an authority"},
		"no certificate":             {CrossSignRequest{Issuer: "a", Certificate: []byte{1}}, fault.InvalidArgument, fault.MalformedCertificate, "cannot be read"},
		"no request":                 {CrossSignRequest{Issuer: "a", CSR: []byte{1}}, fault.InvalidArgument, fault.MalformedCSR, "request"},
		"a path length not below":    {CrossSignRequest{Issuer: "a", Authority: "b", PathLen: &two}, fault.InvalidArgument, 0, "not below"},
		"by one that may issue none": {CrossSignRequest{Issuer: f.authority(t, "leafy", alg.P256, "a").ID, Authority: "b"}, fault.InvalidArgument, 0, "path length is 0"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := f.CrossSign(ctx, f.as("admin"), &c.req)
			wantFault(t, err, c.kind, c.reason, c.text)
		})
	}
}

// TestSameSubject: authorities of one name are told apart by their keys.
func TestSameSubject(t *testing.T) {
	f := newFixture(t, "")
	for _, n := range []string{"one", "two"} {
		if _, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: n, NewKey: alg.P256, Subject: profile.Subject{CommonName: "The Same"}}); err != nil {
			t.Fatal(err)
		}
	}
	for n, other := range map[string]string{"one": "two", "two": "one"} {
		c := f.issue(t, n, "a.example.com")
		own, _ := f.Find(f.as("admin"), n)
		not, _ := f.Find(f.as("admin"), other)
		f.verified(t, own.Certificate, nil, c.DER)
		if _, err := f.verify(t, not.Certificate, nil, c.DER); err == nil {
			t.Error("it verifies under the other one")
		}
	}
}

// TestTokens: once for all repetitions, at the same time and after a restart.
func TestTokens(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	req := CreateAuthorityRequest{NewKey: alg.P256, Subject: profile.Subject{CommonName: "Once"}, Token: "t1"}
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			r := req
			a, err := f.CreateAuthority(ctx, f.as("admin"), &r)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = a.ID
		})
	}
	all.Wait()
	f.Service = f.open(t, "")
	again, err := f.CreateAuthority(ctx, f.as("admin"), &req)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != again.ID || f.keys.made != 1 {
			t.Errorf("%v, and %d keys, after a restart %s", ids, f.keys.made, again.ID)
		}
	}
	other := req
	other.Subject.CommonName = "Another"
	_, err = f.CreateAuthority(ctx, f.as("admin"), &other)
	wantFault(t, err, fault.Conflict, 0, "another request")
	f.grant(t, "second", allowAll)
	if a, err := f.CreateAuthority(ctx, f.as("second"), &other); err != nil || a.ID == again.ID {
		t.Errorf("another caller's token is another token: %v", err)
	}
	f.clock = f.clock.Add(TokenLife + time.Second)
	if a, err := f.CreateAuthority(ctx, f.as("admin"), &req); err != nil || a.ID == again.ID {
		t.Errorf("a token is forgotten: %v", err)
	}
	if _, err := f.Tick(ctx); err != nil {
		t.Error(err)
	}
}

// TestTokensOfCertificates: the same for certificates, each authority's apart.
func TestTokensOfCertificates(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	f.authority(t, "a", alg.P256, "")
	f.authority(t, "b", alg.P256, "")
	req := func(authority string) *IssueRequest {
		return &IssueRequest{
			Authority: authority, Profile: "tls-server", NewKey: alg.P256, Token: "t",
			Names: profile.Names{DNS: []string{"a.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
		}
	}
	first, err := f.Issue(ctx, f.as("admin"), req("a"))
	if err != nil {
		t.Fatal(err)
	}
	f.Service = f.open(t, "")
	again, err := f.Issue(ctx, f.as("admin"), req("a"))
	if err != nil || again.Serial != first.Serial || !bytes.Equal(again.DER, first.DER) || f.keys.made != 1 {
		t.Errorf("%+v, %v, %d keys", again, err, f.keys.made)
	}
	if other, err := f.Issue(ctx, f.as("admin"), req("b")); err != nil || other.Serial == first.Serial {
		t.Errorf("another authority's: %v", err)
	}
	changed := req("a")
	changed.Names.DNS = []string{"b.example.com"}
	_, err = f.Issue(ctx, f.as("admin"), changed)
	wantFault(t, err, fault.Conflict, 0, "another request")
	f.grant(t, "none", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	_, err = f.Issue(ctx, f.as("none"), req("a"))
	wantFault(t, err, fault.PermissionDenied, 0, "")
}

// TestFailedCreation leaves nothing: no authority, no name, no key.
func TestFailedCreation(t *testing.T) {
	f := newFixture(t, "")
	f.keys.corrupt = true
	req := &CreateAuthorityRequest{Name: "a", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}, Token: "t"}
	_, err := f.CreateAuthority(t.Context(), f.as("admin"), req)
	wantFault(t, err, fault.Internal, 0, "")
	if len(f.All()) != 0 || len(f.keys.ended) != 1 {
		t.Errorf("%d authorities, %d keys ended", len(f.All()), len(f.keys.ended))
	}
	f.keys.corrupt = false
	if _, err := f.CreateAuthority(t.Context(), f.as("admin"), req); err != nil {
		t.Error(err)
	}
	f.log.full = true
	_, err = f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "b", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
	f.log.full = false
	wantFault(t, err, fault.Unavailable, 0, "audit")
	if len(f.All()) != 1 || len(f.open(t, "").All()) != 1 {
		t.Errorf("%d authorities after a call that could not be recorded", len(f.All()))
	}
}

// TestConcurrently changes authorities from all sides at once: nothing is
// lost, and what is stored is what is seen.
func TestConcurrently(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	f.authority(t, "root", alg.P256, "")
	states := []State{Active, Disabled}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 10 {
				call := f.as("admin")
				switch i {
				case 0:
					_, _ = f.UpdateAuthority(ctx, call, "root", Update{State: &states[n%2]})
				case 1:
					_, _ = f.Tag(ctx, call, "root", []key.Tag{{Key: string(rune('a' + n)), Value: "x"}})
				case 2:
					_, _ = f.RenewAuthority(ctx, call, "root", 0)
				case 3:
					_, _ = f.Issue(ctx, call, &IssueRequest{Authority: "root", Profile: "tls-server", CSR: newCSR(t, alg.P256, csrFor("a.example.com"))})
				}
			}
		})
	}
	all.Go(func() {
		for range 10 {
			_, _ = f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{Name: "same", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
			f.All()
		}
	})
	all.Wait()
	got, _ := f.Find(f.as("admin"), "root")
	stored, err := f.open(t, "").Find(f.as("admin"), "root")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Tags) != 10 || !got.UpdatedAt.Equal(stored.UpdatedAt) || got.State != stored.State || !bytes.Equal(got.Certificate, stored.Certificate) {
		t.Errorf("seen %+v\nstored %+v", got, stored)
	}
	if len(f.All()) != 2 {
		t.Errorf("%d authorities", len(f.All()))
	}
}

// TestKeyOfAnAuthority: behind the real door, the key of an authority's own
// goes with it.
func TestKeyOfAnAuthority(t *testing.T) {
	f, door := newDoor(t)
	ctx := t.Context()
	a, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	f.issue(t, a.ID, "a.example.com")
	f.disable(t, a.ID)
	if _, err := f.DeleteAuthority(ctx, f.as("admin"), a.ID, 7); err != nil {
		t.Fatal(err)
	}
	f.now = func() time.Time { return time.Now().Add(8 * day) }
	if _, err := f.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	k, err := door.DescribeKey(ctx, f.as("admin"), kms.Ref{ID: a.Key})
	if err != nil || k.State != key.PendingDeletion {
		t.Errorf("%+v, %v", k, err)
	}
	if _, ok := f.ByID(a.ID); ok {
		t.Error("the authority is still there")
	}
}
