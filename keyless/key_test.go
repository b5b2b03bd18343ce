package keyless_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/keylesstest"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
	"github.com/holdfast-kms/holdfast/keyless"
)

// TestSign: every operation that signs, judged by crypto's own verification.
func TestSign(t *testing.T) {
	c := open(t, keyless.Config{Servers: []string{serveUnix(t, keylesstest.Config{}).Address()}})
	pss := func(h crypto.Hash) crypto.SignerOpts {
		return &rsa.PSSOptions{Hash: h, SaltLength: rsa.PSSSaltLengthEqualsHash}
	}
	digests := []crypto.SignerOpts{crypto.MD5SHA1, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	for name, all := range map[string][]crypto.SignerOpts{
		"rsa":     append([]crypto.SignerOpts{pss(crypto.SHA256), pss(crypto.SHA384), pss(crypto.SHA512), &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 32}}, digests...),
		"p-256":   digests,
		"p-384":   digests,
		"p-521":   digests,
		"ed25519": {crypto.Hash(0), &ed25519.Options{}},
	} {
		k := remote(t, c, name)
		for _, opts := range all {
			input := []byte("a message, for Ed25519")
			if h := opts.HashFunc(); h != 0 {
				input = make([]byte, h.Size())
				_, _ = rand.Read(input)
			}
			signature, err := k.Sign(nil, input, opts)
			if err != nil {
				t.Errorf("%s, %v: %v", name, opts, err)
				continue
			}
			if err := verify(k.Public(), input, signature, opts); err != nil {
				t.Errorf("%s, %v: %v", name, opts, err)
			}
		}
	}
}

func verify(public crypto.PublicKey, input, signature []byte, opts crypto.SignerOpts) error {
	good := true
	switch p := public.(type) {
	case *rsa.PublicKey:
		if o, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(p, o.Hash, input, signature, &rsa.PSSOptions{SaltLength: o.Hash.Size()})
		}
		return rsa.VerifyPKCS1v15(p, opts.HashFunc(), input, signature)
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(p, input, signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(p, input, signature)
	}
	if !good {
		return errors.New("the signature is wrong")
	}
	return nil
}

// TestSignMessage: messages are hashed here.
func TestSignMessage(t *testing.T) {
	c := open(t, keyless.Config{Servers: []string{serveUnix(t, keylesstest.Config{}).Address()}})
	message := []byte("a message")
	digest := sha256.Sum256(message)
	k := remote(t, c, "p-256")
	signature, err := crypto.SignMessage(k, nil, message, crypto.SHA256)
	if err != nil || verify(k.Public(), digest[:], signature, crypto.SHA256) != nil {
		t.Errorf("%x, %v", signature, err)
	}
	if _, err := k.SignMessage(nil, message, crypto.MD4); err == nil {
		t.Error("MD4 is linked in")
	}
}

// TestRefused: what the protocol does not have is refused without asking.
func TestRefused(t *testing.T) {
	s := serveUnix(t, keylesstest.Config{})
	c := open(t, keyless.Config{Servers: []string{s.Address()}})
	for _, test := range []struct {
		key   string
		input []byte
		opts  crypto.SignerOpts
		want  string
	}{
		{"rsa", make([]byte, 32), &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}, "salt as long as the hash"},
		{"rsa", make([]byte, 32), &rsa.PSSOptions{Hash: crypto.SHA256}, "salt as long as the hash"},
		{"rsa", make([]byte, 20), &rsa.PSSOptions{Hash: crypto.SHA1, SaltLength: 20}, "does not sign digests of SHA-1"},
		{"rsa", make([]byte, 32), &rsa.PSSOptions{}, "salt as long"},
		{"rsa", make([]byte, 32), crypto.Hash(0), "does not sign"},
		{"rsa", make([]byte, 31), crypto.SHA256, "has 31 bytes, and SHA-256 makes 32"},
		{"p-256", make([]byte, 32), crypto.SHA3_256, "does not sign digests of SHA3-256"},
		{"ed25519", make([]byte, 64), crypto.SHA512, "pure Ed25519 only"},
		{"ed25519", make([]byte, 64), &ed25519.Options{Context: "x"}, "pure Ed25519 only"},
		{"ed25519", make([]byte, 33<<10), crypto.Hash(0), "longer than 32 KiB"},
	} {
		if _, err := remote(t, c, test.key).Sign(nil, test.input, test.opts); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %v: %v, not %q", test.key, test.opts, err, test.want)
		}
	}
	if _, err := c.Key([]byte("no key")); err == nil {
		t.Error("a key of no type")
	}
	if _, err := remote(t, c, "p-256").Decrypter(); err == nil {
		t.Error("a P-256 key decrypts")
	}
	if _, err := remote(t, c, "p-256").DecryptContext(t.Context(), nil, nil); err == nil {
		t.Error("a P-256 key decrypts")
	}
	if _, err := c.Sign(t.Context(), &keyless.Request{Options: crypto.SHA256}); err == nil {
		t.Error("a signature without a key")
	}
	if s.Accepted() != 0 {
		t.Error("the server was asked")
	}
}

