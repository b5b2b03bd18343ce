package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the default of PBKDF2 (RFC 8018 appendix A.2), in which a collision helps nobody
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"

	"golang.org/x/crypto/scrypt"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// cost is what deriving a key from a passphrase may cost: a file says itself how
// much it wants.
type cost struct {
	iterations int // of PBKDF2
	memory     int // of scrypt, in bytes
}

// affordable is some 2 s.
var affordable = cost{10_000_000, 256 << 20}

// The object identifiers of what DecryptKey knows (RFC 8018 appendix B, RFC
// 7914 section 7).
func idHMAC(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 2, n} }

func idAESCBC(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, n}
}
func idPBKDF2() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12} }
func idScrypt() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11} }

// pbkdf2Parameters is PBKDF2-params (RFC 8018 appendix A.2).
type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// scryptParameters is scrypt-params (RFC 7914 section 7).
type scryptParameters struct {
	Salt                []byte
	Cost, Block, Parall int
	KeyLength           int `asn1:"optional"`
}

// Encrypted reports whether a PEM text begins with an encrypted PKCS #8 key.
func Encrypted(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && block.Type == typeEncrypted
}

// DecryptKey reads the one encrypted private key of a PEM text (RFC 7468
// section 11), of PBES2 with PBKDF2 or scrypt and AES-CBC, and returns it as PKCS
// #8 in DER, which the caller overwrites. It is not parsed. A wrong passphrase
// is an InvalidArgument, as is a text that was changed: they look alike.
func DecryptKey(text, passphrase []byte) ([]byte, error) {
	return affordable.decryptKey(text, passphrase)
}

func (c cost) decryptKey(text, passphrase []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != typeEncrypted {
		return nil, fault.New(fault.InvalidArgument, "the private key is not encrypted PKCS #8 in PEM")
	}
	if again, _ := pem.Decode(rest); again != nil {
		return nil, fault.New(fault.InvalidArgument, "the private key's text has more than one key")
	}
	var e encryptedPrivateKeyInfo
	var p pbes2
	if !exactly(block.Bytes, &e) || !e.Algorithm.Algorithm.Equal(idPBES2()) || !exactly(e.Algorithm.Parameters.FullBytes, &p) {
		return nil, fault.New(fault.Unsupported, "the private key is encrypted in another way than by PBES2")
	}
	plain, err := c.decrypt(&p, e.Data, passphrase)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the private key cannot be decrypted: the passphrase is another one", Err: err}
	}
	return plain, nil
}

// exactly parses DER with nothing after it.
func exactly(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}

func (c cost) decrypt(p *pbes2, data, passphrase []byte) ([]byte, error) {
	size := 0
	for i, n := range []int{2, 22, 42} { // aes128-CBC-PAD, aes192, aes256
		if p.Encryption.Algorithm.Equal(idAESCBC(n)) {
			size = 16 + 8*i
		}
	}
	var iv []byte
	if size == 0 || !exactly(p.Encryption.Parameters.FullBytes, &iv) || len(iv) != aes.BlockSize {
		return nil, errors.New("it is not encrypted by AES-CBC")
	}
	key, err := c.derive(p, passphrase, size)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("it is not whole blocks")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize || bytes.Count(plain[len(plain)-n:], plain[len(plain)-1:]) != n {
		clear(plain)
		return nil, errors.New("its padding is wrong")
	}
	return plain[:len(plain)-n], nil
}

// derive makes a key of a passphrase.
func (c cost) derive(p *pbes2, passphrase []byte, size int) ([]byte, error) {
	switch {
	case p.Derivation.Algorithm.Equal(idPBKDF2()):
		return c.derivePBKDF2(p.Derivation.Parameters.FullBytes, passphrase, size)
	case p.Derivation.Algorithm.Equal(idScrypt()):
		var s scryptParameters
		if !exactly(p.Derivation.Parameters.FullBytes, &s) || s.Cost <= 0 || s.Block <= 0 || s.Parall <= 0 ||
			s.Block > 64 || s.Parall > 16 || s.Cost > c.memory/128/s.Block {
			return nil, errors.New("its parameters of scrypt are none, or cost too much")
		}
		return scrypt.Key(passphrase, s.Salt, s.Cost, s.Block, s.Parall, size)
	}
	return nil, errors.New("its key is derived by neither PBKDF2 nor scrypt")
}

func (c cost) derivePBKDF2(parameters, passphrase []byte, size int) ([]byte, error) {
	var p pbkdf2Parameters
	if !exactly(parameters, &p) || p.Iterations < 1 || p.Iterations > c.iterations || p.KeyLength != 0 && p.KeyLength != size {
		return nil, errors.New("its parameters of PBKDF2 are none, or cost too much")
	}
	var h func() hash.Hash
	switch prf := p.PRF.Algorithm; {
	case len(prf) == 0, prf.Equal(idHMAC(7)):
		h = sha1.New
	case prf.Equal(idHMAC(9)):
		h = sha256.New
	case prf.Equal(idHMAC(10)):
		h = sha512.New384
	case prf.Equal(idHMAC(11)):
		h = sha512.New
	default:
		return nil, errors.New("its PBKDF2 is over a hash that is not known here")
	}
	return pbkdf2.Key(h, string(passphrase), p.Salt, p.Iterations, size)
}
