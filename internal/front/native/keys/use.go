package keys

import (
	"context"
	"maps"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// defaultDataKey is the length of a data key in bytes when none is asked for.
const defaultDataKey = 32

func (f *front) publicKey(ctx context.Context, r *native.Request, _ *wire.None) (*wire.PublicKey, error) {
	res, err := f.keys.PublicKey(ctx, r.Call, keyOf(r))
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
func signRequest(r *native.Request, req *wire.SignRequest) (*kms.SignRequest, error) {
	a, err := native.AlgorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	form, err := formOf(req.Form)
	if err != nil {
		return nil, err
	}
	ask := &kms.SignRequest{Key: keyOf(r), Algorithm: a}
	ask.Message.Form, ask.Message.Bytes = form, req.Message
	return ask, nil
}

func (f *front) sign(ctx context.Context, r *native.Request, req *wire.SignRequest) (*wire.Signature, error) {
	ask, err := signRequest(r, req)
	if err != nil {
		return nil, err
	}
	res, err := f.keys.Sign(ctx, r.Call, ask)
	if err != nil {
		return nil, err
	}
	return &wire.Signature{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Algorithm: aws.AlgorithmName(ask.Algorithm), Signature: res.Signature,
	}, nil
}

func (f *front) verify(ctx context.Context, r *native.Request, req *wire.VerifyRequest) (*wire.Verified, error) {
	ask, err := signRequest(r, &req.SignRequest)
	if err != nil {
		return nil, err
	}
	k, err := f.keys.Verify(ctx, r.Call, &kms.VerifyRequest{SignRequest: *ask, Signature: req.Signature})
	return verified(k, ask.Algorithm, err)
}

// verified answers a check that went well.
func verified(k *key.Key, a alg.Algorithm, err error) (*wire.Verified, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Verified{KeyID: string(k.Name.ID), Algorithm: aws.AlgorithmName(a), Valid: true}, nil
}

func (f *front) encrypt(ctx context.Context, r *native.Request, req *wire.EncryptRequest) (*wire.Ciphertext, error) {
	a, err := native.AlgorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	ask := &kms.EncryptRequest{Key: keyOf(r), Algorithm: a, Plaintext: req.Plaintext, Context: contextOf(req.Context)}
	ask.Cipher.IV, ask.Cipher.AssociatedData, ask.Cipher.TagBits = req.IV, req.AssociatedData, req.TagBits
	return ciphertextOut(f.keys.Encrypt(ctx, r.Call, ask))
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
	a, err := native.AlgorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	ask := &kms.DecryptRequest{Algorithm: a, Ciphertext: req.Ciphertext, Context: contextOf(req.Context)}
	ask.Cipher.IV, ask.Cipher.AssociatedData, ask.Cipher.TagBits = req.IV, req.AssociatedData, req.TagBits
	if req.Key != "" {
		ask.Key = native.RefOf(req.Key)
	} else if a != alg.AESGCM {
		return nil, fault.New(fault.InvalidArgument, "the member %q is missing: only symmetric ciphertexts name their key", "key")
	}
	return ask, nil
}

func (f *front) decrypt(ctx context.Context, r *native.Request, req *wire.DecryptRequest) (*wire.Plaintext, error) {
	ask, err := decryptRequest(req)
	if err != nil {
		return nil, err
	}
	res, err := f.keys.Decrypt(ctx, r.Call, ask)
	if err != nil {
		return nil, err
	}
	return &wire.Plaintext{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Algorithm: aws.AlgorithmName(res.Algorithm), Plaintext: res.Plaintext,
	}, nil
}

func (f *front) reEncrypt(ctx context.Context, r *native.Request, req *wire.ReEncryptRequest) (*wire.Ciphertext, error) {
	source, err := decryptRequest(&req.Source)
	if err != nil {
		return nil, err
	}
	a, err := native.AlgorithmOf(req.Algorithm, alg.AESGCM)
	if err != nil {
		return nil, err
	}
	if err := native.Required("key", req.Key); err != nil {
		return nil, err
	}
	res, err := f.keys.ReEncrypt(ctx, r.Call, &kms.ReEncryptRequest{
		Source:      *source,
		Destination: kms.EncryptRequest{Key: native.RefOf(req.Key), Algorithm: a, Context: contextOf(req.Context)},
	})
	if err != nil {
		return nil, err
	}
	return ciphertextOut(&res.Destination, nil)
}

func (f *front) dataKey(ctx context.Context, r *native.Request, req *wire.DataKeyRequest) (*wire.DataKey, error) {
	n := req.Bytes
	if n == 0 {
		n = defaultDataKey
	}
	res, err := f.keys.GenerateDataKey(ctx, r.Call, &kms.DataKeyRequest{
		Key: keyOf(r), Bytes: n, Context: contextOf(req.Context), WithoutPlaintext: req.WithoutPlaintext,
	})
	if err != nil {
		return nil, err
	}
	return &wire.DataKey{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number),
		Ciphertext: res.Ciphertext, Plaintext: res.Plaintext,
	}, nil
}

func (f *front) mac(ctx context.Context, r *native.Request, req *wire.MACRequest) (*wire.MAC, error) {
	a, err := native.AlgorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	res, err := f.keys.GenerateMAC(ctx, r.Call, &kms.MACRequest{Key: keyOf(r), Algorithm: a, Message: req.Message})
	if err != nil {
		return nil, err
	}
	return &wire.MAC{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number), Algorithm: aws.AlgorithmName(a), MAC: res.MAC,
	}, nil
}

