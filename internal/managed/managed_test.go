package managed_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

const day = 24 * time.Hour

// TestRequest: who may request and issue gets a certificate that verifies, for
// a key that was made for it, without any permission on keys.
func TestRequest(t *testing.T) {
	f := newFixture(t)
	f.let("dev", `["acm:RequestCertificate","acm:DescribeCertificate","acm-pca:IssueCertificate","acm:AddTagsToCertificate"]`)
	before := f.log.count()
	c, err := f.Request(t.Context(), f.as("dev"), &managed.Request{
		Authority: f.authority.ID, Domain: "Web.example.com", Names: []string{"api.example.com", "web.example.com", "*.example.com"},
		Spec: alg.P384, Tags: []key.Tag{{Key: "env", Value: "prod"}},
	})
	must(t, err)
	if diff := cmp.Diff([]string{"key:Create ok", "key:Sign ok", "key:Sign ok", "ca:Issue ok", "managed:Request ok"}, f.log.since(before)); diff != "" {
		t.Errorf("on record is something else (-want +got):\n%s", diff)
	}
	if got := f.describe(c.ID); !cmp.Equal(got, c) {
		t.Errorf("what is stored differs:\n%s", cmp.Diff(c, got))
	}
	parsed, err := c.X509()
	must(t, err)
	root, err := x509.ParseCertificate(f.authority.Certificate)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for _, name := range []string{"web.example.com", "api.example.com", "other.example.com"} {
		_, err := parsed.Verify(x509.VerifyOptions{
			DNSName: name, Roots: pool, CurrentTime: f.clock, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := parsed.NotAfter.Sub(f.clock); got != managed.Validity {
		t.Errorf("it is valid for %s", got)
	}
	if len(c.Chain) != 1 || !bytes.Equal(c.Chain[0], root.Raw) {
		t.Errorf("the chain has %d certificates", len(c.Chain))
	}
	if c.State(f.clock) != managed.Issued || c.Domain != "web.example.com" || len(c.Names) != 3 || c.Spec != alg.P384 {
		t.Errorf("the certificate is %+v", c)
	}
	k, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: c.Key})
	must(t, err)
	if !bytes.Equal(k.Current().Public, parsed.RawSubjectPublicKeyInfo) || !k.Exportable {
		t.Errorf("the key is %+v", k)
	}
}

func TestRefusedRequests(t *testing.T) {
	f := newFixture(t)
	f.let("requester", `"acm:RequestCertificate"`)
	f.let("issuer", `"acm-pca:*"`)
	for name, test := range map[string]struct {
		who    string
		req    managed.Request
		kind   fault.Kind
		reason fault.Reason
	}{
		"may not issue":          {"requester", managed.Request{Domain: "a.example.com"}, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"may not request":        {"issuer", managed.Request{Domain: "a.example.com"}, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"may not tag":            {"requester", managed.Request{Domain: "a.example.com", Tags: []key.Tag{{Key: "a"}}}, fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		"no domain":              {"admin", managed.Request{}, fault.InvalidArgument, 0},
		"a domain over 64":       {"admin", managed.Request{Domain: strings.Repeat("a", 60) + ".com."}, fault.InvalidArgument, 0},
		"too many names":         {"admin", managed.Request{Domain: "a.example.com", Names: manyNames(101)}, fault.LimitExceeded, 0},
		"no such authority":      {"admin", managed.Request{Authority: "nobody", Domain: "a.example.com"}, fault.NotFound, 0},
		"a key that nobody uses": {"admin", managed.Request{Domain: "a.example.com", Spec: alg.Secp256k1}, fault.Unsupported, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if test.req.Authority == "" {
				test.req.Authority = f.authority.ID
			}
			_, err := f.Request(t.Context(), f.as(test.who), &test.req)
			want(t, err, test.kind, test.reason)
		})
	}
	if list, _, err := f.List(t.Context(), f.admin(), managed.List{}); err != nil || len(list) != 0 {
		t.Errorf("refused requests left %d certificates, %v", len(list), err)
	}
	call := f.admin()
	call.DryRun = true
	_, err := f.Request(t.Context(), call, &managed.Request{Authority: f.authority.ID, Domain: "a.example.com"})
	want(t, err, fault.InvalidArgument, fault.DryRun)
}

func manyNames(n int) []string {
	var list []string
	for i := range n {
		list = append(list, strings.Repeat("x", i%50+1)+string(rune('a'+i/50))+".example.com")
	}
	return list
}

// TestFailedRequest: what the authority itself refuses is a certificate that
// failed, whose key is on its way out.
func TestFailedRequest(t *testing.T) {
	f := newFixture(t)
	disabled := ca.Disabled
	_, err := f.ca.UpdateAuthority(t.Context(), f.admin(), f.authority.ID, ca.Update{State: &disabled})
	must(t, err)
	c := f.request("a.example.com")
	if c.State(f.clock) != managed.Failed || c.Failure != managed.AuthorityState || c.Key != "" {
		t.Errorf("the certificate is %+v", c)
	}
	_, err = f.Get(t.Context(), f.admin(), c.ID)
	want(t, err, fault.WrongState, 0)
	_, err = f.Export(t.Context(), f.admin(), c.ID)
	want(t, err, fault.WrongState, 0)
	must(t, f.Delete(t.Context(), f.admin(), c.ID))
}

// TestValidityEndsWithTheAuthority: 395 days, or less.
func TestValidityEndsWithTheAuthority(t *testing.T) {
	f := newFixture(t)
	a := f.newAuthority("brief", 100*day)
	c, err := f.Request(t.Context(), f.admin(), &managed.Request{Authority: a.ID, Domain: "a.example.com", Spec: alg.P256})
	must(t, err)
	if c.NotAfter.After(a.NotAfter) || a.NotAfter.Sub(c.NotAfter) > time.Hour {
		t.Errorf("the certificate ends %s, its authority %s", c.NotAfter, a.NotAfter)
	}
}

// TestTokens: a request that is repeated within the hour makes nothing twice.
func TestTokens(t *testing.T) {
	f := newFixture(t)
	req := &managed.Request{Authority: f.authority.ID, Domain: "a.example.com", Spec: alg.P256, Token: "once"}
	first, err := f.Request(t.Context(), f.admin(), req)
	must(t, err)
	again, err := f.Request(t.Context(), f.admin(), req)
	must(t, err)
	if again.ID != first.ID {
		t.Error("the same token made two certificates")
	}
	other := *req
	other.Domain = "b.example.com"
	_, err = f.Request(t.Context(), f.admin(), &other)
	want(t, err, fault.Conflict, 0)
	f.clock = f.clock.Add(time.Hour + time.Second)
	later, err := f.Request(t.Context(), f.admin(), req)
	must(t, err)
	if later.ID == first.ID {
		t.Error("the token is remembered for more than an hour")
	}
	must(t, f.Delete(t.Context(), f.admin(), later.ID))
	_, err = f.Request(t.Context(), f.admin(), req)
	want(t, err, fault.Conflict, 0)
}

// TestExport: the key that leaves is the certificate's, for who may have it.
func TestExport(t *testing.T) {
	f := newFixture(t)
	f.let("reader", `["acm:GetCertificate","acm:DescribeCertificate"]`)
	c := f.request("a.example.com")
	_, err := f.Export(t.Context(), f.as("reader"), c.ID)
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	before := f.log.count()
	out, err := f.Export(t.Context(), f.admin(), c.ID)
	must(t, err)
	if diff := cmp.Diff([]string{"key:Export ok", "managed:Export ok"}, f.log.since(before)); diff != "" {
		t.Errorf("on record is something else (-want +got):\n%s", diff)
	}
	private, err := x509.ParsePKCS8PrivateKey(out.PrivateKey.Reveal())
	must(t, err)
	parsed, err := c.X509()
	must(t, err)
	if k, ok := private.(*ecdsa.PrivateKey); !ok || !k.PublicKey.Equal(parsed.PublicKey) {
		t.Error("the key is not the certificate's")
	}
	if f.describe(c.ID).ExportedAt != f.clock {
		t.Error("the export is not noted")
	}
	stays, err := f.Request(t.Context(), f.admin(), &managed.Request{Authority: f.authority.ID, Domain: "b.example.com", Spec: alg.P256, KeyStays: true})
	must(t, err)
	_, err = f.Export(t.Context(), f.admin(), stays.ID)
	want(t, err, fault.WrongState, fault.NotExportable)
}

// TestRenewal: an exported certificate is renewed 60 days before its end, as
// the service that the authority permits, with a new key under the same id.
func TestRenewal(t *testing.T) {
	f := newFixture(t)
	c, idle := f.request("a.example.com"), f.request("idle.example.com")
	_, err := f.Renew(t.Context(), f.admin(), c.ID)
	want(t, err, fault.WrongState, fault.NotRenewable)
	_, err = f.Export(t.Context(), f.admin(), c.ID)
	must(t, err)

	f.clock = c.NotAfter.Add(-61 * day)
	f.tick()
	if got := f.describe(c.ID); got.Renewal != nil {
		t.Errorf("renewed too early: %+v", got.Renewal)
	}
	f.clock = c.NotAfter.Add(-60*day + time.Second)
	f.tick()
	got := f.describe(c.ID)
	if r := got.Renewal; r == nil || r.Outcome != managed.Refused || r.Failure != managed.AccessDenied || got.Serial != c.Serial || got.Key != c.Key {
		t.Fatalf("without a permission the renewal is %+v", got.Renewal)
	}
	attempts := 1
	for range 4 * 24 { // a day in quarters of an hour
		f.clock = f.clock.Add(15 * time.Minute)
		f.tick()
	}
	if r := f.describe(c.ID).Renewal; r.Attempts < 4 || r.Attempts > 8 {
		t.Errorf("%d attempts in a day, want some that double their distance", r.Attempts+attempts)
	}
	f.permit()
	f.clock = f.clock.Add(day)
	before := f.log.count()
	f.tick()
	got = f.describe(c.ID)
	if r := got.Renewal; r.Outcome != managed.Succeeded || got.Serial == c.Serial || got.Key == c.Key || got.NotAfter.Sub(f.clock) != managed.Validity {
		t.Fatalf("the renewal is %+v, the certificate %+v", r, got)
	}
	f.log.mu.Lock()
	for _, e := range f.log.entries[before:] {
		if e.Action == key.IssueCertificate && e.Principal != "123456789012:service:"+principal {
			t.Errorf("the certificate was issued for %s", e.Principal)
		}
	}
	f.log.mu.Unlock()
	if old, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: c.Key}); err != nil || old.State != key.PendingDeletion {
		t.Errorf("the old key is %+v, %v", old, err)
	}
	if f.describe(idle.ID).Renewal != nil {
		t.Error("a certificate that nobody has was renewed")
	}
	again, err := f.Renew(t.Context(), f.admin(), c.ID)
	if err != nil || again.Serial == got.Serial {
		t.Errorf("renewing on request: %+v, %v", again, err)
	}
}

// TestExpiredIsNotRenewed: what could not be renewed in time is expired, and
// the clock lets it rest.
func TestExpiredIsNotRenewed(t *testing.T) {
	f := newFixture(t)
	c := f.request("a.example.com")
	_, err := f.SetUse(t.Context(), f.admin(), c.ID, "balancer/1", true)
	must(t, err)
	f.clock = c.NotAfter.Add(time.Second)
	f.tick()
	got := f.describe(c.ID)
	if got.State(f.clock) != managed.Expired || got.Renewal != nil {
		t.Errorf("the certificate is %+v", got)
	}
	before := f.log.count()
	f.tick()
	if n := f.log.count(); n != before {
		t.Errorf("the clock wrote %d more entries", n-before)
	}
}

func TestUseAndDelete(t *testing.T) {
	f := newFixture(t)
	c := f.request("a.example.com")
	for _, user := range []string{"b", "a", "b"} {
		_, err := f.SetUse(t.Context(), f.admin(), c.ID, user, true)
		must(t, err)
	}
	if got := f.describe(c.ID).UsedBy; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("used by %v", got)
	}
	want(t, f.Delete(t.Context(), f.admin(), c.ID), fault.Conflict, fault.InUse)
	for _, user := range []string{"a", "b", "c"} {
		_, err := f.SetUse(t.Context(), f.admin(), c.ID, user, false)
		must(t, err)
	}
	must(t, f.Delete(t.Context(), f.admin(), c.ID))
	_, err := f.Describe(t.Context(), f.admin(), c.ID)
	want(t, err, fault.NotFound, 0)
	want(t, f.Delete(t.Context(), f.admin(), c.ID), fault.NotFound, 0)
	if k, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: c.Key}); err != nil || k.State != key.PendingDeletion {
		t.Errorf("the key is %+v, %v", k, err)
	}
	elsewhere := f.admin()
	elsewhere.Region = "us-east-1"
	_, err = f.Describe(t.Context(), elsewhere, f.request("b.example.com").ID)
	want(t, err, fault.NotFound, 0)
}

