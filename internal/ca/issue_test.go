package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// TestProfiles says what a certificate of each profile holds.
func TestProfiles(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	issuer := f.authority(t, "root", alg.P256, "")
	const sign, encipher = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, c := range []struct {
		profile  string
		spec     alg.Spec
		usage    x509.KeyUsage
		extended []x509.ExtKeyUsage
	}{
		{"tls-server", alg.P256, sign, []x509.ExtKeyUsage{server}},
		{"tls-server", alg.RSA2048, sign | encipher, []x509.ExtKeyUsage{server}},
		{"tls-client", alg.P384, sign, []x509.ExtKeyUsage{client}},
		{"tls-client", alg.RSA2048, sign, []x509.ExtKeyUsage{client}},
		{"tls-mutual", alg.Ed25519, sign, []x509.ExtKeyUsage{server, client}},
		{"tls-mutual", alg.RSA2048, sign | encipher, []x509.ExtKeyUsage{server, client}},
	} {
		t.Run(c.profile+" "+c.spec.String(), func(t *testing.T) {
			got, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
				Authority: "root", Profile: c.profile,
				CSR: newCSR(t, c.spec, &x509.CertificateRequest{DNSNames: []string{"A.example.com"}}),
			})
			if err != nil {
				t.Fatal(err)
			}
			cert := parse(t, got.DER)
			if cert.KeyUsage != c.usage || !slices.Equal(cert.ExtKeyUsage, c.extended) {
				t.Errorf("usage %s %v, want %s %v", cert.KeyUsage, cert.ExtKeyUsage, c.usage, c.extended)
			}
			if cert.IsCA || !cert.BasicConstraintsValid || cert.Version != 3 {
				t.Errorf("a certificate of version %d, CA %v", cert.Version, cert.IsCA)
			}
			if d := cmp.Diff([]string{"a.example.com"}, cert.DNSNames); d != "" {
				t.Error(d)
			}
			if want := "http://pki.example.com/pki/" + issuer.ID + ".crl"; !slices.Equal(cert.CRLDistributionPoints, []string{want}) {
				t.Errorf("CRL distribution points %v", cert.CRLDistributionPoints)
			}
			if len(cert.SubjectKeyId) != 20 || !bytes.Equal(cert.AuthorityKeyId, parse(t, issuer.Certificate).SubjectKeyId) {
				t.Errorf("key ids %x, %x", cert.SubjectKeyId, cert.AuthorityKeyId)
			}
			if span := cert.NotAfter.Sub(f.clock); span > 90*day || span < 90*day-time.Second {
				t.Errorf("valid for %s", span)
			}
			if span := f.clock.Sub(cert.NotBefore); span < 0 || span > 6*time.Minute {
				t.Errorf("begins %s before the issue", span)
			}
			if len(got.Chain) != 0 {
				t.Error("the chain to present has the root")
			}
		})
	}
}

