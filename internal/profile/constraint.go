package profile

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/name"
)

// NameConstraints are the names that certificates below an authority may and
// may not have (RFC 5280 section 4.2.1.10).
type NameConstraints struct {
	// Critical is what the RFC demands; some old programs choke on it.
	Critical            bool
	Permitted, Excluded Subtrees
}

// Subtrees are names and all those below them. A DNS name, and the domain of
// an e-mail address or URI, stands for itself and, in DNS or with a leading
// dot, for those below it.
type Subtrees struct {
	DNS, Emails, URIs []string
	IPs               []netip.Prefix
	Directory         []Subject
}

// Tags of a GeneralName (RFC 5280 section 4.2.1.6) that constraints have.
const (
	tagEmail     = cbasn1.Tag(0x81)
	tagDNS       = cbasn1.Tag(0x82)
	tagDirectory = cbasn1.Tag(0xa4)
	tagURI       = cbasn1.Tag(0x86)
	tagIP        = cbasn1.Tag(0x87)
)

func (t *Subtrees) empty() bool {
	return len(t.DNS)+len(t.Emails)+len(t.URIs)+len(t.IPs)+len(t.Directory) == 0
}

// encode returns the extension's value.
func (c *NameConstraints) encode() ([]byte, error) {
	if c.Permitted.empty() && c.Excluded.empty() {
		return nil, unfit("name constraints permit or exclude something (RFC 5280 section 4.2.1.10)")
	}
	var b cryptobyte.Builder
	var err error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i, t := range []*Subtrees{&c.Permitted, &c.Excluded} {
			if t.empty() {
				continue
			}
			b.AddASN1(cbasn1.Tag(i).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { //nolint:gosec // 0 and 1
				if bad := t.put(b); err == nil {
					err = bad
				}
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}

func (t *Subtrees) put(b *cryptobyte.Builder) error {
	put := func(tag cbasn1.Tag, value []byte) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
	}
	for _, list := range []struct {
		tag   cbasn1.Tag
		texts []string
		dot   bool // may begin with one
		at    bool // may be a mailbox
	}{{tagDNS, t.DNS, false, false}, {tagEmail, t.Emails, true, true}, {tagURI, t.URIs, true, false}} {
		for _, text := range list.texts {
			host := text
			if list.dot {
				host = strings.TrimPrefix(text, ".")
			}
			if _, mailbox := name.Mailbox(text); host != strings.ToLower(host) || name.CheckDNS(host, false) != nil && (!list.at || !mailbox) {
				return unfit("%q is no name constraint", text)
			}
			put(list.tag, []byte(text))
		}
	}
	for _, n := range t.IPs {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			return unfit("%q is no network", n)
		}
		put(tagIP, append(n.Addr().AsSlice(), net.CIDRMask(n.Bits(), n.Addr().BitLen())...))
	}
	for i := range t.Directory {
		if err := t.Directory[i].Check(); err != nil {
			return unfit("a directory name of the constraints: %s", publicText(err))
		}
		der, err := t.Directory[i].DER()
		if err != nil {
			return err
		}
		put(tagDirectory, der)
	}
	return nil
}

// constraintsOf returns the name constraints of an authority's certificate,
// nil where it has none.
func constraintsOf(c *x509.Certificate) (*NameConstraints, error) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidNameConstraints) {
			nc, ok := parseConstraints(e.Value)
			if !ok {
				return nil, violation("the name constraints of %s are of a kind that is not known here", c.Subject)
			}
			return nc, nil
		}
	}
	return nil, nil //nolint:nilnil // most have none
}

func parseConstraints(der []byte) (*NameConstraints, bool) {
	input := cryptobyte.String(der)
	var body cryptobyte.String
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, false
	}
	nc := &NameConstraints{}
	for i, t := range []*Subtrees{&nc.Permitted, &nc.Excluded} {
		var list cryptobyte.String
		var there bool
		if !body.ReadOptionalASN1(&list, &there, cbasn1.Tag(i).ContextSpecific().Constructed()) { //nolint:gosec // 0 and 1
			return nil, false
		}
		for !list.Empty() {
			var subtree, value cryptobyte.String
			var tag cbasn1.Tag
			if !list.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&value, &tag) || !subtree.Empty() || !t.add(tag, value) {
				return nil, false
			}
		}
	}
	return nc, body.Empty()
}

