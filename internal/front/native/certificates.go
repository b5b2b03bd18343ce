package native

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *Front) issue(ctx context.Context, r *request, req *wire.IssueRequest) (*wire.IssuedCertificate, error) {
	ask, err := issueRequest(req)
	if err != nil {
		return nil, err
	}
	issued, err := f.Authorities.Issue(ctx, r.call, ask)
	if err != nil {
		return nil, err
	}
	out, err := certificateOut(issued.Certificate, nil)
	if err != nil {
		return nil, err
	}
	return &wire.IssuedCertificate{Certificate: *out, Chain: pemOf(issued.Chain...)}, nil
}

// issueRequest reads the API's shape. Which of its parts go together is for
// the authority to say.
func issueRequest(req *wire.IssueRequest) (*ca.IssueRequest, error) {
	ask := &ca.IssueRequest{
		Authority: req.Authority, Profile: req.Profile, KeyAlias: req.KeyAlias, Subject: subjectOf(req.Subject),
		Names:    profile.Names{DNS: req.Names.DNS, URIs: req.Names.URIs, Emails: req.Names.Emails},
		Validity: profile.Validity{For: time.Duration(req.ValidityHours) * time.Hour},
	}
	if err := required("authority", req.Authority); err != nil {
		return nil, err
	}
	if req.ValidityHours < 0 || req.ValidityHours > maxDays*24 {
		return nil, fault.New(fault.InvalidArgument, "the member %q must be 0 to %d", "validity_hours", maxDays*24)
	}
	for _, text := range req.Names.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return nil, fault.New(fault.InvalidArgument, "the member %q has %q, which is no IP address", "names.ips", text)
		}
		ask.Names.IPs = append(ask.Names.IPs, ip)
	}
	if req.CSR != "" {
		block, rest := pem.Decode([]byte(req.CSR))
		if block == nil || len(rest) > 0 || (block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST") {
			return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the member %q is not one certificate request in PEM", "csr")
		}
		ask.CSR = block.Bytes
	}
	if req.Key != "" {
		ref := refOf(req.Key)
		ask.Key = &ref
	}
	if req.NewKey != "" {
		spec, err := specOf(req.NewKey)
		if err != nil {
			return nil, err
		}
		ask.NewKey = spec
	}
	return ask, nil
}

// subjectOf reads the API's shape of a distinguished name.
func subjectOf(s wire.Subject) profile.Subject {
	return profile.Subject{
		CommonName: s.CommonName, Organization: s.Organization, OrganizationalUnit: s.OrganizationalUnit,
		Country: s.Country, Province: s.Province, Locality: s.Locality,
	}
}

func (f *Front) listCertificates(ctx context.Context, r *request, _ *wire.None) (*wire.CertificateList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	query := inventory.Query{
		Authority: r.param("authority"), Origin: inventory.Issued, Text: r.param("text"), State: inventory.State(r.param("state")),
	}
	if query.ExpiresBefore, err = r.moment("expires_before"); err != nil {
		return nil, err
	}
	all, next, err := f.Inventory.Search(ctx, r.call, query, page)
	if err != nil {
		return nil, err
	}
	list := &wire.CertificateList{Certificates: make([]wire.Certificate, len(all)), Next: next}
	for i, c := range all {
		out, err := certificateOut(c.Certificate, nil)
		if err != nil {
			return nil, err
		}
		list.Certificates[i] = *out
	}
	return list, nil
}

func (f *Front) certificate(ctx context.Context, r *request, _ *wire.None) (*wire.Certificate, error) {
	return certificateOut(f.Authorities.Certificate(ctx, r.call, r.authority(), r.http.PathValue("serial")))
}

func (f *Front) revoke(ctx context.Context, r *request, req *wire.RevokeRequest) (*wire.Certificate, error) {
	reason, err := ca.Unspecified, error(nil)
	if req.Reason != "" {
		reason, err = ca.ParseReason(req.Reason)
	}
	if err != nil {
		return nil, err
	}
	return certificateOut(f.Authorities.Revoke(ctx, r.call, r.authority(), r.http.PathValue("serial"), reason))
}

// certificateOut puts a certificate into the API's shape.
func certificateOut(c *ca.Certificate, err error) (*wire.Certificate, error) {
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s/%s: %w", c.Authority, c.Serial, err)
	}
	out := &wire.Certificate{
		Authority: c.Authority, Serial: c.Serial, Subject: c.Subject, Names: namesOf(parsed), Profile: c.Profile,
		Requester: c.Requester, NotBefore: c.NotBefore, NotAfter: c.NotAfter, State: string(c.Status(time.Now())),
		Certificate: pemOf(c.DER),
	}
	if c.Key != nil {
		out.KeyID = string(*c.Key)
	}
	if c.RevokedAt != nil {
		out.RevokedAt, out.RevocationReason = *c.RevokedAt, c.Reason.String()
	}
	return out, nil
}

// namesOf returns a certificate's alternative names.
func namesOf(c *x509.Certificate) wire.Names {
	n := wire.Names{DNS: c.DNSNames, Emails: c.EmailAddresses}
	for _, ip := range c.IPAddresses {
		n.IPs = append(n.IPs, ip.String())
	}
	for _, u := range c.URIs {
		n.URIs = append(n.URIs, u.String())
	}
	return n
}
