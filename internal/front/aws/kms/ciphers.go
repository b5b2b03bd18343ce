package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// useRequest is what all requests have that use a key.
type useRequest struct {
	keyID  string
	dryRun bool
}

// use declares KeyId, GrantTokens and DryRun.
func (r *useRequest) use(m *aws.Members) {
	m.Text("KeyId", &r.keyID, 1, maxKeyID).Required()
	m.Unsupported("GrantTokens")
	m.Bool("DryRun", &r.dryRun)
}

// ref returns the key to use, and tells the call about a dry run.
func (r *useRequest) ref(x *aws.Exchange) (kms.Ref, error) {
	x.SetDryRun(r.dryRun)
	return anyRef(r.keyID)
}

type encryptRequest struct {
	useRequest
	plaintext []byte
	algorithm string
	context   []key.Tag
}

// Members declares Encrypt's request.
func (r *encryptRequest) Members(m *aws.Members) {
	r.use(m)
	m.Blob("Plaintext", &r.plaintext, 1, kms.MaxPlaintext).Required()
	m.Enum("EncryptionAlgorithm", &r.algorithm, encryptionAlgorithms)
	m.Map("EncryptionContext", &r.context)
}

func (f *front) encrypt(ctx context.Context, x *aws.Exchange, in *encryptRequest) error {
	ref, err := in.ref(x)
	if err != nil {
		return err
	}
	algorithm, err := encryptionAlgorithm(x, in.algorithm)
	if err != nil {
		return err
	}
	done, err := f.door.Encrypt(ctx, &x.Call, &kms.EncryptRequest{
		Key: ref, Algorithm: algorithm, Plaintext: in.plaintext, Context: in.context,
	})
	if err != nil {
		return err
	}
	x.Out.Blob("CiphertextBlob", done.Ciphertext)
	writeARN(&x.Out, "KeyId", done.Key)
	x.Out.Text("EncryptionAlgorithm", x.Words.Algorithm)
	return nil
}

type decryptRequest struct {
	keyID, algorithm string
	ciphertext       []byte
	context          []key.Tag
	dryRun           bool
}

// Members declares Decrypt's request.
func (r *decryptRequest) Members(m *aws.Members) {
	m.Blob("CiphertextBlob", &r.ciphertext, 1, kms.MaxCiphertext).Required()
	m.Text("KeyId", &r.keyID, 1, maxKeyID)
	m.Enum("EncryptionAlgorithm", &r.algorithm, encryptionAlgorithms)
	m.Map("EncryptionContext", &r.context)
	m.Bool("DryRun", &r.dryRun)
	m.Unsupported("GrantTokens")
	m.Unsupported("Recipient")
	m.Unsupported("DryRunModifiers")
}

func (f *front) decrypt(ctx context.Context, x *aws.Exchange, in *decryptRequest) error {
	x.SetDryRun(in.dryRun)
	req, err := source(x, in.keyID, in.algorithm, in.ciphertext, in.context)
	if err != nil {
		return err
	}
	done, err := f.door.Decrypt(ctx, &x.Call, &req)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", done.Key)
	x.Out.Blob("Plaintext", done.Plaintext)
	clear(done.Plaintext)
	x.Out.Text("EncryptionAlgorithm", wire.AlgorithmName(done.Algorithm))
	writeMaterial(&x.Out, "KeyMaterialId", done.Key, done.Version)
	return nil
}

// source returns what there is to decrypt, for Decrypt and ReEncrypt.
func source(x *aws.Exchange, keyID, algorithm string, ciphertext []byte, context []key.Tag) (req kms.DecryptRequest, err error) {
	req.Ciphertext, req.Context = ciphertext, context
	if req.Algorithm, err = encryptionAlgorithm(x, algorithm); err != nil || keyID == "" {
		return req, err
	}
	req.Key, err = anyRef(keyID)
	return req, err
}

// writeMaterial adds the id of a symmetric key's material. Keys that do not
// rotate have none that AWS shows.
func writeMaterial(out *wire.Encoder, name string, k *key.Key, v key.Version) {
	if k.Spec.Symmetric() {
		out.Text(name, v.MaterialID)
	}
}

type reEncryptRequest struct {
	ciphertext             []byte
	from, to               string
	fromAlgorithm          string
	toAlgorithm            string
	fromContext, toContext []key.Tag
	dryRun                 bool
}

