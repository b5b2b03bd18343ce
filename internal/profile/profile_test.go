package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// noon is when the certificates of the tests are made.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// publicOf returns a public key as profiles have it.
func publicOf(t testing.TB, pub crypto.PublicKey) *engine.PublicKey {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	k, err := cert.ParsePublic(spki)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// someKey is the key of most tests, of P-256.
var someKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

func signer(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := someKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issuer is an authority without limits but its life, from 11:58 for ten years.
func issuer() *x509.Certificate {
	return &x509.Certificate{NotBefore: noon.Add(-2 * time.Minute), NotAfter: noon.AddDate(10, 0, 0), MaxPathLen: -1, IsCA: true}
}

// input is what alice asks for at noon.
func input(t testing.TB, s Subject, n Names) *Input {
	t.Helper()
	return &Input{
		Key: publicOf(t, signer(t).Public()), Subject: s, Names: n, Now: noon, Issuer: issuer(), Room: NoPathLimit,
		Caller: &key.Caller{
			Principal: key.Principal{Realm: "default", Kind: key.User, Name: "ops/alice"}, Tags: []key.Tag{{Key: "team", Value: "badges"}},
		},
	}
}

// builtin returns a built-in profile.
func builtin(t testing.TB, name string) *Profile {
	t.Helper()
	all := Builtin()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("there is no profile %s", name)
	}
	return &all[i]
}

// compile returns a profile ready for use, with what a leaf needs.
func compile(t testing.TB, p Profile) *Profile {
	t.Helper()
	base := leaf("test", "")
	p.Name, p.Keys, p.Default = base.Name, base.Keys, base.Default
	out, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// names are short for the tables below.
func dns(names ...string) Names    { return Names{DNS: names} }
func uris(names ...string) Names   { return Names{URIs: names} }
func emails(names ...string) Names { return Names{Emails: names} }
func ips(names ...string) Names {
	var n Names
	for _, text := range names {
		n.IPs = append(n.IPs, netip.MustParseAddr(text))
	}
	return n
}

// TestBuiltinNames is the table of subjects and names that the built-in
// profiles take.
func TestBuiltinNames(t *testing.T) {
	host, ip := dns("a.example.com"), ips("10.0.0.1")
	cn := func(s string) Subject { return Subject{CommonName: s} }
	workload := "spiffe://example.org/web"
	for name, c := range map[string]struct {
		profile string
		subject Subject
		names   Names
		good    bool
	}{
		"a host":                        {"tls-server", Subject{}, host, true},
		"an address":                    {"tls-server", Subject{}, ip, true},
		"a wildcard":                    {"tls-server", Subject{}, dns("*.example.com"), true},
		"a server's URI":                {"tls-server", Subject{}, uris("spiffe://a/b"), false},
		"a server without a name":       {"tls-server", cn("a"), Names{}, false},
		"the host in the CN as well":    {"tls-server", cn("A.example.com."), host, true},
		"another host in the CN":        {"tls-server", cn("b.example.com"), host, false},
		"a wildcard in the CN":          {"tls-server", cn("*.example.com"), host, false},
		"a U-label in the CN":           {"tls-server", cn("bücher.example.com"), host, false},
		"its A-label among the names":   {"tls-server", cn("bücher.example.com"), dns("xn--bcher-kva.example.com"), true},
		"the address in the CN as well": {"tls-server", cn("::ffff:10.0.0.1"), ip, true},
		"another address in the CN":     {"tls-server", cn("10.0.0.2"), ip, false},
		"a mailbox in the CN":           {"tls-server", cn("root@example.com"), host, false},
		"a workload in the CN":          {"tls-server", cn(workload), host, false},
		"words in the CN":               {"tls-server", cn("the web server"), host, true},
		"every attribute":               {"tls-server", Subject{CommonName: "x", Title: "Dr", Surname: "A", GivenName: "B", Initials: "C", Pseudonym: "D", GenerationQualifier: "Jr", DistinguishedNameQualifier: "1", SerialNumber: "2"}, host, true},
		"an attribute of others":        {"tls-server", Subject{Custom: []Attribute{{OID: oidEmailAttribute, Value: "a@b.c"}}}, host, false},
		"a person":                      {"tls-client", cn("Alice"), Names{}, true},
		"a client's mailbox":            {"tls-client", Subject{}, emails("a@example.com"), true},
		"a client's wildcard":           {"tls-client", Subject{}, dns("*.example.com"), false},
		"a client's address":            {"tls-client", Subject{}, ip, false},
		"a client's UPN":                {"tls-client", Subject{}, Names{UPNs: []string{"a@b.c"}}, false},
		"nobody":                        {"tls-client", Subject{}, Names{}, false},
		"a program":                     {"tls-mutual", Subject{}, uris("spiffe://a/b"), true},
		"a program's mailbox":           {"tls-mutual", Subject{}, emails("a@example.com"), false},

		"a signer of code":               {"code-signing", cn("Example Ltd"), Names{}, true},
		"one without a name":             {"code-signing", Subject{Organization: "Example Ltd"}, Names{}, false},
		"one with a host":                {"code-signing", cn("Example Ltd"), host, false},
		"a responder":                    {"ocsp-signer", cn("OCSP"), Names{}, true},
		"a workload":                     {"spiffe-workload", Subject{}, uris(workload), true},
		"a workload with a host":         {"spiffe-workload", Subject{}, Names{URIs: []string{workload}, DNS: []string{"web"}}, true},
		"a workload twice":               {"spiffe-workload", Subject{}, uris(workload, workload+"/b"), false},
		"a workload of no name":          {"spiffe-workload", Subject{}, host, false},
		"a trust domain alone":           {"spiffe-workload", Subject{}, uris("spiffe://example.org"), false},
		"a web site for a workload":      {"spiffe-workload", Subject{}, uris("https://example.org/web"), false},
		"a device":                       {"iot-device", Subject{CommonName: "sensor", SerialNumber: "17"}, Names{Others: []OtherName{{OID: oidHardware, DER: []byte{0x30, 0}}}}, true},
		"a mailbox":                      {"smime", cn("a@example.com"), emails("a@EXAMPLE.com"), true},
		"another mailbox in the CN":      {"smime", cn("b@example.com"), emails("a@example.com"), false},
		"a mailbox's host":               {"smime", Subject{}, host, false},
		"an authority":                   {"subordinate-ca-0", cn("Issuing"), Names{}, true},
		"an authority's host":            {"subordinate-ca-0", cn("Issuing"), host, false},
		"an authority without a name":    {"subordinate-ca-0", Subject{Organization: "x"}, Names{}, false},
		"an authority of unlimited path": {"subordinate-ca-3", cn("Issuing"), Names{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := builtin(t, c.profile).Draft(t.Context(), input(t, c.subject, c.names))
			wantViolation(t, err, c.good)
		})
	}
}

// wantViolation checks that an error is nil, or else a ProfileViolation.
func wantViolation(t testing.TB, err error, good bool) {
	t.Helper()
	if (err == nil) != good || err != nil && fault.ReasonOf(err) != fault.ProfileViolation {
		t.Errorf("%v, want good: %v", err, good)
	}
}

// TestRules is the table of what a profile's own rules take.
func TestRules(t *testing.T) {
	shop := DNSRules{Domains: []string{"shop.example"}, Subdomains: true, Patterns: []string{"*.svc.local", "web-*.example", "**.deep"}}
	names := func(edit func(*Profile)) *Profile {
		p := Profile{Names: AnyName, Wildcards: true}
		edit(&p)
		return compile(t, p)
	}
	hosts := names(func(p *Profile) { p.DNS = shop })
	exact := names(func(p *Profile) { p.DNS = DNSRules{Domains: []string{"shop.example"}} })
	networks := names(func(p *Profile) {
		p.IPs.Networks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}
	})
	webs := names(func(p *Profile) {
		p.URIs = URIRules{Schemes: []string{"https"}, Patterns: []string{"https://*.example/a/*", "https://b.example/**"}}
	})
	workloads := names(func(p *Profile) {
		p.URIs = URIRules{SPIFFE: true, TrustDomains: []string{"*.prod.example"}, Patterns: []string{"spiffe://*/ns/*/sa/*"}}
	})
	mails := names(func(p *Profile) {
		p.Emails, p.UPNs = DomainRules{[]string{"example.com"}, true}, DomainRules{[]string{"corp.example"}, false}
	})
	few := names(func(p *Profile) { p.MaxNames = 2 })
	others := names(func(p *Profile) { p.Others.Types = append(p.Others.Types, oidHardware) })
	for name, c := range map[string]struct {
		profile *Profile
		names   Names
		good    bool
	}{
		"the domain":                        {hosts, dns("shop.example"), true},
		"below it":                          {hosts, dns("a.b.shop.example"), true},
		"a wildcard below it":               {hosts, dns("*.shop.example"), true},
		"beside it":                         {hosts, dns("myshop.example"), false},
		"above it":                          {hosts, dns("example"), false},
		"a wildcard that covers it":         {hosts, dns("*.shop.example.com"), false},
		"one label in a pattern":            {hosts, dns("a.svc.local"), true},
		"two labels in it":                  {hosts, dns("a.b.svc.local"), false},
		"a wildcard for a pattern's label":  {hosts, dns("*.svc.local"), true},
		"a part of a label":                 {hosts, dns("web-1.example"), true},
		"any depth":                         {hosts, dns("a.b.c.deep"), true},
		"a good and a bad one":              {hosts, dns("shop.example", "evil.example"), false},
		"the domain and no subdomains":      {exact, dns("shop.example"), true},
		"a subdomain there":                 {exact, dns("a.shop.example"), false},
		"a wildcard there":                  {exact, dns("*.shop.example"), false},
		"an address in a network":           {networks, ips("10.1.2.3"), true},
		"an address beside it":              {networks, ips("10.2.0.1"), false},
		"an address of IPv6":                {networks, ips("fd00::1"), true},
		"IPv4 in IPv6's clothes":            {networks, ips("::ffff:10.2.0.1"), false},
		"a good and a bad address":          {networks, ips("10.1.0.1", "192.0.2.1"), false},
		"a URI of a pattern":                {webs, uris("https://x.example/a/b"), true},
		"a deeper one":                      {webs, uris("https://x.example/a/b/c"), false},
		"any depth of another":              {webs, uris("https://b.example/x/y"), true},
		"another scheme":                    {webs, uris("http://b.example/x"), false},
		"a workload":                        {workloads, uris("spiffe://eu.prod.example/ns/a/sa/b"), true},
		"another trust domain":              {workloads, uris("spiffe://eu.test.example/ns/a/sa/b"), false},
		"a deeper trust domain":             {workloads, uris("spiffe://a.eu.prod.example/ns/a/sa/b"), false},
		"another path":                      {workloads, uris("spiffe://eu.prod.example/a"), false},
		"a mailbox":                         {mails, emails("a@example.com"), true},
		"below the domain":                  {mails, emails("a@mail.example.com"), true},
		"beside the domain":                 {mails, emails("a@notexample.com"), false},
		"a UPN":                             {mails, Names{UPNs: []string{"a@CORP.example"}}, true},
		"a UPN below the domain":            {mails, Names{UPNs: []string{"a@x.corp.example"}}, false},
		"two names":                         {few, dns("a", "b"), true},
		"three":                             {few, dns("a", "b", "c"), false},
		"an other name of the right type":   {others, Names{Others: []OtherName{{OID: oidHardware, Value: "x"}}}, true},
		"an other name of another type":     {others, Names{Others: []OtherName{{OID: oidEmailAttribute, Value: "x"}}}, false},
		"a directory name, a registered id": {others, Names{Directory: []Subject{{CommonName: "x"}}, RegisteredIDs: append(others.Others.Types[:0:0], oidHardware)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.profile.Draft(t.Context(), input(t, Subject{}, c.names))
			wantViolation(t, err, c.good)
		})
	}
}

// TestSubjectRules is the table of what rules for subjects make of one.
func TestSubjectRules(t *testing.T) {
	rules := SubjectRules{Attributes: map[string]AttributeRule{
		"commonName": {Required: true, Pattern: "[a-z]+"}, "organization": {Fixed: "Example"}, "country": {Default: "CH"},
		"organizationalUnit": {Values: []string{"web", "mail"}}, "1.2.3.4": {},
	}}
	p := compile(t, Profile{Subject: rules})
	several := compile(t, Profile{Subject: SubjectRules{Others: true, Repeated: true}})
	units := []Attribute{{OID: oidUnit, Value: "mail"}}
	for name, c := range map[string]struct {
		profile *Profile
		subject Subject
		want    string // "" for refused
	}{
		"fixed and default":        {p, Subject{CommonName: "a"}, "CN=a,O=Example,C=CH"},
		"fixed over another":       {p, Subject{CommonName: "a", Organization: "Evil"}, "CN=a,O=Example,C=CH"},
		"default gives way":        {p, Subject{CommonName: "a", Country: "DE"}, "CN=a,O=Example,C=DE"},
		"an attribute by its OID":  {p, Subject{CommonName: "a", Custom: []Attribute{{OID: []int{1, 2, 3, 4}, Value: "x"}}}, "1.2.3.4=x,CN=a,O=Example,C=CH"},
		"a required one missing":   {p, Subject{Country: "DE"}, ""},
		"outside the pattern":      {p, Subject{CommonName: "a1"}, ""},
		"a line after the pattern": {p, Subject{CommonName: "a\n"}, ""},
		"one of the values":        {p, Subject{CommonName: "a", OrganizationalUnit: "web"}, "CN=a,OU=web,O=Example,C=CH"},
		"none of the values":       {p, Subject{CommonName: "a", OrganizationalUnit: "db"}, ""},
		"an unlisted attribute":    {p, Subject{CommonName: "a", Locality: "Bern"}, ""},
		"two units":                {p, Subject{CommonName: "a", OrganizationalUnit: "web", Custom: units}, ""},
		"two units where allowed":  {several, Subject{CommonName: "a", OrganizationalUnit: "web", Custom: units}, "CN=a,OU=mail,OU=web"},
		"two common names":         {several, Subject{CommonName: "a", Custom: []Attribute{{OID: []int{2, 5, 4, 3}, Value: "b"}}}, ""},
		"an e-mail of no name":     {several, Subject{CommonName: "a", Custom: []Attribute{{OID: oidEmailAttribute, Value: "a@b.c"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := c.profile.Draft(t.Context(), input(t, c.subject, Names{}))
			if c.want == "" {
				if fault.KindOf(err) != fault.InvalidArgument {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || d.Subject.String() != c.want {
				t.Errorf("%v (%v), want %s", d, err, c.want)
			}
		})
	}
}

var (
	oidEmailAttribute = []int{1, 2, 840, 113549, 1, 9, 1}
	oidHardware       = []int{1, 3, 6, 1, 5, 5, 7, 8, 4} // RFC 4108 section 5
	oidUnit           = []int{2, 5, 4, 11}
	oidPolicy         = []int{1, 3, 6, 1, 4, 1, 99999, 1}
)

// TestCallers: a profile with callers is for them alone.
func TestCallers(t *testing.T) {
	for pattern, good := range map[string]bool{
		"default:user:ops/*": true, "*:user:*": true, "default:user:ops/alice": true, "default:user:ops/ali": false,
		"other:user:ops/*": false, "default:role:*": false, "default:user:OPS/*": false,
	} {
		p := compile(t, Profile{Callers: []string{"x:y:z", pattern}})
		_, err := p.Draft(t.Context(), input(t, Subject{CommonName: "a"}, Names{}))
		if (err == nil) != good || err != nil && fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// rsaKey returns an RSA public key of so many bits that nobody has.
func rsaOf(t *testing.T, bits uint, e int) *engine.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return publicOf(t, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: e})
}

// TestKeys is the table of public keys that certificates are for.
func TestKeys(t *testing.T) {
	rules := AnyKey()
	few := KeyRules{RSAMin: 3072, RSAMax: 4096, P384: true, MLDSA65: true}
	curve := func(c elliptic.Curve) *engine.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return publicOf(t, k.Public())
	}
	lattice := func(p mldsa.Parameters) *engine.PublicKey {
		k, err := mldsa.GenerateKey(p)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := mldsax509.MarshalPKIXPublicKey(k.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		pub, err := engine.ParseForeign(spki)
		if err != nil {
			t.Fatal(err)
		}
		return pub
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key       *engine.PublicKey
		good, few bool
	}{
		"RSA 2048":      {rsaOf(t, 2048, 65537), true, false},
		"RSA 3072":      {rsaOf(t, 3072, 65537), true, true},
		"RSA 8192":      {rsaOf(t, 8192, 65537), true, false},
		"RSA 2047":      {rsaOf(t, 2047, 65537), false, false},
		"RSA 8193":      {rsaOf(t, 8193, 65537), false, false},
		"exponent 3":    {rsaOf(t, 2048, 3), false, false},
		"even exponent": {rsaOf(t, 2048, 65538), false, false},
		"P-224":         {curve(elliptic.P224()), false, false},
		"P-256":         {curve(elliptic.P256()), true, false},
		"P-384":         {curve(elliptic.P384()), true, true},
		"P-521":         {curve(elliptic.P521()), true, false},
		"Ed25519":       {publicOf(t, edwards), true, false},
		"ML-DSA-44":     {lattice(mldsa.MLDSA44()), true, false},
		"ML-DSA-65":     {lattice(mldsa.MLDSA65()), true, true},
		"ML-DSA-87":     {lattice(mldsa.MLDSA87()), true, false},
		"none":          {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			wantViolation(t, rules.Check(c.key), c.good)
			wantViolation(t, few.Check(c.key), c.few)
		})
	}
}

// TestUnfit: a profile that was not compiled gives nothing.
func TestUnfit(t *testing.T) {
	p := leaf("x", "")
	if _, err := p.Draft(t.Context(), input(t, Subject{CommonName: "a"}, Names{})); fault.KindOf(err) != fault.Internal {
		t.Errorf("error %v", err)
	}
	p.Description = strings.Repeat("x", 2000)
	if _, err := p.Compile(); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("error %v", err)
	}
}
