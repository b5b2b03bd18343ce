package extension

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// TestEncoding is the table of values in DER (RFC 5280 section 4.2.1).
func TestEncoding(t *testing.T) {
	policy := asn1.ObjectIdentifier{1, 2, 3}
	for what, c := range map[string]struct {
		encode func() ([]byte, error)
		want   string
	}{
		"no authority":             {func() ([]byte, error) { return EncodeBasicConstraints(false, -1) }, "3000"},
		"an authority":             {func() ([]byte, error) { return EncodeBasicConstraints(true, -1) }, "30030101ff"},
		"one without others below": {func() ([]byte, error) { return EncodeBasicConstraints(true, 0) }, "30060101ff020100"},
		"extended usages": {func() ([]byte, error) {
			return EncodeUsages([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []asn1.ObjectIdentifier{policy})
		}, "300e06082b0601050507030106022a03"},
		"a policy": {func() ([]byte, error) { return EncodePolicies([]Policy{{OID: policy}}) }, "3006300406022a03"},
		"a policy with a statement and a notice": {func() ([]byte, error) {
			return EncodePolicies([]Policy{{OID: policy, CPS: []string{"a:b"}, Notice: "n"}})
		}, "302a302806022a033022" + "300f06082b06010505070201" + "1603613a62" + "300f06082b06010505070202" + "30030c016e"},
		"permitted and excluded": {func() ([]byte, error) {
			return (&NameConstraints{
				Permitted: Subtrees{DNS: []string{"a.b"}, IPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
				Excluded:  Subtrees{Emails: []string{".c"}, Directory: []name.Subject{{Country: "CH"}}},
			}).Encode()
		}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := c.encode()
			if err != nil || c.want != "" && hex.EncodeToString(got) != c.want {
				t.Errorf("%x (%v), want %s", got, err, c.want)
			}
			if !IsValue(got) {
				t.Errorf("%x is not one value in DER", got)
			}
		})
	}
}

// TestBadConstraints is the table of what constrains nothing.
func TestBadConstraints(t *testing.T) {
	for what, s := range map[string]Subtrees{
		"nothing":                  {},
		"a wildcard":               {DNS: []string{"*.a.b"}},
		"a host with a dot before": {DNS: []string{".a.b"}},
		"a host in capitals":       {DNS: []string{"A.b"}},
		"a mailbox as a host":      {DNS: []string{"a@b.c"}},
		"a mailbox as a URI":       {URIs: []string{"a@b.c"}},
		"a whole URI":              {URIs: []string{"https://a.b"}},
		"an address of IPv4 in 6":  {IPs: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
		"bits after the prefix":    {IPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
		"no network":               {IPs: []netip.Prefix{{}}},
		"a bad directory name":     {Directory: []name.Subject{{Country: "Switzerland"}}},
	} {
		t.Run(what, func(t *testing.T) {
			c := NameConstraints{Permitted: s}
			if der, err := c.Encode(); fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("%x, %v", der, err)
			}
		})
	}
}

// TestUsages: every usage of crypto/x509's has an object identifier, and no
// two the same.
func TestUsages(t *testing.T) {
	seen := map[string]bool{}
	for _, oid := range UsageOIDs(Usages(), nil) {
		if len(oid) < 4 || seen[oid.String()] {
			t.Errorf("%v", oid)
		}
		seen[oid.String()] = true
	}
	if err := CheckUsages(nil, make([]asn1.ObjectIdentifier, maxUsages+1)); fault.KindOf(err) != fault.LimitExceeded {
		t.Error(err)
	}
	if IsValue([]byte{0x04, 0x83, 0x00, 0xff, 0xff}) || IsValue([]byte(strings.Repeat("x", maxValue+1))) {
		t.Error("a value that is none")
	}
}
