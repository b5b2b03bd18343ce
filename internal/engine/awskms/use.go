package awskms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Limits of AWS KMS, in bytes.
const (
	maxMessage    = 4096 // Message of Sign, Verify, GenerateMac and VerifyMac, Plaintext
	maxCiphertext = 6144 // CiphertextBlob
)

// operations are what AWS KMS does with a key.
func (e *Engine) operations() remote.Operations {
	return remote.Operations{
		Sign: e.sign, Verify: e.verify, Decrypt: e.decrypt, Agree: e.agree, Seal: e.seal, Unseal: e.unseal, MAC: e.mac,
		Overhead: maxCiphertext - maxMessage,
	}
}

// sign signs. The lower value of s is chosen on secp256k1, as engine/soft does:
// every verifier takes it.
func (e *Engine) sign(ctx context.Context, r *remote.Reference, a alg.Algorithm, m engine.Message) ([]byte, error) {
	m, err := prepare(r, a, m)
	if err != nil {
		return nil, err
	}
	in := &kms.SignInput{
		KeyId: &r.Name, Message: m.Bytes, MessageType: types.MessageType(wire.FormName(m.Form)), SigningAlgorithm: types.SigningAlgorithmSpec(wire.AlgorithmName(a)),
	}
	out, err := ask(ctx, e, call{op: "Sign", how: remote.Repeatable, key: r.Name}, e.client.Sign, in, func(out *kms.SignOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if err != nil {
		return nil, used(err)
	}
	if r.Type != wire.SpecName(alg.Secp256k1) {
		return out.Signature, nil
	}
	raw, err := engine.DecodeECDSA(alg.Secp256k1, out.Signature)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "awskms.Sign", Err: err}
	}
	return engine.EncodeECDSA(alg.Secp256k1, raw)
}

// prepare returns a message as it is sent. What a scheme hashes first is hashed
// here, so that any length will do and nobody else reads it; of ML-DSA, only
// what is too long to be sent.
func prepare(r *remote.Reference, a alg.Algorithm, m engine.Message) (engine.Message, error) {
	digest, err := m.Digest(a)
	if err != nil {
		return m, err
	}
	if m.Form == alg.Raw && a.Info().Hash != 0 {
		m.Form = alg.Digest
	}
	m.Bytes = digest
	if len(m.Bytes) <= maxMessage {
		return m, nil
	}
	if a.Info().Scheme != alg.PureMLDSA {
		return m, tooLong("a message for " + a.String())
	}
	p, err := engine.ParseForeign(r.Public)
	if err != nil {
		return m, &fault.Error{Kind: fault.Internal, Op: "awskms", Err: err}
	}
	d, err := p.NewDigester(a)
	if err != nil {
		return m, err
	}
	_, _ = d.Write(m.Bytes) // a hash never fails
	return d.Message(), nil
}

// tooLong refuses what does not fit into a request.
func tooLong(what string) error {
	return fault.Because(fault.InvalidArgument, fault.MessageTooLong, "%s has 1 to %d bytes where the key lives", what, maxMessage)
}

