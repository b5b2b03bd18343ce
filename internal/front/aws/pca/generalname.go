package pca

import (
	"encoding/asn1"
	"net/netip"

	"github.com/holdfast-kms/holdfast/internal/name"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// oidUPN is the type of a user principal name among the other names (MS-WCCE
// section 2.2.2.7.5).
var oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

// put adds the name to names. It is exactly one of its members.
func (g *generalName) put(to *name.Names) error {
	before := to.Len()
	if g.dns != "" {
		to.DNS = append(to.DNS, g.dns)
	}
	if g.email != "" {
		to.Emails = append(to.Emails, g.email)
	}
	if g.uri != "" {
		to.URIs = append(to.URIs, g.uri)
	}
	for _, put := range []func(*name.Names) error{g.putIP, g.putOther, g.putDirectory, g.putID} {
		if err := put(to); err != nil {
			return err
		}
	}
	if to.Len() != before+1 {
		return invalidArgs("A general name has exactly one of its members.")
	}
	return nil
}

func (g *generalName) putIP(to *name.Names) error {
	if g.ip == "" {
		return nil
	}
	ip, err := netip.ParseAddr(g.ip)
	if err != nil {
		return invalidArgs(g.ip + " is not an IP address.")
	}
	to.IPs = append(to.IPs, ip)
	return nil
}

func (g *generalName) putOther(to *name.Names) error {
	if g.other == nil {
		return nil
	}
	oid, err := objectID(g.other.oid)
	switch {
	case err != nil:
		return err
	case oid.Equal(oidUPN):
		to.UPNs = append(to.UPNs, g.other.value)
	default:
		to.Others = append(to.Others, name.OtherName{OID: oid, Value: g.other.value})
	}
	return nil
}

func (g *generalName) putDirectory(to *name.Names) error {
	if g.directory == nil {
		return nil
	}
	s, err := g.directory.name()
	to.Directory = append(to.Directory, s)
	return err
}

func (g *generalName) putID(to *name.Names) error {
	if g.id == "" {
		return nil
	}
	oid, err := objectID(g.id)
	to.RegisteredIDs = append(to.RegisteredIDs, oid)
	return err
}

func objectID(text string) (asn1.ObjectIdentifier, error) {
	oid, ok := name.ParseOID(text)
	if !ok {
		return nil, invalidArgs(text + " is not an object identifier.")
	}
	return oid, nil
}

// writeGeneralName adds the member of a GeneralName; n has one name.
func writeGeneralName(out *wire.Encoder, n *name.Names) {
	texts := n.Texts()
	switch {
	case len(texts) == 0:
	case len(n.DNS) > 0:
		out.Text("DnsName", n.DNS[0])
	case len(n.Emails) > 0:
		out.Text("Rfc822Name", n.Emails[0])
	case len(n.URIs) > 0:
		out.Text("UniformResourceIdentifier", n.URIs[0])
	case len(n.IPs) > 0:
		out.Text("IpAddress", texts[0])
	case len(n.UPNs) > 0:
		writeOtherName(out, oidUPN, n.UPNs[0])
	case len(n.Others) > 0:
		writeOtherName(out, n.Others[0].OID, n.Others[0].Value)
	case len(n.Directory) > 0:
		out.Object("DirectoryName", func() { writeSubject(out, &n.Directory[0]) })
	default:
		out.Text("RegisteredId", texts[0])
	}
}

func writeOtherName(out *wire.Encoder, oid asn1.ObjectIdentifier, value string) {
	out.Object("OtherName", func() {
		out.Text("TypeId", oid.String())
		out.Text("Value", value)
	})
}
