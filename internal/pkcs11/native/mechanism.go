//go:build linux && (amd64 || arm64) && !static

package native

import (
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

const (
	dataSpecified = 1 // CKZ_DATA_SPECIFIED
	noDerivation  = 1 // CKD_NULL
)

// mechanism returns the address of a CK_MECHANISM: type, parameter, its length.
func (o *operation) mechanism() (uintptr, error) {
	p, err := o.parameter()
	if err != nil {
		return 0, err
	}
	m := o.a.numbers(uint64(o.c.Mechanism.Type), 0, uint64(len(p)))
	if len(p) > 0 {
		putAddress(m[8:], p)
	}
	return address(m), nil
}

// parameter lays out the mechanism's parameter as its structure of the
// standard; none is nil.
func (o *operation) parameter() ([]byte, error) {
	m := &o.c.Mechanism
	given := 0
	for _, set := range []bool{m.PSS != nil, m.OAEP != nil, m.GCM != nil, m.EdDSA != nil, m.ECDH != nil, len(m.Raw) > 0} {
		if set {
			given++
		}
	}
	switch {
	case given > 1 || m.AESBits != 0 && m.OAEP == nil:
		return nil, fmt.Errorf("pkcs11: a mechanism with several parameters: %w", pkcs11.RVMechanismParamInvalid)
	case m.PSS != nil: // CK_RSA_PKCS_PSS_PARAMS
		return o.a.numbers(uint64(m.PSS.Hash), uint64(m.PSS.MGF), m.PSS.SaltLen), nil
	case m.OAEP != nil:
		return o.oaep(m.OAEP, m.AESBits), nil
	case m.GCM != nil:
		return o.gcm(m.GCM), nil
	case m.EdDSA != nil:
		return o.eddsa(m.EdDSA), nil
	case m.ECDH != nil:
		return o.ecdh(m.ECDH), nil
	case len(m.Raw) > 0:
		return o.a.bytes(m.Raw), nil
	}
	return nil, nil
}

// oaep lays out CK_RSA_PKCS_OAEP_PARAMS, inside CK_RSA_AES_KEY_WRAP_PARAMS
// when the mechanism has bits of an AES key.
func (o *operation) oaep(p *pkcs11.OAEP, aesBits uint64) []byte {
	inner := o.a.numbers(uint64(p.Hash), uint64(p.MGF), dataSpecified, 0, 0)
	if aesBits == 0 {
		return inner
	}
	outer := o.a.numbers(aesBits, 0)
	putAddress(outer[8:], inner)
	return outer
}

// gcm lays out CK_GCM_PARAMS. Version 2.40's header has ulIvBits, its text has
// not; libraries follow the header, and later texts do too.
func (o *operation) gcm(p *pkcs11.GCM) []byte {
	b := o.a.numbers(0, uint64(len(p.IV)), 8*uint64(len(p.IV)), 0, uint64(len(p.AAD)), p.TagBits)
	putAddress(b, o.a.bytes(p.IV))
	if len(p.AAD) > 0 {
		putAddress(b[24:], o.a.bytes(p.AAD))
	}
	return b
}

// eddsa lays out CK_EDDSA_PARAMS: a CK_BBOOL, 7 bytes of nothing, the context's
// length and address.
func (o *operation) eddsa(p *pkcs11.EdDSA) []byte {
	b := o.a.numbers(0, uint64(len(p.Context)), 0)
	if p.Prehash {
		b[0] = 1
	}
	if len(p.Context) > 0 {
		putAddress(b[16:], o.a.bytes(p.Context))
	}
	return b
}

// ecdh lays out CK_ECDH1_DERIVE_PARAMS: the key derivation, the length and
// address of the data shared with it, those of the other side's point.
func (o *operation) ecdh(p *pkcs11.ECDH) []byte {
	b := o.a.numbers(noDerivation, 0, 0, uint64(len(p.Public)), 0)
	putAddress(b[32:], o.a.bytes(p.Public))
	return b
}
