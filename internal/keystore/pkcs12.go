package keystore

import (
	"crypto/x509"
	"fmt"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Protection is how a PKCS #12 file (RFC 7292) is encrypted.
type Protection uint8

// The protections.
const (
	// Modern is PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256, and a MAC of
	// HMAC-SHA-256: OpenSSL 1.1.1 and later, Java 8u301 and later, Windows
	// Server 2019 and later.
	Modern Protection = iota
	// LegacyDES is PBE with SHA-1 and three-key 3DES, and a MAC of HMAC-SHA-1:
	// for Windows before 2019, macOS and old Java.
	LegacyDES
	// LegacyRC2 is LegacyDES with the certificates under RC2-40, as everybody
	// wrote until 2020. It protects the certificates from nobody.
	LegacyRC2
)

var protectionNames = [...]string{Modern: "modern", LegacyDES: "legacy-3des", LegacyRC2: "legacy-rc2"}

// String returns the protection's name: "modern", "legacy-3des", "legacy-rc2".
func (p Protection) String() string {
	if int(p) < len(protectionNames) {
		return protectionNames[p]
	}
	return fmt.Sprintf("protection %d", uint8(p))
}

// ParseProtection returns the protection of a name that String gives.
func ParseProtection(name string) (Protection, error) {
	for p, n := range protectionNames {
		if n == name {
			return Protection(p), nil
		}
	}
	return 0, fault.New(fault.InvalidArgument, "%q is no protection of a PKCS #12 file: modern, legacy-3des or legacy-rc2", name)
}

// pkcs12Iterations is the work of each of a file's three derivations; whoever
// reads the file does it as well, keytool some six times a command.
const pkcs12Iterations = 100_000

func (p Protection) encoder() *pkcs12.Encoder {
	switch p {
	case LegacyDES:
		return pkcs12.LegacyDES
	case LegacyRC2:
		return pkcs12.LegacyRC2
	case Modern:
	}
	return pkcs12.Modern2023.WithIterations(pkcs12Iterations)
}

// PKCS12 returns the bundle with its key and its whole chain as a PKCS #12
// file under a password. Java's keytool reads it as a key store of one entry.
// Keys that crypto/x509 does not know (ML-DSA) are Unsupported: so are they,
// in this format, to everybody who reads it.
func (b *Bundle) PKCS12(password string, p Protection) ([]byte, error) {
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(b.Key)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Unsupported, Public: "a key of this type cannot go into a PKCS #12 file: take it as PEM", Err: err,
		}
	}
	leaf, err := parse("certificate", b.Leaf)
	if err != nil {
		return nil, err
	}
	chain := make([]*x509.Certificate, len(b.Chain))
	for i, der := range b.Chain {
		if chain[i], err = parse("chain", der); err != nil {
			return nil, err
		}
	}
	out, err := p.encoder().Encode(private, leaf, chain, password)
	if err != nil {
		return nil, fmt.Errorf("writing a PKCS #12 file: %w", err)
	}
	return out, nil
}

// Anchor is a certificate to trust, by a name.
type Anchor struct {
	Name string
	DER  []byte
}

// TrustStore returns certificates as a PKCS #12 file that Java takes as a trust
// store: each entry has the attribute by which Oracle's provider knows a
// certificate that is trusted.
func TrustStore(anchors []Anchor, password string, p Protection) ([]byte, error) {
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	entries := make([]pkcs12.TrustStoreEntry, len(anchors))
	for i, a := range anchors {
		c, err := parse("certificate to trust", a.DER)
		if err != nil {
			return nil, err
		}
		entries[i] = pkcs12.TrustStoreEntry{Cert: c, FriendlyName: a.Name}
	}
	out, err := p.encoder().EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return nil, fmt.Errorf("writing a trust store: %w", err)
	}
	return out, nil
}

// maxPassword bounds a password in bytes.
const maxPassword = 1024

// checkPassword refuses passwords that the format cannot carry: RFC 7292
// appendix B.1 has them as a BMPString.
func checkPassword(password string) error {
	if password == "" || len(password) > maxPassword {
		return fault.New(fault.InvalidArgument, "a PKCS #12 file needs a password of 1 to %d bytes", maxPassword)
	}
	for _, r := range password {
		if r > 0xffff || r == 0xfffd {
			return fault.New(fault.InvalidArgument, "the password has a character that PKCS #12 cannot carry")
		}
	}
	return nil
}
