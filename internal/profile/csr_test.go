package profile

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// csrOf makes a request with the key of the tests.
func csrOf(t testing.TB, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer(t))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// read reads a request that is in order.
func read(t testing.TB, der []byte) *Request {
	t.Helper()
	r, err := ReadCSR(der)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// from is an input with a request.
func from(t testing.TB, template *x509.CertificateRequest) *Input {
	t.Helper()
	in := input(t, Subject{}, Names{})
	in.Request = read(t, csrOf(t, template))
	in.Key = in.Request.Key
	return in
}

// ext makes an extension.
func ext(t testing.TB, critical bool, oid asn1.ObjectIdentifier, value any) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oid, Critical: critical, Value: der}
}

// san makes a subject alternative name extension of names.
func san(t testing.TB, n Names) pkix.Extension {
	t.Helper()
	der, err := n.DER()
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: extension.SubjectAltName, Value: der}
}

// attribute makes an attribute of a subject.
func attribute(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

type basicConstraints struct {
	IsCA    bool `asn1:"optional"`
	PathLen int  `asn1:"optional,default:-1"`
}

// TestAbuse is the table of requests that want more than they should have:
// each is refused, and nothing of it is certified.
func TestAbuse(t *testing.T) {
	cn := asn1.ObjectIdentifier{2, 5, 4, 3}
	subject := func(list ...pkix.AttributeTypeAndValue) *x509.CertificateRequest {
		return &x509.CertificateRequest{Subject: pkix.Name{ExtraNames: list}, DNSNames: []string{"a.example.com"}}
	}
	with := func(list ...pkix.Extension) *x509.CertificateRequest {
		return &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, ExtraExtensions: list}
	}
	host := func(names ...string) *x509.CertificateRequest { return &x509.CertificateRequest{DNSNames: names} }
	open := Profile{Names: AnyName, Wildcards: true, Passthrough: Passthrough{CSR: true}, Subject: SubjectRules{Others: true, Repeated: true}}
	free := compile(t, open)
	server := builtin(t, "tls-server")
	for name, c := range map[string]struct {
		profile *Profile
		csr     *x509.CertificateRequest
		says    string
	}{
		"CA:TRUE":                            {server, with(ext(t, true, extension.BasicConstraints, basicConstraints{true, -1})), "CA certificate"},
		"CA:TRUE, not critical":              {server, with(ext(t, false, extension.BasicConstraints, basicConstraints{true, 0})), "CA certificate"},
		"CA:TRUE where extensions pass":      {free, with(ext(t, true, extension.BasicConstraints, basicConstraints{true, -1})), "CA certificate"},
		"certSign":                           {server, with(ext(t, true, extension.KeyUsage, asn1.BitString{Bytes: []byte{4}, BitLength: 6})), "only authorities"},
		"cRLSign where extensions pass":      {free, with(ext(t, true, extension.KeyUsage, asn1.BitString{Bytes: []byte{2}, BitLength: 7})), "only authorities"},
		"name constraints":                   {free, with(ext(t, true, extension.Constraints, []string{})), "only authorities"},
		"another extended key usage":         {server, with(ext(t, false, extension.ExtendedKeyUsage, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 3}})), "1.3.6.1.5.5.7.3.3"},
		"any extended key usage":             {server, with(ext(t, false, extension.ExtendedKeyUsage, []asn1.ObjectIdentifier{{2, 5, 29, 37, 0}})), "2.5.29.37.0"},
		"a critical unknown extension":       {server, with(ext(t, true, asn1.ObjectIdentifier{1, 2, 3, 4}, "x")), "1.2.3.4"},
		"an extension that is no DER":        {free, with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{0xff}}), "DER"},
		"a host in the CN":                   {server, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "bank.example.com"}, DNSNames: []string{"a.b.c"}}, "not among"},
		"an address in the CN":               {server, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "10.0.0.1"}, DNSNames: []string{"a.b.c"}}, "not among"},
		"two CNs":                            {server, subject(attribute(cn, "a.example.com"), attribute(cn, "bank.example.com")), "more than one commonName"},
		"two CNs where attributes repeat":    {free, subject(attribute(cn, "a.example.com"), attribute(cn, "bank.example.com")), "more than one commonName"},
		"two serial numbers":                 {free, subject(attribute(asn1.ObjectIdentifier{2, 5, 4, 5}, "1"), attribute(asn1.ObjectIdentifier{2, 5, 4, 5}, "2")), "more than one serialNumber"},
		"two custom attributes":              {free, subject(attribute(asn1.ObjectIdentifier{1, 2, 3}, "1"), attribute(asn1.ObjectIdentifier{1, 2, 3}, "2")), "more than one 1.2.3"},
		"an e-mail address in the DN":        {server, subject(attribute(oidEmailAttribute, "a@bank.example.com")), "emailAddress"},
		"one where attributes are free":      {free, subject(attribute(oidEmailAttribute, "a@bank.example.com")), "not among the names"},
		"NUL in the CN":                      {server, subject(attribute(cn, "a.example.com\x00.evil.org")), "printed"},
		"NUL in a DNS name":                  {free, with(san(t, dns("bank.example.com\x00.evil.org"))), "DNS name"},
		"NUL in an e-mail address":           {free, with(san(t, emails("a@bank.com\x00.evil.org"))), "e-mail"},
		"NUL in a UPN":                       {free, with(san(t, Names{UPNs: []string{"a\x00@bank.com"}})), "user principal name"},
		"NUL in an other name":               {free, with(san(t, Names{Others: []OtherName{{OID: oidHardware, Value: "a\x00b"}}})), "other name"},
		"a zero-width space in the CN":       {server, subject(attribute(cn, "ban\u200bk")), "printed"},
		"a soft hyphen":                      {server, subject(attribute(cn, "ban\u00adk")), "printed"},
		"a right-to-left override":           {server, subject(attribute(cn, "\u202egnp.exe")), "printed"},
		"a Hangul filler":                    {server, subject(attribute(cn, "bank\u3164")), "printed"},
		"a variation selector":               {server, subject(attribute(cn, "bank\ufe0f")), "printed"},
		"a Cyrillic letter in a Latin word":  {server, subject(attribute(cn, "B\u0430nk")), "several scripts"},
		"a Greek letter in a Latin word":     {server, subject(attribute(asn1.ObjectIdentifier{2, 5, 4, 10}, "G\u03bfogle")), "several scripts"},
		"a Cyrillic U-label":                 {server, with(san(t, dns("b\u0430nk.example.com"))), "cannot be read"},
		"a mixed A-label":                    {server, host("xn--bnk-5cd.example.com"), "several scripts"},
		"an A-label that looks Latin":        {server, host("xn--80ak6aa92e.com"), "looks like another one"}, // "apple" in Cyrillic
		"an invalid A-label":                 {server, host("xn--a.example.com"), "A-label"},
		"a mixed A-label in an e-mail":       {free, with(san(t, emails("a@xn--bnk-5cd.example.com"))), "e-mail"},
		"IPv4 mapped into IPv6 unspecified":  {server, &x509.CertificateRequest{IPAddresses: []net.IP{net.ParseIP("::")}}, "IP address"},
		"a user in a URI":                    {free, with(san(t, uris("https://bank.com@evil.org/"))), "user name"},
		"a SPIFFE ID with a port":            {free, with(san(t, uris("spiffe://example.org:8443/web"))), "trust domain"},
		"a SPIFFE ID with a query":           {free, with(san(t, uris("spiffe://example.org/web?x=y"))), "segment"},
		"a SPIFFE ID with dots":              {free, with(san(t, uris("spiffe://example.org/a/../b"))), "segment"},
		"a SPIFFE ID with an encoded slash":  {free, with(san(t, uris("spiffe://example.org/a%2fb"))), "segment"},
		"a SPIFFE ID in capitals":            {free, with(san(t, uris("spiffe://Example.org/a"))), "trust domain"},
		"a host in a directory name's NUL":   {free, with(san(t, Names{Directory: []Subject{{CommonName: "a\x00b"}}})), "printed"},
		"an extension that the profile has":  {compile(t, withExtra(open)), with(ext(t, true, asn1.ObjectIdentifier{1, 2, 3}, "x")), "defines"},
		"an empty request":                   {server, &x509.CertificateRequest{}, "alternative name"},
		"an empty request for any profile":   {free, &x509.CertificateRequest{}, "subject or a name"},
		"151 names":                          {free, host(hosts(151)...), "150"},
		"a trailing dot":                     {server, host("example.com."), "empty"},
		"a wildcard within":                  {server, host("a.*.example.com"), "wildcard"},
		"a wildcard of everything":           {server, host("*.com"), "two labels"},
		"an address as a DNS name":           {server, host("10.0.0.1"), "number"},
		"an address as a hexadecimal number": {server, host("0x7f.1"), "number"},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, Subject{}, Names{})
			r, err := ReadCSR(csrOf(t, c.csr))
			if err == nil {
				in.Request, in.Key = r, r.Key
				_, err = c.profile.Draft(t.Context(), in)
			}
			k := fault.KindOf(err)
			if err == nil || k != fault.InvalidArgument && k != fault.Unsupported && k != fault.LimitExceeded || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want it to say %q", err, c.says)
			}
		})
	}
}

