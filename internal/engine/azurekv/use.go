package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// specOf returns the spec of a reference that has the algorithm: in the
// service's words ECDSA is another algorithm on each curve.
func specOf(k *remote.Reference, a alg.Algorithm) (alg.Spec, error) {
	if a.Info().Usage == alg.GenerateVerifyMAC {
		return alg.HMAC256, nil
	}
	p, err := engine.ParseForeign(k.Public)
	if err != nil {
		return alg.NoSpec, &fault.Error{Kind: fault.Internal, Op: "engine/azurekv", Err: err}
	}
	return p.Spec(), nil
}

// sign signs a digest.
func (e *Engine) sign(ctx context.Context, k *remote.Reference, a alg.Algorithm, m engine.Message) ([]byte, error) {
	spec, err := specOf(k, a)
	if err != nil {
		return nil, err
	}
	signature, err := e.signed(ctx, "Sign", k, azure.SignatureOf(spec, a), m.Bytes)
	if err != nil || a.Info().Scheme != alg.ECDSA {
		return signature, err
	}
	der, err := engine.EncodeECDSA(spec, signature)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine/azurekv.Sign", Err: err}
	}
	return der, nil
}

// mac computes a code. The service calls that signing, and takes the message as
// it is: of a digest, which its clients send, it would be the code of the digest.
// How long a message may be it does not say; what it does not take is an error.
func (e *Engine) mac(ctx context.Context, k *remote.Reference, a alg.Algorithm, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return nil, nothing("compute a code of")
	}
	return e.signed(ctx, "MAC", k, azure.SignatureOf(alg.HMAC256, a), message)
}

// nothing says that the service takes no empty value: its clients leave the
// member out then, which is required.
func nothing(what string) error {
	return fault.New(fault.InvalidArgument, "the key service does not %s nothing", what)
}

func (e *Engine) signed(ctx context.Context, op string, k *remote.Reference, name azure.SignatureAlgorithm, value []byte) ([]byte, error) {
	id, err := e.in(k)
	if err != nil {
		return nil, err
	}
	var result []byte
	err = e.do(ctx, op, remote.Repeatable, func(ctx context.Context) error {
		answer, err := e.keys.Sign(ctx, id.Name, id.Version, azkeys.SignParameters{Algorithm: new(azkeys.SignatureAlgorithm(name)), Value: value}, nil)
		if err == nil {
			_, err = same(id, answer.KID)
		}
		result = answer.Result
		return err
	})
	if err != nil {
		return nil, lost(err)
	}
	return result, nil
}

// verify has the service check a signature or a code.
func (e *Engine) verify(ctx context.Context, k *remote.Reference, a alg.Algorithm, m engine.Message, signature []byte) error {
	id, err := e.in(k)
	if err != nil {
		return err
	}
	spec, err := specOf(k, a)
	if err != nil {
		return err
	}
	digest := m.Bytes
	if a.Info().Usage == alg.SignVerify {
		if digest, err = m.Digest(a); err != nil {
			return err
		}
	}
	if a.Info().Scheme == alg.ECDSA {
		if signature, err = engine.DecodeECDSA(spec, signature); err != nil {
			return badSignature()
		}
	}
	if len(signature) == 0 {
		return badSignature()
	}
	valid := false
	err = e.do(ctx, "Verify", remote.Repeatable, func(ctx context.Context) error {
		answer, err := e.keys.Verify(ctx, id.Name, id.Version, azkeys.VerifyParameters{
			Algorithm: new(azkeys.SignatureAlgorithm(azure.SignatureOf(spec, a))), Digest: digest, Signature: signature,
		}, nil)
		valid = answer.Value != nil && *answer.Value
		return err
	})
	switch {
	case err == nil && !valid, fault.KindOf(err) == fault.InvalidArgument: // such as a signature that is too long
		return badSignature()
	}
	return lost(err)
}

func badSignature() error { return fault.New(fault.BadSignature, "the signature does not verify") }

func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}

// decrypt undoes RSAES-OAEP, by the operation that the key is for.
func (e *Engine) decrypt(ctx context.Context, k *remote.Reference, a alg.Algorithm, ciphertext []byte) ([]byte, error) {
	spec, err := specOf(k, a)
	if err != nil {
		return nil, err
	}
	plaintext, err := e.operate(ctx, "Decrypt", k, azkeys.KeyOperationParameters{
		Algorithm: new(azkeys.EncryptionAlgorithm(azure.EncryptionOf(spec, a))), Value: ciphertext,
	})
	return plaintext, lost(err)
}

// operate decrypts. Whatever the service finds wrong with a request, which has
// nothing of the caller's in it but the ciphertext, is wrong with that.
func (e *Engine) operate(ctx context.Context, op string, k *remote.Reference, p azkeys.KeyOperationParameters) ([]byte, error) {
	id, err := e.in(k)
	if err != nil {
		return nil, err
	}
	var plaintext []byte
	err = e.do(ctx, op, remote.Repeatable, func(ctx context.Context) error {
		var answer azkeys.KeyOperationResult
		var err error
		if k.Type == string(azure.UnwrapKey) {
			var r azkeys.UnwrapKeyResponse
			r, err = e.keys.UnwrapKey(ctx, id.Name, id.Version, p, nil)
			answer = r.KeyOperationResult
		} else {
			var r azkeys.DecryptResponse
			r, err = e.keys.Decrypt(ctx, id.Name, id.Version, p, nil)
			answer = r.KeyOperationResult
		}
		if err == nil {
			_, err = same(id, answer.KID)
		}
		plaintext = answer.Result
		return err
	})
	switch {
	case err == nil:
		return plaintext, nil
	case fault.KindOf(err) == fault.InvalidArgument:
		return nil, badCiphertext()
	}
	clear(plaintext)
	return nil, err
}