func (t *Subtrees) add(tag cbasn1.Tag, value []byte) bool {
	switch tag {
	case tagDNS:
		t.DNS = append(t.DNS, strings.ToLower(strings.TrimPrefix(string(value), ".")))
	case tagEmail:
		t.Emails = append(t.Emails, string(value))
	case tagURI:
		t.URIs = append(t.URIs, string(value))
	case tagIP:
		addr, ok := netip.AddrFromSlice(value[:len(value)/2])
		mask := net.IPMask(value[len(value)/2:])
		ones, bits := mask.Size()
		if !ok || bits != addr.BitLen() {
			return false
		}
		t.IPs = append(t.IPs, netip.PrefixFrom(addr, ones).Masked())
	case tagDirectory:
		s, err := name.ParseSubject(value)
		if err != nil {
			return false
		}
		t.Directory = append(t.Directory, s)
	default:
		return false
	}
	return true
}

// check refuses a subject and names that the constraints do not let be.
func (c *NameConstraints) check(s *Subject, n *Names) error {
	texts := []struct {
		kind                string
		names               []string
		permitted, excluded []string
		within, touches     func(text, base string) bool
	}{
		{"DNS name", n.DNS, c.Permitted.DNS, c.Excluded.DNS, hostWithin, hostTouches},
		{"URI", n.URIs, c.Permitted.URIs, c.Excluded.URIs, uriWithin, uriWithin},
		{"e-mail address", emailsOf(s, n), c.Permitted.Emails, c.Excluded.Emails, mailWithin, mailWithin},
	}
	for _, t := range texts {
		for _, text := range t.names {
			in := func(base string) bool { return t.within(text, base) }
			touches := func(base string) bool { return t.touches(text, base) }
			if len(t.permitted) > 0 && !slices.ContainsFunc(t.permitted, in) || slices.ContainsFunc(t.excluded, touches) {
				return violation("the %s %q is outside the name constraints of an authority above", t.kind, text)
			}
		}
	}
	for _, ip := range n.IPs {
		in := func(net netip.Prefix) bool { return net.Contains(ip) }
		if len(c.Permitted.IPs) > 0 && !slices.ContainsFunc(c.Permitted.IPs, in) || slices.ContainsFunc(c.Excluded.IPs, in) {
			return violation("the address %s is outside the name constraints of an authority above", ip)
		}
	}
	directory := n.Directory
	if !s.IsZero() {
		directory = append([]Subject{*s}, directory...)
	}
	for i := range directory {
		in := func(base Subject) bool { return below(&directory[i], &base) }
		if len(c.Permitted.Directory) > 0 && !slices.ContainsFunc(c.Permitted.Directory, in) || slices.ContainsFunc(c.Excluded.Directory, in) {
			return violation("the name %s is outside the name constraints of an authority above", directory[i])
		}
	}
	return nil
}

func emailsOf(s *Subject, n *Names) []string {
	if address := valueOf(s, name.EmailAddress); address != "" {
		return append([]string{address}, n.Emails...)
	}
	return n.Emails
}

// hostWithin reports whether a DNS name is a domain or below it. A wildcard
// counts as the name that it stands below.
func hostWithin(host, domain string) bool {
	host = strings.TrimPrefix(host, "*.")
	return domain == "" || host == domain || strings.HasSuffix(host, "."+domain)
}

// hostTouches is hostWithin for what is excluded: a wildcard must not stand
// for a name of the domain either.
func hostTouches(host, domain string) bool {
	rest, wildcard := strings.CutPrefix(host, "*.")
	return hostWithin(host, domain) || wildcard && hostWithin(domain, rest)
}

// uriWithin goes by the URI's host: a constraint with a leading dot is about
// the hosts below a domain, another one about that very host.
func uriWithin(uri, base string) bool {
	u, err := url.Parse(uri)
	return err == nil && exactOrBelow(strings.ToLower(u.Hostname()), base)
}

// mailWithin knows three kinds of constraints: a mailbox, a host, and the
// hosts below a domain.
func mailWithin(address, base string) bool {
	if strings.Contains(base, "@") {
		normal, _ := name.Mailbox(base)
		return address == normal
	}
	return exactOrBelow(domainOf(address), base)
}

func exactOrBelow(host, base string) bool {
	base = strings.ToLower(base)
	if strings.HasPrefix(base, ".") {
		return strings.HasSuffix(host, base)
	}
	return base == "" || host == base
}

// below reports whether a name has every attribute of another one. That the
// attributes stand in the same order is for whoever verifies to demand.
func below(s, base *Subject) bool {
	have := s.Attributes()
	for _, want := range base.Attributes() {
		if !slices.ContainsFunc(have, func(a Attribute) bool {
			return a.OID.Equal(want.OID) && strings.EqualFold(a.Value, want.Value)
		}) {
			return false
		}
	}
	return true
}