// withExtra adds an extension of the profile's own.
func withExtra(p Profile) Profile {
	p.Extra = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
	return p
}

// hosts returns so many names.
func hosts(n int) []string {
	var list []string
	for i := range n {
		list = append(list, "h"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example")
	}
	return list
}

// TestMalformed is the table of requests that are not read at all.
func TestMalformed(t *testing.T) {
	good := csrOf(t, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
	broken := slices.Clone(good)
	broken[len(broken)-1] ^= 1
	many := csrOf(t, &x509.CertificateRequest{DNSNames: hosts(600)})
	for name, c := range map[string]struct {
		der  []byte
		kind fault.Kind
		says string
	}{
		"nothing":                 {nil, fault.InvalidArgument, "read"},
		"a bad signature":         {broken, fault.InvalidArgument, "does not verify"},
		"trailing bytes":          {append(slices.Clone(good), 0), fault.InvalidArgument, "read"},
		"oversize":                {make([]byte, MaxCSR+1), fault.LimitExceeded, "32768"},
		"600 names":               {many, fault.LimitExceeded, "150"},
		"an extension twice":      {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext(t, false, asn1.ObjectIdentifier{1, 2, 3}, "a"), ext(t, false, asn1.ObjectIdentifier{1, 2, 3}, "b")}}), fault.InvalidArgument, ""},
		"names twice":             {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{san(t, dns("a.b")), san(t, dns("c.d"))}}), fault.InvalidArgument, ""},
		"an attribute twice":      {rawCSR(t, 2, 1), fault.InvalidArgument, "attribute 1.2.840.113549.1.9.14 twice"},
		"an attribute's two sets": {rawCSR(t, 1, 2), fault.InvalidArgument, ""},
		"names that are none":     {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext(t, false, extension.SubjectAltName, "x")}}), fault.InvalidArgument, "read"},
		"a usage that is none":    {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext(t, false, extension.KeyUsage, "x")}}), fault.InvalidArgument, "key usage"},
		"usages that are none":    {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext(t, false, extension.ExtendedKeyUsage, "x")}}), fault.InvalidArgument, "extended"},
		"constraints of a string": {csrOf(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext(t, false, extension.BasicConstraints, "x")}}), fault.InvalidArgument, "basic constraints"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCSR(c.der)
			if err == nil || fault.KindOf(err) != c.kind || fault.ReasonOf(err) != fault.MalformedCSR || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %s that says %q", err, c.kind, c.says)
			}
		})
	}
}

