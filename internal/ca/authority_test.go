package ca

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	zlint3 "github.com/zmap/zlint/v3/lint"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// TestJudges lets tools that are not ours judge hierarchies of every kind of
// CA key and algorithm: a root, an issuing authority, a certificate of each
// profile, and both CRLs.
func TestJudges(t *testing.T) {
	kinds, pool, lints := 0, &keyPool{}, lint.New()
	for _, spec := range cert.Specs() {
		for _, a := range spec.For(alg.SignVerify) {
			if cert.Algorithm(a) == x509.UnknownSignatureAlgorithm {
				continue
			}
			if testing.Short() && spec != alg.P256 {
				continue
			}
			kinds++
			t.Run(spec.String()+" "+a.String(), func(t *testing.T) {
				f := newFixture(t, "http://pki.example.com")
				f.keys.pool, f.lints = pool, lints
				judge(t, f, spec, a)
			})
		}
	}
	if kinds == 0 {
		t.Fatal("no kind of authority was judged")
	}
}

func judge(t *testing.T, f *fixture, spec alg.Spec, a alg.Algorithm) {
	t.Helper()
	one := 1
	root, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "root", Key: f.keys.add(t, spec), Algorithm: a, Subject: profile.Subject{CommonName: "Root", Country: "CH"}, PathLen: &one,
	})
	if err != nil {
		t.Fatal(err)
	}
	issuing, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "issuing", Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: "Issuing", Organization: "Größe & Co"}, Parent: "root",
	})
	if err != nil {
		t.Fatal(err)
	}
	onSpec, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "onspec", Key: f.keys.add(t, spec), Algorithm: a, Subject: profile.Subject{CommonName: "Issuing on " + spec.String()}, Parent: "root",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []*Authority{issuing, onSpec} {
		server := f.issue(t, issuer.ID, "web.example.com", "*.apps.example.com", "xn--bcher-kva.example.com")
		both := f.request(t, issuer.ID, "tls-mutual", alg.Ed25519)
		client := f.request(t, issuer.ID, "tls-client", spec)
		revoked := f.issue(t, issuer.ID, "old.example.com")
		if _, err := f.Revoke(t.Context(), f.as("admin"), issuer.ID, revoked.Serial, Superseded); err != nil {
			t.Fatal(err)
		}
		f.judgeByTools(t, root, issuer, server, both, client, revoked)
	}
}

// request issues a certificate for a new key of Holdfast's.
func (f *fixture) request(t *testing.T, authority, kind string, spec alg.Spec) *Issued {
	t.Helper()
	c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: authority, Profile: kind, NewKey: spec, Subject: profile.Subject{CommonName: "a thing"},
		Names: profile.Names{DNS: []string{"thing.example.com"}, URIs: []string{"spiffe://example.com/thing"}},
	})
	if err != nil {
		t.Fatalf("%s for a new %s key: %v", kind, spec, err)
	}
	return c
}

func (f *fixture) judgeByTools(t *testing.T, root, issuer *Authority, server, both, client, revoked *Issued) {
	t.Helper()
	var crls [][]byte
	for _, id := range []string{root.ID, issuer.ID} {
		crls = append(crls, f.crl(t, id))
	}
	anchor := write(t, "root.pem", "CERTIFICATE", root.Certificate)
	list := write(t, "crls.pem", "X509 CRL", crls...)
	for purpose, c := range map[string]*Issued{"sslserver": server, "sslclient": client} {
		leaf := write(t, "leaf.pem", "CERTIFICATE", c.DER)
		chain := write(t, "chain.pem", "CERTIFICATE", c.Chain...)
		if _, err := tool(t, "openssl", "verify", "-crl_check_all", "-x509_strict", "-policy_check", "-purpose", purpose,
			"-CAfile", anchor, "-untrusted", chain, "-CRLfile", list, leaf); err != nil {
			t.Error(err)
		}
	}
	for _, purpose := range []string{"sslserver", "sslclient"} {
		if _, err := tool(t, "openssl", "verify", "-crl_check_all", "-x509_strict", "-purpose", purpose, "-CAfile", anchor,
			"-untrusted", write(t, "chain.pem", "CERTIFICATE", both.Chain...), "-CRLfile", list,
			write(t, "leaf.pem", "CERTIFICATE", both.DER)); err != nil {
			t.Error(err)
		}
	}
	out, err := tool(t, "openssl", "verify", "-crl_check_all", "-x509_strict", "-CAfile", anchor,
		"-untrusted", write(t, "chain.pem", "CERTIFICATE", revoked.Chain...), "-CRLfile", list,
		write(t, "leaf.pem", "CERTIFICATE", revoked.DER))
	if err == nil || !bytes.Contains([]byte(out), []byte("certificate revoked")) {
		t.Errorf("openssl on a revoked certificate: %v\n%s", err, out)
	}
	judgeByZlint(t, crls, root.Certificate, issuer.Certificate, server.DER, both.DER, client.DER, revoked.DER)
	judgeByGo(t, root, server)
	judgeByGnuTLS(t, root, server, revoked, list)
}

