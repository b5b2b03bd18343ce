package native

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// defaultDataKey is the length of a data key in bytes when none is asked for.
const defaultDataKey = 32

func (f *Front) publicKey(ctx context.Context, r *request, _ *wire.None) (*wire.PublicKey, error) {
	res, err := f.Keys.PublicKey(ctx, r.call, r.key())
	if err != nil {
		return nil, err
	}
	k := res.Key
	return &wire.PublicKey{
		KeyID: string(k.Name.ID), Version: uint32(res.Version.Number), Spec: aws.SpecName(k.Spec),
		Usage: aws.UsageName(k.Usage), Algorithms: algorithmNames(k.Spec, k.Usage), SPKI: res.Version.Public,
	}, nil
}

// signRequest reads what signing and verifying have in common.
func signRequest(r *request, req *wire.SignRequest) (*kms.SignRequest, error) {
	a, err := algorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	form, err := formOf(req.Form)
	if err != nil {
		return nil, err
	}
	ask := &kms.SignRequest{Key: r.key(), Algorithm: a}
	ask.Message.Form, ask.Message.Bytes = form, req.Message
	return ask, nil
}

func (f *Front) sign(ctx context.Context, r *request, req *wire.SignRequest) (*wire.Signature, error) {
	ask, err := signRequest(r, req)
	if err != nil {
		return nil, err
	}
	res, err := f.Keys.Sign(ctx, r.call, ask)
	if err != nil {
		return nil, err
	}
	return &wire.Signature{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Algorithm: aws.AlgorithmName(ask.Algorithm), Signature: res.Signature,
	}, nil
}

func (f *Front) verify(ctx context.Context, r *request, req *wire.VerifyRequest) (*wire.Verified, error) {
	ask, err := signRequest(r, &req.SignRequest)
	if err != nil {
		return nil, err
	}
	k, err := f.Keys.Verify(ctx, r.call, &kms.VerifyRequest{SignRequest: *ask, Signature: req.Signature})
	return verified(k, ask.Algorithm, err)
}

// verified answers a check that went well.
func verified(k *key.Key, a alg.Algorithm, err error) (*wire.Verified, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Verified{KeyID: string(k.Name.ID), Algorithm: aws.AlgorithmName(a), Valid: true}, nil
}

func (f *Front) encrypt(ctx context.Context, r *request, req *wire.EncryptRequest) (*wire.Ciphertext, error) {
	a, err := algorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	return ciphertextOut(f.Keys.Encrypt(ctx, r.call, &kms.EncryptRequest{
		Key: r.key(), Algorithm: a, Plaintext: req.Plaintext, Context: contextOf(req.Context),
	}))
}

func ciphertextOut(res *kms.EncryptResult, err error) (*wire.Ciphertext, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Ciphertext{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Algorithm: aws.AlgorithmName(res.Algorithm), Ciphertext: res.Ciphertext,
	}, nil
}

// decryptRequest reads a ciphertext with what decrypts it. Only a symmetric
// ciphertext names its key.
func decryptRequest(req *wire.DecryptRequest) (*kms.DecryptRequest, error) {
	a, err := algorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	ask := &kms.DecryptRequest{Algorithm: a, Ciphertext: req.Ciphertext, Context: contextOf(req.Context)}
	if req.Key != "" {
		ask.Key = refOf(req.Key)
	} else if a != alg.AESGCM {
		return nil, fault.New(fault.InvalidArgument, "the member %q is missing: only symmetric ciphertexts name their key", "key")
	}
	return ask, nil
}

func (f *Front) decrypt(ctx context.Context, r *request, req *wire.DecryptRequest) (*wire.Plaintext, error) {
	ask, err := decryptRequest(req)
	if err != nil {
		return nil, err
	}
	res, err := f.Keys.Decrypt(ctx, r.call, ask)
	if err != nil {
		return nil, err
	}
	return &wire.Plaintext{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Algorithm: aws.AlgorithmName(res.Algorithm), Plaintext: res.Plaintext,
	}, nil
}

func (f *Front) reEncrypt(ctx context.Context, r *request, req *wire.ReEncryptRequest) (*wire.Ciphertext, error) {
	source, err := decryptRequest(&req.Source)
	if err != nil {
		return nil, err
	}
	a, err := algorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	if err := required("key", req.Key); err != nil {
		return nil, err
	}
	res, err := f.Keys.ReEncrypt(ctx, r.call, &kms.ReEncryptRequest{
		Source:      *source,
		Destination: kms.EncryptRequest{Key: refOf(req.Key), Algorithm: a, Context: contextOf(req.Context)},
	})
	if err != nil {
		return nil, err
	}
	return ciphertextOut(&res.Destination, nil)
}

func (f *Front) dataKey(ctx context.Context, r *request, req *wire.DataKeyRequest) (*wire.DataKey, error) {
	n := req.Bytes
	if n == 0 {
		n = defaultDataKey
	}
	res, err := f.Keys.GenerateDataKey(ctx, r.call, &kms.DataKeyRequest{
		Key: r.key(), Bytes: n, Context: contextOf(req.Context), WithoutPlaintext: req.WithoutPlaintext,
	})
	if err != nil {
		return nil, err
	}
	return &wire.DataKey{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Ciphertext: res.Ciphertext, Plaintext: res.Plaintext,
	}, nil
}

func (f *Front) mac(ctx context.Context, r *request, req *wire.MACRequest) (*wire.MAC, error) {
	a, err := algorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	res, err := f.Keys.GenerateMAC(ctx, r.call, &kms.MACRequest{Key: r.key(), Algorithm: a, Message: req.Message})
	if err != nil {
		return nil, err
	}
	return &wire.MAC{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number), Algorithm: aws.AlgorithmName(a), MAC: res.MAC,
	}, nil
}

func (f *Front) verifyMAC(ctx context.Context, r *request, req *wire.VerifyMACRequest) (*wire.Verified, error) {
	a, err := algorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	k, err := f.Keys.VerifyMAC(ctx, r.call, &kms.VerifyMACRequest{
		MACRequest: kms.MACRequest{Key: r.key(), Algorithm: a, Message: req.Message}, MAC: req.MAC,
	})
	return verified(k, a, err)
}

func (f *Front) random(ctx context.Context, r *request, req *wire.RandomRequest) (*wire.Random, error) {
	b, err := f.Keys.GenerateRandom(ctx, r.call, req.Bytes)
	return &wire.Random{Random: b}, err
}
