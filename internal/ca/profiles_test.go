package ca

import (
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// shop is a profile's document; what follows it is its own.
const shop = `version: 1
name: shop
extended_key_usage: [serverAuth]
key_usage: [digitalSignature]
names: {required: true, dns: {domains: [shop.example], subdomains: true}, ip: {networks: [10.0.0.0/8]}}
validity: {default: 30d, maximum: 60d}
`

// put stores a profile.
func (f *fixture) put(t testing.TB, document string) *StoredProfile {
	t.Helper()
	p, err := f.PutProfile(t.Context(), f.as("admin"), []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask asks, as the administrator, for a certificate of a profile for a new
// P-256 key.
func (f *fixture) ask(t testing.TB, profileName string, csr *x509.CertificateRequest) (*Issued, error) {
	t.Helper()
	return f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: profileName, CSR: newCSR(t, alg.P256, csr)})
}

// TestStoredProfiles: a profile is stored, used, changed, listed, there after
// a restart, and gone when it is deleted.
func TestStoredProfiles(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	csr := &x509.CertificateRequest{DNSNames: []string{"web.shop.example"}}
	if _, err := f.ask(t, "shop", csr); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("a profile that is not there: %v", err)
	}
	created := f.put(t, shop)
	c, err := f.ask(t, "shop", csr)
	if err != nil || c.Profile != "shop" || parse(t, c.DER).NotAfter.Sub(f.clock) > 30*day {
		t.Fatalf("%+v, %v", c, err)
	}
	f.clock = f.clock.Add(time.Hour)
	changed := f.put(t, strings.Replace(shop, "default: 30d", "default: 10d", 1)+"# shorter\n")
	if !changed.CreatedAt.Equal(created.CreatedAt) || !changed.UpdatedAt.Equal(f.clock) {
		t.Errorf("made %s, changed %s", changed.CreatedAt, changed.UpdatedAt)
	}
	f.Service = f.open(t, "")
	got, err := f.Profile(t.Context(), f.as("admin"), "shop")
	if err != nil || !strings.Contains(string(got.Document), "# shorter") || got.Default != profile.Days(10) || got.Builtin {
		t.Errorf("%+v, %v", got, err)
	}
	other := f.as("admin")
	other.Caller.Principal.Realm = "999999999999"
	if _, err := f.Profile(t.Context(), other, "shop"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another realm's: %v", err)
	}
	if err := f.DeleteProfile(t.Context(), f.as("admin"), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteProfile(t.Context(), f.as("admin"), "shop"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := f.ask(t, "shop", csr); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("a deleted profile: %v", err)
	}
}

// TestProfilePages: the built-in ones come first, and every profile once.
func TestProfilePages(t *testing.T) {
	f := newFixture(t, "")
	var want []string
	for _, p := range profile.Builtin() {
		want = append(want, p.Name)
	}
	for _, name := range []string{"a", "b", "c"} {
		f.put(t, strings.Replace(shop, "name: shop", "name: "+name, 1))
		want = append(want, name)
	}
	var got []string
	for page := (kms.Page{Limit: 4}); ; {
		list, next, err := f.Profiles(t.Context(), f.as("admin"), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			got = append(got, p.Name)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if list, _, err := f.Profiles(t.Context(), f.as("admin"), kms.Page{Limit: 5, After: "aa"}); err != nil || len(list) != 2 {
		t.Errorf("after a profile that is gone: %d (%v)", len(list), err)
	}
}

// TestProfilesRefused is the table of what cannot be stored, and who may not.
func TestProfilesRefused(t *testing.T) {
	f := newFixture(t, "")
	f.grant(t, "reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["holdfast:GetProfile","holdfast:ListProfiles"],"Resource":"*"}]}`)
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func() error
		kind fault.Kind
	}{
		"a built-in name": {func() error {
			_, err := f.PutProfile(ctx, f.as("admin"), []byte(strings.Replace(shop, "name: shop", "name: tls-server", 1)))
			return err
		}, fault.AlreadyExists},
		"the authorities' name": {func() error {
			_, err := f.PutProfile(ctx, f.as("admin"), []byte(strings.Replace(shop, "name: shop", "name: authority", 1)))
			return err
		}, fault.AlreadyExists},
		"a template's name": {func() error {
			_, err := f.PutProfile(ctx, f.as("admin"), []byte(strings.Replace(shop, "name: shop", "name: EndEntityCertificate/V1", 1)))
			return err
		}, fault.InvalidArgument},
		"no document":         {func() error { _, err := f.PutProfile(ctx, f.as("admin"), nil); return err }, fault.InvalidArgument},
		"deleting a built-in": {func() error { return f.DeleteProfile(ctx, f.as("admin"), "tls-server") }, fault.AlreadyExists},
		"put by a reader":     {func() error { _, err := f.PutProfile(ctx, f.as("reader"), []byte(shop)); return err }, fault.PermissionDenied},
		"deleted by a reader": {func() error { return f.DeleteProfile(ctx, f.as("reader"), "shop") }, fault.PermissionDenied},
		"read by nobody":      {func() error { _, err := f.Profile(ctx, f.as("nobody"), "tls-server"); return err }, fault.PermissionDenied},
		"listed by nobody":    {func() error { _, _, err := f.Profiles(ctx, f.as("nobody"), kms.Page{}); return err }, fault.PermissionDenied},
		"read by a reader":    {func() error { _, err := f.Profile(ctx, f.as("reader"), "tls-server"); return err }, 255},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.do(); c.kind == 255 {
				if err != nil {
					t.Error(err)
				}
			} else if fault.KindOf(err) != c.kind || err == nil {
				t.Errorf("error %v, want %s", err, c.kind)
			}
		})
	}
}

// TestProfileAbuse: what a stored profile refuses leaves nothing behind.
func TestProfileAbuse(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	loop := "true"
	for range 9 {
		loop = "[0,1,2,3,4,5,6,7,8,9].all(x, " + loop + ")"
	}
	for name, extra := range map[string]string{
		"shop":  "",
		"fails": "rules: [{expression: \"request.subject.country == 'CH'\"}]\n",
		"loops": "rules: [{expression: \"" + loop + "\"}]\n",
		"false": "rules: [{expression: 'request.validity < 86400', message: one day at the most}]\n",
		"other": "callers: ['*:user:somebody']\n",
	} {
		f.put(t, strings.Replace(shop, "name: shop", "name: "+name, 1)+extra)
	}
	good := &x509.CertificateRequest{DNSNames: []string{"a.shop.example"}}
	for name, c := range map[string]struct {
		profile string
		csr     *x509.CertificateRequest
		kind    fault.Kind
		says    string
	}{
		"an address outside its networks": {"shop", &x509.CertificateRequest{IPAddresses: []net.IP{{192, 0, 2, 1}}}, fault.InvalidArgument, "networks"},
		"a host outside its domains":      {"shop", &x509.CertificateRequest{DNSNames: []string{"bank.example"}}, fault.InvalidArgument, "domain"},
		"a rule that fails":               {"fails", good, fault.InvalidArgument, "no such key"},
		"a rule that loops":               {"loops", good, fault.InvalidArgument, "of profile loops"},
		"a rule that is false":            {"false", good, fault.InvalidArgument, "one day at the most"},
		"somebody else's profile":         {"other", good, fault.PermissionDenied, "not for this caller"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.ask(t, c.profile, c.csr)
			wantFault(t, err, c.kind, 0, c.says)
			if e := f.log.last(); e.Action != key.IssueCertificate || e.Result != c.kind.String() {
				t.Errorf("audit entry %+v", e)
			}
		})
	}
	err := f.store.View(t.Context(), func(r store.Reader) error {
		if n, err := r.Count(store.Certificates, store.Query{}); err != nil || n != 0 {
			t.Errorf("%d certificates are stored (%v)", n, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTakenAlias: a certificate with a new key whose alias is taken leaves no
// key behind.
func TestTakenAlias(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	req := &IssueRequest{
		Authority: "root", Profile: "tls-server", NewKey: alg.P256, KeyAlias: "alias/web", Names: profile.Names{DNS: []string{"a.example.com"}},
	}
	if _, err := f.Issue(t.Context(), f.as("admin"), req); err != nil {
		t.Fatal(err)
	}
	_, err := f.Issue(t.Context(), f.as("admin"), req)
	wantFault(t, err, fault.AlreadyExists, 0, "alias")
	if f.keys.made != 1 {
		t.Errorf("%d keys were made", f.keys.made)
	}
}

// TestExportable: the key of an exportable profile is made so.
func TestExportable(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	f.put(t, shop+"exportable: true\n")
	for profileName, want := range map[string]bool{"shop": true, "tls-server": false} {
		c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
			Authority: "root", Profile: profileName, NewKey: alg.P256, Names: profile.Names{DNS: []string{"a.shop.example"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := f.keys.get(kms.Ref{ID: *c.Key}); err != nil || k.meta.Exportable != want {
			t.Errorf("%s: %v (%v)", profileName, k, err)
		}
	}
}

// TestAuthoritiesElsewhere: a request of an authority whose key is elsewhere
// gets its certificate, from whom may found authorities, and OpenSSL follows
// the chain through it.
func TestAuthoritiesElsewhere(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	f.authority(t, "last", alg.P256, "root") // path length 0
	f.grant(t, "issuer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"acm-pca:IssueCertificate","Resource":"*"}]}`)
	signer, err := makeKey(alg.P384)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(user, authority, kind string, csr []byte) (*Issued, error) {
		return f.Issue(t.Context(), f.as(user), &IssueRequest{Authority: authority, Profile: kind, CSR: csr})
	}
	csr := signCSR(t, signer, &x509.CertificateRequest{Subject: name("Elsewhere")})
	_, err = ask("issuer", "root", "subordinate-ca-1", csr)
	wantFault(t, err, fault.PermissionDenied, 0, "")
	_, err = ask("admin", "last", "subordinate-ca-0", csr)
	wantFault(t, err, fault.InvalidArgument, fault.ProfileViolation, "path length")
	c, err := ask("admin", "root", "subordinate-ca-1", csr)
	if err != nil {
		t.Fatal(err)
	}
	sub := parse(t, c.DER)
	if !sub.IsCA || sub.MaxPathLen != 1 || sub.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("CA %v, path length %d, usage %v", sub.IsCA, sub.MaxPathLen, sub.KeyUsage)
	}
	if out, err := tool(t, "openssl", "verify", "-x509_strict", "-CAfile", write(t, "root.pem", "CERTIFICATE", root.Certificate), write(t, "sub.pem", "CERTIFICATE", c.DER)); err != nil {
		t.Error(err, out)
	}

	// Its own key is for authorities alone, whoever's they are.
	last := f.keys.keys[f.find2(t, "last").Key].signer
	_, err = ask("admin", "root", "tls-server", signCSR(t, last, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}))
	wantFault(t, err, fault.InvalidArgument, fault.ProfileViolation, "an authority's")
	if _, err = ask("admin", "root", "subordinate-ca-0", signCSR(t, last, &x509.CertificateRequest{Subject: name("Last again")})); err != nil {
		t.Errorf("a second certificate for an authority here: %v", err)
	}
}

// find2 returns an authority by its name.
func (f *fixture) find2(t testing.TB, name string) *Authority {
	t.Helper()
	a, err := f.Find(f.as("admin"), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRootAgain: an authority certifies its own key anew, and nobody else's.
func TestRootAgain(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	signer := f.keys.keys[root.Key].signer
	csr := signCSR(t, signer, &x509.CertificateRequest{Subject: parse(t, root.Certificate).Subject})
	c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Profile: "root-ca", CSR: csr, Validity: profile.Validity{Years: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	again := parse(t, c.DER)
	if err := again.CheckSignatureFrom(again); err != nil || len(c.Chain) != 0 || string(again.RawIssuer) != string(again.RawSubject) || again.NotAfter.Year() != f.clock.Year()+20 {
		t.Errorf("%v, until %s, chain of %d", err, again.NotAfter, len(c.Chain))
	}
	if out, err := tool(t, "openssl", "verify", "-x509_strict", "-CAfile", write(t, "root.pem", "CERTIFICATE", c.DER), filepath.Clean(write(t, "again.pem", "CERTIFICATE", c.DER))); err != nil {
		t.Error(err, out)
	}
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: "root-ca", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{Subject: name("x")})})
	wantFault(t, err, fault.InvalidArgument, fault.ProfileViolation, "own key")
}

// TestPendingHierarchy: an authority that waits for its certificate makes its
// own as a root, by its own request, and then that of one below it: the way of
// AWS Private CA.
func TestPendingHierarchy(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	pending := func(name string, kind Type) *Authority {
		a, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
			Name: name, Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: name, Organization: "Größe"}, Type: kind, Pending: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	issue := func(issuer, subject, kind string) (*Issued, error) {
		csr, err := f.AuthorityCSR(ctx, f.as("admin"), subject)
		if err != nil {
			t.Fatal(err)
		}
		return f.Issue(ctx, f.as("admin"), &IssueRequest{Authority: issuer, Profile: kind, CSR: csr})
	}
	pending("top", Root)
	pending("low", Subordinate)
	_, err := issue("top", "low", "subordinate-ca-0")
	wantFault(t, err, fault.WrongState, fault.AuthorityPending, "")
	_, err = issue("top", "low", "root-ca")
	wantFault(t, err, fault.InvalidArgument, fault.ProfileViolation, "own key")
	top, err := issue("top", "top", "root-ca")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ImportAuthorityCertificate(ctx, f.as("admin"), "top", top.DER, nil); err != nil {
		t.Fatal(err)
	}
	low, err := issue("top", "low", "subordinate-ca-0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ImportAuthorityCertificate(ctx, f.as("admin"), "low", low.DER, [][]byte{top.DER}); err != nil {
		t.Fatal(err)
	}
	leaf := f.issue(t, "low", "a.example.com")
	out, err := tool(t, "openssl", "verify", "-x509_strict", "-CAfile", write(t, "top.pem", "CERTIFICATE", top.DER),
		"-untrusted", write(t, "low.pem", "CERTIFICATE", low.DER), write(t, "leaf.pem", "CERTIFICATE", leaf.DER))
	if err != nil {
		t.Error(err, out)
	}
}

// TestInline: a front end's own profile is used like one that is stored, and
// policies see its name.
func TestInline(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	f.authority(t, "root", alg.RSA2048, "")
	inline := &profile.Profile{
		Name: "EndEntityCertificate/V1", Usage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		Extended: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, PlainBasicConstraints: true, Lenient: true,
		Subject: profile.SubjectRules{Others: true, Repeated: true, FreeName: true}, Names: profile.AnyName, Wildcards: true,
		Default: profile.Days(30), Keys: profile.AnyKey(), AskStart: true, Passthrough: profile.Passthrough{CSR: true},
	}
	points := x509.CertificateRequest{Subject: name("web.example.com"), ExtraExtensions: nil}
	c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Inline: inline, CSR: newCSR(t, alg.P256, &points), Algorithm: alg.PSSSHA384,
		Validity: profile.Validity{Months: 13, NotBefore: f.clock.Add(-2 * time.Minute)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, c.DER)
	if c.Profile != inline.Name || got.SignatureAlgorithm != x509.SHA384WithRSAPSS || len(got.CRLDistributionPoints) != 1 {
		t.Errorf("profile %s, signed by %s", c.Profile, got.SignatureAlgorithm)
	}
	if want := f.clock.AddDate(0, 13, 0).Truncate(time.Second); !got.NotAfter.Equal(want) || !got.NotBefore.Equal(f.clock.Add(-2*time.Minute).Truncate(time.Second)) {
		t.Errorf("%s to %s, want the end %s", got.NotBefore, got.NotAfter, want)
	}
	for _, e := range got.Extensions {
		if e.Id.Equal(oidBasicConstraints) && e.Critical {
			t.Error("the basic constraints are critical")
		}
	}
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Inline: &profile.Profile{Name: "x"}, CSR: newCSR(t, alg.P256, &points)})
	wantFault(t, err, fault.InvalidArgument, 0, "keys")
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Inline: inline, CSR: newCSR(t, alg.P256, &points), Algorithm: alg.ECDSASHA256})
	wantFault(t, err, fault.InvalidArgument, fault.WrongAlgorithm, "")
}