// TestRefused is the table of abuses: each request, and what refuses it.
func TestRefused(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	authorityKey := f.keys.keys[f.realm(key.DefaultRealm)[0].Key].signer
	weak := weakRSA(t)
	dns := func(names ...string) *x509.CertificateRequest { return &x509.CertificateRequest{DNSNames: names} }
	good := dns("a.example.com")
	ext := func(critical bool, oid asn1.ObjectIdentifier, value any) *x509.CertificateRequest {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return &x509.CertificateRequest{DNSNames: []string{"a.example.com"}, ExtraExtensions: []pkix.Extension{{Id: oid, Critical: critical, Value: der}}}
	}
	san := func(der ...byte) *x509.CertificateRequest {
		return &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: der}}}
	}
	type bc struct {
		IsCA bool `asn1:"optional"`
	}
	p256 := func(c *x509.CertificateRequest) []byte { return newCSR(t, alg.P256, c) }
	many := make([]string, 10000)
	for i := range many {
		many[i] = fmt.Sprintf("h%d.x.io", i)
	}
	broken := bytes.Clone(p256(good))
	broken[len(broken)-1] ^= 1
	invalid, violated, malformed := fault.InvalidArgument, fault.ProfileViolation, fault.MalformedCSR
	for name, c := range map[string]struct {
		req    IssueRequest
		kind   fault.Kind
		reason fault.Reason
		text   string
	}{
		"no key at all":            {IssueRequest{}, invalid, 0, "one of the three"},
		"two keys":                 {IssueRequest{CSR: p256(good), NewKey: alg.P256}, invalid, 0, "one of the three"},
		"alias for a CSR":          {IssueRequest{CSR: p256(good), KeyAlias: "alias/a"}, invalid, 0, "alias"},
		"unknown profile":          {IssueRequest{CSR: p256(good), Profile: "root"}, invalid, 0, "profile"},
		"the authorities' profile": {IssueRequest{CSR: p256(good), Profile: profile.Authority}, invalid, 0, "profile"},
		"unknown authority":        {IssueRequest{CSR: p256(good), Authority: "nobody"}, fault.NotFound, 0, "authority"},
		"unknown key":              {IssueRequest{Key: &kms.Ref{ID: "none"}, Names: profile.Names{DNS: []string{"a.b.c"}}}, fault.NotFound, 0, "key"},

		"CSR: bad self-signature":        {IssueRequest{CSR: broken}, invalid, malformed, "signature"},
		"CSR: empty":                     {IssueRequest{CSR: []byte{}}, invalid, malformed, "read"},
		"CSR: PEM":                       {IssueRequest{CSR: []byte("-----BEGIN CERTIFICATE REQUEST-----")}, invalid, malformed, "read"},
		"CSR: a certificate":             {IssueRequest{CSR: f.realm(key.DefaultRealm)[0].Certificate}, invalid, malformed, "read"},
		"CSR: trailing data":             {IssueRequest{CSR: append(p256(good), 0)}, invalid, malformed, "read"},
		"CSR: oversize":                  {IssueRequest{CSR: make([]byte, profile.MaxCSR+1)}, fault.LimitExceeded, malformed, "32768"},
		"CSR: RSA of 1024 bits":          {IssueRequest{CSR: signCSR(t, weak, good)}, invalid, violated, "1024"},
		"CSR: P-224":                     {IssueRequest{CSR: signCSR(t, curve(t, elliptic.P224()), good)}, fault.Unsupported, 0, "P-256"},
		"CSR: the authority's own key":   {IssueRequest{CSR: signCSR(t, authorityKey, good)}, invalid, violated, "own"},
		"CSR: CA:TRUE":                   {IssueRequest{CSR: p256(ext(true, oidBasicConstraints, bc{true}))}, invalid, violated, "CA certificate"},
		"CSR: CA:TRUE, not critical":     {IssueRequest{CSR: p256(ext(false, oidBasicConstraints, bc{true}))}, invalid, violated, "CA certificate"},
		"CSR: certSign":                  {IssueRequest{CSR: p256(ext(true, oidKeyUsage, asn1.BitString{Bytes: []byte{4}, BitLength: 6}))}, invalid, violated, "key usage"},
		"CSR: code signing":              {IssueRequest{CSR: p256(ext(false, oidExtendedKeyUsage, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 3}}))}, invalid, violated, "extended"},
		"CSR: critical and unknown":      {IssueRequest{CSR: p256(ext(true, asn1.ObjectIdentifier{1, 2, 3, 4}, "x"))}, fault.Unsupported, malformed, "1.2.3.4"},
		"CSR: subject with an e-mail":    {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.c"}}}, DNSNames: []string{"a.b.c"}})}, invalid, violated, "emailAddress"},
		"CSR: two organizations":         {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: pkix.Name{Organization: []string{"a", "b"}}, DNSNames: []string{"a.b.c"}})}, invalid, malformed, "organization"},
		"CSR: a directory name":          {IssueRequest{CSR: p256(san(0x30, 0x04, 0xa4, 0x02, 0x30, 0x00))}, invalid, malformed, "directory name"},
		"CSR: an empty other name":       {IssueRequest{CSR: p256(san(0x30, 0x02, 0xa0, 0x00))}, invalid, malformed, "alternative name"},
		"CSR: an X.400 address":          {IssueRequest{CSR: p256(san(0x30, 0x02, 0xa3, 0x00))}, fault.Unsupported, malformed, "alternative name"},
		"CSR: a registered id":           {IssueRequest{CSR: p256(san(0x30, 0x04, 0x88, 0x02, 0x2a, 0x03))}, invalid, violated, "registered ids"},
		"CSR: NUL in a DNS name":         {IssueRequest{CSR: p256(san(0x30, 0x06, 0x82, 0x04, 'a', 0, '.', 'b'))}, invalid, 0, "DNS name"},
		"CSR: 3 bytes of IP":             {IssueRequest{CSR: p256(san(0x30, 0x05, 0x87, 0x03, 1, 2, 3))}, invalid, malformed, "read"},
		"CSR: 10,000 names":              {IssueRequest{CSR: p256(dns(many...))}, fault.LimitExceeded, 0, ""},
		"CSR: 101 names":                 {IssueRequest{CSR: p256(dns(many[:101]...))}, fault.LimitExceeded, 0, "100"},
		"CSR: control character in a CN": {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: name("a\nb"), DNSNames: []string{"a.b.c"}})}, invalid, 0, "printed"},

		"server: no name":            {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: name("web.example.com")})}, invalid, violated, "alternative name"},
		"server: an e-mail":          {IssueRequest{CSR: p256(good), Names: profile.Names{Emails: []string{"a@example.com"}}}, invalid, violated, "e-mail"},
		"server: a URI":              {IssueRequest{CSR: p256(&x509.CertificateRequest{URIs: []*url.URL{{Scheme: "spiffe", Host: "a.b", Path: "/c"}}})}, invalid, violated, "URIs"},
		"client: an IP":              {IssueRequest{Profile: "tls-client", CSR: p256(&x509.CertificateRequest{IPAddresses: []net.IP{{10, 0, 0, 1}}})}, invalid, violated, "IP"},
		"client: a wildcard":         {IssueRequest{Profile: "tls-client", CSR: p256(dns("*.example.com"))}, invalid, violated, "wildcard"},
		"client: nothing":            {IssueRequest{Profile: "tls-client", CSR: p256(&x509.CertificateRequest{})}, invalid, violated, "needs a subject"},
		"name smuggled in the CN":    {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: name("bank.example.com"), DNSNames: []string{"a.b.c"}})}, invalid, violated, "not among"},
		"address smuggled in the CN": {IssueRequest{CSR: p256(&x509.CertificateRequest{Subject: name("10.0.0.1"), DNSNames: []string{"a.b.c"}})}, invalid, violated, "not among"},
		"too long":                   {IssueRequest{CSR: p256(good), Validity: profile.Days(826)}, invalid, violated, "825"},
		"negative":                   {IssueRequest{CSR: p256(good), Validity: profile.Days(-1)}, invalid, violated, "validity"},
		"101 names in the request":   {IssueRequest{CSR: p256(good), Names: profile.Names{DNS: many[:101]}}, fault.LimitExceeded, 0, "100"},
		"URI for a new key":          {IssueRequest{NewKey: alg.P256, Names: profile.Names{URIs: []string{"https://a.b/"}}}, invalid, violated, "URIs"},
	} {
		t.Run(name, func(t *testing.T) {
			req := c.req
			if req.Authority == "" {
				req.Authority = "root"
			}
			if req.Profile == "" {
				req.Profile = "tls-server"
			}
			_, err := f.Issue(t.Context(), f.as("admin"), &req)
			wantFault(t, err, c.kind, c.reason, c.text)
			if got := f.log.last(); got.Action != key.IssueCertificate || got.Result != c.kind.String() {
				t.Errorf("audit entry %+v", got)
			}
		})
	}
	if f.keys.made != 0 {
		t.Errorf("refused requests left %d keys behind", f.keys.made)
	}
	if list := f.stored(t); len(list) != 0 {
		t.Errorf("%d certificates are stored", len(list))
	}
}

