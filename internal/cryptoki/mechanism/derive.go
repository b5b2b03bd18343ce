package mechanism

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// Derivation is how CKM_ECDH1_DERIVE makes a key of the secret that two keys
// share.
type Derivation struct {
	// Point is the other side's public point, uncompressed (SEC 1 section 2.3.3).
	Point  []byte
	hash   crypto.Hash // 0: the secret itself
	shared []byte
}

// kdfs are the key derivation functions of ANSI X9.63 (SEC 1 section 3.6.1).
var kdfs = map[uint64]crypto.Hash{
	pkcs11.KDFNull: 0, pkcs11.KDFSHA1: crypto.SHA1, pkcs11.KDFSHA224: crypto.SHA224, pkcs11.KDFSHA256: crypto.SHA256,
	pkcs11.KDFSHA384: crypto.SHA384, pkcs11.KDFSHA512: crypto.SHA512,
}

// NewDerivation returns how a mechanism derives with a key. It keeps nothing of
// m. The error is a pkcs11.RV.
func NewDerivation(m p11kit.Mechanism, k Key) (Derivation, error) {
	if _, err := lookup(m.Type, pkcs11.CanDerive, k); err != nil {
		return Derivation{}, err
	}
	p, ok := m.ECDH()
	h, known := kdfs[p.KDF]
	if !ok || !known || h == 0 && len(p.Shared) > 0 || len(p.Public) == 0 {
		return Derivation{}, pkcs11.RVMechanismParamInvalid
	}
	// The point may be in an OCTET STRING, as in CKA_EC_POINT (PKCS #11 version 2.40,
	// section 2.3.10).
	point := p.Public
	var inner []byte
	size := 2*k.bytes() + 1
	if rest, err := asn1.Unmarshal(point, &inner); len(point) != size && err == nil && len(rest) == 0 {
		point = inner
	}
	if len(point) != size {
		return Derivation{}, pkcs11.RVMechanismParamInvalid
	}
	return Derivation{bytes.Clone(point), h, bytes.Clone(p.Shared)}, nil
}

// Key makes n bytes of a key of the shared secret z, or all that there are when
// n is 0. The caller clears both.
func (d Derivation) Key(z []byte, n int) ([]byte, error) {
	if d.hash == 0 {
		if n == 0 {
			n = len(z)
		}
		if n > len(z) {
			return nil, pkcs11.RVKeySizeRange
		}
		// Of a shorter key the leading bytes of the secret are cut off (PKCS #11
		// version 2.40, section 2.3.11).
		return bytes.Clone(z[len(z)-n:]), nil
	}
	if n == 0 || n > MaxSecret {
		return nil, pkcs11.RVTemplateIncomplete
	}
	var out []byte
	for i := uint32(1); len(out) < n; i++ {
		h := d.hash.New()
		h.Write(z)
		h.Write(binary.BigEndian.AppendUint32(nil, i))
		h.Write(d.shared)
		out = h.Sum(out)
	}
	return out[:n], nil
}
