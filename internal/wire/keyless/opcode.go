package keyless

import (
	"crypto"
	"fmt"
)

// Opcode says what a packet asks for, or that it is an answer.
type Opcode byte

// The opcodes.
const (
	OpRSADecrypt       Opcode = 0x01 // RSAES-PKCS1-v1_5
	OpRSASignMD5SHA1   Opcode = 0x02 // RSASSA-PKCS1-v1_5 over a digest, as up to 0x07
	OpRSASignSHA1      Opcode = 0x03
	OpRSASignSHA224    Opcode = 0x04
	OpRSASignSHA256    Opcode = 0x05
	OpRSASignSHA384    Opcode = 0x06
	OpRSASignSHA512    Opcode = 0x07
	OpRSARawDecrypt    Opcode = 0x08 // RSADP (RFC 8017 section 5.1.2)
	OpECDSASignMD5SHA1 Opcode = 0x12 // ECDSA over a digest, as up to 0x17
	OpECDSASignSHA1    Opcode = 0x13
	OpECDSASignSHA224  Opcode = 0x14
	OpECDSASignSHA256  Opcode = 0x15
	OpECDSASignSHA384  Opcode = 0x16
	OpECDSASignSHA512  Opcode = 0x17
	OpEd25519Sign      Opcode = 0x18 // over the message
	OpSeal             Opcode = 0x21
	OpUnseal           Opcode = 0x22
	OpRPC              Opcode = 0x23 // Go's net/rpc, which Holdfast does not serve
	OpCustom           Opcode = 0x24
	OpRSAPSSSignSHA256 Opcode = 0x35 // RSASSA-PSS over a digest, the salt as long as the hash, as up to 0x37
	OpRSAPSSSignSHA384 Opcode = 0x36
	OpRSAPSSSignSHA512 Opcode = 0x37
	OpResponse         Opcode = 0xF0 // the payload is the result
	OpPing             Opcode = 0xF1
	OpPong             Opcode = 0xF2 // the payload is that of the ping
	OpError            Opcode = 0xFF // the payload is an Error
	noOpcode           Opcode = 0
)

// Scheme is the mathematical method of an operation that signs.
type Scheme uint8

// The schemes. The zero Scheme is of what does not sign.
const (
	PKCS1 Scheme = iota + 1
	PSS
	ECDSA
	Ed25519
)

// opcodeInfo is a row of the table of opcodes.
type opcodeInfo struct {
	name   string
	scheme Scheme
	hash   crypto.Hash
}

var opcodes = map[Opcode]opcodeInfo{
	OpRSADecrypt:       {name: "rsa-decrypt"},
	OpRSARawDecrypt:    {name: "rsa-raw-decrypt"},
	OpRSASignMD5SHA1:   {"rsa-sign-md5sha1", PKCS1, crypto.MD5SHA1},
	OpRSASignSHA1:      {"rsa-sign-sha1", PKCS1, crypto.SHA1},
	OpRSASignSHA224:    {"rsa-sign-sha224", PKCS1, crypto.SHA224},
	OpRSASignSHA256:    {"rsa-sign-sha256", PKCS1, crypto.SHA256},
	OpRSASignSHA384:    {"rsa-sign-sha384", PKCS1, crypto.SHA384},
	OpRSASignSHA512:    {"rsa-sign-sha512", PKCS1, crypto.SHA512},
	OpRSAPSSSignSHA256: {"rsa-pss-sign-sha256", PSS, crypto.SHA256},
	OpRSAPSSSignSHA384: {"rsa-pss-sign-sha384", PSS, crypto.SHA384},
	OpRSAPSSSignSHA512: {"rsa-pss-sign-sha512", PSS, crypto.SHA512},
	OpECDSASignMD5SHA1: {"ecdsa-sign-md5sha1", ECDSA, crypto.MD5SHA1},
	OpECDSASignSHA1:    {"ecdsa-sign-sha1", ECDSA, crypto.SHA1},
	OpECDSASignSHA224:  {"ecdsa-sign-sha224", ECDSA, crypto.SHA224},
	OpECDSASignSHA256:  {"ecdsa-sign-sha256", ECDSA, crypto.SHA256},
	OpECDSASignSHA384:  {"ecdsa-sign-sha384", ECDSA, crypto.SHA384},
	OpECDSASignSHA512:  {"ecdsa-sign-sha512", ECDSA, crypto.SHA512},
	OpEd25519Sign:      {"ed25519-sign", Ed25519, 0},
	OpSeal:             {name: "seal"},
	OpUnseal:           {name: "unseal"},
	OpRPC:              {name: "rpc"},
	OpCustom:           {name: "custom"},
	OpPing:             {name: "ping"},
	OpPong:             {name: "pong"},
	OpResponse:         {name: "response"},
	OpError:            {name: "error"},
}

// Known reports whether the protocol has the opcode.
func (o Opcode) Known() bool {
	_, ok := opcodes[o]
	return ok
}

// String returns the opcode's name, such as "ecdsa-sign-sha256".
func (o Opcode) String() string {
	if info, ok := opcodes[o]; ok {
		return info.name
	}
	return fmt.Sprintf("opcode 0x%02x", byte(o))
}

// Scheme returns the scheme of an opcode that signs, else 0.
func (o Opcode) Scheme() Scheme { return opcodes[o].scheme }

// Hash returns the hash whose digest the payload of an opcode that signs is; 0
// for what signs no digest.
func (o Opcode) Hash() crypto.Hash { return opcodes[o].hash }

// Request reports whether the opcode is one that clients send.
func (o Opcode) Request() bool { return o.Known() && o < OpResponse || o == OpPing }

// Signing returns the opcode that signs by a scheme over a digest of a hash.
func Signing(s Scheme, h crypto.Hash) (Opcode, bool) {
	o, ok := signing[method{s, h}]
	return o, ok
}

type method struct {
	scheme Scheme
	hash   crypto.Hash
}

var signing = func() map[method]Opcode {
	table := map[method]Opcode{}
	for o, info := range opcodes {
		if info.scheme != 0 {
			table[method{info.scheme, info.hash}] = o
		}
	}
	return table
}()
