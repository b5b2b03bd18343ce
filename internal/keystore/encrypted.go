package keystore

import (
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"

	"github.com/youmark/pkcs8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Derivation is how a passphrase becomes the key that encrypts a private key.
type Derivation uint8

// The derivations.
const (
	// PBKDF2 is PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2), which every
	// reader of encrypted PKCS #8 knows.
	PBKDF2 Derivation = iota
	// Scrypt is scrypt (RFC 7914), which costs a guesser memory as well; Java
	// does not read it.
	Scrypt
)

// The costs: some 0.1 s of a processor each. OWASP asks for 600,000 iterations
// of PBKDF2-HMAC-SHA-256, and for scrypt with N = 2^17; with this N, openssl
// reads the file without having its limit on memory raised.
const (
	pbkdf2Iterations = 600_000
	scryptN          = 1 << 14
	saltSize         = 16 // bytes (RFC 8018 section 4.1 asks for 8)
)

// encryptedPrivateKeyInfo is EncryptedPrivateKeyInfo (RFC 5958 section 3).
type encryptedPrivateKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// pbes2 is PBES2-params (RFC 8018 appendix A.4).
type pbes2 struct {
	Derivation, Encryption pkix.AlgorithmIdentifier
}

func idPBES2() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13} }

// EncryptKey returns a PKCS #8 key encrypted under a passphrase by PBES2 with
// AES-256-CBC, in PEM (RFC 7468 section 11). The key may be of any algorithm:
// it is not parsed. The passphrase must not be empty.
func EncryptKey(key, passphrase []byte, d Derivation) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, fault.New(fault.InvalidArgument, "a private key leaves encrypted: give a passphrase")
	}
	der, err := encrypt(key, passphrase, d.options(), pkcs8.AES256CBC)
	if err != nil {
		return nil, fmt.Errorf("encrypting a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeEncrypted, Bytes: der}), nil
}

func (d Derivation) options() pkcs8.KDFOpts {
	if d == Scrypt {
		return pkcs8.ScryptOpts{SaltSize: saltSize, CostParameter: scryptN, BlockSize: 8, ParallelizationParameter: 1}
	}
	return pkcs8.PBKDF2Opts{SaltSize: saltSize, IterationCount: pbkdf2Iterations, HMACHash: crypto.SHA256}
}

// encrypt is what pkcs8.MarshalPrivateKey does, for keys that it does not know
// (ML-DSA) as well.
func encrypt(plain, passphrase []byte, d pkcs8.KDFOpts, c pkcs8.Cipher) ([]byte, error) {
	salt, iv := make([]byte, d.GetSaltSize()), make([]byte, c.IVSize())
	_, _ = rand.Read(salt) // never fails
	_, _ = rand.Read(iv)
	key, parameters, err := d.DeriveKey(passphrase, salt, c.KeySize())
	if err != nil {
		return nil, err
	}
	defer clear(key)
	data, err := c.Encrypt(key, iv, plain)
	if err != nil {
		return nil, err
	}
	derivation, err := identifier(d.OID(), parameters)
	if err != nil {
		return nil, err
	}
	encryption, err := identifier(c.OID(), iv)
	if err != nil {
		return nil, err
	}
	scheme, err := identifier(idPBES2(), pbes2{derivation, encryption})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedPrivateKeyInfo{scheme, data})
}

func identifier(oid asn1.ObjectIdentifier, parameters any) (pkix.AlgorithmIdentifier, error) {
	der, err := asn1.Marshal(parameters)
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}, err
}
