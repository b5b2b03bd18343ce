package pca

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// shape is what "AWS Private CA template definitions" says of a template.
type shape struct {
	basic    string // basic constraints
	usage    string // key usage, of an RSA key
	extended string
	pass     string
}

func shapeOf(p *profile.Profile) shape {
	var s shape
	if !p.PlainBasicConstraints {
		s.basic = "critical "
	}
	switch {
	case !p.CA:
		s.basic += "CA:FALSE"
	case p.PathLen < 0:
		s.basic += "CA:TRUE"
	default:
		s.basic += "CA:TRUE pathlen:" + string(rune('0'+p.PathLen))
	}
	for _, b := range keyUsageOf(p.Usage | p.RSAUsage).bits() {
		if *b.set {
			s.usage += b.name + " "
		}
	}
	s.usage = strings.TrimSpace(s.usage)
	if p.CriticalExtended {
		s.extended = "critical "
	}
	for _, u := range p.Extended {
		s.extended += u.OID().String() + " "
	}
	s.extended = strings.TrimSpace(s.extended)
	if p.Passthrough.API {
		s.pass += "API"
	}
	if p.Passthrough.CSR {
		s.pass += "CSR"
	}
	return s
}

// TestTemplates holds each template against AWS's definition of its kind.
func TestTemplates(t *testing.T) {
	all, err := templates()
	if err != nil {
		t.Fatal(err)
	}
	server, client := x509.ExtKeyUsageServerAuth.OID().String(), x509.ExtKeyUsageClientAuth.OID().String()
	const (
		leaf  = "DigitalSignature KeyEncipherment"
		sign  = "DigitalSignature"
		chief = "DigitalSignature KeyCertSign CRLSign"
	)
	kinds := map[string]shape{
		"EndEntityCertificate":                               {"CA:FALSE", leaf, server + " " + client, ""},
		"EndEntityServerAuthCertificate":                     {"CA:FALSE", leaf, server, ""},
		"EndEntityClientAuthCertificate":                     {"CA:FALSE", leaf, client, ""},
		"CodeSigningCertificate":                             {"CA:FALSE", sign, "critical " + x509.ExtKeyUsageCodeSigning.OID().String(), ""},
		"OCSPSigningCertificate":                             {"CA:FALSE", sign, "critical " + x509.ExtKeyUsageOCSPSigning.OID().String(), ""},
		"BlankEndEntityCertificate":                          {"CA:FALSE", "", "", ""},
		"BlankEndEntityCertificate_CriticalBasicConstraints": {"critical CA:FALSE", "", "", ""},
		"RootCACertificate":                                  {"critical CA:TRUE", chief, "", ""},
		"BlankRootCACertificate":                             {"critical CA:TRUE", "", "", ""},
		"BlankRootCACertificate_PathLen0":                    {"critical CA:TRUE pathlen:0", "", "", ""},
		"BlankRootCACertificate_PathLen1":                    {"critical CA:TRUE pathlen:1", "", "", ""},
		"BlankRootCACertificate_PathLen2":                    {"critical CA:TRUE pathlen:2", "", "", ""},
		"BlankRootCACertificate_PathLen3":                    {"critical CA:TRUE pathlen:3", "", "", ""},
		"SubordinateCACertificate_PathLen0":                  {"critical CA:TRUE pathlen:0", chief, "", ""},
		"SubordinateCACertificate_PathLen1":                  {"critical CA:TRUE pathlen:1", chief, "", ""},
		"SubordinateCACertificate_PathLen2":                  {"critical CA:TRUE pathlen:2", chief, "", ""},
		"SubordinateCACertificate_PathLen3":                  {"critical CA:TRUE pathlen:3", chief, "", ""},
		"BlankSubordinateCACertificate_PathLen0":             {"critical CA:TRUE pathlen:0", "", "", ""},
		"BlankSubordinateCACertificate_PathLen1":             {"critical CA:TRUE pathlen:1", "", "", ""},
		"BlankSubordinateCACertificate_PathLen2":             {"critical CA:TRUE pathlen:2", "", "", ""},
		"BlankSubordinateCACertificate_PathLen3":             {"critical CA:TRUE pathlen:3", "", "", ""},
	}
	if len(all) != len(wire.Templates()) || len(all) == 0 {
		t.Errorf("%d profiles for %d templates", len(all), len(wire.Templates()))
	}
	for name, p := range all {
		kind, pass := strings.TrimSuffix(name, "/V1"), ""
		for suffix, what := range map[string]string{"_APIPassthrough": "API", "_CSRPassthrough": "CSR", "_APICSRPassthrough": "APICSR"} {
			if before, ok := strings.CutSuffix(kind, suffix); ok {
				kind, pass = before, what
				break
			}
		}
		want, ok := kinds[kind]
		if want.pass = pass; !ok {
			t.Errorf("%s is of no kind", name)
		}
		if diff := cmp.Diff(want, shapeOf(p), cmp.AllowUnexported(shape{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if root := strings.Contains(name, "RootCA"); p.SelfSigned != root || p.Name != name || p.Backdate != backdate {
			t.Errorf("%s: self-signed %v, named %s, backdated %v", name, p.SelfSigned, p.Name, p.Backdate)
		}
	}
}
