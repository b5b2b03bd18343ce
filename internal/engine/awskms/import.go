package awskms

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Import checks plain material and brings it into the service, encrypted under
// a key that the service makes for the one import. The service derives the
// public half itself, and it is compared with the one that is known here.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	if !e.Imports(kind.Spec) || !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, e.unsupported(kind)
	}
	p, err := engine.ParsePlain(kind.Spec, plain)
	if err != nil {
		return engine.Material{}, err
	}
	defer p.Wipe()
	in := &incoming{kind: kind, secret: p.Secret}
	if p.Private != nil {
		if err := in.read(p); err != nil {
			return engine.Material{}, err
		}
		defer clear(in.secret)
	}
	return e.fill(ctx, orderOf(ref, kind, types.OriginTypeExternal), func(k made) (engine.Material, error) { return e.bring(ctx, ref, in, k) })
}

// incoming is material on its way into the service.
type incoming struct {
	engine.Redacted
	kind engine.Kind
	// secret is what the service gets: the secret itself, or PKCS #8.
	secret []byte
	public []byte // SubjectPublicKeyInfo
}

// read takes a private key.
func (in *incoming) read(p *engine.Plain) (err error) {
	if in.public, err = engine.MarshalPublic(in.kind.Spec, p.Public); err != nil {
		return err
	}
	public, err := engine.ParsePublic(in.kind.Spec, in.public)
	if err != nil {
		return err
	}
	if err := weakkey.Check(public, nil); err != nil {
		return err
	}
	if in.secret, err = engine.MarshalPlain(p.Private); err != nil {
		return engine.Unsound(in.kind.Spec, err)
	}
	return nil
}

// bring brings material into a key that waits for it, or that has it already.
func (e *Engine) bring(ctx context.Context, ref engine.Ref, in *incoming, k made) (engine.Material, error) {
	arn := *k.Arn
	how := alg.WrapAESKeyWrapSHA256
	if in.kind.Spec.Symmetric() {
		how = alg.WrapOAEPSHA256 // what AWS takes for all keys but RSA's, and not in two steps
	}
	asked := &kms.GetParametersForImportInput{
		KeyId: &arn, WrappingAlgorithm: types.AlgorithmSpec(wire.WrappingName(how)), WrappingKeySpec: types.WrappingKeySpec(wire.SpecName(e.options.ImportUnder)),
	}
	c := call{op: "GetParametersForImport", how: remote.Repeatable, key: arn, fresh: k.now}
	got, err := ask(ctx, e, c, e.client.GetParametersForImport, asked, func(out *kms.GetParametersForImportOutput) error {
		return answers(arn, out.KeyId)
	})
	if err != nil {
		return engine.Material{}, err
	}
	wrapped, err := wrap(got.PublicKey, how, in.secret)
	if err != nil {
		return engine.Material{}, &fault.Error{Kind: fault.Internal, Op: "awskms.Import", Err: err}
	}
	c.op = "ImportKeyMaterial" // the same material twice is the same key
	_, err = ask(ctx, e, c, e.client.ImportKeyMaterial, &kms.ImportKeyMaterialInput{
		KeyId: &arn, ImportToken: got.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}, func(out *kms.ImportKeyMaterialOutput) error {
		if out.KeyId == nil { // only in answers of today
			return nil
		}
		return answers(arn, out.KeyId)
	})
	if err != nil {
		return engine.Material{}, err
	}
	m, err := e.material(ctx, ref, in.kind, k)
	if err == nil && !bytes.Equal(m.Public, in.public) {
		err = fault.New(fault.Conflict, "the key service %s has other material under this name", e.Name())
	}
	if err != nil {
		return engine.Material{}, err
	}
	return m, nil
}

// wrap encrypts material under the key of an import.
func wrap(spki []byte, how alg.Wrapping, secret []byte) ([]byte, error) {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("reading the service's wrapping key: %w", err)
	}
	under, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the service's wrapping key is a %T", public)
	}
	return transfer.Wrap(nil, under, how, secret)
}
