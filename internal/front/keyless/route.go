package keyless

import (
	"crypto"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// API is the front end's name in the audit log and in metrics.
const API = "keyless"

// Authenticate is the custom function by which a connection proves who it is
// with an access key.
const Authenticate = "holdfast.authenticate"

// Operation is a row of the table of what is served.
type Operation struct {
	Opcode wire.Opcode
	// Action is what the caller must be allowed to do; NoAction for what needs no
	// key.
	Action key.Action
	// Family is the type of the keys that do it: 0 for none, or any.
	Family alg.Family
	// Algorithm is that of a signature on a key of the family, or of a decryption.
	Algorithm alg.Algorithm
	// Form is how the payload of a signature comes.
	Form alg.Form
}

// Name is what the audit log and metrics call the operation.
func (o *Operation) Name() string { return o.Opcode.String() }

// operations is the table. What is not in it is refused as an unknown opcode.
var operations = func() []Operation {
	list := []Operation{
		{Opcode: wire.OpPing},
		{Opcode: wire.OpCustom},
		{Opcode: wire.OpRSADecrypt, Action: key.Decrypt, Family: alg.RSA, Algorithm: alg.RSARaw},
		{Opcode: wire.OpRSARawDecrypt, Action: key.Decrypt, Family: alg.RSA, Algorithm: alg.RSARaw},
		{Opcode: wire.OpSeal, Action: key.Encrypt, Algorithm: alg.AESGCM},
		{Opcode: wire.OpUnseal, Action: key.Decrypt, Algorithm: alg.AESGCM},
		{Opcode: wire.OpEd25519Sign, Action: key.Sign, Family: alg.EdDSA, Algorithm: alg.Ed25519Pure, Form: alg.Raw},
	}
	for _, s := range []struct {
		family alg.Family
		scheme wire.Scheme
		hashes map[crypto.Hash]alg.Algorithm
	}{
		{alg.RSA, wire.PKCS1, map[crypto.Hash]alg.Algorithm{
			crypto.MD5SHA1: alg.PKCS1MD5SHA1, crypto.SHA1: alg.PKCS1SHA1, crypto.SHA224: alg.PKCS1SHA224,
			crypto.SHA256: alg.PKCS1SHA256, crypto.SHA384: alg.PKCS1SHA384, crypto.SHA512: alg.PKCS1SHA512,
		}},
		{alg.RSA, wire.PSS, map[crypto.Hash]alg.Algorithm{
			crypto.SHA256: alg.PSSSHA256, crypto.SHA384: alg.PSSSHA384, crypto.SHA512: alg.PSSSHA512,
		}},
		{alg.EC, wire.ECDSA, map[crypto.Hash]alg.Algorithm{
			crypto.MD5SHA1: alg.ECDSAMD5SHA1, crypto.SHA1: alg.ECDSASHA1, crypto.SHA224: alg.ECDSASHA224,
			crypto.SHA256: alg.ECDSASHA256, crypto.SHA384: alg.ECDSASHA384, crypto.SHA512: alg.ECDSASHA512,
		}},
	} {
		for hash, a := range s.hashes {
			if o, ok := wire.Signing(s.scheme, hash); ok {
				list = append(list, Operation{Opcode: o, Action: key.Sign, Family: s.family, Algorithm: a, Form: alg.Digest})
			}
		}
	}
	return list
}()

// routes has the table by opcode.
var routes = func() (t [256]*Operation) {
	for i := range operations {
		t[operations[i].Opcode] = &operations[i]
	}
	return t
}()

// Operations returns the whole table, in the order of the opcodes.
func Operations() []Operation {
	var list []Operation
	for _, o := range routes {
		if o != nil {
			list = append(list, *o)
		}
	}
	return list
}

// route returns the row of an opcode, or what is wrong with it.
func route(o wire.Opcode) (*Operation, error) {
	switch {
	case routes[o] != nil:
		return routes[o], nil
	case o.Known() && !o.Request():
		return nil, wire.ErrUnexpectedOpcode
	}
	return nil, wire.ErrBadOpcode
}
