package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/extension"
)

// What goes into the extensions of certificates.
type (
	// PolicyInformation is a certificate policy.
	PolicyInformation = extension.Policy
	// NameConstraints are the names that certificates below an authority may
	// and may not have.
	NameConstraints = extension.NameConstraints
	// Subtrees are names and all those below them.
	Subtrees = extension.Subtrees
)

// Extensions are what a request passes through beside its names. A zero field
// passes nothing.
type Extensions struct {
	KeyUsage     *x509.KeyUsage
	Extended     []x509.ExtKeyUsage
	ExtendedOIDs []asn1.ObjectIdentifier
	Policies     []PolicyInformation
	// Names stand in the place of a CSR's.
	Names       *Names
	Constraints *NameConstraints
	// Custom are extensions of other kinds, as they are.
	Custom []pkix.Extension
}

// IsZero reports whether nothing is passed through.
func (e *Extensions) IsZero() bool {
	return e.KeyUsage == nil && len(e.Extended)+len(e.ExtendedOIDs)+len(e.Policies)+len(e.Custom) == 0 &&
		e.Names == nil && e.Constraints == nil
}

// readExtensions checks and encodes what every certificate of the profile has.
func (c *compiled) readExtensions(p *Profile) error {
	c.defined = []asn1.ObjectIdentifier{extension.BasicConstraints}
	if len(p.Policies) > 0 {
		value, err := extension.EncodePolicies(p.Policies)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: extension.Policies, Value: value})
	}
	if p.Constraints != nil {
		value, err := p.Constraints.Encode()
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: extension.Constraints, Critical: p.Constraints.Critical, Value: value})
	}
	if p.PlainBasicConstraints {
		value, err := extension.EncodeBasicConstraints(p.CA, p.PathLen)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: extension.BasicConstraints, Value: value})
	}
	if len(p.Extended)+len(p.ExtendedOIDs) > 0 && p.CriticalExtended {
		value, err := extension.EncodeUsages(p.Extended, p.ExtendedOIDs)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: extension.ExtendedKeyUsage, Critical: true, Value: value})
	}
	if err := extension.CheckUsages(p.Extended, p.ExtendedOIDs); err != nil {
		return err
	}
	if err := extension.Check(p.Extra); err != nil {
		return err
	}
	c.extra = append(c.extra, p.Extra...)
	for _, e := range c.extra {
		c.defined = append(c.defined, e.Id)
	}
	return nil
}

// defines reports whether the profile has the extension itself.
func (c *compiled) defines(oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.defined, oid.Equal)
}
