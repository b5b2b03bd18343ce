package keystore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The types of PEM blocks that hold private keys.
const (
	typeKey       = "PRIVATE KEY"     // PKCS #8, RFC 7468 section 10
	typeRSA       = "RSA PRIVATE KEY" // PKCS #1, RFC 8017 appendix A.1.2
	typeEC        = "EC PRIVATE KEY"  // RFC 5915 section 4
	typeEncrypted = "ENCRYPTED PRIVATE KEY"
)

// MaxCertificates is how many certificates one text may have.
const MaxCertificates = 64

// ParseCertificates reads a PEM text of certificates and nothing else, what,
// and returns them in DER. Explanatory text around the blocks is allowed (RFC
// 7468 section 5.2). Anything else is an InvalidArgument with the reason
// MalformedCertificate.
func ParseCertificates(what string, text []byte) ([][]byte, error) {
	var list [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		switch {
		case block.Type != typeCertificate:
			return nil, malformed(what, "has a PEM block that is no certificate")
		case len(list) == MaxCertificates:
			return nil, malformed(what, "has too many certificates")
		}
		if _, err := parse(what, block.Bytes); err != nil {
			return nil, err
		}
		list = append(list, block.Bytes)
	}
	if len(list) == 0 || bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, malformed(what, "is not a certificate in PEM")
	}
	return list, nil
}

func malformed(what, why string) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "the %s %s", what, why)
}

// ParseKey reads the one unencrypted private key of a PEM text and returns it
// as PKCS #8 in DER, which the caller overwrites. PKCS #8 comes back as it is,
// whatever its algorithm; PKCS #1 and the EC form of RFC 5915 are rewritten.
// EC PARAMETERS, which openssl writes before an EC key, may stand before it.
func ParseKey(text []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fault.New(fault.InvalidArgument, "the private key is not in PEM")
	}
	defer clear(block.Bytes)
	if again, _ := pem.Decode(rest); again != nil {
		return nil, fault.New(fault.InvalidArgument, "the private key's text has more than one key")
	}
	if block.Type == typeEncrypted || block.Headers["Proc-Type"] != "" {
		return nil, fault.New(fault.InvalidArgument, "the private key is encrypted: bring it unencrypted")
	}
	der, err := toPKCS8(block)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the private key cannot be read", Err: err}
	}
	return der, nil
}

func toPKCS8(block *pem.Block) ([]byte, error) {
	switch block.Type {
	case typeKey:
		return bytes.Clone(block.Bytes), nil
	case typeRSA:
		k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(k)
	case typeEC:
		k, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(k)
	}
	return nil, fault.New(fault.InvalidArgument, "the PEM block is no private key")
}