// rawCSR makes a request whose attribute for extensions is there so many
// times, with so many values each; the first asks for a harmless name, the
// others for another one.
func rawCSR(t *testing.T, attributes, values int) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(signer(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	value := func(b *cryptobyte.Builder) {
		e := san(t, dns("x.example"))
		if n++; n > 1 { // the same extension twice is found by crypto/x509
			e.Id = asn1.ObjectIdentifier{1, 2, 3, n}
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				b.AddASN1OctetString(e.Value)
			})
		})
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {})
		b.AddBytes(spki)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			for range attributes {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14})
					b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
						for range values {
							value(b)
						}
					})
				})
			}
		})
	})
	return signRequest(t, signer(t), alg.ECDSASHA256, alg.P256, b.BytesOrPanic())
}

// signRequest signs what is to be signed of a request.
func signRequest(t testing.TB, s crypto.Signer, a alg.Algorithm, spec alg.Spec, tbs []byte) []byte {
	t.Helper()
	signature, err := cert.SignMessage(s, a, tbs)
	if err != nil {
		t.Fatal(err)
	}
	identifier, err := cert.Identifier(spec, a)
	if err != nil {
		t.Fatal(err)
	}
	der, err := cert.Assemble(tbs, identifier, signature)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestMLDSARequest: a request of a key that crypto/x509 does not know.
func TestMLDSARequest(t *testing.T) {
	k, err := mldsa.GenerateKey(mldsa.MLDSA65())
	if err != nil {
		t.Fatal(err)
	}
	spki, err := engine.MarshalPublic(alg.MLDSA65, k.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	pub, err := engine.ParsePublic(alg.MLDSA65, spki)
	if err != nil {
		t.Fatal(err)
	}
	tbs, err := cert.EncodeRequest(&x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"x.example"}}, pub, alg.MLDSAPure)
	if err != nil {
		t.Fatal(err)
	}
	der := signRequest(t, k, alg.MLDSAPure, alg.MLDSA65, tbs)
	r := read(t, der)
	if r.Key.Spec() != alg.MLDSA65 || r.Subject.CommonName != "x" || !slices.Equal(r.Names.DNS, []string{"x.example"}) {
		t.Errorf("%+v", r)
	}
	in := input(t, Subject{}, Names{})
	in.Request, in.Key = r, r.Key
	d, err := builtin(t, "tls-server").Draft(t.Context(), in)
	if err != nil || d.Template.KeyUsage != x509.KeyUsageDigitalSignature { // RFC 9881 section 5: nothing to encrypt with
		t.Errorf("usage %v (%v)", d, err)
	}
	der[len(der)-1] ^= 1
	if _, err := ReadCSR(der); fault.ReasonOf(err) != fault.MalformedCSR {
		t.Errorf("error %v", err)
	}
}