func TestRevoke(t *testing.T) {
	f := newFixture(t)
	f.let("half", `["acm:*","acm-pca:IssueCertificate"]`)
	c := f.request("a.example.com")
	_, err := f.Revoke(t.Context(), f.as("half"), c.ID, ca.KeyCompromise)
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	got, err := f.Revoke(t.Context(), f.admin(), c.ID, ca.KeyCompromise)
	must(t, err)
	if got.State(f.clock) != managed.Revoked || got.Reason != ca.KeyCompromise {
		t.Errorf("the certificate is %+v", got)
	}
	stored, err := f.ca.Certificate(t.Context(), f.admin(), f.authority.ID, c.Serial)
	if err != nil || stored.RevokedAt == nil {
		t.Errorf("the authority has %+v, %v", stored, err)
	}
}

// TestRevokedAtTheAuthority: who revokes there, or holds and releases, changes
// the managed certificate as well; the clock leaves it alone then.
func TestRevokedAtTheAuthority(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.request("a.example.com")
	_, err := f.Export(t.Context(), f.admin(), c.ID)
	must(t, err)
	_, err = f.ca.Revoke(t.Context(), f.admin(), f.authority.ID, c.Serial, ca.CertificateHold)
	must(t, err)
	if got := f.describe(c.ID); got.State(f.clock) != managed.Revoked || got.Reason != ca.CertificateHold {
		t.Errorf("the certificate is %+v", got)
	}
	list, _, err := f.List(t.Context(), f.admin(), managed.List{Filter: managed.Filter{States: []managed.State{managed.Revoked}}})
	if err != nil || len(list) != 1 {
		t.Errorf("%d certificates are listed as revoked, %v", len(list), err)
	}
	f.clock = c.NotAfter.Add(-10 * day)
	f.tick()
	if got := f.describe(c.ID); got.Serial != c.Serial || got.Renewal != nil {
		t.Errorf("a revoked certificate was renewed: %+v", got)
	}
	_, err = f.ca.Release(t.Context(), f.admin(), f.authority.ID, c.Serial)
	must(t, err)
	if got := f.describe(c.ID); got.State(f.clock) != managed.Issued {
		t.Errorf("the released certificate is %+v", got)
	}
	f.clock = f.clock.Add(day + time.Second)
	f.tick()
	if got := f.describe(c.ID); got.Serial == c.Serial {
		t.Errorf("the released certificate is not renewed: %+v", got)
	}
}

