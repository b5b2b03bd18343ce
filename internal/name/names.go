package name

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Max is how many subject alternative names a certificate may have at the most.
const Max = 150

// maxOther is the longest value of an other name in bytes.
const maxOther = 1024

var errName = errors.New("not a distinguished name whose values are text")

// Names are the subject alternative names of a certificate (RFC 5280 section
// 4.2.1.6).
type Names struct {
	DNS    []string
	IPs    []netip.Addr
	URIs   []string
	Emails []string
	// UPNs are user principal names ("alice@example.com"), other names of
	// Microsoft's that smart-card logons go by.
	UPNs []string
	// Others are the other names of further kinds.
	Others []OtherName
	// Directory are distinguished names.
	Directory     []Subject
	RegisteredIDs []asn1.ObjectIdentifier
}

// OtherName is a name of a kind that an object identifier names. Value is a
// UTF8String; one of another type is in DER.
type OtherName struct {
	OID   asn1.ObjectIdentifier
	Value string
	// DER is the value's whole encoding where it is no UTF8String, else nil.
	DER []byte
}

// String returns "oid:value".
func (o *OtherName) String() string {
	if o.DER != nil {
		return o.OID.String() + ":#" + hex.EncodeToString(o.DER)
	}
	return o.OID.String() + ":" + o.Value
}

// Kind is a set of kinds of subject alternative names, as bits.
type Kind uint8

// The kinds of names.
const (
	DNS Kind = 1 << iota
	IP
	URI
	Email
	UPN
	Other
	Directory
	RegisteredID
)

// AnyKind has every kind.
const AnyKind = DNS | IP | URI | Email | UPN | Other | Directory | RegisteredID

var kindWords = [...]string{
	"DNS names", "IP addresses", "URIs", "e-mail addresses", "user principal names", "other names", "directory names", "registered ids",
}

// String returns the kinds in words, such as "DNS names, IP addresses".
func (k Kind) String() string {
	var list []string
	for i, word := range kindWords {
		if k&(1<<i) != 0 {
			list = append(list, word)
		}
	}
	return strings.Join(list, ", ")
}

// Kinds returns the kinds of which there is a name.
func (n *Names) Kinds() Kind {
	var k Kind
	for i, count := range n.counts() {
		if count > 0 {
			k |= 1 << i
		}
	}
	return k
}

// counts returns how many names of each kind there are, in the kinds' order.
func (n *Names) counts() [8]int {
	return [...]int{
		len(n.DNS), len(n.IPs), len(n.URIs), len(n.Emails), len(n.UPNs), len(n.Others), len(n.Directory), len(n.RegisteredIDs),
	}
}

// Len returns the number of names.
func (n *Names) Len() int {
	sum := 0
	for _, count := range n.counts() {
		sum += count
	}
	return sum
}

// Texts returns the names as text, for listings and searches.
func (n *Names) Texts() []string {
	list := slices.Grow(slices.Clone(n.DNS), n.Len()-len(n.DNS))
	for _, ip := range n.IPs {
		list = append(list, ip.String())
	}
	list = append(append(append(list, n.URIs...), n.Emails...), n.UPNs...)
	for i := range n.Others {
		list = append(list, n.Others[i].String())
	}
	for _, s := range n.Directory {
		list = append(list, s.String())
	}
	for _, id := range n.RegisteredIDs {
		list = append(list, id.String())
	}
	return list
}

// Normal returns the names checked, in their usual form (DNS names and mail
// domains in lower case, IPv4 addresses as such) and without repetitions.
// Its errors are InvalidArgument, and LimitExceeded for more than Max.
func (n *Names) Normal() (Names, error) {
	if n.Len() > Max {
		return Names{}, fault.New(fault.LimitExceeded, "a certificate has at most %d names", Max)
	}
	var out Names
	var err error
	if out.DNS, err = normal(n.DNS, normalDNS); err != nil {
		return Names{}, err
	}
	if out.IPs, err = normal(n.IPs, normalIP); err != nil {
		return Names{}, err
	}
	if out.URIs, err = normal(n.URIs, func(uri string) (string, error) { return uri, checkURI(uri) }); err != nil {
		return Names{}, err
	}
	if out.Emails, err = normal(n.Emails, normalEmail); err != nil {
		return Names{}, err
	}
	if out.UPNs, err = normal(n.UPNs, normalUPN); err != nil {
		return Names{}, err
	}
	return out, n.normalRare(&out)
}

