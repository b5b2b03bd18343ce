package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// outsider is an authority that is not ours.
type outsider struct {
	cert   *x509.Certificate
	signer crypto.Signer
}

// outside makes an outsider below up, nil for a root. edit changes its
// template.
func (f *fixture) outside(t testing.TB, common string, up *outsider, edit func(*x509.Certificate)) *outsider {
	t.Helper()
	signer, err := makeKey(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{Subject: name(common)}
	if edit == nil {
		edit = func(*x509.Certificate) {}
	}
	o := &outsider{signer: signer}
	if up == nil {
		up = &outsider{template, signer}
	}
	o.cert = parse(t, f.signs(t, up, signer.Public(), template, edit))
	return o
}

// signs returns a certificate of an authority that up signs.
func (f *fixture) signs(t testing.TB, up *outsider, public crypto.PublicKey, template *x509.Certificate, edit func(*x509.Certificate)) []byte {
	t.Helper()
	serial, err := cert.NewSerial(f.clock, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, f.clock.Add(-time.Hour), f.clock.Add(1000*day)
	template.BasicConstraintsValid, template.IsCA, template.MaxPathLen = true, true, -1
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	edit(template)
	der, err := x509.CreateCertificate(rand.Reader, template, up.cert, public, up.signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// pending makes a pending authority on a key of its own.
func (f *fixture) pending(t testing.TB, name string, kind Type, spec alg.Spec) (*Authority, *x509.CertificateRequest) {
	t.Helper()
	a, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: name, NewKey: spec, Type: kind, Pending: true,
		Subject: profile.Subject{CommonName: "Test " + name, Organization: "Größe", Country: "CH"},
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := f.AuthorityCSR(t.Context(), f.as("admin"), name)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return a, csr
}

func (f *fixture) importCertificate(t testing.TB, name string, certificate []byte, chain ...[]byte) (*Authority, error) {
	t.Helper()
	return f.ImportAuthorityCertificate(t.Context(), f.as("admin"), name, certificate, chain)
}

// TestRequestOfAnAuthority: what the request asks for, for every kind of key,
// by the standard library and openssl.
func TestRequestOfAnAuthority(t *testing.T) {
	f := newFixture(t, "")
	two := 2
	_, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "all", NewKey: alg.P256, Type: Subordinate, Pending: true, Subject: profile.Subject{CommonName: "All"}, PathLen: &two,
		Request: Requested{
			KeyUsage:   x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
			Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 11}, Value: []byte{0x30, 0}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := f.AuthorityCSR(t.Context(), f.as("admin"), "all")
	if err != nil {
		t.Fatal(err)
	}
	out, err := tool(t, "openssl", "req", "-in", write(t, "r.pem", "CERTIFICATE REQUEST", der), "-noout", "-verify", "-text")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CA:TRUE, pathlen:2", "Digital Signature, Certificate Sign, CRL Sign", "Subject Information Access", "CN = All"} {
		if !strings.Contains(out, want) {
			t.Errorf("openssl does not see %q in\n%s", want, out)
		}
	}
	for _, spec := range cert.Specs() {
		if testing.Short() && spec.Info().Family == alg.RSA {
			continue
		}
		a, csr := f.pending(t, "on-"+spec.String(), Root, spec)
		if _, err := cert.CheckRequest(csr); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
		if a.State != Pending || a.Subject != "CN=Test "+a.Name+",O=Größe,C=CH" || a.Certificate != nil || a.NotAfter != (time.Time{}) {
			t.Errorf("%s: %+v", spec, a)
		}
		again, err := f.open(t, "").AuthorityCSR(t.Context(), f.as("admin"), a.Name)
		if d := cmp.Diff(csr.Raw, again); d != "" || err != nil {
			t.Errorf("after a restart it is another request: %v", err)
		}
	}
}

// TestPending: an authority without a certificate does nothing with one.
func TestPending(t *testing.T) {
	f := newFixture(t, "")
	a, _ := f.pending(t, "sub", Subordinate, alg.P256)
	_, err := f.AuthorityCertificate(t.Context(), f.as("admin"), "sub")
	wantFault(t, err, fault.WrongState, fault.AuthorityPending, "no certificate")
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "sub", Profile: "tls-client", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
	wantFault(t, err, fault.WrongState, fault.AuthorityPending, "no certificate")
	_, err = f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "below", NewKey: alg.P256, Parent: "sub", Subject: profile.Subject{CommonName: "x"}})
	wantFault(t, err, fault.WrongState, fault.AuthorityPending, "no certificate")
	_, err = f.Revoke(t.Context(), f.as("admin"), "sub", "01", Unspecified)
	wantFault(t, err, fault.WrongState, fault.AuthorityPending, "no certificate")
	if _, err := f.RenewAuthority(t.Context(), f.as("admin"), "sub", 0); fault.ReasonOf(err) != fault.AuthorityPending {
		t.Error(err)
	}
	if a.Publishes() || a.X509() != nil || a.Public() == nil {
		t.Errorf("%+v", a)
	}
}

// TestImport: every order of the chain, once more, and renewed; a restart in
// between; what it issues then.
func TestImport(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	root := f.outside(t, "Outside Root", nil, nil)
	middle := f.outside(t, "Outside Middle", root, func(c *x509.Certificate) { c.MaxPathLen = 1 })
	a, csr := f.pending(t, "sub", Subordinate, alg.P384)
	der := f.signs(t, middle, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	for i, chain := range [][][]byte{{root.cert.Raw, middle.cert.Raw}, {middle.cert.Raw, root.cert.Raw}} {
		got, err := f.importCertificate(t, "sub", der, chain...)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != Active || got.Parent != "" || got.PathLen != 0 || len(got.Past) != 0 || got.ID != a.ID {
			t.Errorf("%+v", got)
		}
		if d := cmp.Diff([][]byte{middle.cert.Raw, root.cert.Raw}, got.Chain); d != "" {
			t.Errorf("the chain in order %d (-want +got):\n%s", i, d)
		}
		f.Service = f.open(t, "http://pki.example.com")
	}
	leaf := f.issue(t, "sub", "a.example.com")
	if d := cmp.Diff([][]byte{der, middle.cert.Raw}, leaf.Chain); d != "" {
		t.Errorf("presented (-want +got):\n%s", d)
	}
	f.verified(t, root.cert.Raw, leaf.Chain, leaf.DER)
	again := f.signs(t, middle, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, func(c *x509.Certificate) { c.NotAfter = f.clock.Add(2000 * day) })
	got, err := f.importCertificate(t, "sub", again, middle.cert.Raw, root.cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]byte{der}, got.Past); d != "" || got.PathLen != -1 || !got.NotAfter.Equal(f.clock.Add(2000*day).Truncate(time.Second)) {
		t.Errorf("renewed: %+v\n%s", got, d)
	}
	if f.r.Entries()[a.ID].Room() != 0 {
		t.Error("the path length above it is forgotten")
	}
	f.verified(t, root.cert.Raw, got.Presented(), leaf.DER)
}

// verified has openssl verify a certificate under a root.
func (f *fixture) verified(t testing.TB, root []byte, chain [][]byte, leaf []byte) {
	t.Helper()
	if out, err := f.verify(t, root, chain, leaf); err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

func (f *fixture) verify(t testing.TB, root []byte, chain [][]byte, leaf []byte) (string, error) {
	t.Helper()
	args := []string{"verify", "-x509_strict", "-policy_check", "-attime", strconv.FormatInt(f.clock.Unix()+1, 10), "-CAfile", write(t, "root.pem", "CERTIFICATE", root)}
	if len(chain) > 0 {
		args = append(args, "-untrusted", write(t, "chain.pem", "CERTIFICATE", chain...))
	}
	return tool(t, "openssl", append(args, write(t, "leaf.pem", "CERTIFICATE", leaf))...)
}

// TestImportRefused is what a certificate and a chain may not be.
func TestImportRefused(t *testing.T) {
	f := newFixture(t, "")
	root := f.outside(t, "Outside Root", nil, nil)
	middle := f.outside(t, "Outside Middle", root, nil)
	_, csr := f.pending(t, "sub", Subordinate, alg.P256)
	rootAuthority, rootCSR := f.pending(t, "root", Root, alg.P256)
	good := func(up *outsider, edit func(*x509.Certificate)) []byte {
		if edit == nil {
			edit = func(*x509.Certificate) {}
		}
		return f.signs(t, up, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, edit)
	}
	both := [][]byte{middle.cert.Raw, root.cert.Raw}
	narrow := f.outside(t, "Narrow", root, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
		c.ExcludedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}
	})
	tight := f.outside(t, "Tight", nil, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	underTight := f.outside(t, "Under Tight", tight, nil)
	stranger := f.outside(t, "Stranger", nil, nil)
	old := f.outside(t, "Old Root", nil, func(c *x509.Certificate) { c.NotAfter = f.clock.Add(-time.Minute) })
	leaf := f.outside(t, "Leaf", root, func(c *x509.Certificate) { c.IsCA = false })
	mute := f.outside(t, "Mute", root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	forged := slices.Clone(good(middle, nil))
	forged[len(forged)-1] ^= 1
	other, err := makeKey(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	malformed, mismatch := fault.MalformedCertificate, fault.CertificateMismatch
	for what, c := range map[string]struct {
		authority   string
		certificate []byte
		chain       [][]byte
		reason      fault.Reason
		text        string
	}{
		"no certificate":              {"sub", []byte("x"), both, malformed, "cannot be read"},
		"no chain":                    {"sub", good(root, nil), nil, malformed, "chain"},
		"a gap in the chain":          {"sub", good(middle, nil), both[1:], malformed, "not signed by any other"},
		"no root":                     {"sub", good(middle, nil), both[:1], malformed, "not signed by any other"},
		"one too many":                {"sub", good(middle, nil), append(both[:2:2], stranger.cert.Raw), malformed, "Stranger does not belong"},
		"far too many":                {"sub", good(middle, nil), slices.Repeat([][]byte{root.cert.Raw}, 17), malformed, "at most 16"},
		"a chain that cannot be read": {"sub", good(middle, nil), [][]byte{{1}, root.cert.Raw}, malformed, "cannot be read"},
		"an oversize certificate": {"sub", good(root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: unknown.Id, Value: make([]byte, 33000)}}
		}), both[1:], malformed, "32768"},
		"another key":                    {"sub", f.signs(t, root, other.Public(), &x509.Certificate{RawSubject: csr.RawSubject}, func(*x509.Certificate) {}), both[1:], mismatch, "another key"},
		"another subject":                {"sub", f.signs(t, root, csr.PublicKey, &x509.Certificate{Subject: name("Else")}, func(*x509.Certificate) {}), both[1:], mismatch, "subject"},
		"a wrong signature":              {"sub", forged, both, malformed, "not signed by any other"},
		"no authority":                   {"sub", good(root, func(c *x509.Certificate) { c.IsCA = false }), both[1:], malformed, "not one of an authority"},
		"no key usage for certificates":  {"sub", good(root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), both[1:], malformed, "key usage"},
		"expired":                        {"sub", good(root, func(c *x509.Certificate) { c.NotAfter = f.clock.Add(-time.Second) }), both[1:], malformed, "valid from"},
		"not yet valid":                  {"sub", good(root, func(c *x509.Certificate) { c.NotBefore = f.clock.Add(time.Hour) }), both[1:], malformed, "valid from"},
		"an unknown critical extension":  {"sub", good(root, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{unknown} }), both[1:], malformed, "1.2.3.4"},
		"an expired root":                {"sub", good(old, nil), [][]byte{old.cert.Raw}, malformed, "Old Root is valid"},
		"an issuer that is none":         {"sub", good(leaf, nil), [][]byte{leaf.cert.Raw, root.cert.Raw}, malformed, "Leaf is not one of an authority"},
		"an issuer that may not":         {"sub", good(mute, nil), [][]byte{mute.cert.Raw, root.cert.Raw}, malformed, "Mute has no key usage"},
		"a path length above":            {"sub", good(underTight, nil), [][]byte{underTight.cert.Raw, tight.cert.Raw}, malformed, "path length of CN=Tight"},
		"a name that is not permitted":   {"sub", good(narrow, func(c *x509.Certificate) { c.DNSNames = []string{"ca.example.org"} }), [][]byte{narrow.cert.Raw, root.cert.Raw}, malformed, "name constraints"},
		"an address that is excluded":    {"sub", good(narrow, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} }), [][]byte{narrow.cert.Raw, root.cert.Raw}, malformed, "name constraints"},
		"a subordinate for a root":       {"root", f.signs(t, root, rootCSR.PublicKey, &x509.Certificate{RawSubject: rootCSR.RawSubject}, func(*x509.Certificate) {}), both[1:], mismatch, "own key"},
		"a self-signed for a sub":        {"sub", f.selfSigned(t, "sub", csr), both[1:], mismatch, "another one"},
		"a root's certificate and chain": {"root", f.selfSigned(t, "root", rootCSR), both[1:], malformed, "no chain"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := f.importCertificate(t, c.authority, c.certificate, c.chain...)
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Fatalf("error %v", err)
			}
			wantFault(t, err, fault.InvalidArgument, c.reason, c.text)
		})
	}
	if a, _ := f.ByID(rootAuthority.ID); a.State != Pending {
		t.Errorf("it is %s", a.State)
	}
	if _, err := f.importCertificate(t, "root", f.selfSigned(t, "root", rootCSR)); err != nil {
		t.Error(err)
	}
	allowed := good(narrow, func(c *x509.Certificate) { c.DNSNames = []string{"ca.example.com"} })
	if _, err := f.importCertificate(t, "sub", allowed, narrow.cert.Raw, root.cert.Raw); err != nil {
		t.Error(err)
	}
	_, err = f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "sub", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"web.example.org"}}),
	})
	wantFault(t, err, fault.InvalidArgument, 0, "")
	f.issue(t, "sub", "web.example.com")
}