// judgeByZlint has zlint's own runner judge what left, with its signature.
func judgeByZlint(t *testing.T, crls [][]byte, certificates ...[]byte) {
	t.Helper()
	registry, err := zlint3.GlobalRegistry().Filter(zlint3.FilterOptions{
		IncludeSources: lint.Sources(), ExcludeNames: slices.Collect(maps.Keys(lint.Exceptions())),
	})
	if err != nil {
		t.Fatal(err)
	}
	report := func(what string, results map[string]*zlint3.LintResult) {
		if len(results) == 0 {
			t.Errorf("no lint ran on %s", what)
		}
		for name, r := range results {
			if r.Status >= zlint3.Warn {
				t.Errorf("zlint on %s: %s: %s %s", what, name, r.Status, r.Details)
			}
		}
	}
	for _, der := range certificates {
		c, err := zx509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		report(c.Subject.String(), zlint.LintCertificateEx(c, registry).Results)
	}
	for _, der := range crls {
		c, err := zx509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		report("a CRL of "+c.Issuer.String(), zlint.LintRevocationListEx(c, registry).Results)
	}
}

func judgeByGo(t *testing.T, root *Authority, server *Issued) {
	t.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(parse(t, root.Certificate))
	for _, der := range server.Chain {
		intermediates.AddCert(parse(t, der))
	}
	for host, good := range map[string]bool{"web.example.com": true, "a.apps.example.com": true, "example.com": false} {
		_, err := parse(t, server.DER).Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates})
		if (err == nil) != good {
			t.Errorf("Go for the host %s: %v", host, err)
		}
	}
}

func judgeByGnuTLS(t *testing.T, root *Authority, server, revoked *Issued, crls string) {
	t.Run("GnuTLS", func(t *testing.T) {
		anchor := write(t, "root.pem", "CERTIFICATE", root.Certificate)
		for c, good := range map[*Issued]bool{server: true, revoked: false} {
			chain := write(t, "chain.pem", "CERTIFICATE", append([][]byte{c.DER}, c.Chain...)...)
			out, err := tool(t, "certtool", "--verify", "--verify-profile", "medium",
				"--load-ca-certificate", anchor, "--load-crl", crls, "--infile", chain)
			if (err == nil) != good {
				t.Errorf("certtool says %v of %v, want good: %v\n%s", err, c.Names, good, out)
			}
		}
	})
}

