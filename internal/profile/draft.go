package profile

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Input is what a certificate is made of: what the CSR says, what the caller
// says, and around them the caller, the time and the issuer.
type Input struct {
	// Request is nil where there is no CSR.
	Request *Request
	// Key is the public key that the certificate is for, or one of the same
	// spec while it is not made.
	Key *engine.PublicKey
	// Subject and Names, where they are not empty, stand in the place of the
	// CSR's.
	Subject    Subject
	Names      Names
	Extensions Extensions
	Validity   Validity
	Caller     *key.Caller
	Now        time.Time
	// Issuer is the issuing authority's certificate, nil for a self-signed one.
	Issuer *x509.Certificate
	// Room is how many authorities may stand below the issuer, by its path
	// length and those above it, or NoPathLimit.
	Room int
	// Short is Life.Short.
	Short time.Duration
}

// Draft is a certificate to be.
type Draft struct {
	// Template lacks the serial number, the key identifiers and the issuer's
	// pointers. Extensions that are there in ExtraExtensions are complete.
	Template *x509.Certificate
	Subject  Subject
	Names    Names // as the certificate has them
	// Ignored are the extensions that the CSR asks for and does not get, as
	// object identifiers in text.
	Ignored []string
}

// Draft returns the certificate that the profile makes of the input, or
// refuses it. Its errors are those of the parts: ProfileViolation for what the
// profile does not allow, InvalidArgument and LimitExceeded for what no
// certificate should hold, WrongState for an issuer whose time is over, and
// PermissionDenied for a caller that may not use the profile.
func (p *Profile) Draft(ctx context.Context, in *Input) (*Draft, error) {
	if p.compiled == nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "profile.Draft", Public: "the profile is not compiled"}
	}
	if err := p.Admit(in.Caller); err != nil {
		return nil, err
	}
	if err := p.fitIssuer(in); err != nil {
		return nil, err
	}
	family, bits, err := p.Keys.judge(in.Key)
	if err != nil {
		return nil, err
	}
	d := &Draft{Template: &x509.Certificate{}}
	if in.Request != nil {
		if d.Ignored, err = p.judge(in.Request); err != nil {
			return nil, err
		}
	}
	if err := p.settle(d, in, family); err != nil {
		return nil, err
	}
	life, err := p.life(in)
	if err != nil {
		return nil, err
	}
	if err := life.Put(d.Template, in.Issuer, in.Now); err != nil {
		return nil, err
	}
	return d, p.evaluate(ctx, &view{profile: p, in: in, draft: d, family: family, bits: bits})
}

// Admit refuses (PermissionDenied) a caller whom the profile does not let use it.
func (p *Profile) Admit(c *key.Caller) error {
	if len(p.Callers) == 0 || c != nil && anyMatch(p.compiled.callers, c.Principal.String()) {
		return nil
	}
	return fault.Because(fault.PermissionDenied, fault.NoResourcePolicyAllows, "the profile %s is not for this caller", p.Name)
}

// settle writes subject, names and extensions into the template.
func (p *Profile) settle(d *Draft, in *Input, family keyFamily) error {
	if p.Sources.NoCaller && (!in.Subject.IsZero() || in.Names.Len() > 0) {
		return violation("profile %s takes no subject and no names from the caller", p.Name)
	}
	if !p.Passthrough.API && !in.Extensions.IsZero() {
		return violation("profile %s takes no extensions from the caller", p.Name)
	}
	var raw []byte
	var err error
	if d.Subject, raw, err = p.settleSubject(in); err != nil {
		return err
	}
	if d.Names, err = p.settleNames(in, &d.Subject); err != nil {
		return err
	}
	t := d.Template
	t.Subject = d.Subject.Name()
	if t.RawSubject = raw; raw == nil {
		if t.RawSubject, err = d.Subject.DER(); err != nil {
			return err
		}
	}
	t.BasicConstraintsValid, t.IsCA = !p.PlainBasicConstraints, p.CA
	if p.CA {
		t.MaxPathLen, t.MaxPathLenZero = p.PathLen, p.PathLen == 0
	}
	if d.Names.Len() > 0 {
		d.Names.Put(t)
		value, err := d.Names.DER()
		if err != nil {
			return err
		}
		// RFC 5280 section 4.2.1.6: critical where there is no subject.
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: extension.SubjectAltName, Critical: d.Subject.IsZero(), Value: value})
	}
	t.ExtraExtensions = append(t.ExtraExtensions, p.compiled.extra...)
	if err := p.settleUsages(d, in, family); err != nil {
		return err
	}
	return p.settleOthers(d, in)
}