// verify has the service check a signature, or a code.
func (e *Engine) verify(ctx context.Context, r *remote.Reference, a alg.Algorithm, m engine.Message, signature []byte) error {
	if a.Info().Scheme == alg.MAC {
		return e.verifyMAC(ctx, r, a, m.Bytes, signature)
	}
	if len(signature) == 0 || len(signature) > maxCiphertext {
		return badSignature()
	}
	m, err := prepare(r, a, m)
	if err != nil {
		return err
	}
	in := &kms.VerifyInput{
		KeyId: &r.Name, Message: m.Bytes, MessageType: types.MessageType(wire.FormName(m.Form)), Signature: signature,
		SigningAlgorithm: types.SigningAlgorithmSpec(wire.AlgorithmName(a)),
	}
	out, err := ask(ctx, e, call{op: "Verify", how: remote.Repeatable, key: r.Name}, e.client.Verify, in, func(out *kms.VerifyOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if err == nil && !out.SignatureValid {
		return badSignature()
	}
	return used(err)
}

func badSignature() error { return fault.New(fault.BadSignature, "the signature does not verify") }

// verifyMAC has the service check a code.
func (e *Engine) verifyMAC(ctx context.Context, r *remote.Reference, a alg.Algorithm, message, code []byte) error {
	if len(message) == 0 || len(message) > maxMessage {
		return tooLong("a message for " + a.String())
	}
	if len(code) != a.Info().Hash.Size() {
		return badSignature()
	}
	in := &kms.VerifyMacInput{KeyId: &r.Name, Message: message, Mac: code, MacAlgorithm: types.MacAlgorithmSpec(wire.AlgorithmName(a))}
	out, err := ask(ctx, e, call{op: "VerifyMac", how: remote.Repeatable, key: r.Name}, e.client.VerifyMac, in, func(out *kms.VerifyMacOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if err == nil && !out.MacValid {
		return badSignature()
	}
	return used(err)
}

// mac has the service compute a code.
func (e *Engine) mac(ctx context.Context, r *remote.Reference, a alg.Algorithm, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > maxMessage {
		return nil, tooLong("a message for " + a.String())
	}
	in := &kms.GenerateMacInput{KeyId: &r.Name, Message: message, MacAlgorithm: types.MacAlgorithmSpec(wire.AlgorithmName(a))}
	out, err := ask(ctx, e, call{op: "GenerateMac", how: remote.Repeatable, key: r.Name}, e.client.GenerateMac, in, func(out *kms.GenerateMacOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if err != nil {
		return nil, used(err)
	}
	return out.Mac, nil
}

// decrypt undoes RSAES-OAEP.
func (e *Engine) decrypt(ctx context.Context, r *remote.Reference, a alg.Algorithm, ciphertext []byte) ([]byte, error) {
	return e.open(ctx, r, a, ciphertext, nil)
}

// agree returns the secret that a key shares with the owner of a public key.
func (e *Engine) agree(ctx context.Context, r *remote.Reference, peer *engine.PublicKey) ([]byte, error) {
	in := &kms.DeriveSharedSecretInput{KeyId: &r.Name, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpec(wire.AlgorithmName(alg.ECDH)), PublicKey: peer.SPKI()}
	out, err := ask(ctx, e, call{op: "DeriveSharedSecret", how: remote.Repeatable, key: r.Name}, e.client.DeriveSharedSecret, in, func(out *kms.DeriveSharedSecretOutput) error {
		if err := answers(r.Name, out.KeyId); err != nil {
			clear(out.SharedSecret)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, used(err)
	}
	return out.SharedSecret, nil
}

// contextOf returns the encryption context that stands for associated data: in
// hexadecimal, as Tink has it, or by its SHA-256 where it is longer than AWS
// takes.
func contextOf(associated []byte) map[string]string {
	const most = 2 << 10
	switch {
	case len(associated) == 0:
		return nil
	case len(associated) > most:
		sum := sha256.Sum256(associated)
		return map[string]string{"associatedDataSHA256": hex.EncodeToString(sum[:])}
	}
	return map[string]string{"associatedData": hex.EncodeToString(associated)}
}

// seal encrypts.
func (e *Engine) seal(ctx context.Context, r *remote.Reference, plaintext, associated []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > maxMessage {
		return nil, tooLong("a plaintext")
	}
	in := &kms.EncryptInput{KeyId: &r.Name, Plaintext: plaintext, EncryptionContext: contextOf(associated)}
	out, err := ask(ctx, e, call{op: "Encrypt", how: remote.Repeatable, key: r.Name}, e.client.Encrypt, in, func(out *kms.EncryptOutput) error {
		return answers(r.Name, out.KeyId)
	})
	if err != nil {
		return nil, used(err)
	}
	return out.CiphertextBlob, nil
}

// unseal decrypts what seal made.
func (e *Engine) unseal(ctx context.Context, r *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
	return e.open(ctx, r, alg.AESGCM, ciphertext, contextOf(associated))
}

// open decrypts with this key and no other, whichever one the ciphertext names.
func (e *Engine) open(ctx context.Context, r *remote.Reference, a alg.Algorithm, ciphertext []byte, about map[string]string) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext) > maxCiphertext {
		return nil, badCiphertext()
	}
	in := &kms.DecryptInput{
		KeyId: &r.Name, CiphertextBlob: ciphertext, EncryptionContext: about, EncryptionAlgorithm: types.EncryptionAlgorithmSpec(wire.AlgorithmName(a)),
	}
	out, err := ask(ctx, e, call{op: "Decrypt", how: remote.Repeatable, key: r.Name}, e.client.Decrypt, in, func(out *kms.DecryptOutput) error {
		if err := answers(r.Name, out.KeyId); err != nil {
			clear(out.Plaintext)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, used(err)
	}
	return out.Plaintext, nil
}
