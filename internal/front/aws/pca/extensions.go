package pca

import (
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// keyUsage is a KeyUsage, the bits of RFC 5280 section 4.2.1.3.
type keyUsage struct {
	digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement,
	keyCertSign, crlSign, encipherOnly, decipherOnly bool
}

// Members declares the structure.
func (k *keyUsage) Members(m *aws.Members) {
	for _, bit := range k.bits() {
		m.Bool(bit.name, bit.set)
	}
}

// usageBit is one of the members of a KeyUsage.
type usageBit struct {
	name string
	bit  x509.KeyUsage
	set  *bool
}

func (k *keyUsage) bits() []usageBit {
	return []usageBit{
		{"DigitalSignature", x509.KeyUsageDigitalSignature, &k.digitalSignature},
		{"NonRepudiation", x509.KeyUsageContentCommitment, &k.nonRepudiation},
		{"KeyEncipherment", x509.KeyUsageKeyEncipherment, &k.keyEncipherment},
		{"DataEncipherment", x509.KeyUsageDataEncipherment, &k.dataEncipherment},
		{"KeyAgreement", x509.KeyUsageKeyAgreement, &k.keyAgreement},
		{"KeyCertSign", x509.KeyUsageCertSign, &k.keyCertSign},
		{"CRLSign", x509.KeyUsageCRLSign, &k.crlSign},
		{"EncipherOnly", x509.KeyUsageEncipherOnly, &k.encipherOnly},
		{"DecipherOnly", x509.KeyUsageDecipherOnly, &k.decipherOnly},
	}
}

// x509 returns the usage as bits.
func (k *keyUsage) x509() x509.KeyUsage {
	var usage x509.KeyUsage
	for _, b := range k.bits() {
		if *b.set {
			usage |= b.bit
		}
	}
	return usage
}

// keyUsageOf is x509 the other way round.
func keyUsageOf(usage x509.KeyUsage) *keyUsage {
	var k keyUsage
	for _, b := range k.bits() {
		*b.set = usage&b.bit != 0
	}
	return &k
}

// apiPassthrough is an ApiPassthrough: what the caller wants in a certificate
// beside or instead of what the request has.
type apiPassthrough struct {
	extensions *extensions
	subject    *subject
}

// Members declares the structure.
func (p *apiPassthrough) Members(m *aws.Members) {
	aws.Struct(m, "Extensions", &p.extensions)
	aws.Struct(m, "Subject", &p.subject)
}

type extensions struct {
	policies []policyInformation
	extended []extendedKeyUsage
	keyUsage *keyUsage
	names    []generalName
	custom   []customExtension
}

// Members declares the structure.
func (e *extensions) Members(m *aws.Members) {
	aws.Structs(m, "CertificatePolicies", &e.policies, maxPolicies).AtLeast(1)
	aws.Structs(m, "ExtendedKeyUsage", &e.extended, maxPolicies).AtLeast(1)
	aws.Struct(m, "KeyUsage", &e.keyUsage)
	aws.Structs(m, "SubjectAlternativeNames", &e.names, maxExtensions).AtLeast(1)
	aws.Structs(m, "CustomExtensions", &e.custom, maxExtensions).AtLeast(1)
}

type policyInformation struct {
	oid        string
	qualifiers []policyQualifier
}

// Members declares the structure.
func (p *policyInformation) Members(m *aws.Members) {
	m.Text("CertPolicyId", &p.oid, 0, maxOID).Matching(oidPattern).Required()
	aws.Structs(m, "PolicyQualifiers", &p.qualifiers, maxPolicies).AtLeast(1)
}

type policyQualifier struct {
	kind      string
	qualifier *qualifier
}

// Members declares the structure.
func (q *policyQualifier) Members(m *aws.Members) {
	m.Enum("PolicyQualifierId", &q.kind, policyQualifiers).Required()
	aws.Struct(m, "Qualifier", &q.qualifier).Required()
}

type qualifier struct{ cps string }

// Members declares the structure.
func (q *qualifier) Members(m *aws.Members) { m.Text("CpsUri", &q.cps, 0, 256).Required() }

type extendedKeyUsage struct{ kind, oid string }

// Members declares the structure.
func (e *extendedKeyUsage) Members(m *aws.Members) {
	m.Enum("ExtendedKeyUsageType", &e.kind, extendedKeyUsages)
	m.Text("ExtendedKeyUsageObjectIdentifier", &e.oid, 0, maxOID).Matching(oidPattern)
}

// generalName is a GeneralName: exactly one of its members.
type generalName struct {
	other     *otherName
	email     string
	dns       string
	directory *subject
	uri       string
	ip        string
	id        string
}

// Members declares the structure. An EDI party name is nothing that anybody
// looks for in a certificate.
func (g *generalName) Members(m *aws.Members) {
	aws.Struct(m, "OtherName", &g.other)
	m.Text("Rfc822Name", &g.email, 0, 256)
	m.Text("DnsName", &g.dns, 0, 253)
	aws.Struct(m, "DirectoryName", &g.directory)
	m.Unsupported("EdiPartyName")
	m.Text("UniformResourceIdentifier", &g.uri, 0, 253)
	m.Text("IpAddress", &g.ip, 0, 39)
	m.Text("RegisteredId", &g.id, 0, maxOID).Matching(oidPattern)
}

type otherName struct{ oid, value string }

// Members declares the structure.
func (o *otherName) Members(m *aws.Members) {
	m.Text("TypeId", &o.oid, 0, maxOID).Matching(oidPattern).Required()
	m.Text("Value", &o.value, 0, 256).Required()
}

type customExtension struct {
	oid, value string
	critical   bool
}

// Members declares the structure.
func (e *customExtension) Members(m *aws.Members) {
	m.Text("ObjectIdentifier", &e.oid, 0, maxOID).Matching(oidPattern).Required()
	m.Text("Value", &e.value, 1, 4096).Matching(base64Pattern).Required()
	m.Bool("Critical", &e.critical)
}