// normalRare does for the kinds that hardly anyone uses what normal does.
func (n *Names) normalRare(out *Names) error {
	for _, o := range n.Others {
		if err := o.check(); err != nil {
			return err
		}
		if !slices.ContainsFunc(out.Others, func(p OtherName) bool { return p.String() == o.String() }) {
			out.Others = append(out.Others, o)
		}
	}
	for _, s := range n.Directory {
		if err := s.Check(); err != nil {
			return err
		}
		if s.IsZero() {
			return fault.New(fault.InvalidArgument, "a directory name is empty")
		}
		out.Directory = append(out.Directory, s)
	}
	for _, id := range n.RegisteredIDs {
		if !validOID(id) {
			return fault.New(fault.InvalidArgument, "%q is no registered id", id.String())
		}
		out.RegisteredIDs = append(out.RegisteredIDs, id)
	}
	return nil
}

// normal puts each value into its usual form and removes repetitions.
func normal[T comparable](list []T, form func(T) (T, error)) ([]T, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]T, 0, len(list))
	for _, raw := range list {
		v, err := form(raw)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, nil
}

func normalDNS(raw string) (string, error) {
	name := strings.ToLower(raw)
	return name, CheckDNS(name, true)
}

func normalIP(ip netip.Addr) (netip.Addr, error) {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.Zone() != "" || ip.IsUnspecified() {
		return ip, fault.New(fault.InvalidArgument, "%q is no IP address for a certificate", ip)
	}
	return ip, nil
}

func (o *OtherName) check() error {
	switch {
	case !validOID(o.OID):
		return fault.New(fault.InvalidArgument, "an other name has no type")
	case o.OID.Equal(oidUPN):
		return fault.New(fault.InvalidArgument, "a user principal name is not given as an other name")
	case len(o.Value) > maxOther || len(o.DER) > maxOther:
		return fault.New(fault.InvalidArgument, "an other name is longer than %d bytes", maxOther)
	case o.DER == nil && (o.Value == "" || !utf8.ValidString(o.Value) || strings.ContainsFunc(o.Value, unprintable)):
		return fault.New(fault.InvalidArgument, "an other name of type %s is empty or cannot be printed", o.OID)
	case o.DER != nil && (o.Value != "" || !oneValue(o.DER)):
		return fault.New(fault.InvalidArgument, "an other name of type %s is not one value in DER", o.OID)
	}
	return nil
}

// oneValue reports whether der is the encoding of exactly one value.
func oneValue(der []byte) bool {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	return err == nil && len(rest) == 0
}

// Put writes the names that crypto/x509 knows, which Normal returned, into a
// template.
func (n *Names) Put(t *x509.Certificate) {
	t.DNSNames, t.EmailAddresses = n.DNS, n.Emails
	for _, ip := range n.IPs {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	for _, raw := range n.URIs {
		if u, err := url.Parse(raw); err == nil { // checked by Normal
			t.URIs = append(t.URIs, u)
		}
	}
}

// Covers reports whether a text, which a program could take for a name, is
// one of the names. Host and Mailbox say which texts are such.
func (n *Names) Covers(text string) bool {
	if host, ip, ok := Host(text); ok {
		if ip.IsValid() {
			return slices.Contains(n.IPs, ip)
		}
		return slices.Contains(n.DNS, host)
	}
	if address, ok := Mailbox(text); ok {
		return slices.Contains(n.Emails, address) || slices.Contains(n.UPNs, address)
	}
	return slices.Contains(n.URIs, text)
}

// ParseOID reads an object identifier in its usual text, such as "2.5.4.3".
func ParseOID(text string) (asn1.ObjectIdentifier, bool) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		arc, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(part) > 1 && part[0] == '0' {
			return nil, false
		}
		oid = append(oid, int(arc))
	}
	return oid, validOID(oid)
}

// validOID reports whether the numbers can be encoded (X.660: at least two
// arcs, the first of them 0 to 2, the second below 40 under 0 and 1).
func validOID(oid asn1.ObjectIdentifier) bool {
	return len(oid) >= 2 && oid[0] >= 0 && oid[0] <= 2 && (oid[0] == 2 || oid[1] < 40) && slices.Min(oid) >= 0
}