func TestTags(t *testing.T) {
	f := newFixture(t)
	c := f.request("a.example.com")
	_, err := f.Tag(t.Context(), f.admin(), c.ID, []key.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}})
	must(t, err)
	_, err = f.Tag(t.Context(), f.admin(), c.ID, []key.Tag{{Key: "aws:x"}})
	want(t, err, fault.InvalidArgument, fault.ReservedTag)
	wrong := "other"
	_, err = f.Untag(t.Context(), f.admin(), c.ID, []managed.Untag{{Key: "a", Value: &wrong}, {Key: "b"}, {Key: "none"}})
	must(t, err)
	got, err := f.Tags(t.Context(), f.admin(), c.ID)
	if err != nil || !slices.Equal(got.Tags, []key.Tag{{Key: "a", Value: "2"}}) {
		t.Errorf("the tags are %v, %v", got.Tags, err)
	}
}

func TestSettings(t *testing.T) {
	f := newFixture(t)
	got, err := f.Settings(t.Context(), f.admin())
	if err != nil || got.NoticeDays != managed.DefaultNotice {
		t.Errorf("the settings are %+v, %v", got, err)
	}
	for _, days := range []int{0, 46} {
		want(t, f.PutSettings(t.Context(), f.admin(), managed.Settings{NoticeDays: days}), fault.InvalidArgument, 0)
	}
	must(t, f.PutSettings(t.Context(), f.admin(), managed.Settings{NoticeDays: 10}))
	if got, err = f.Settings(t.Context(), f.admin()); err != nil || got.NoticeDays != 10 {
		t.Errorf("the settings are %+v, %v", got, err)
	}
	if list, _, err := f.List(t.Context(), f.admin(), managed.List{}); err != nil || len(list) != 0 {
		t.Errorf("the settings are in a listing: %v, %v", list, err)
	}
}