// TestOrderIsKept: a request's own order of attributes stays, as an
// authority elsewhere compares its subject's bytes.
func TestOrderIsKept(t *testing.T) {
	cn, o := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}
	in := from(t, &x509.CertificateRequest{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{attribute(cn, "Sub"), attribute(o, "Größe")}}})
	d, err := builtin(t, "subordinate-ca-0").Draft(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Template.RawSubject) != string(in.Request.rawSubject) || len(in.Request.rawSubject) == 0 {
		t.Errorf("the subject is %x", d.Template.RawSubject)
	}
	// An outdated string type is written anew.
	old := from(t, &x509.CertificateRequest{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		attribute(cn, asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte{0, 'S', 0, 'u', 0, 'b'}}),
	}}})
	if d, err = builtin(t, "subordinate-ca-0").Draft(t.Context(), old); err != nil || d.Subject.CommonName != "Sub" || old.Request.rawSubject != nil {
		t.Errorf("%v, raw %x (%v)", d, old.Request.rawSubject, err)
	}
}

// FuzzReadCSR: a request is refused with a fault of its own, or it has the
// key that signed it and names that a template gets back as they were.
func FuzzReadCSR(f *testing.F) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, template := range []*x509.CertificateRequest{
		{},
		{Subject: Subject{CommonName: "x", Country: "CH", Organization: "Größe", Title: "Dr"}.Name(), DNSNames: []string{"*.a.example.com"}},
		{EmailAddresses: []string{"a@b.c"}, DNSNames: []string{"xn--bcher-kva.example"}},
		{ExtraExtensions: []pkix.Extension{san(f, Names{UPNs: []string{"a@b.c"}, Directory: []Subject{{CommonName: "x"}}, Others: []OtherName{{OID: oidHardware, DER: []byte{0x30, 0}}}})}},
	} {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, private)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := ReadCSR(der); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ReadCSR(der)
		if err != nil {
			if k := fault.KindOf(err); k == fault.Internal || k == fault.Unavailable {
				t.Fatalf("a bad request is %s: %v", k, err)
			}
			return
		}
		if pub, err := cert.ParsePublic(r.SPKI); err != nil || pub == nil || r.Key == nil {
			t.Errorf("its key is %v (%v)", r.Key, err)
		}
		names, err := r.Names.Normal()
		if err != nil {
			return
		}
		again, err := names.DER()
		if err != nil {
			t.Fatal(err)
		}
		back, err := name.Parse(again)
		if err != nil || !slices.Equal(back.Texts(), names.Texts()) {
			t.Errorf("%q are written as %q (%v)", names.Texts(), back.Texts(), err)
		}
	})
}