// weakRSA returns a key that is too small; crypto/rsa makes none.
func weakRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func curve(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestIssueForKeys issues for a key that Holdfast makes, and for one that it
// has.
func TestIssueForKeys(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	made, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Profile: "tls-server", NewKey: alg.P384, KeyAlias: "alias/web",
		Subject: profile.Subject{CommonName: "web"}, Names: profile.Names{DNS: []string{"web.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := f.keys.get(kms.Ref{Alias: "alias/web"})
	if err != nil || made.Key == nil || *made.Key != k.meta.Name.ID {
		t.Fatalf("the certificate's key is %v, the alias' is %v (%v)", made.Key, k, err)
	}
	cert := parse(t, made.DER)
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, k.meta.Current().Public) {
		t.Error("the certificate is for another key")
	}
	if len(cert.IPAddresses) != 1 || len(cert.IPAddresses[0]) != 4 && !cert.IPAddresses[0].Equal(net.IPv4(10, 0, 0, 1)) {
		t.Errorf("addresses %v", cert.IPAddresses)
	}
	again, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Profile: "tls-client", Key: &kms.Ref{Alias: "alias/web"}, Names: profile.Names{Emails: []string{"Alice@Example.COM"}},
	})
	if err != nil || *again.Key != *made.Key {
		t.Fatalf("for an existing key: %+v, %v", again, err)
	}
	if got := parse(t, again.DER).EmailAddresses; !slices.Equal(got, []string{"Alice@example.com"}) {
		t.Errorf("addresses %v", got)
	}
}