// TestDecrypt: what crypto/rsa encrypts comes back, and what is wrong tells
// nothing.
func TestDecrypt(t *testing.T) {
	c := open(t, keyless.Config{Servers: []string{serveUnix(t, keylesstest.Config{}).Address()}})
	k, err := remote(t, c, "rsa").Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	public := k.Public().(*rsa.PublicKey)
	message := bytes.Repeat([]byte{7}, 48)
	old, err := rsa.EncryptPKCS1v15(rand.Reader, public, message) //nolint:staticcheck // what TLS 1.2 has
	if err != nil {
		t.Fatal(err)
	}
	oaep, err := rsa.EncryptOAEPWithOptions(rand.Reader, public, message, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1, Label: []byte("l")})
	if err != nil {
		t.Fatal(err)
	}
	session := &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 48} //nolint:staticcheck // what crypto/tls asks for
	for name, test := range map[string]struct {
		ciphertext []byte
		opts       any
	}{
		"PKCS #1": {old, nil}, "a session key": {old, session}, "PKCS #1 by its options": {old, &rsa.PKCS1v15DecryptOptions{}}, //nolint:staticcheck // the same
		"OAEP": {oaep, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1, Label: []byte("l")}},
	} {
		if got, err := k.Decrypt(nil, test.ciphertext, test.opts); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	if got, err := k.Decrypt(nil, oaep, session); err != nil || len(got) != 48 || bytes.Equal(got, message) {
		t.Errorf("a wrong session key: %x, %v", got, err)
	}
	for name, test := range map[string]struct {
		ciphertext []byte
		opts       any
	}{
		"another padding": {oaep, nil}, "another hash": {oaep, &rsa.OAEPOptions{Hash: crypto.SHA256}}, "too short": {old[1:], nil},
		"too short for a session key": {old[1:], session},
	} {
		if _, err := k.Decrypt(nil, test.ciphertext, test.opts); !errors.Is(err, keyless.ErrDecryption) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, opts := range map[string]any{"none of its options": "x", "a hash that is not there": &rsa.OAEPOptions{Hash: crypto.MD4}, "too long": &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 250}} { //nolint:staticcheck // the same
		if _, err := k.Decrypt(nil, old, opts); err == nil || errors.Is(err, keyless.ErrDecryption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRequest: the server is told what a request says of itself.
func TestRequest(t *testing.T) {
	told := make(chan wire.Operation, 1)
	s := serveUnix(t, keylesstest.Config{Answer: func(op *wire.Operation) (*wire.Operation, bool) {
		if op.Opcode != wire.OpPing {
			told <- *op
		}
		return nil, false
	}})
	c := open(t, keyless.Config{Servers: []string{s.Address()}})
	sealed, err := c.Seal(t.Context(), &keyless.Request{
		Key: remote(t, c, "p-256"), Input: []byte("in"), ServerName: "example.com", CertificateID: "id",
		ClientIP: netip.MustParseAddr("::ffff:192.0.2.1"), ServerIP: netip.MustParseAddr("2001:db8::1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	op := <-told
	ski, _ := wire.SKI(keys()["p-256"].Public())
	if op.Opcode != wire.OpSeal || string(op.SNI) != "example.com" || string(op.CertID) != "id" || string(op.Payload) != "in" || !bytes.Equal(op.SKI, ski[:]) ||
		!bytes.Equal(op.ClientIP, net.IPv4(192, 0, 2, 1).To4()) || !bytes.Equal(op.ServerIP, net.ParseIP("2001:db8::1")) {
		t.Errorf("the server was told %+v", op)
	}
	if back, err := c.Unseal(t.Context(), &keyless.Request{Input: sealed}); err != nil || string(back) != "in" {
		t.Errorf("%q, %v", back, err)
	}
	if op := <-told; op.SKI != nil || op.ClientIP != nil || op.SNI != nil {
		t.Errorf("the server was told %+v", op)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Seal(ctx, &keyless.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request: %v", err)
	}
}

// TestCertificateRefused: what is no certificate of a key that the protocol has.
func TestCertificateRefused(t *testing.T) {
	c := open(t, keyless.Config{Servers: []string{"unix:///nowhere"}})
	for name, text := range map[string]string{
		"nothing": "", "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if _, err := c.Certificate([]byte(text)); err == nil {
			t.Errorf("%s is a certificate", name)
		}
	}
}
