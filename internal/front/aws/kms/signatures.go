package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type signRequest struct {
	useRequest
	message                []byte
	messageType, algorithm string
}

// Members declares Sign's request.
func (r *signRequest) Members(m *aws.Members) {
	r.use(m)
	m.Blob("Message", &r.message, 1, kms.MaxPlaintext).Required()
	m.Enum("MessageType", &r.messageType, messageTypes)
	m.Enum("SigningAlgorithm", &r.algorithm, signingAlgorithms).Required()
}

// request returns what to sign or verify, with which key.
func (r *signRequest) request(x *aws.Exchange) (req kms.SignRequest, err error) {
	if req.Key, err = r.ref(x); err != nil {
		return req, err
	}
	if r.messageType == "" {
		r.messageType = messageTypes[0]
	}
	x.Words.MessageType = r.messageType
	req.Message.Form, _ = wire.ParseForm(r.messageType) // every MessageType has one
	req.Message.Bytes, req.Listed = r.message, true
	req.Algorithm, err = parseAlgorithm(x, r.algorithm)
	return req, err
}

func (f *front) sign(ctx context.Context, x *aws.Exchange, in *signRequest) error {
	req, err := in.request(x)
	if err != nil {
		return err
	}
	done, err := f.door.Sign(ctx, &x.Call, &req)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", done.Key)
	x.Out.Blob("Signature", done.Signature)
	x.Out.Text("SigningAlgorithm", in.algorithm)
	return nil
}

type verifyRequest struct {
	signRequest
	signature []byte
}

// Members declares Verify's request.
func (r *verifyRequest) Members(m *aws.Members) {
	r.signRequest.Members(m)
	m.Blob("Signature", &r.signature, 1, kms.MaxCiphertext).Required()
}

func (f *front) verify(ctx context.Context, x *aws.Exchange, in *verifyRequest) error {
	req, err := in.request(x)
	if err != nil {
		return err
	}
	k, err := f.door.Verify(ctx, &x.Call, &kms.VerifyRequest{SignRequest: req, Signature: in.signature})
	if err != nil {
		return err
	}
	writeVerdict(&x.Out, k, "SignatureValid")
	x.Out.Text("SigningAlgorithm", in.algorithm)
	return nil
}

// writeVerdict adds which key verified something. What does not verify is an
// error, so the verdict is always true.
func writeVerdict(out *wire.Encoder, k *key.Key, verdict string) {
	writeARN(out, "KeyId", k)
	out.Bool(verdict, true)
}

type macRequest struct {
	useRequest
	message   []byte
	algorithm string
}

// Members declares GenerateMac's request.
func (r *macRequest) Members(m *aws.Members) {
	r.use(m)
	m.Blob("Message", &r.message, 1, kms.MaxPlaintext).Required()
	m.Enum("MacAlgorithm", &r.algorithm, macAlgorithms).Required()
}

func (r *macRequest) request(x *aws.Exchange) (req kms.MACRequest, err error) {
	req.Message = r.message
	if req.Key, err = r.ref(x); err != nil {
		return req, err
	}
	req.Algorithm, err = parseAlgorithm(x, r.algorithm)
	return req, err
}

func (f *front) generateMac(ctx context.Context, x *aws.Exchange, in *macRequest) error {
	req, err := in.request(x)
	if err != nil {
		return err
	}
	done, err := f.door.GenerateMAC(ctx, &x.Call, &req)
	if err != nil {
		return err
	}
	x.Out.Blob("Mac", done.MAC)
	x.Out.Text("MacAlgorithm", in.algorithm)
	writeARN(&x.Out, "KeyId", done.Key)
	return nil
}

type verifyMacRequest struct {
	macRequest
	mac []byte
}

// Members declares VerifyMac's request.
func (r *verifyMacRequest) Members(m *aws.Members) {
	r.macRequest.Members(m)
	m.Blob("Mac", &r.mac, 1, kms.MaxCiphertext).Required()
}

func (f *front) verifyMac(ctx context.Context, x *aws.Exchange, in *verifyMacRequest) error {
	req, err := in.request(x)
	if err != nil {
		return err
	}
	k, err := f.door.VerifyMAC(ctx, &x.Call, &kms.VerifyMACRequest{MACRequest: req, MAC: in.mac})
	if err != nil {
		return err
	}
	writeVerdict(&x.Out, k, "MacValid")
	x.Out.Text("MacAlgorithm", in.algorithm)
	return nil
}

// getPublicKeyRequest is DescribeKey's.
type getPublicKeyRequest struct{ describeKeyRequest }

func (f *front) getPublicKey(ctx context.Context, x *aws.Exchange, in *getPublicKeyRequest) error {
	ref, err := anyRef(in.keyID)
	if err != nil {
		return err
	}
	done, err := f.door.PublicKey(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", done.Key)
	x.Out.Blob("PublicKey", done.Version.Public)
	writeKind(&x.Out, done.Key)
	return nil
}