// TestSANCriticalWithoutSubject: RFC 5280 section 4.1.2.6.
func TestSANCriticalWithoutSubject(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	cert := parse(t, f.issue(t, "root", "a.example.com").DER)
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSubjectAltName) && !e.Critical {
			t.Error("a certificate without subject has a SAN that is not critical")
		}
	}
}

// TestForeignCSRs takes requests as other people's tools make them.
func TestForeignCSRs(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	config := filepath.Join(t.TempDir(), "req.cnf")
	if err := os.WriteFile(config, []byte(`[req]
distinguished_name = dn
attributes = at
req_extensions = ext
prompt = no
[dn]
C = CH
O = Größe
CN = web.example.com
[at]
challengePassword = secret
[ext]
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = DNS:web.example.com, IP:10.0.0.1, IP:2001:db8::1
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range [][]string{{"rsa:2048"}, {"ec", "-pkeyopt", "ec_paramgen_curve:P-384"}, {"ed25519"}} {
		t.Run(kind[0], func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "csr.der")
			args := append([]string{
				"req", "-new", "-utf8", "-config", config, "-nodes", "-keyout", os.DevNull, "-outform", "DER", "-out", out, "-newkey",
			}, kind...)
			if _, err := tool(t, "openssl", args...); err != nil {
				t.Fatal(err)
			}
			der, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: "tls-server", CSR: der})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"web.example.com", "10.0.0.1", "2001:db8::1"}
			if d := cmp.Diff(want, c.Names); d != "" || c.Subject != "CN=web.example.com,O=Größe,C=CH" {
				t.Errorf("subject %q, names (-want +got):\n%s", c.Subject, d)
			}
			text, err := tool(t, "openssl", "x509", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus", "-in", write(t, "c.pem", "CERTIFICATE", c.DER))
			if err != nil || !strings.Contains(text, "CA:FALSE") || !strings.Contains(text, "DNS:web.example.com, IP Address:10.0.0.1") {
				t.Errorf("openssl reads %s (%v)", text, err)
			}
		})
	}
}

func TestRecorded(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	c := f.issue(t, "root", "a.example.com")
	e := f.log.last()
	got := map[string]string{}
	for _, d := range e.Details {
		got[d.Name] = d.Value
	}
	want := map[string]string{"serial": c.Serial, "subject": "", "profile": "tls-server", "names": "a.example.com"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("details (-want +got):\n%s", d)
	}
	if e.Decision != audit.Allowed || e.Result != "ok" || !strings.HasSuffix(e.Resource, "authority/"+root.ID) {
		t.Errorf("entry %+v", e)
	}

	// What is not recorded does not happen.
	f.log.full = true
	_, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"b.example.com"}}),
	})
	wantFault(t, err, fault.Unavailable, 0, "audit")
	f.log.full = false
	for _, c := range f.stored(t) {
		if slices.Contains(c.Names, "b.example.com") {
			t.Errorf("an unrecorded certificate was stored: %v", c)
		}
	}
}

func TestDenied(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	c := f.issue(t, "root", "a.example.com")
	csr := newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
	ctx, nobody := t.Context(), f.as("nobody")
	for name, call := range map[string]func() error{
		"create": func() error {
			_, err := f.CreateAuthority(ctx, nobody, &CreateAuthorityRequest{Name: "x", Subject: profile.Subject{CommonName: "X"}})
			return err
		},
		"issue": func() error {
			_, err := f.Issue(ctx, nobody, &IssueRequest{Authority: "root", Profile: "tls-server", CSR: csr})
			return err
		},
		"describe":         func() error { _, err := f.Authority(ctx, nobody, "root"); return err },
		"list authorities": func() error { _, _, err := f.Authorities(ctx, nobody, kms.Page{}); return err },
		"certificate":      func() error { _, err := f.Certificate(ctx, nobody, "root", c.Serial); return err },
		"revoke":           func() error { _, err := f.Revoke(ctx, nobody, "root", c.Serial, Unspecified); return err },
		"release":          func() error { _, err := f.Release(ctx, nobody, "root", c.Serial); return err },
	} {
		t.Run(name, func(t *testing.T) {
			wantFault(t, call(), fault.PermissionDenied, 0, "")
			if e := f.log.last(); e.Decision != audit.Denied {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestKeyErrors: what the door says of the CA key passes through, and a key
// that signs wrongly is found out before anything leaves.
func TestKeyErrors(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	req := &IssueRequest{
		Authority: "root", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}),
	}
	f.keys.keys[root.Key].disabled = true
	_, err := f.Issue(t.Context(), f.as("admin"), req)
	wantFault(t, err, fault.WrongState, fault.KeyDisabled, "disabled")
	f.keys.keys[root.Key].disabled = false
	f.keys.corrupt = true
	_, err = f.Issue(t.Context(), f.as("admin"), req)
	wantFault(t, err, fault.Internal, 0, "does not verify")
	f.keys.corrupt = false
	if _, err = f.Issue(t.Context(), f.as("admin"), req); err != nil {
		t.Error(err)
	}
}

func TestDryRun(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	call := f.as("admin")
	call.DryRun = true
	_, err := f.Issue(t.Context(), call, &IssueRequest{
		Authority: root.ID, Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}),
	})
	wantFault(t, err, fault.InvalidArgument, fault.DryRun, "")
	if list := f.stored(t); len(list) != 0 {
		t.Errorf("a dry run stored %d certificates", len(list))
	}
}

// TestLintRefuses: a lint of zlint's has the last word, by name.
func TestLintRefuses(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	_, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "root", Profile: "tls-client", Subject: profile.Subject{CommonName: "a &amp; b"},
		CSR: newCSR(t, alg.P256, &x509.CertificateRequest{}),
	})
	wantFault(t, err, fault.InvalidArgument, fault.LintFailed, "e_subj_contains_html_entities")
}