func TestAuthorityCertificate(t *testing.T) {
	f := newFixture(t, "http://pki.example.com/")
	root := f.authority(t, "root", alg.P384, "")
	sub := f.authority(t, "sub", alg.P256, root.ID)
	r, c := parse(t, root.Certificate), parse(t, sub.Certificate)

	type facts struct {
		Usage           x509.KeyUsage
		IsCA, Basic     bool
		PathLen         int
		Algorithm       x509.SignatureAlgorithm
		AKI             string
		CRLs, Issuers   []string
		Critical        []string
		Serial, Subject string
	}
	of := func(c *x509.Certificate) facts {
		var critical []string
		for _, e := range c.Extensions {
			if e.Critical {
				critical = append(critical, e.Id.String())
			}
		}
		return facts{
			c.KeyUsage, c.IsCA, c.BasicConstraintsValid, c.MaxPathLen, c.SignatureAlgorithm, fmt.Sprintf("%x", c.AuthorityKeyId),
			c.CRLDistributionPoints, c.IssuingCertificateURL, critical, cert.SerialText(c.SerialNumber), c.Subject.String(),
		}
	}
	usage := x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	critical := []string{"2.5.29.15", "2.5.29.19"}
	want := []facts{
		{usage, true, true, -1, x509.ECDSAWithSHA384, "", nil, nil, critical, root.Serial, "CN=Test root,O=Holdfast"},
		{
			usage, true, true, 0, x509.ECDSAWithSHA384, fmt.Sprintf("%x", r.SubjectKeyId),
			[]string{"http://pki.example.com/pki/" + root.ID + ".crl"},
			[]string{"http://pki.example.com/pki/" + root.ID + ".cer"},
			critical, sub.Serial, "CN=Test sub,O=Holdfast",
		},
	}
	if d := cmp.Diff(want, []facts{of(r), of(c)}); d != "" {
		t.Errorf("certificates (-want +got):\n%s", d)
	}
	for _, c := range []*x509.Certificate{r, c} {
		id, err := cert.SubjectKeyID(c.RawSubjectPublicKeyInfo)
		if err != nil || !bytes.Equal(id, c.SubjectKeyId) || len(id) != 20 {
			t.Errorf("subject key id %x, want %x (%v)", c.SubjectKeyId, id, err)
		}
	}
	if d := cmp.Diff([][]byte{root.Certificate}, sub.Chain); d != "" {
		t.Errorf("chain: %s", d)
	}
	listed, err := f.Certificate(t.Context(), f.as("admin"), root.ID, sub.Serial)
	if err != nil || listed.Profile != profile.Authority {
		t.Errorf("the issuing authority's certificate in the root's inventory: %+v, %v", listed, err)
	}
}

func TestAuthorityRefused(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	f.authority(t, "leafy", alg.P256, "root") // path length 0
	two := 2
	limited, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "limited", Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: "Limited"}, PathLen: &two, Validity: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*CreateAuthorityRequest)
		kind   fault.Kind
		reason fault.Reason
		text   string
	}{
		"name taken":               {func(r *CreateAuthorityRequest) { r.Name = "root" }, fault.AlreadyExists, 0, "root"},
		"name with a slash":        {func(r *CreateAuthorityRequest) { r.Name = "a/b" }, fault.InvalidArgument, 0, "name"},
		"name like an id":          {func(r *CreateAuthorityRequest) { r.Name = limited.ID }, fault.InvalidArgument, 0, "id"},
		"no subject":               {func(r *CreateAuthorityRequest) { r.Subject = profile.Subject{} }, fault.InvalidArgument, 0, "subject"},
		"NUL in the subject":       {func(r *CreateAuthorityRequest) { r.Subject.CommonName = "a\x00b" }, fault.InvalidArgument, 0, "printed"},
		"right-to-left override":   {func(r *CreateAuthorityRequest) { r.Subject.CommonName = "a\u202eb" }, fault.InvalidArgument, 0, "printed"},
		"long common name":         {func(r *CreateAuthorityRequest) { r.Subject.CommonName = string(make([]byte, 65)) }, fault.InvalidArgument, 0, "64"},
		"country in small letters": {func(r *CreateAuthorityRequest) { r.Subject.Country = "ch" }, fault.InvalidArgument, 0, "country"},
		"unknown key":              {func(r *CreateAuthorityRequest) { r.Key = kms.Ref{ID: "none"} }, fault.NotFound, 0, "key"},
		"unknown parent":           {func(r *CreateAuthorityRequest) { r.Parent = "nobody" }, fault.NotFound, 0, "authority"},
		"parent of path length 0":  {func(r *CreateAuthorityRequest) { r.Parent = "leafy" }, fault.InvalidArgument, 0, "path length is 0"},
		"path length not below":    {func(r *CreateAuthorityRequest) { r.Parent, r.PathLen = "limited", &two }, fault.InvalidArgument, 0, "not below"},
		"beyond the parent's end": {
			func(r *CreateAuthorityRequest) { r.Parent, r.Validity = "limited", 48*time.Hour },
			fault.InvalidArgument, fault.ProfileViolation, "issuer",
		},
		"too long":                 {func(r *CreateAuthorityRequest) { r.Validity = 31 * 365 * day }, fault.InvalidArgument, fault.ProfileViolation, "validity"},
		"negative validity":        {func(r *CreateAuthorityRequest) { r.Validity = -time.Hour }, fault.InvalidArgument, fault.ProfileViolation, "validity"},
		"algorithm of another key": {func(r *CreateAuthorityRequest) { r.Algorithm = alg.PKCS1SHA256 }, fault.InvalidArgument, fault.WrongAlgorithm, "p-256"},
	} {
		t.Run(name, func(t *testing.T) {
			req := &CreateAuthorityRequest{Name: "new", Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: "New"}}
			c.change(req)
			_, err := f.CreateAuthority(t.Context(), f.as("admin"), req)
			wantFault(t, err, c.kind, c.reason, c.text)
			if got := f.log.last(); got.Result != c.kind.String() || got.Action != key.CreateAuthority {
				t.Errorf("audit entry %+v", got)
			}
		})
	}
	if got := len(f.realm(key.DefaultRealm)); got != 3 {
		t.Errorf("%d authorities, want the 3 that were made", got)
	}
}

