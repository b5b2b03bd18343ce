package authorities

import (
	"encoding/asn1"
	"net/netip"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// oidOf reads an object identifier of a member.
func oidOf(member, text string) (asn1.ObjectIdentifier, error) {
	oid, ok := name.ParseOID(text)
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "the member %q has %q, which is no object identifier", member, text)
	}
	return oid, nil
}

// subjectOf reads a distinguished name.
func subjectOf(s wire.Subject) (name.Subject, error) {
	out := name.Subject{
		CommonName: s.CommonName, Organization: s.Organization, OrganizationalUnit: s.OrganizationalUnit, Country: s.Country,
		Province: s.Province, Locality: s.Locality, SerialNumber: s.SerialNumber, Title: s.Title, Surname: s.Surname,
		GivenName: s.GivenName, Initials: s.Initials, Pseudonym: s.Pseudonym, GenerationQualifier: s.GenerationQualifier,
		DistinguishedNameQualifier: s.DistinguishedNameQualifier,
	}
	for _, a := range s.Custom {
		oid, err := oidOf("subject.custom", a.OID)
		if err != nil {
			return name.Subject{}, err
		}
		out.Custom = append(out.Custom, name.Attribute{OID: oid, Value: a.Value})
	}
	return out, nil
}

// subjectOut is the way back.
func subjectOut(s name.Subject) wire.Subject {
	out := wire.Subject{
		CommonName: s.CommonName, Organization: s.Organization, OrganizationalUnit: s.OrganizationalUnit, Country: s.Country,
		Province: s.Province, Locality: s.Locality, SerialNumber: s.SerialNumber, Title: s.Title, Surname: s.Surname,
		GivenName: s.GivenName, Initials: s.Initials, Pseudonym: s.Pseudonym, GenerationQualifier: s.GenerationQualifier,
		DistinguishedNameQualifier: s.DistinguishedNameQualifier,
	}
	for _, a := range s.Custom {
		out.Custom = append(out.Custom, wire.Attribute{OID: a.OID.String(), Value: a.Value})
	}
	return out
}

// constraintsOf reads name constraints, which are critical as RFC 5280 section
// 4.2.1.10 wants them. They are nil for nil.
func constraintsOf(c *wire.NameConstraints) (*profile.NameConstraints, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // no constraints
	}
	out := &profile.NameConstraints{Critical: true}
	for _, pair := range []struct {
		member string
		from   *wire.Subtrees
		to     *profile.Subtrees
	}{{"permitted", &c.Permitted, &out.Permitted}, {"excluded", &c.Excluded, &out.Excluded}} {
		*pair.to = profile.Subtrees{DNS: pair.from.DNS, Emails: pair.from.Emails, URIs: pair.from.URIs}
		for _, text := range pair.from.IPs {
			network, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, fault.New(fault.InvalidArgument, "the member %q has %q, which is no network such as 10.0.0.0/8",
					"name_constraints."+pair.member+".ips", text)
			}
			pair.to.IPs = append(pair.to.IPs, network)
		}
	}
	return out, nil
}

// namesOf reads subject alternative names.
func namesOf(n wire.Names) (name.Names, error) {
	out := name.Names{DNS: n.DNS, URIs: n.URIs, Emails: n.Emails, UPNs: n.UPNs}
	for _, text := range n.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return out, fault.New(fault.InvalidArgument, "the member %q has %q, which is no IP address", "names.ips", text)
		}
		out.IPs = append(out.IPs, ip)
	}
	for _, o := range n.Others {
		oid, err := oidOf("names.others", o.OID)
		if err != nil {
			return out, err
		}
		out.Others = append(out.Others, name.OtherName{OID: oid, Value: o.Value})
	}
	for _, d := range n.Directory {
		s, err := subjectOf(d)
		if err != nil {
			return out, err
		}
		out.Directory = append(out.Directory, s)
	}
	for _, text := range n.RegisteredIDs {
		oid, err := oidOf("names.registered_ids", text)
		if err != nil {
			return out, err
		}
		out.RegisteredIDs = append(out.RegisteredIDs, oid)
	}
	return out, nil
}

// namesOut is the way back. An other name that is no text stands as
// "#" and its DER in hex.
func namesOut(n name.Names) wire.Names {
	out := wire.Names{DNS: n.DNS, URIs: n.URIs, Emails: n.Emails, UPNs: n.UPNs}
	for _, ip := range n.IPs {
		out.IPs = append(out.IPs, ip.String())
	}
	for _, o := range n.Others {
		text := o.String()
		out.Others = append(out.Others, wire.Attribute{OID: o.OID.String(), Value: text[len(o.OID.String())+1:]})
	}
	for _, d := range n.Directory {
		out.Directory = append(out.Directory, subjectOut(d))
	}
	for _, oid := range n.RegisteredIDs {
		out.RegisteredIDs = append(out.RegisteredIDs, oid.String())
	}
	return out
}