// TestList: filters, both orders, and pages that hold every certificate once.
func TestList(t *testing.T) {
	f := newFixture(t)
	var made []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		made = append(made, f.request(name+".example.com").ID)
	}
	big, err := f.Request(t.Context(), f.admin(), &managed.Request{Authority: f.authority.ID, Domain: "f.example.com", Spec: alg.P521, KeyStays: true})
	must(t, err)
	made = append(made, big.ID)
	_, err = f.Revoke(t.Context(), f.admin(), made[1], ca.Superseded)
	must(t, err)
	newest := slices.Clone(made)
	slices.Reverse(newest)
	yes := true
	for name, test := range map[string]struct {
		list managed.List
		want []string
	}{
		"all":               {managed.List{}, made},
		"newest first":      {managed.List{NewestFirst: true}, newest},
		"revoked":           {managed.List{Filter: managed.Filter{States: []managed.State{managed.Revoked}}}, made[1:2]},
		"P-521":             {managed.List{Filter: managed.Filter{Specs: []alg.Spec{alg.P521}}}, made[5:]},
		"keys that leave":   {managed.List{Filter: managed.Filter{Exportable: &yes}}, made[:5]},
		"for signatures":    {managed.List{Filter: managed.Filter{Usages: []x509.KeyUsage{x509.KeyUsageCertSign, x509.KeyUsageDigitalSignature}}}, made},
		"for code":          {managed.List{Filter: managed.Filter{Extended: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}}, nil},
		"for TLS's clients": {managed.List{Filter: managed.Filter{Extended: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}}, made},
	} {
		t.Run(name, func(t *testing.T) {
			for limit := 1; limit <= 7; limit++ {
				test.list.Page = kms.Page{Limit: limit}
				var got []string
				for {
					list, next, err := f.List(t.Context(), f.admin(), test.list)
					must(t, err)
					if len(list) > limit {
						t.Fatalf("a page of %d has %d", limit, len(list))
					}
					for _, c := range list {
						got = append(got, c.ID)
					}
					if test.list.Page.After = next; next == "" {
						break
					}
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("pages of %d: got %v, want %v", limit, got, test.want)
				}
			}
		})
	}
}