// Members declares ReEncrypt's request.
func (r *reEncryptRequest) Members(m *aws.Members) {
	m.Blob("CiphertextBlob", &r.ciphertext, 1, kms.MaxCiphertext).Required()
	m.Text("SourceKeyId", &r.from, 1, maxKeyID)
	m.Enum("SourceEncryptionAlgorithm", &r.fromAlgorithm, encryptionAlgorithms)
	m.Map("SourceEncryptionContext", &r.fromContext)
	m.Text("DestinationKeyId", &r.to, 1, maxKeyID).Required()
	m.Enum("DestinationEncryptionAlgorithm", &r.toAlgorithm, encryptionAlgorithms)
	m.Map("DestinationEncryptionContext", &r.toContext)
	m.Bool("DryRun", &r.dryRun)
	m.Unsupported("GrantTokens")
	m.Unsupported("DryRunModifiers")
}

func (f *front) reEncrypt(ctx context.Context, x *aws.Exchange, in *reEncryptRequest) error {
	x.SetDryRun(in.dryRun)
	from, err := source(x, in.from, in.fromAlgorithm, in.ciphertext, in.fromContext)
	if err != nil {
		return err
	}
	to := kms.EncryptRequest{Context: in.toContext}
	if to.Key, err = anyRef(in.to); err != nil {
		return err
	}
	if to.Algorithm, err = encryptionAlgorithm(x, in.toAlgorithm); err != nil {
		return err
	}
	done, err := f.door.ReEncrypt(ctx, &x.Call, &kms.ReEncryptRequest{Source: from, Destination: to})
	if err != nil {
		return err
	}
	x.Out.Blob("CiphertextBlob", done.Destination.Ciphertext)
	writeARN(&x.Out, "SourceKeyId", done.Source.Key)
	writeARN(&x.Out, "KeyId", done.Destination.Key)
	x.Out.Text("SourceEncryptionAlgorithm", wire.AlgorithmName(from.Algorithm))
	x.Out.Text("DestinationEncryptionAlgorithm", wire.AlgorithmName(to.Algorithm))
	writeMaterial(&x.Out, "SourceKeyMaterialId", done.Source.Key, done.Source.Version)
	writeMaterial(&x.Out, "DestinationKeyMaterialId", done.Destination.Key, done.Destination.Version)
	return nil
}

type dataKeyRequest struct {
	useRequest
	bytes   int
	spec    string
	context []key.Tag
}

// Members declares GenerateDataKey's and GenerateDataKeyWithoutPlaintext's
// request.
func (r *dataKeyRequest) Members(m *aws.Members) {
	r.use(m)
	m.Int("NumberOfBytes", &r.bytes, 1, kms.MaxRandom)
	m.Enum("KeySpec", &r.spec, dataKeySpecs)
	m.Map("EncryptionContext", &r.context)
	m.Unsupported("Recipient")
}

func (f *front) generateDataKey(ctx context.Context, x *aws.Exchange, in *dataKeyRequest) error {
	return f.dataKey(ctx, x, in, false)
}

func (f *front) generateDataKeyWithoutPlaintext(ctx context.Context, x *aws.Exchange, in *dataKeyRequest) error {
	return f.dataKey(ctx, x, in, true)
}

func (f *front) dataKey(ctx context.Context, x *aws.Exchange, in *dataKeyRequest, withoutPlaintext bool) error {
	ref, err := in.ref(x)
	if err != nil {
		return err
	}
	if (in.bytes == 0) == (in.spec == "") {
		return aws.Validation("Please specify either number of bytes or key spec.")
	}
	x.Words.Algorithm = encryptionAlgorithms[0]
	switch in.spec {
	case "":
	case dataKey256:
		in.bytes = 32
	default:
		in.bytes = 16
	}
	done, err := f.door.GenerateDataKey(ctx, &x.Call, &kms.DataKeyRequest{
		Key: ref, Bytes: in.bytes, Context: in.context, WithoutPlaintext: withoutPlaintext,
	})
	if err != nil {
		return err
	}
	x.Out.Blob("CiphertextBlob", done.Ciphertext)
	if !withoutPlaintext {
		x.Out.Blob("Plaintext", done.Plaintext)
		clear(done.Plaintext)
	}
	writeARN(&x.Out, "KeyId", done.Key)
	writeMaterial(&x.Out, "KeyMaterialId", done.Key, done.Version)
	return nil
}

type generateRandomRequest struct{ bytes int }

// Members declares GenerateRandom's request.
func (r *generateRandomRequest) Members(m *aws.Members) {
	m.Int("NumberOfBytes", &r.bytes, 1, kms.MaxRandom)
	m.Unsupported("CustomKeyStoreId")
	m.Unsupported("Recipient")
}

func (f *front) generateRandom(ctx context.Context, x *aws.Exchange, in *generateRandomRequest) error {
	if in.bytes == 0 {
		return aws.Validation("NumberOfBytes is required.")
	}
	random, err := f.door.GenerateRandom(ctx, &x.Call, in.bytes)
	if err != nil {
		return err
	}
	x.Out.Blob("Plaintext", random)
	clear(random)
	return nil
}
