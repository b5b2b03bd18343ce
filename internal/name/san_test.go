package name

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// everything has a name of each kind.
var everything = Names{
	DNS: []string{"a.example.com", "*.b.example"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")},
	URIs: []string{"spiffe://example.org/a_b/c", "urn:uuid:1"}, Emails: []string{"a.b@example.com"}, UPNs: []string{"Älice@corp.example"},
	Others:        []OtherName{{OID: asn1.ObjectIdentifier{1, 2, 3}, Value: "x"}, {OID: asn1.ObjectIdentifier{1, 2, 4}, DER: []byte{0x16, 1, 'y'}}},
	Directory:     []Subject{{CommonName: "c", Country: "CH", Custom: []Attribute{{OID: asn1.ObjectIdentifier{1, 2, 5}, Value: "z"}}}},
	RegisteredIDs: []asn1.ObjectIdentifier{{1, 2, 840, 113549}},
}

// TestSAN: names of every kind are what they were once they are written and
// read again.
func TestSAN(t *testing.T) {
	names, err := everything.Normal()
	if err != nil {
		t.Fatal(err)
	}
	der, err := names.DER()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(everything, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got.Kinds() != AnyKind || got.Len() != 12 {
		t.Errorf("%d names of the kinds %s", got.Len(), got.Kinds())
	}
	want := []string{
		"a.example.com", "*.b.example", "10.0.0.1", "2001:db8::1", "spiffe://example.org/a_b/c", "urn:uuid:1", "a.b@example.com",
		"Älice@corp.example", "1.2.3:x", "1.2.4:#160179", "1.2.5=z,CN=c,C=CH", "1.2.840.113549",
	}
	if d := cmp.Diff(want, got.Texts()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestBadSAN is the table of what is no extension of names.
func TestBadSAN(t *testing.T) {
	many := Names{DNS: slices.Repeat([]string{"a"}, Max+1)}
	tooMany, err := many.DER()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"nothing":                 {nil, errSAN},
		"trailing bytes":          {[]byte{0x30, 0, 0}, errSAN},
		"a truncated name":        {[]byte{0x30, 2, 0x82, 5}, errSAN},
		"a name not in ASCII":     {[]byte{0x30, 4, 0x82, 2, 0xc3, 0xa4}, errSAN},
		"3 bytes of an address":   {[]byte{0x30, 5, 0x87, 3, 1, 2, 3}, errSAN},
		"an X.400 address":        {[]byte{0x30, 2, 0xa3, 0}, ErrKind},
		"an EDI party name":       {[]byte{0x30, 2, 0xa5, 0}, ErrKind},
		"an other name of none":   {[]byte{0x30, 2, 0xa0, 0}, errSAN},
		"an other name of two":    {[]byte{0x30, 12, 0xa0, 10, 6, 2, 0x2a, 3, 0xa0, 4, 5, 0, 5, 0}, errSAN},
		"a UPN of another type":   {append([]byte{0x30, 18, 0xa0, 16, 6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3, 0xa0, 2}, 5, 0), errSAN},
		"an empty registered id":  {[]byte{0x30, 2, 0x88, 0}, errSAN},
		"a directory name of BER": {[]byte{0x30, 4, 0xa4, 2, 0x31, 0}, errName},
		"too many":                {tooMany, ErrTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			if n, err := Parse(c.der); !errors.Is(err, c.want) {
				t.Errorf("%q, %v, want %v", n.Texts(), err, c.want)
			}
		})
	}
}

// FuzzParse: what reads as names is written, once it is normal, so that it
// reads the same.
func FuzzParse(f *testing.F) {
	der, err := everything.DER()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		n, err := Parse(der)
		if err != nil {
			return
		}
		names, err := n.Normal()
		if err != nil {
			return
		}
		again, err := names.DER()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(again)
		if err != nil || !slices.Equal(got.Texts(), names.Texts()) {
			t.Errorf("%q is written as %q (%v)", names.Texts(), got.Texts(), err)
		}
	})
}