// TestImport: a certificate from elsewhere, and its successor under the same id.
func TestImport(t *testing.T) {
	f := newFixture(t)
	from := newForeign(t, f.clock)
	k := newEC(t, elliptic.P256())
	req := from.bring(from.leaf("a.example.com", "b.example.com"), k)
	req.Tags = []key.Tag{{Key: "from", Value: "elsewhere"}}
	c, err := f.Import(t.Context(), f.admin(), req)
	must(t, err)
	if c.Kind != managed.Imported || c.Domain != "a.example.com" || c.State(f.clock) != managed.Issued || c.Renewable(f.clock) {
		t.Errorf("the certificate is %+v", c)
	}
	if got := f.describe(c.ID); !cmp.Equal(got, c) {
		t.Errorf("what is stored differs:\n%s", cmp.Diff(c, got))
	}
	_, err = f.Export(t.Context(), f.admin(), c.ID)
	want(t, err, fault.WrongState, fault.NotExportable)
	_, err = f.Renew(t.Context(), f.admin(), c.ID)
	want(t, err, fault.WrongState, fault.NotRenewable)

	next := from.bring(from.leaf("b.example.com", "c.example.com"), newEC(t, elliptic.P256()))
	next.ID = c.ID
	again, err := f.Import(t.Context(), f.admin(), next)
	must(t, err)
	if again.ID != c.ID || again.Serial == c.Serial || again.Key == c.Key || again.CreatedAt != c.CreatedAt || len(again.Tags) != 1 {
		t.Errorf("the certificate imported again is %+v", again)
	}
	if old, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: c.Key}); err != nil || old.State != key.PendingDeletion {
		t.Errorf("the old key is %+v, %v", old, err)
	}
}