func (f *front) verifyMAC(ctx context.Context, r *native.Request, req *wire.VerifyMACRequest) (*wire.Verified, error) {
	a, err := native.AlgorithmOf(req.Algorithm, alg.NoAlgorithm)
	if err != nil {
		return nil, err
	}
	k, err := f.keys.VerifyMAC(ctx, r.Call, &kms.VerifyMACRequest{
		MACRequest: kms.MACRequest{Key: keyOf(r), Algorithm: a, Message: req.Message}, MAC: req.MAC,
	})
	return verified(k, a, err)
}

func (f *front) sharedSecret(ctx context.Context, r *native.Request, req *wire.SharedSecretRequest) (*wire.SharedSecret, error) {
	a, err := native.AlgorithmOf(req.Algorithm, alg.ECDH)
	if err != nil {
		return nil, err
	}
	if err := native.Required("public_key", string(req.PublicKey)); err != nil {
		return nil, err
	}
	res, err := f.keys.DeriveSharedSecret(ctx, r.Call, &kms.SharedSecretRequest{Key: keyOf(r), Algorithm: a, Peer: req.PublicKey})
	if err != nil {
		return nil, err
	}
	return &wire.SharedSecret{
		KeyID: string(res.Key.Name.ID), Version: uint32(res.Version.Number), Algorithm: aws.AlgorithmName(a), Secret: res.Secret.Reveal(),
	}, nil
}

func (f *front) random(ctx context.Context, r *native.Request, req *wire.RandomRequest) (*wire.Random, error) {
	b, err := f.keys.GenerateRandom(ctx, r.Call, req.Bytes)
	return &wire.Random{Random: b}, err
}

// formOf reads the form of a message; the message itself for "".
func formOf(name string) (alg.Form, error) {
	if name == "" {
		return alg.Raw, nil
	}
	if f, ok := aws.ParseForm(name); ok {
		return f, nil
	}
	return 0, fault.New(fault.InvalidArgument, "the form %q is not known: it is RAW, DIGEST or EXTERNAL_MU", name)
}

// algorithmNames spells the algorithms that a key can use, of the further ones
// only those that are all that it has.
func algorithmNames(s alg.Spec, u alg.Usage) []string {
	algorithms := s.For(u)
	if u == alg.RawEncryptDecrypt {
		algorithms = s.FurtherFor(u)
	}
	list := []string{}
	for _, a := range algorithms {
		list = append(list, aws.AlgorithmName(a))
	}
	return list
}

// contextOf returns an encryption context in an order that is always the same.
func contextOf(pairs map[string]string) []key.Tag {
	list := make([]key.Tag, 0, len(pairs))
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, key.Tag{Key: name, Value: pairs[name]})
	}
	return list
}
