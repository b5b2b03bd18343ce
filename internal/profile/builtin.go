package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/extension"
)

// Builtin returns the built-in profiles, in the order of their documentation
// and ready for use.
func Builtin() []Profile {
	list := append(tlsProfiles(), signingProfiles()...)
	list = append(list, deviceProfiles()...)
	list = append(list, authorityProfiles()...)
	for i := range list {
		ready, err := list[i].Compile()
		if err != nil {
			panic(fmt.Sprintf("the built-in profile %s: %v", list[i].Name, err)) // our own bug: a test compiles them all
		}
		list[i] = *ready
	}
	return list
}

// leaf returns what the built-in profiles of end entities have in common.
func leaf(name, description string, extended ...x509.ExtKeyUsage) Profile {
	return Profile{
		Name: name, Description: description, Usage: x509.KeyUsageDigitalSignature, Extended: extended,
		Default: Days(90), Maximum: Days(825), Backdate: 5 * time.Minute, Keys: AnyKey(),
	}
}

func tlsProfiles() []Profile {
	server := leaf("tls-server", "a TLS server", x509.ExtKeyUsageServerAuth)
	server.RSAUsage = x509.KeyUsageKeyEncipherment
	server.Names, server.NameRequired, server.Wildcards = DNSName|IPAddress, true, true

	client := leaf("tls-client", "a TLS client: a person, a device or a program", x509.ExtKeyUsageClientAuth)
	client.Names = DNSName | URIName | EmailAddress

	mutual := leaf("tls-mutual", "a program that is a server and a client of mutual TLS", x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	mutual.RSAUsage = x509.KeyUsageKeyEncipherment
	mutual.Names, mutual.NameRequired, mutual.Wildcards = DNSName|IPAddress|URIName, true, true
	return []Profile{server, client, mutual}
}

// named wants a common name and leaves all the other attributes free.
func named() SubjectRules {
	rules := SubjectRules{Attributes: map[string]AttributeRule{}}
	for _, word := range []string{
		"organization", "organizationalUnit", "country", "province", "locality", "serialNumber", "title", "surname", "givenName",
		"initials", "pseudonym", "generationQualifier", "dnQualifier",
	} {
		rules.Attributes[word] = AttributeRule{}
	}
	rules.Attributes["commonName"] = AttributeRule{Required: true}
	return rules
}

func signingProfiles() []Profile {
	code := leaf("code-signing", "who signs programs", x509.ExtKeyUsageCodeSigning)
	code.CriticalExtended, code.Subject = true, named()
	code.Default, code.Maximum = Days(365), Days(3*365)

	responder := leaf("ocsp-signer", "a responder that answers for an authority whether certificates are revoked", x509.ExtKeyUsageOCSPSigning)
	responder.Subject = named()
	responder.Default, responder.Maximum = Days(30), Days(90)
	// RFC 6960 section 4.2.2.2.1: nobody asks whether the responder itself is
	// revoked, so its certificate is short-lived.
	responder.Extra = []pkix.Extension{{Id: extension.OCSPNoCheck, Value: []byte{5, 0}}}
	return []Profile{code, responder}
}

func deviceProfiles() []Profile {
	// SPIFFE X509-SVID sections 2 to 4.
	workload := leaf("spiffe-workload", "a workload with a SPIFFE ID (an X.509-SVID)", x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	workload.RSAUsage = x509.KeyUsageKeyEncipherment
	workload.Names, workload.NameRequired, workload.URIs.SPIFFE = DNSName|URIName, true, true
	workload.Default, workload.Maximum, workload.Backdate = Validity{For: time.Hour}, Days(1), time.Minute

	device := leaf("iot-device", "a device that identifies itself, such as by IEEE 802.1AR", x509.ExtKeyUsageClientAuth)
	device.Subject, device.Names = named(), DNSName|URIName|OtherNames
	device.Default, device.Maximum = Days(365), Days(20*365)

	// RFC 8550 section 4.4: RSA keys and those of the curves also encrypt.
	mail := leaf("smime", "a mailbox: signed and encrypted mail", x509.ExtKeyUsageEmailProtection)
	mail.RSAUsage, mail.ECUsage = x509.KeyUsageKeyEncipherment, x509.KeyUsageKeyAgreement
	mail.Names, mail.NameRequired = EmailAddress, true
	mail.Default, mail.Maximum = Days(365), Days(825)
	return []Profile{workload, device, mail}
}

// authorityProfiles are for requests of authorities whose keys are elsewhere,
// and for an authority's own root certificate.
func authorityProfiles() []Profile {
	authority := Profile{
		CA: true, Usage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, Subject: named(),
		Default: Days(5 * 365), Maximum: Days(30 * 365), Backdate: 5 * time.Minute, Keys: AnyKey(),
	}
	var list []Profile
	for n := range 4 {
		below := authority
		below.Name, below.PathLen = "subordinate-ca-"+strconv.Itoa(n), n
		below.Description = "an authority that issues certificates and no authorities below it"
		if n > 0 {
			below.Description = "an authority with up to " + strconv.Itoa(n) + " authorities in a row below it"
		}
		list = append(list, below)
	}
	root := authority
	root.Name, root.Description = "root-ca", "an authority's certificate for its own key, by its own key"
	root.PathLen, root.SelfSigned, root.Default = NoPathLimit, true, Days(10*365)
	return append(list, root)
}