// selfSigned returns a certificate for the request by the authority's own key,
// as somebody with access to it would make it.
func (f *fixture) selfSigned(t testing.TB, authority string, csr *x509.CertificateRequest) []byte {
	t.Helper()
	a, err := f.Find(f.as("admin"), authority)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{RawSubject: csr.RawSubject, RawIssuer: csr.RawSubject}
	k := f.keys.keys[a.Key]
	return f.signs(t, &outsider{&x509.Certificate{RawSubject: csr.RawSubject, Subject: csr.Subject, PublicKey: csr.PublicKey}, k.signer}, csr.PublicKey, template, func(*x509.Certificate) {})
}

// TestImportBelowOurs: an authority below one of ours knows it as its parent,
// and ends with its certificate.
func TestImportBelowOurs(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	a, csr := f.pending(t, "sub", Subordinate, alg.P256)
	crossed, err := f.CrossSign(t.Context(), f.as("admin"), &CrossSignRequest{Issuer: "root", CSR: csr.Raw})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.importCertificate(t, "sub", crossed.DER, root.Certificate)
	if err != nil || got.Parent != root.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := f.Revoke(t.Context(), f.as("admin"), "root", crossed.Serial, CessationOfOperation); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.ByID(a.ID); got.State != Revoked {
		t.Errorf("it is %s", got.State)
	}
}