// settleUsages takes the usages of the key from the profile, else from the
// caller, else from the CSR.
func (p *Profile) settleUsages(d *Draft, in *Input, family keyFamily) error {
	t, ext := d.Template, &in.Extensions
	switch {
	case p.Usage|p.RSAUsage|p.ECUsage != 0:
		t.KeyUsage = p.keyUsage(family)
	case ext.KeyUsage != nil:
		if t.KeyUsage = *ext.KeyUsage; !p.CA && t.KeyUsage&caUsages != 0 {
			return violation("only authorities have the key usages keyCertSign and cRLSign")
		}
	case p.Passthrough.CSR && in.Request != nil && in.Request.usage != nil:
		if t.KeyUsage = *in.Request.usage; !p.CA {
			t.KeyUsage &^= caUsages // judge has refused them, or passes over them
		}
	}
	if p.Lenient {
		t.KeyUsage &^= family.unable()
	}
	switch {
	case p.usagesDefined():
		t.ExtKeyUsage, t.UnknownExtKeyUsage = p.Extended, p.ExtendedOIDs
	case len(ext.Extended)+len(ext.ExtendedOIDs) > 0:
		if err := extension.CheckUsages(ext.Extended, ext.ExtendedOIDs); err != nil {
			return err
		}
		t.ExtKeyUsage, t.UnknownExtKeyUsage = ext.Extended, ext.ExtendedOIDs
	case p.Passthrough.CSR && in.Request != nil:
		t.UnknownExtKeyUsage = in.Request.extended
	}
	return nil
}

// settleOthers adds the extensions that pass through: the caller's, and those
// of the CSR that neither the profile nor the caller has.
func (p *Profile) settleOthers(d *Draft, in *Input) error {
	t, ext := d.Template, &in.Extensions
	there := func(oid asn1.ObjectIdentifier) bool {
		return p.compiled.defines(oid) || slices.ContainsFunc(t.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	}
	add := func(e pkix.Extension) {
		if !there(e.Id) {
			t.ExtraExtensions = append(t.ExtraExtensions, e)
		}
	}
	encoded, err := p.encodePassed(ext)
	if err != nil {
		return err
	}
	for _, e := range slices.Concat(encoded, ext.Custom) {
		add(e)
	}
	if p.Passthrough.CSR && in.Request != nil {
		for _, e := range in.Request.others {
			if p.passable(e) == nil {
				add(e)
			}
		}
	}
	if len(t.ExtraExtensions) > extension.MaxCount {
		return fault.New(fault.LimitExceeded, "there are at most %d extensions", extension.MaxCount)
	}
	return nil
}

// encodePassed checks what the caller passes through, and encodes what is not
// in bytes already.
func (p *Profile) encodePassed(ext *Extensions) (list []pkix.Extension, err error) {
	if len(ext.Policies) > 0 {
		value, err := extension.EncodePolicies(ext.Policies)
		if err != nil {
			return nil, err
		}
		list = append(list, pkix.Extension{Id: extension.Policies, Value: value})
	}
	if ext.Constraints != nil {
		if !p.CA {
			return nil, violation("only authorities have name constraints")
		}
		value, err := ext.Constraints.Encode()
		if err != nil {
			return nil, err
		}
		list = append(list, pkix.Extension{Id: extension.Constraints, Critical: ext.Constraints.Critical, Value: value})
	}
	return list, extension.Check(ext.Custom)
}

// fitIssuer refuses an issuer that can make no certificate of the profile: of
// another authority for what signs itself, without room below it for an
// authority (RFC 5280 section 4.2.1.9). Its name constraints are package
// lint's affair, which sees the names as they are encoded.
func (p *Profile) fitIssuer(in *Input) error {
	switch {
	case p.SelfSigned && in.Issuer != nil:
		return violation("profile %s makes certificates that sign themselves", p.Name)
	case !p.SelfSigned && in.Issuer == nil:
		return violation("profile %s makes no certificates that sign themselves", p.Name)
	case !p.CA || in.Issuer == nil || in.Room == NoPathLimit:
		return nil
	case in.Room == 0:
		return violation("the path length of the issuer, or of one above it, leaves no room for another authority")
	case p.PathLen == NoPathLimit || p.PathLen >= in.Room:
		return violation("the path length of profile %s is not below what the issuers leave, which is %d", p.Name, in.Room)
	}
	return nil
}