func TestRefusedImports(t *testing.T) {
	f := newFixture(t)
	from := newForeign(t, f.clock)
	other := newForeign(t, f.clock)
	k := newEC(t, elliptic.P256())
	bring := func(edit func(c *x509.Certificate), after func(req *managed.Import)) *managed.Import {
		template := from.leaf("a.example.com")
		if edit != nil {
			edit(template)
		}
		req := from.bring(template, k)
		if after != nil {
			after(req)
		}
		return req
	}
	have, err := f.Import(t.Context(), f.admin(), bring(nil, nil))
	must(t, err)
	own := f.request("own.example.com")
	again := func(req *managed.Import) { req.ID = have.ID }
	for name, test := range map[string]struct {
		req    *managed.Import
		reason fault.Reason
	}{
		"the key is another's":    {bring(nil, func(r *managed.Import) { r.Key = from.bring(from.leaf("x"), newEC(t, elliptic.P256())).Key }), fault.IncorrectKey},
		"the key is none":         {bring(nil, func(r *managed.Import) { r.Key = []byte{1} }), 0},
		"no certificate":          {bring(nil, func(r *managed.Import) { r.Certificate = []byte{1} }), fault.MalformedCertificate},
		"expired":                 {bring(func(c *x509.Certificate) { c.NotAfter = f.clock.Add(-time.Hour) }, nil), fault.MalformedCertificate},
		"not valid yet":           {bring(func(c *x509.Certificate) { c.NotBefore = f.clock.Add(time.Hour) }, nil), fault.MalformedCertificate},
		"a chain of another root": {bring(nil, func(r *managed.Import) { r.Chain = [][]byte{other.root.Raw} }), fault.MalformedCertificate},
		"a chain of itself":       {bring(nil, func(r *managed.Import) { r.Chain = [][]byte{r.Certificate} }), fault.MalformedCertificate},
		"a broken chain":          {bring(nil, func(r *managed.Import) { r.Chain = [][]byte{{1}} }), fault.MalformedCertificate},
		"a long chain":            {bring(nil, func(r *managed.Import) { r.Chain = slices.Repeat([][]byte{from.root.Raw}, 17) }), fault.MalformedCertificate},
		"again with no name":      {bring(func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "b", []string{"b.example.com"} }, again), 0},
		"again with less usage":   {bring(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, again), 0},
		"again with less purpose": {bring(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, again), 0},
		"again with tags":         {bring(nil, func(r *managed.Import) { again(r); r.Tags = []key.Tag{{Key: "a"}} }), 0},
		"over a private one":      {bring(nil, func(r *managed.Import) { r.ID = own.ID }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Import(t.Context(), f.admin(), test.req)
			want(t, err, fault.InvalidArgument, test.reason)
		})
	}
	wider := from.bring(from.leaf("a.example.com"), newEC(t, elliptic.P384()))
	wider.ID = have.ID
	_, err = f.Import(t.Context(), f.admin(), wider)
	want(t, err, fault.InvalidArgument, 0)
	if got := f.describe(have.ID); !cmp.Equal(got, have) {
		t.Errorf("a refused import changed something:\n%s", cmp.Diff(have, got))
	}
	if list, _, err := f.List(t.Context(), f.admin(), managed.List{}); err != nil || len(list) != 2 {
		t.Errorf("refused imports left %d certificates, %v", len(list), err)
	}
}
