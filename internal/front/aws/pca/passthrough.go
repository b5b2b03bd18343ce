package pca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"

	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// usageIDs are the object identifiers of extendedKeyUsages (RFC 5280 section
// 4.2.1.12, RFC 9336, RFC 6962 section 3.1, MS-WCCE section 2.2.2.7.4). Those that crypto/x509
// has a name for are in knownUsages.
var (
	usageIDs = map[string]asn1.ObjectIdentifier{
		"SMART_CARD_LOGIN":         {1, 3, 6, 1, 4, 1, 311, 20, 2, 2},
		"DOCUMENT_SIGNING":         {1, 3, 6, 1, 4, 1, 311, 10, 3, 12},
		"CERTIFICATE_TRANSPARENCY": {1, 3, 6, 1, 4, 1, 11129, 2, 4, 4},
	}
	knownUsages = map[string]x509.ExtKeyUsage{
		"SERVER_AUTH": x509.ExtKeyUsageServerAuth, "CLIENT_AUTH": x509.ExtKeyUsageClientAuth,
		"CODE_SIGNING": x509.ExtKeyUsageCodeSigning, "EMAIL_PROTECTION": x509.ExtKeyUsageEmailProtection,
		"TIME_STAMPING": x509.ExtKeyUsageTimeStamping, "OCSP_SIGNING": x509.ExtKeyUsageOCSPSigning,
	}
)

// core returns what is passed through as the core has it.
func (e *extensions) core() (profile.Extensions, error) {
	var out profile.Extensions
	if e.keyUsage != nil {
		usage := e.keyUsage.x509()
		out.KeyUsage = &usage
	}
	for _, step := range []func(*profile.Extensions) error{e.putExtended, e.putPolicies, e.putNames, e.putCustom} {
		if err := step(&out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (e *extensions) putExtended(to *profile.Extensions) error {
	for _, u := range e.extended {
		if (u.kind == "") == (u.oid == "") {
			return invalidArgs("An extended key usage has a type or an object identifier: exactly one of the two.")
		}
		if known, ok := knownUsages[u.kind]; ok {
			to.Extended = append(to.Extended, known)
			continue
		}
		id, ok := usageIDs[u.kind]
		if !ok {
			var err error
			if id, err = objectID(u.oid); err != nil {
				return err
			}
		}
		to.ExtendedOIDs = append(to.ExtendedOIDs, id)
	}
	return nil
}

func (e *extensions) putPolicies(to *profile.Extensions) error {
	for _, p := range e.policies {
		id, err := objectID(p.oid)
		if err != nil {
			return err
		}
		info := profile.PolicyInformation{OID: id}
		for _, q := range p.qualifiers {
			info.CPS = append(info.CPS, q.qualifier.cps)
		}
		to.Policies = append(to.Policies, info)
	}
	return nil
}

func (e *extensions) putNames(to *profile.Extensions) error {
	if len(e.names) == 0 {
		return nil
	}
	to.Names = &name.Names{}
	for i := range e.names {
		if err := e.names[i].put(to.Names); err != nil {
			return err
		}
	}
	return nil
}

func (e *extensions) putCustom(to *profile.Extensions) error {
	for _, c := range e.custom {
		id, err := objectID(c.oid)
		if err != nil {
			return err
		}
		value, err := base64.StdEncoding.DecodeString(c.value)
		if err != nil {
			return invalidArgs("The value of the extension " + c.oid + " is not base64.")
		}
		to.Custom = append(to.Custom, pkix.Extension{Id: id, Critical: c.critical, Value: value})
	}
	return nil
}