// TestUnsupportedSpecs refuses the specs whose certificates wait for later.
func TestUnsupportedSpecs(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	for _, spec := range alg.Specs() {
		if slices.Contains(cert.Specs(), spec) {
			continue
		}
		ref := f.keys.add(t, alg.P256)
		k, err := f.keys.get(ref)
		if err != nil {
			t.Fatal(err)
		}
		k.meta.Spec = spec
		_, err = f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "x", Key: ref, Subject: profile.Subject{CommonName: "X"}})
		wantFault(t, err, fault.Unsupported, 0, spec.String())
		_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{
			Authority: "root", Profile: "tls-client", Key: &ref, Subject: profile.Subject{CommonName: "X"},
		})
		wantFault(t, err, fault.Unsupported, 0, spec.String())
		_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{
			Authority: "root", Profile: "tls-client", NewKey: spec, Subject: profile.Subject{CommonName: "X"},
		})
		wantFault(t, err, fault.Unsupported, 0, spec.String())
	}
}

func TestAuthorityStates(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	one := 1
	sub, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "sub", Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: "Sub"}, Parent: "root", PathLen: &one,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.authority(t, "below", alg.P256, "sub")
	csr := newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
	issue := func() error {
		_, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "sub", Profile: "tls-server", CSR: csr})
		return err
	}
	if err := issue(); err != nil {
		t.Fatal(err)
	}
	// Capped: a certificate never outlives its issuer.
	f.clock = sub.NotAfter.Add(-24 * time.Hour)
	c := f.issue(t, "sub", "b.example.com")
	if !c.NotAfter.Equal(sub.NotAfter) {
		t.Errorf("certificate until %s, its issuer until %s", c.NotAfter, sub.NotAfter)
	}
	f.clock = sub.NotAfter.Add(time.Second)
	wantFault(t, issue(), fault.WrongState, 0, "expired")
	if a, err := f.Authority(t.Context(), f.as("admin"), "sub"); err != nil || a.State != Expired {
		t.Errorf("state %v, %v", a, err)
	}
	f.clock = sub.NotBefore.Add(-time.Second)
	wantFault(t, issue(), fault.WrongState, 0, "not valid yet")

	f.clock = sub.CreatedAt.Add(time.Hour)
	if _, err := f.Revoke(t.Context(), f.as("admin"), root.ID, sub.Serial, CessationOfOperation); err != nil {
		t.Fatal(err)
	}
	wantFault(t, issue(), fault.WrongState, 0, "revoked")
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "below", Profile: "tls-server", CSR: csr})
	wantFault(t, err, fault.WrongState, 0, "above, sub")
	// After a restart too.
	f.Service = f.open(t, "")
	wantFault(t, issue(), fault.WrongState, 0, "revoked")
}

func TestAuthorities(t *testing.T) {
	f := newFixture(t, "")
	var want []string
	for i := range 5 {
		want = append(want, f.authority(t, fmt.Sprintf("ca%d", i), alg.P256, "").ID)
	}
	slices.Sort(want)
	var got []string
	page := kms.Page{Limit: 2}
	for {
		list, next, err := f.Authorities(t.Context(), f.as("admin"), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, a.ID)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("pages (-want +got):\n%s", d)
	}
	stranger := f.as("admin")
	stranger.Caller.Principal.Realm = "000000000042"
	if list, _, err := f.Authorities(t.Context(), stranger, kms.Page{}); err != nil || len(list) != 0 {
		t.Errorf("another realm sees %d authorities (%v)", len(list), err)
	}
	_, err := f.Authority(t.Context(), stranger, want[0])
	wantFault(t, err, fault.NotFound, 0, "")
}
