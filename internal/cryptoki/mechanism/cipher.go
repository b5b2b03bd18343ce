package mechanism

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"math/big"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// Encryption is how a mechanism encrypts and decrypts with a key.
type Encryption struct {
	// Algorithm is what the key does.
	Algorithm alg.Algorithm
	// Parameters go with it.
	Parameters engine.CipherParameters
	method     method
	key        Key
	oaep       crypto.Hash
	label      []byte
}

// NewEncryption returns how a mechanism does what it has to be able to do
// (encrypt, decrypt, wrap or unwrap) with a key. It keeps nothing of m. The
// error is a pkcs11.RV.
func NewEncryption(m p11kit.Mechanism, can pkcs11.MechanismFlags, k Key) (Encryption, error) {
	r, err := lookup(m.Type, can, k)
	if err != nil {
		return Encryption{}, err
	}
	e := Encryption{Algorithm: r.mode, method: r.method, key: k}
	switch r.method { //nolint:exhaustive // lookup leaves those that encrypt
	case rsaOAEP:
		return e, e.setOAEP(m)
	case aesMode:
		return e, e.setAES(m)
	}
	e.Algorithm = alg.RSARaw
	if m.Parameter != nil {
		return Encryption{}, pkcs11.RVMechanismParamInvalid
	}
	return e, nil
}

// setOAEP takes the parameter of RSAES-OAEP: the hash of the mask generation is
// that of the label.
func (e *Encryption) setOAEP(m p11kit.Mechanism) error {
	p, ok := m.OAEP()
	e.oaep = hashOf(p.Hash)
	if !ok || e.oaep == 0 || p.MGF != mgfOf(e.oaep) || p.Source > pkcs11.SourceSpecified {
		return pkcs11.RVMechanismParamInvalid
	}
	if p.Source == pkcs11.SourceSpecified {
		e.label = bytes.Clone(p.Label)
	}
	e.Algorithm, _ = named(alg.OAEP, e.oaep)
	return nil
}

func (e *Encryption) setAES(m p11kit.Mechanism) error {
	switch e.Algorithm { //nolint:exhaustive // the modes
	case alg.AESGCMRaw:
		p, ok := m.GCM()
		if !ok || p.TagBits > 128 || p.TagBits%8 != 0 || len(p.IV) == 0 {
			return pkcs11.RVMechanismParamInvalid
		}
		e.Parameters = engine.CipherParameters{
			IV: bytes.Clone(p.IV), AssociatedData: bytes.Clone(p.AAD), TagBits: int(p.TagBits),
		}
	case alg.AESCTR:
		bits, block, ok := m.CTR()
		// Only the whole block counts: with fewer bits a counter that runs over would
		// come back to blocks that were used.
		if !ok || bits != 128 || len(block) != 16 {
			return pkcs11.RVMechanismParamInvalid
		}
		e.Parameters.IV = bytes.Clone(block)
	case alg.AESCBC, alg.AESCBCPad:
		iv, _ := m.Bytes()
		if len(iv) != 16 {
			return pkcs11.RVMechanismParamInvalid
		}
		e.Parameters.IV = bytes.Clone(iv)
	case alg.AESKW, alg.AESKWP:
		iv, _ := m.Bytes()
		if len(iv) != 0 && (e.Algorithm != alg.AESKW || len(iv) != 8) {
			return pkcs11.RVMechanismParamInvalid
		}
		e.Parameters.IV = bytes.Clone(iv)
	}
	return nil
}

// ForPrivate returns an error, a pkcs11.RV, where the key's named algorithms
// cannot decrypt as the mechanism says: with a label, or another hash.
func (e Encryption) ForPrivate() error {
	if e.method == rsaOAEP && (e.Algorithm == alg.NoAlgorithm || len(e.label) > 0) {
		return pkcs11.RVMechanismParamInvalid
	}
	return nil
}

// Bound returns a length in bytes that no result of n bytes exceeds.
func (e Encryption) Bound(n int, encrypting bool) int {
	if e.key.Type == pkcs11.KeyRSA {
		return e.key.bytes()
	}
	if encrypting {
		return n + 16 // a tag, a padding of CBC or of key wrapping
	}
	return n
}

// Open takes the padding off what a private key's Algorithm gave. A padding
// that is wrong is RVEncryptedDataInvalid.
func (e Encryption) Open(plaintext []byte) ([]byte, error) {
	if e.method != rsaPKCS1 {
		return plaintext, nil
	}
	at, ok := unpadEncryption(plaintext)
	if ok != 1 {
		clear(plaintext)
		return nil, pkcs11.RVEncryptedDataInvalid
	}
	return plaintext[at:], nil
}

// unpadEncryption finds where the message begins in a block that is padded as
// RFC 8017 section 7.2.1 says, in a time that does not depend on it. That it
// tells whether there is one is how CKM_RSA_PKCS is: what an application does
// with the answer is its affair (Bleichenbacher, CRYPTO 1998).
func unpadEncryption(block []byte) (at, ok int) {
	if len(block) < pkcs1Overhead {
		return 0, 0
	}
	ok = subtle.ConstantTimeByteEq(block[0], 0) & subtle.ConstantTimeByteEq(block[1], 2)
	looking := 1
	for i := 2; i < len(block); i++ {
		zero := subtle.ConstantTimeByteEq(block[i], 0)
		at = subtle.ConstantTimeSelect(looking&zero, i+1, at)
		looking = subtle.ConstantTimeSelect(zero, 0, looking)
	}
	ok &= 1 - looking
	ok &= subtle.ConstantTimeLessOrEq(pkcs1Overhead, at)
	return at, ok
}

// EncryptPublic encrypts to a public key of RSA. The error is a pkcs11.RV.
func (e Encryption) EncryptPublic(public crypto.PublicKey, plaintext []byte) ([]byte, error) {
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, pkcs11.RVKeyTypeInconsistent
	}
	var out []byte
	var err error
	switch e.method {
	case rsaOAEP:
		out, err = rsa.EncryptOAEP(e.oaep.New(), rand.Reader, k, plaintext, e.label)
	case rsaPKCS1:
		out, err = rsa.EncryptPKCS1v15(rand.Reader, k, plaintext) //nolint:staticcheck // CKM_RSA_PKCS is what the application asks for
	default:
		out, err = rawPublic(k, plaintext)
	}
	if err != nil {
		return nil, pkcs11.RVDataLenRange
	}
	return out, nil
}

// rawPublic is RSAEP (RFC 8017 section 5.1.1) over a number of at most the
// modulus's length.
func rawPublic(k *rsa.PublicKey, m []byte) ([]byte, error) {
	n := new(big.Int).SetBytes(m)
	if n.Cmp(k.N) >= 0 || len(m) > k.Size() {
		return nil, pkcs11.RVDataInvalid
	}
	return n.Exp(n, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size())), nil
}
