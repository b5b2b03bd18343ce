package remote

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/keyless"
)

// TestFast: signatures go over Keyless SSL where the token has a key server,
// the others and those that it cannot make over the native API.
func TestFast(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	fast := w.token(t, func(c *Config) { c.Keyless = &Keyless{Servers: []string{w.keyless}} })
	h := w.login(t, fast, w.pin())
	message := []byte("message")
	digest, long := sha256.Sum256(message), sha512.Sum512(message)
	signed := func() (n uint64) {
		for _, s := range h.(*holder).fast.client.Stats().Servers {
			n += s.Operations[keyless.Done]
		}
		return n
	}
	for name, test := range map[string]struct {
		spec  alg.Spec
		a     alg.Algorithm
		input []byte
		fast  bool
		ok    func(public crypto.PublicKey, signature []byte) bool
	}{
		"ecdsa": {alg.P256, alg.ECDSASHA256, digest[:], true, func(p crypto.PublicKey, s []byte) bool {
			return ecdsa.VerifyASN1(p.(*ecdsa.PublicKey), digest[:], s)
		}},
		"pkcs1": {alg.RSA2048, alg.PKCS1SHA512, long[:], true, func(p crypto.PublicKey, s []byte) bool {
			return rsa.VerifyPKCS1v15(p.(*rsa.PublicKey), crypto.SHA512, long[:], s) == nil
		}},
		"not in the protocol": {alg.RSA2048, alg.PKCS1Plain, message, false, func(p crypto.PublicKey, s []byte) bool {
			return rsa.VerifyPKCS1v15(p.(*rsa.PublicKey), 0, message, s) == nil
		}},
		"pss": {alg.RSA2048, alg.PSSSHA256, digest[:], true, func(p crypto.PublicKey, s []byte) bool {
			return rsa.VerifyPSS(p.(*rsa.PublicKey), crypto.SHA256, digest[:], s, nil) == nil
		}},
		"ed25519": {alg.Ed25519, alg.Ed25519Pure, message, true, func(p crypto.PublicKey, s []byte) bool {
			return ed25519.Verify(p.(ed25519.PublicKey), message, s)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := h.Generate(ctx, &token.Blueprint{Spec: test.spec, Usage: alg.SignVerify})
			if err != nil {
				t.Fatal(err)
			}
			public, err := x509.ParsePKIXPublicKey(k.Public)
			if err != nil {
				t.Fatal(err)
			}
			before := signed()
			for range 2 {
				signature, err := k.Use.Sign(ctx, test.a, test.input)
				if err != nil || !test.ok(public, signature) {
					t.Errorf("%x %v", signature, err)
				}
			}
			if got := signed() - before; got != 2 && test.fast || got != 0 && !test.fast {
				t.Errorf("%d of 2 signatures were made over Keyless SSL", got)
			}
		})
	}
	// No key server is there: the native API does it.
	slow := w.login(t, w.token(t, func(c *Config) { c.Keyless = &Keyless{Servers: []string{"127.0.0.1:1"}} }), w.pin())
	k, err := slow.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Use.Sign(ctx, alg.ECDSASHA256, digest[:]); err != nil {
		t.Error(err)
	}
}
