package p11kit

import (
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A mechanism is, on the wire, its type in 4 bytes and its parameter:
//
//	CK_RSA_PKCS_PSS_PARAMS   hash, MGF and salt length, 8 bytes each
//	CK_RSA_PKCS_OAEP_PARAMS  hash, MGF and source, 8 bytes each; the label
//	CK_ECDH1_DERIVE_PARAMS   the KDF, 8 bytes; shared data; public data
//	CK_GCM_PARAMS            the IV; its bits, 8 bytes; associated data; the tag's
//	                         bits, 8 bytes
//	CK_AES_CTR_PARAMS        the counter's bits, 8 bytes; the block
//	a number                 8 bytes
//	anything else            bytes, such as an initialisation vector; no bytes
//	                         (the length 0xffffffff) for none
//
// where bytes are 4 bytes of length and they themselves. So it is in the Early
// dialect. In the Late one nothing follows the type of a mechanism that is known
// to have no parameter; of the others a byte says whether there is one, and the
// parameter follows if there is. The type 0xffffffff then stands for a null
// pointer: "end what was begun".

// Dialect is how a client writes mechanisms. It goes with the version that the
// client offers, not with the one that is agreed on.
type Dialect uint8

// The dialects.
const (
	Early Dialect = iota // p11-kit before 0.25.6, which offers the versions 0 and 1
	Late                 // p11-kit from 0.25.6 on, which offers version 2
)

// DialectOf returns the dialect of a client that offers a version.
func DialectOf(offered byte) Dialect {
	if offered < 2 {
		return Early
	}
	return Late
}

// Mechanism is a mechanism as the wire has it.
type Mechanism struct {
	Type pkcs11.MechanismType
	// Null says that there is none: C_SignInit and its like then end what was
	// begun.
	Null bool
	// Parameter is the parameter as it is on the wire, known to be well formed;
	// nil for none.
	Parameter []byte
}

// nullMechanism is the type of a mechanism that is a null pointer.
const nullMechanism = 0xffffffff

// Mechanism reads an "M".
func (r *Reader) Mechanism() Mechanism {
	m := Mechanism{Type: pkcs11.MechanismType(r.u32())}
	if r.dialect == Late {
		switch {
		case m.Type == nullMechanism:
			return Mechanism{Null: true}
		case bare(m.Type) || !r.flag():
			return m
		}
	}
	from, empty := r.b, false
	for _, what := range parameter(m.Type) {
		if what == 'u' {
			r.Uint()
		} else {
			empty = r.array() == nil
		}
	}
	if n := len(from) - len(r.b); !r.bad && (!empty || n > 4) {
		m.Parameter = from[:n:n]
	}
	return m
}

// Mechanism writes an "M".
func (w *Writer) Mechanism(m Mechanism, d Dialect) {
	if m.Null {
		w.u32(nullMechanism)
		return
	}
	w.u32(uint32(m.Type)) //nolint:gosec // the wire has 4 bytes for it
	switch {
	case d == Late && bare(m.Type):
		return
	case d == Late && m.Parameter == nil:
		w.Byte(0)
	case d == Late:
		w.Byte(1)
	case m.Parameter == nil:
		w.u32(none)
	}
	w.b = append(w.b, m.Parameter...)
}

// ParameterUpdate writes a "P": that C_DeriveKey left the parameter of a
// mechanism as it was.
func (w *Writer) ParameterUpdate(t pkcs11.MechanismType) {
	if !bare(t) {
		w.Byte(0)
	}
}

// parameter returns the types of the parts of a mechanism's parameter: u for a
// number, y for bytes.
func parameter(t pkcs11.MechanismType) string {
	switch t {
	case pkcs11.MechRSAPKCSPSS, pkcs11.MechSHA1RSAPKCSPSS, pkcs11.MechSHA224RSAPKCSPSS, pkcs11.MechSHA256RSAPKCSPSS,
		pkcs11.MechSHA384RSAPKCSPSS, pkcs11.MechSHA512RSAPKCSPSS:
		return "uuu"
	case pkcs11.MechRSAPKCSOAEP:
		return "uuuy"
	case pkcs11.MechECDH1Derive:
		return "uyy"
	case pkcs11.MechAESCTR:
		return "uy"
	case pkcs11.MechAESGCM:
		return "yuyu"
	case 0x222, 0x257, 0x252, 0x262, 0x272, 0x4a, 0x4e, 0x1084, 0x108b, 0x135, 0x137: // CKM_…_GENERAL
		return "u"
	default:
		return "y"
	}
}

// bare reports whether p11-kit knows that a mechanism has no parameter: there is
// then not even a byte that says so.
func bare(t pkcs11.MechanismType) bool {
	switch t {
	case 0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0xa, 0xb, 0xc, 0x10, 0x11, 0x12, 0x20, 0x30, 0x40, 0x41, 0x42, 0x46,
		0x48, 0x49, 0x4b, 0x4c, 0x4d, 0x4f, 0x50, 0x51, 0x53, 0x100, 0x101, 0x103, 0x110, 0x111, 0x120, 0x121, 0x123, 0x130,
		0x131, 0x132, 0x134, 0x138, 0x140, 0x141, 0x143, 0x200, 0x201, 0x210, 0x211, 0x220, 0x221, 0x230, 0x231, 0x240,
		0x241, 0x250, 0x251, 0x255, 0x256, 0x260, 0x261, 0x270, 0x271, 0x300, 0x301, 0x303, 0x310, 0x311, 0x313, 0x320,
		0x321, 0x330, 0x331, 0x333, 0x340, 0x341, 0x343, 0x350, 0x370, 0x374, 0x380, 0x381, 0x392, 0x393, 0x394, 0x395,
		0x396, 0x400, 0x1000, 0x1008, 0x1010, 0x1020, 0x1030, 0x1036, 0x1040, 0x1041, 0x1042, 0x1043, 0x1044, 0x1045, 0x1046,
		0x1060, 0x1065, 0x1070, 0x1080, 0x1081, 0x1083, 0x108a, 0x2000, 0x2001, 0x2002:
		return true
	default:
		return false
	}
}

// PSS returns the parameter of the mechanisms of RSASSA-PSS.
func (m Mechanism) PSS() (pkcs11.PSS, bool) {
	r, ok := m.open("uuu")
	return pkcs11.PSS{Hash: pkcs11.MechanismType(r.Uint()), MGF: pkcs11.MGF(r.Uint()), SaltLen: r.Uint()}, ok
}

// OAEP is CK_RSA_PKCS_OAEP_PARAMS.
type OAEP struct {
	pkcs11.OAEP

	Source uint64 // pkcs11.SourceSpecified where there may be a label
	Label  []byte
}

// OAEP returns the parameter of RSAES-OAEP.
func (m Mechanism) OAEP() (OAEP, bool) {
	r, ok := m.open("uuuy")
	return OAEP{pkcs11.OAEP{Hash: pkcs11.MechanismType(r.Uint()), MGF: pkcs11.MGF(r.Uint())}, r.Uint(), r.array()}, ok
}

// ECDH is CK_ECDH1_DERIVE_PARAMS.
type ECDH struct {
	KDF            uint64
	Shared, Public []byte
}

// ECDH returns the parameter of ECDH.
func (m Mechanism) ECDH() (ECDH, bool) {
	r, ok := m.open("uyy")
	return ECDH{r.Uint(), r.array(), r.array()}, ok
}

// GCM returns the parameter of GCM. Whether the bits of the IV, which not every
// caller sets, agree with its length is not looked at.
func (m Mechanism) GCM() (pkcs11.GCM, bool) {
	r, ok := m.open("yuyu")
	iv, _ := r.array(), r.Uint()
	return pkcs11.GCM{IV: iv, AAD: r.array(), TagBits: r.Uint()}, ok
}

// CTR returns the parameter of CTR: how many of the block's bits count, and the
// block.
func (m Mechanism) CTR() (uint64, []byte, bool) {
	r, ok := m.open("uy")
	return r.Uint(), r.array(), ok
}

// Bytes returns a parameter that is bytes, such as an initialisation vector.
func (m Mechanism) Bytes() ([]byte, bool) {
	r, ok := m.open("y")
	return r.array(), ok
}

func (m Mechanism) open(as string) (Reader, bool) {
	if m.Null || m.Parameter == nil || parameter(m.Type) != as {
		return Reader{}, false
	}
	return Reader{b: m.Parameter}, true
}

// WithNumbers returns the mechanism with numbers appended to its parameter.
func (m Mechanism) WithNumbers(numbers ...uint64) Mechanism {
	for _, v := range numbers {
		m.Parameter = binary.BigEndian.AppendUint64(m.Parameter, v)
	}
	return m
}

// WithBytes returns the mechanism with bytes appended to its parameter.
func (m Mechanism) WithBytes(b []byte) Mechanism {
	m.Parameter = binary.BigEndian.AppendUint32(m.Parameter, uint32(len(b))) //nolint:gosec // who writes keeps to MaxMessage
	m.Parameter = append(m.Parameter, b...)
	return m
}
