package pca

import (
	"crypto/x509"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// backdate is how far before the time of issue AWS has certificates begin
// (AWS Private CA API Reference, IssueCertificate, ValidityNotBefore).
const backdate = time.Hour

// usualLife is the validity of a template's certificate when nothing says
// otherwise; IssueCertificate always does.
const usualLife = 13 // months

// templates returns the profiles of AWS's certificate templates by their
// names ("AWS Private CA template definitions", AWS Private CA User Guide).
func templates() (map[string]*profile.Profile, error) {
	all := map[string]*profile.Profile{}
	for _, name := range wire.Templates() {
		p := template(name)
		compiled, err := p.Compile()
		if err != nil {
			return nil, err
		}
		all[name] = compiled
	}
	return all, nil
}

// template returns what a template's name says, which has up to four parts:
// the kind of certificate, the path length or that the basic constraints are
// critical, and what is passed through.
func template(full string) *profile.Profile {
	parts := strings.Split(strings.TrimSuffix(full, "/V1"), "_")
	p := &profile.Profile{
		Name: full, Subject: profile.SubjectRules{Others: true, Repeated: true, FreeName: true}, Names: name.AnyKind, MaxNames: maxExtensions, Wildcards: true, Keys: profile.AnyKey(),
		Default: profile.Validity{Months: usualLife}, Backdate: backdate, AskStart: true, Lenient: true,
	}
	kinds[parts[0]](p)
	for _, part := range parts[1:] {
		switch part {
		case "APIPassthrough":
			p.Passthrough.API = true
		case "CSRPassthrough":
			p.Passthrough.CSR = true
		case "APICSRPassthrough":
			p.Passthrough = profile.Passthrough{API: true, CSR: true}
		case "CriticalBasicConstraints":
			p.PlainBasicConstraints = false
		default: // PathLen0 to PathLen3
			p.PathLen = int(part[len(part)-1] - '0')
		}
	}
	return p
}

// kinds are the templates without their variants. Of a key that is not RSA's
// AWS certifies key encipherment too, which such a key cannot do and RFC 8813
// section 3 forbids: here only an RSA key has it.
var kinds = map[string]func(*profile.Profile){
	"EndEntityCertificate": func(p *profile.Profile) {
		endEntity(p, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	},
	"EndEntityServerAuthCertificate": func(p *profile.Profile) { endEntity(p, x509.ExtKeyUsageServerAuth) },
	"EndEntityClientAuthCertificate": func(p *profile.Profile) { endEntity(p, x509.ExtKeyUsageClientAuth) },
	"CodeSigningCertificate":         func(p *profile.Profile) { signer(p, x509.ExtKeyUsageCodeSigning) },
	"OCSPSigningCertificate":         func(p *profile.Profile) { signer(p, x509.ExtKeyUsageOCSPSigning) },
	"BlankEndEntityCertificate":      func(p *profile.Profile) { p.PlainBasicConstraints = true },
	"SubordinateCACertificate":       authority,
	"BlankSubordinateCACertificate":  func(p *profile.Profile) { p.CA = true },
	"RootCACertificate":              func(p *profile.Profile) { authority(p); root(p) },
	"BlankRootCACertificate":         func(p *profile.Profile) { p.CA = true; root(p) },
}

func endEntity(p *profile.Profile, extended ...x509.ExtKeyUsage) {
	p.PlainBasicConstraints = true
	p.Usage, p.RSAUsage = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	p.Extended = extended
}

func signer(p *profile.Profile, extended x509.ExtKeyUsage) {
	p.PlainBasicConstraints = true
	p.Usage = x509.KeyUsageDigitalSignature
	p.Extended, p.CriticalExtended = []x509.ExtKeyUsage{extended}, true
}

func authority(p *profile.Profile) {
	p.CA = true
	p.Usage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// root makes a certificate that signs itself, with any number of authorities
// below it unless the template says how many.
func root(p *profile.Profile) { p.SelfSigned, p.PathLen = true, profile.NoPathLimit }

// templateOf returns the profile of a TemplateArn; none is the template for
// end entities.
func (f *front) templateOf(arn string) (*profile.Profile, error) {
	if arn == "" {
		return f.templates[wire.DefaultTemplate], nil
	}
	name, ok := wire.ParseTemplate(arn)
	if !ok {
		return nil, &fault.Error{
			Kind: fault.InvalidArgument, Public: "Not a valid template arn.",
			Err: &wire.Exception{Code: "InvalidArnException", Message: "Not a valid template arn."},
		}
	}
	return f.templates[name], nil
}
