package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxPublicKey is how many bytes the other side's public key has at most
// (PublicKeyType of AWS's model).
const maxPublicKey = 8192

type deriveSharedSecretRequest struct {
	useRequest
	algorithm string
	publicKey []byte
}

// Members declares DeriveSharedSecret's request.
func (r *deriveSharedSecretRequest) Members(m *aws.Members) {
	r.use(m)
	m.Enum("KeyAgreementAlgorithm", &r.algorithm, keyAgreementAlgorithms).Required()
	m.Blob("PublicKey", &r.publicKey, 1, maxPublicKey).Required()
	m.Unsupported("Recipient")
}

func (f *front) deriveSharedSecret(ctx context.Context, x *aws.Exchange, in *deriveSharedSecretRequest) error {
	req := &kms.SharedSecretRequest{Peer: in.publicKey}
	var err error
	if req.Key, err = in.ref(x); err != nil {
		return err
	}
	if req.Algorithm, err = parseAlgorithm(x, in.algorithm); err != nil {
		return err
	}
	done, err := f.door.DeriveSharedSecret(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", done.Key)
	x.Out.Blob("SharedSecret", done.Secret.Reveal())
	done.Secret.Wipe()
	x.Out.Text("KeyAgreementAlgorithm", in.algorithm)
	x.Out.Text("KeyOrigin", wire.KeyOriginName(done.Key))
	return nil
}