// TestExternalRoot is the flow of an external root in the hands of openssl: a
// request out, the certificate as openssl writes it in, a certificate below.
func TestExternalRoot(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	dir := t.TempDir()
	in := func(file string) string { return filepath.Join(dir, file) }
	run := func(args ...string) {
		t.Helper()
		if _, err := tool(t, "openssl", args...); err != nil {
			t.Fatal(err)
		}
	}
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(in(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ca.cnf", `[ca]
default_ca = d
[d]
database = `+in("index")+`
serial = `+in("serial")+`
new_certs_dir = `+dir+`
certificate = `+in("root.pem")+`
private_key = `+in("root.key")+`
default_md = sha256
default_days = 365
policy = p
x509_extensions = x
[p]
commonName = supplied
organizationName = optional
countryName = optional
[x]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
x509_extensions = v3
prompt = no
[dn]
CN = External Root
[v3]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`)
	put("index", "")
	put("serial", "1000")
	run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", in("root.key"), "-out", in("root.pem"), "-days", "3650", "-config", in("ca.cnf"))
	_, csr := f.pending(t, "sub", Subordinate, alg.P384)
	request := write(t, "r.pem", "CERTIFICATE REQUEST", csr.Raw)
	// "openssl ca" writes the name anew, in the order of its policy and with
	// string types of its own; "openssl x509" copies it.
	run("ca", "-batch", "-notext", "-preserveDN", "-config", in("ca.cnf"), "-in", request, "-out", in("sub.pem"), "-utf8")
	read := func(file string) []byte {
		t.Helper()
		text, err := os.ReadFile(in(file))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return block.Bytes
	}
	f.clock = time.Now().UTC() // openssl's certificate begins when it was made
	a, err := f.importCertificate(t, "sub", read("sub.pem"), read("root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	leaf := f.issue(t, "sub", "web.example.com")
	f.verified(t, read("root.pem"), leaf.Chain, leaf.DER)
	put("ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
	run("x509", "-req", "-in", request, "-CA", in("root.pem"), "-CAkey", in("root.key"), "-CAcreateserial", "-days", "700", "-extfile", in("ext"), "-out", in("again.pem"))
	f.clock = time.Now().UTC()
	renewed, err := f.importCertificate(t, "sub", read("again.pem"), read("root.pem"))
	if err != nil || len(renewed.Past) != 1 || renewed.ID != a.ID {
		t.Fatalf("%+v, %v", renewed, err)
	}
	f.verified(t, read("root.pem"), renewed.Presented(), leaf.DER)
	// "openssl req -x509" with its own configuration makes roots without a key
	// usage, which may sign (RFC 5280 section 6.1.4(n)); one that denies it may
	// not, nor may the authority's certificate be silent about it.
	for _, c := range []struct{ root, sub, want string }{
		{"", "keyUsage=critical,keyCertSign,cRLSign\n", ""},
		{"keyUsage=critical,cRLSign\n", "keyUsage=critical,keyCertSign,cRLSign\n", "no key usage for signing"},
		{"", "", "no key usage for signing"},
	} {
		put("rootext", "[req]\ndistinguished_name = dn\nx509_extensions = v3\nprompt = no\n[dn]\nCN = External Root\n[v3]\nbasicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash\n"+c.root)
		run("req", "-x509", "-key", in("root.key"), "-out", in("plain.pem"), "-days", "3650", "-config", in("rootext"))
		put("ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"+c.sub)
		run("x509", "-req", "-in", request, "-CA", in("plain.pem"), "-CAkey", in("root.key"), "-CAcreateserial", "-days", "700", "-extfile", in("ext"), "-out", in("third.pem"))
		f.clock = time.Now().UTC()
		switch a, err := f.importCertificate(t, "sub", read("third.pem"), read("plain.pem")); {
		case c.want == "" && err == nil: // not for -x509_strict, which wants a key usage of every authority
			run("verify", "-CAfile", in("plain.pem"), "-untrusted", write(t, "sub.pem", "CERTIFICATE", a.Presented()[0]), write(t, "leaf.pem", "CERTIFICATE", leaf.DER))
		case c.want == "" || err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("root with %q, authority with %q: %v", c.root, c.sub, err)
		}
	}
}

// TestDepth is a hierarchy of four levels with path lengths, judged by
// openssl; what a path length forbids is refused by both.
func TestDepth(t *testing.T) {
	f := newFixture(t, "")
	above := ""
	var last *Authority
	for level, name := range []string{"root", "one", "two", "three"} {
		left := 3 - level
		a, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
			Name: name, NewKey: alg.P256, Parent: above, Subject: profile.Subject{CommonName: name}, PathLen: &left,
		})
		if err != nil {
			t.Fatal(err)
		}
		above, last = name, a
	}
	leaf := f.issue(t, "three", "a.example.com")
	f.verified(t, last.Chain[2], leaf.Chain, leaf.DER)
	_, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "four", NewKey: alg.P256, Parent: "three", Subject: profile.Subject{CommonName: "four"}})
	wantFault(t, err, fault.InvalidArgument, 0, "path length is 0")
	three := &outsider{parse(t, last.Certificate), f.keys.keys[last.Key].signer}
	four := f.outside(t, "Four", three, nil)
	signed := f.signs(t, four, csrKey(t), &x509.Certificate{Subject: name("leaf")}, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	if out, err := f.verify(t, last.Chain[2], [][]byte{four.cert.Raw, last.Certificate, last.Chain[0], last.Chain[1]}, signed); err == nil || !strings.Contains(out, "path length") {
		t.Errorf("openssl on a path that is too long: %v\n%s", err, out)
	}
}

func csrKey(t testing.TB) crypto.PublicKey {
	t.Helper()
	k, err := makeKey(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public()
}

// FuzzImport: whatever is imported, the authority is as it was or has a
// certificate for its own key and name.
func FuzzImport(f *testing.F) {
	fix := newFixture(f, "")
	root := fix.outside(f, "Outside Root", nil, nil)
	a, csr := fix.pending(f, "sub", Subordinate, alg.P256)
	good := fix.signs(f, root, csr.PublicKey, &x509.Certificate{RawSubject: csr.RawSubject}, func(*x509.Certificate) {})
	f.Add(good, root.cert.Raw)
	f.Add(root.cert.Raw, good)
	f.Add([]byte{}, []byte{})
	f.Add(big.NewInt(1).Bytes(), csr.Raw)
	f.Fuzz(func(t *testing.T, certificate, chain []byte) {
		got, err := fix.importCertificate(t, "sub", certificate, chain)
		if err != nil {
			if k := fault.KindOf(err); k != fault.InvalidArgument {
				t.Fatalf("%v is %s", err, k)
			}
			return
		}
		c := parse(t, got.Certificate)
		if got.ID != a.ID || string(c.RawSubjectPublicKeyInfo) != string(csr.RawSubjectPublicKeyInfo) || !authority.SameName(c.RawSubject, csr.RawSubject) {
			t.Fatalf("%+v", got)
		}
	})
}

// TestRootByItself is how a root is made in steps: its own request, a
// certificate that signs itself, and the import; and how it is renewed so.
func TestRootByItself(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	ctx := t.Context()
	for _, spec := range []alg.Spec{alg.P384, alg.MLDSA44} {
		n := "root-" + spec.String()
		a, csr := f.pending(t, n, Root, spec)
		for range 2 {
			c, err := f.Issue(ctx, f.as("admin"), &IssueRequest{Authority: n, Profile: "root-ca", CSR: csr.Raw})
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.importCertificate(t, n, c.DER)
			if err != nil {
				t.Fatal(err)
			}
			if got.State != Active || got.ID != a.ID || len(got.Chain) != 0 || len(c.Chain) != 0 || got.Serial != c.Serial {
				t.Errorf("%+v", got)
			}
			if stored, err := f.Certificate(ctx, f.as("admin"), n, c.Serial); err != nil || stored.Authority != a.ID {
				t.Errorf("%+v, %v", stored, err)
			}
		}
		now, _ := f.ByID(a.ID)
		_, err := f.Revoke(ctx, f.as("admin"), n, now.Serial, Superseded)
		wantFault(t, err, fault.InvalidArgument, 0, "root's own")
		leaf := f.issue(t, n, "a.example.com")
		if got, _ := f.ByID(a.ID); len(got.Past) != 1 {
			t.Errorf("%d past certificates", len(got.Past))
		} else if spec != alg.MLDSA44 { // OpenSSL 3.0 does not know it
			f.verified(t, got.Certificate, leaf.Chain, leaf.DER)
		}
	}
	_, csr := f.pending(t, "sub", Subordinate, alg.P256)
	for what, authority := range map[string]string{"a subordinate's own request": "sub", "another's request": "root-p-384"} {
		if _, err := f.Issue(ctx, f.as("admin"), &IssueRequest{Authority: authority, Profile: "root-ca", CSR: csr.Raw}); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
}