// TestSubject is the table of subjects: as text, and whether a certificate
// may have them.
func TestSubject(t *testing.T) {
	custom := func(list ...Attribute) Subject { return Subject{CommonName: "x", Custom: list} }
	dc, email := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	for text, c := range map[string]struct {
		subject Subject
		good    bool
	}{
		"":                                   {Subject{}, true},
		"CN=x":                               {Subject{CommonName: "x"}, true},
		"CN=Größe":                           {Subject{CommonName: "Größe"}, true},
		`CN=a\,b\+c\"d\\e\<f\>g\;h`:          {Subject{CommonName: `a,b+c"d\e<f>g;h`}, true},
		`CN=\#x`:                             {Subject{CommonName: "#x"}, true},
		"CN=x,OU=u,O=o,C=CH":                 {Subject{CommonName: "x", OrganizationalUnit: "u", Organization: "o", Country: "CH"}, true},
		"CN=x,DC=example,DC=com":             {custom(Attribute{dc, "com"}, Attribute{dc, "example"}), true},
		"emailAddress=a@b.c,CN=x":            {custom(Attribute{email, "a@b.c"}), true},
		"emailAddress=ä@b.c,CN=x":            {custom(Attribute{email, "ä@b.c"}), false},
		"1.2.3=y,CN=x":                       {custom(Attribute{asn1.ObjectIdentifier{1, 2, 3}, "y"}), true},
		"1.2.3=y,1.2.3=y,CN=x":               {custom(Attribute{asn1.ObjectIdentifier{1, 2, 3}, "y"}, Attribute{asn1.ObjectIdentifier{1, 2, 3}, "y"}), false},
		"CN=y,CN=x":                          {custom(Attribute{asn1.ObjectIdentifier{2, 5, 4, 3}, "y"}), false},
		"C=ch":                               {Subject{Country: "ch"}, false},
		"C=CHE":                              {Subject{Country: "CHE"}, false},
		"SERIALNUMBER=1_2":                   {Subject{SerialNumber: "1_2"}, false},
		"CN=" + strings.Repeat("ü", 64):      {Subject{CommonName: strings.Repeat("ü", 64)}, true},
		"CN=" + strings.Repeat("ü", 65):      {Subject{CommonName: strings.Repeat("ü", 65)}, false},
		"O=東京 Kompanie":                      {Subject{Organization: "東京 Kompanie"}, true},
		"O=ООО Ромашка Ltd":                  {Subject{Organization: "ООО Ромашка Ltd"}, true},
		"O=カタカナ漢字kana":                       {Subject{Organization: "カタカナ漢字kana"}, true},
		"O=한국漢字":                             {Subject{Organization: "한국漢字"}, true},
		"O=Pоmashka":                         {Subject{Organization: "P\u043emashka"}, false},
		"O=αβγabc":                           {Subject{Organization: "αβγabc"}, false},
		"O=αβγ-abc":                          {Subject{Organization: "αβγ-abc"}, true},
		"O=שלוםمرحبا":                        {Subject{Organization: "שלוםمرحبا"}, false},
		"CN=a\u200bb":                        {Subject{CommonName: "a\u200bb"}, false},
		"CN=a\x00b":                          {Subject{CommonName: "a\x00b"}, false},
		"CN=a\xff":                           {Subject{CommonName: "a\xff"}, false},
		"CN=" + strings.Repeat("\u2800", 3):  {Subject{CommonName: strings.Repeat("\u2800", 3)}, false},
		"title=Dr,SN=A,GN=B,initials=B.A.":   {Subject{Title: "Dr", Surname: "A", GivenName: "B", Initials: "B.A."}, true},
		"dnQualifier=1,generationQualifier=": {Subject{}, false},
	} {
		t.Run(text, func(t *testing.T) {
			if strings.HasSuffix(text, "generationQualifier=") {
				c.subject = Subject{DistinguishedNameQualifier: "1", Custom: []Attribute{{asn1.ObjectIdentifier{2, 5, 4, 44}, ""}}}
			}
			if err := c.subject.Check(); (err == nil) != c.good {
				t.Errorf("%v, want good: %v", err, c.good)
			}
			if !c.good {
				return
			}
			der, err := c.subject.DER()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseSubject(der)
			if err != nil || got.String() != c.subject.String() || got.IsZero() != c.subject.IsZero() {
				t.Errorf("%q is read as %q (%v)", c.subject, got, err)
			}
			if !strings.HasPrefix(text, "title") && got.String() != text { // its order is the table's
				t.Errorf("written %q", got)
			}
			var rdns pkix.RDNSequence
			if _, err := asn1.Unmarshal(der, &rdns); err != nil {
				t.Errorf("crypto/x509 does not read it: %v", err)
			}
			x509, err := asn1.Marshal(c.subject.Name().ToRDNSequence())
			if err != nil || string(x509) != string(der) {
				t.Errorf("crypto/x509 writes\n%x, not\n%x (%v)", x509, der, err)
			}
		})
	}
}

// TestAttributeNames: every attribute is found by its word, and by nothing
// else.
func TestAttributeNames(t *testing.T) {
	for i := range kinds {
		oid, field, ok := ParseAttribute(kinds[i].name)
		if !ok || AttributeName(oid) != kinds[i].name || field != Standard(oid) {
			t.Errorf("%s is %v", kinds[i].name, oid)
		}
		if again, _, ok := ParseAttribute(oid.String()); !ok || !again.Equal(oid) {
			t.Errorf("%s is %v", oid, again)
		}
	}
	for _, word := range []string{"", "CN", "company", "1", "1.2.", "3.1", "1.40", "1.02", "1.-2", "1.99999999999"} {
		if oid, _, ok := ParseAttribute(word); ok {
			t.Errorf("%q is %v", word, oid)
		}
	}
}

// TestHosts is the table of texts that a program could take for a host.
func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"a.example.com": "a.example.com", "A.Example.COM.": "a.example.com", "*.example.com": "*.example.com",
		"bücher.example": "xn--bcher-kva.example", "10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "2001:db8::1": "2001:db8::1",
		"localhost": "", "the web server": "", "Example Ltd.": "", "a..b": "", "": "", "v1.2": "",
	} {
		host, ip, ok := Host(text)
		if ip.IsValid() {
			host = ip.String()
		}
		if !ok {
			host = ""
		}
		if host != want {
			t.Errorf("%q is the host %q, want %q", text, host, want)
		}
	}
}
