package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// arn is what the answers name as their key.
const arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"

const dataKeySize = 32

// operate does what the request asks and appends the answer to b.out.
func (f *floor) operate(b *buffer, r *http.Request) error {
	if r.URL.Path == "/holdfast/v1/certificates" {
		return f.issuer.issue(b)
	}
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."); operation {
	case "Encrypt":
		return f.encrypt(b)
	case "GenerateDataKey":
		return f.dataKey(b)
	case "Sign":
		return f.sign(b)
	default:
		return fmt.Errorf("no operation %q", operation)
	}
}

func (f *floor) encrypt(b *buffer) error {
	plain, err := b.decode(`"Plaintext"`)
	if err != nil {
		return err
	}
	n := len(plain)
	b.raw = f.aead.Seal(plain, nil, plain, nil) //nolint:gosec // this AEAD chooses its nonces itself
	b.out = append(b.out, `{"CiphertextBlob":"`...)
	b.out = base64.StdEncoding.AppendEncode(b.out, b.raw[n:])
	b.out = append(b.out, `","KeyId":"`+arn+`","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`...)
	return nil
}

func (f *floor) dataKey(b *buffer) error {
	if string(b.field(`"KeySpec"`)) != "AES_256" {
		return errors.New("the floor makes AES_256 data keys")
	}
	b.raw = append(b.raw[:0], make([]byte, dataKeySize)...)
	if _, err := rand.Read(b.raw); err != nil {
		return err
	}
	b.raw = f.aead.Seal(b.raw, nil, b.raw, nil) //nolint:gosec // this AEAD chooses its nonces itself
	b.out = append(b.out, `{"CiphertextBlob":"`...)
	b.out = base64.StdEncoding.AppendEncode(b.out, b.raw[dataKeySize:])
	b.out = append(b.out, `","Plaintext":"`...)
	b.out = base64.StdEncoding.AppendEncode(b.out, b.raw[:dataKeySize])
	b.out = append(b.out, `","KeyId":"`+arn+`"}`...)
	return nil
}

// sign signs a digest: P-256 with the standard library, RSA with the engine.
func (f *floor) sign(b *buffer) error {
	digest, err := b.decode(`"Message"`)
	if err != nil {
		return err
	}
	var signature []byte
	algorithm := string(b.field(`"SigningAlgorithm"`))
	switch algorithm {
	case "ECDSA_SHA_256":
		signature, err = ecdsa.SignASN1(rand.Reader, f.p256, digest)
	case "RSASSA_PKCS1_V1_5_SHA_256":
		signature, err = engine.Sign(f.rsa, alg.PKCS1SHA256, engine.Message{Form: alg.Digest, Bytes: digest})
	default:
		err = fmt.Errorf("no algorithm %q", algorithm)
	}
	if err != nil {
		return err
	}
	b.out = append(b.out, `{"Signature":"`...)
	b.out = base64.StdEncoding.AppendEncode(b.out, signature)
	b.out = append(b.out, `","KeyId":"`+arn+`","SigningAlgorithm":"`...)
	b.out = append(b.out, algorithm...)
	b.out = append(b.out, `"}`...)
	return nil
}

// field returns the string value of a member that has no escapes, by looking
// for its quoted name; nil when there is none.
func (b *buffer) field(name string) []byte {
	_, rest, found := bytes.Cut(b.body, []byte(name))
	if !found {
		return nil
	}
	open := bytes.IndexByte(rest, '"')
	if open < 0 {
		return nil
	}
	rest = rest[open+1:]
	before, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return nil
	}
	return before
}

// decode returns the bytes of a base64 member, in b.raw.
func (b *buffer) decode(name string) ([]byte, error) {
	var err error
	b.raw, err = base64.StdEncoding.AppendDecode(b.raw[:0], b.field(name))
	if err == nil && len(b.raw) == 0 {
		err = fmt.Errorf("no %s", name)
	}
	return b.raw, err
}
