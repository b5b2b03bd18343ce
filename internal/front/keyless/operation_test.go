package keyless_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// verified reports whether a signature is one that crypto accepts, of a payload
// as the opcode takes it.
func verified(public any, o wire.Opcode, payload, signature []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if o.Scheme() == wire.PSS {
			return rsa.VerifyPSS(k, o.Hash(), payload, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, o.Hash(), payload, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, payload, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(k, payload, signature)
	}
	return false
}

// TestEveryOperation does everything that the table has, with keys of every
// size, and has crypto verify it.
func TestEveryOperation(t *testing.T) {
	h := newHouse(t)
	h.key(alg.AES256, alg.EncryptDecrypt, "alias/seal")
	p := serve(t, h.store, keyless.Limits{}).dial(t, h.client("edge", everything))
	keys := map[alg.Family][]any{}
	for family, specs := range map[alg.Family][]alg.Spec{
		alg.RSA: {alg.RSA2048, alg.RSA3072}, alg.EC: {alg.P256, alg.P384, alg.P521}, alg.EdDSA: {alg.Ed25519},
	} {
		for _, spec := range specs {
			keys[family] = append(keys[family], h.key(spec, alg.SignVerify, ""))
		}
	}
	done := 0
	for _, o := range keyless.Operations() {
		if o.Opcode.Scheme() == 0 {
			continue
		}
		payload := make([]byte, 113) // of a TLS 1.3 CertificateVerify, say
		if h := o.Opcode.Hash(); h != 0 {
			payload = payload[:h.Size()]
		}
		_, _ = rand.Read(payload)
		for _, public := range keys[o.Family] {
			done++
			signature := p.want(&wire.Operation{Opcode: o.Opcode, SKI: skiOf(t, public), Payload: payload})
			if !verified(public, o.Opcode, payload, signature) {
				t.Errorf("%s: the signature is wrong", o.Name())
			}
		}
	}
	if done != 9*2+6*3+1 {
		t.Errorf("%d signatures", done)
	}
	sealed := p.want(&wire.Operation{Opcode: wire.OpSeal, Payload: []byte("a ticket key")})
	if bytes.Contains(sealed, []byte("ticket")) {
		t.Errorf("%q", sealed)
	}
	if got := p.want(&wire.Operation{Opcode: wire.OpUnseal, Payload: sealed}); string(got) != "a ticket key" {
		t.Errorf("%q", got)
	}
	sealed[len(sealed)-1] ^= 1
	p.fails(&wire.Operation{Opcode: wire.OpUnseal, Payload: sealed}, wire.ErrCrypto)
}

// TestDecryption: RSA decryption answers for every padding, and tells of none
// whether it was right.
func TestDecryption(t *testing.T) {
	h := newHouse(t)
	p := serve(t, h.store, keyless.Limits{}).dial(t, h.client("edge", everything))
	public := h.key(alg.RSA2048, alg.EncryptDecrypt, "").(*rsa.PublicKey)
	premaster := append([]byte{3, 3}, bytes.Repeat([]byte{7}, 46)...)
	encrypt := func(message []byte) []byte {
		c, err := rsa.EncryptPKCS1v15(rand.Reader, public, message) //nolint:staticcheck // what the protocol has
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	decrypt := func(o wire.Opcode, c []byte) []byte {
		return p.want(&wire.Operation{Opcode: o, SKI: skiOf(t, public), Payload: c})
	}
	if got := decrypt(wire.OpRSADecrypt, encrypt(premaster)); !bytes.Equal(got, premaster) {
		t.Errorf("%x", got)
	}
	for name, c := range map[string][]byte{
		"a byte less": encrypt(premaster[1:]), "a byte more": encrypt(append([]byte{1}, premaster...)), "nothing": encrypt(nil),
		"no padding": raw(public, bytes.Repeat([]byte{1}, 256)),
	} {
		one, two := decrypt(wire.OpRSADecrypt, c), decrypt(wire.OpRSADecrypt, c)
		if len(one) != 48 || bytes.Equal(one, two) {
			t.Errorf("%s: %x, then %x", name, one, two)
		}
	}
	padded := decrypt(wire.OpRSARawDecrypt, encrypt(premaster))
	if len(padded) != 256 || !bytes.HasPrefix(padded, []byte{0, 2}) || !bytes.HasSuffix(padded, append([]byte{0}, premaster...)) {
		t.Errorf("%x", padded)
	}
	// What anybody sees of a ciphertext is told: that it is no number below the modulus.
	p.fails(&wire.Operation{Opcode: wire.OpRSADecrypt, SKI: skiOf(t, public), Payload: bytes.Repeat([]byte{0xff}, 256)}, wire.ErrCrypto)
	p.fails(&wire.Operation{Opcode: wire.OpRSARawDecrypt, SKI: skiOf(t, public), Payload: make([]byte, 255)}, wire.ErrCrypto)
	p.fails(&wire.Operation{Opcode: wire.OpRSASignSHA256, SKI: skiOf(t, public), Payload: make([]byte, crypto.SHA256.Size())}, wire.ErrCrypto)
}

// raw is RSAEP (RFC 8017 section 5.1.1) of a message whose first byte is cleared.
func raw(k *rsa.PublicKey, m []byte) []byte {
	m[0] = 0
	return rsaep(k, m)
}
