package extension

import (
	"net"
	"net/netip"
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
	Directory         []name.Subject
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

// Encode returns the extension's value.
func (c *NameConstraints) Encode() ([]byte, error) {
	if c.Permitted.empty() && c.Excluded.empty() {
		return nil, refuse("name constraints permit or exclude something (RFC 5280 section 4.2.1.10)")
	}
	var b cryptobyte.Builder
	var err error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i, t := range []*Subtrees{&c.Permitted, &c.Excluded} {
			if t.empty() {
				continue
			}
			b.AddASN1(cbasn1.Tag(i).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
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
	}{{tagDNS, t.DNS}, {tagEmail, t.Emails}, {tagURI, t.URIs}} {
		for _, text := range list.texts {
			if !isBase(list.tag, text) {
				return refuse("%q is no name constraint", text)
			}
			put(list.tag, []byte(text))
		}
	}
	for _, n := range t.IPs {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			return refuse("%q is no network", n)
		}
		put(tagIP, append(n.Addr().AsSlice(), net.CIDRMask(n.Bits(), n.Addr().BitLen())...))
	}
	for i := range t.Directory {
		if err := t.Directory[i].Check(); err != nil {
			return err
		}
		der, err := t.Directory[i].DER()
		if err != nil {
			return err
		}
		put(tagDirectory, der)
	}
	return nil
}

// isBase reports whether a text can be what a subtree of names begins with: a
// host, for mail and URIs perhaps with a dot before it, for mail a mailbox.
func isBase(tag cbasn1.Tag, text string) bool {
	if _, mailbox := name.Mailbox(text); mailbox {
		return tag == tagEmail
	}
	host := text
	if tag != tagDNS {
		host = strings.TrimPrefix(text, ".")
	}
	return host == strings.ToLower(host) && name.CheckDNS(host, false) == nil
}
