package holdfast

import (
	"bytes"
	"context"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Sizes of messages in bytes.
const (
	// atOnce is what every place takes of a message that is not hashed here.
	atOnce = 4 << 10
	// maxMessage is what SignReader reads for an algorithm that hashes in a way
	// of its own (Ed25519): it has to be held.
	maxMessage = 16 << 20
)

// SignReader signs a message of any length, as SignWith does; for Ed25519 it
// has at most 16 MiB, and the place may have a limit of its own.
func (k *Key) SignReader(ctx context.Context, algorithm string, message io.Reader) ([]byte, error) {
	const op = "signing with"
	a, m, err := k.read(op, algorithm, message)
	if err != nil {
		return nil, k.failed(op, err)
	}
	return k.signAs(ctx, a.String(), m)
}

// VerifyReader checks a signature of a message of any length, as Verify does.
func (k *Key) VerifyReader(ctx context.Context, algorithm string, message io.Reader, signature []byte) error {
	const op = "verifying with"
	a, m, err := k.read(op, algorithm, message)
	if err != nil {
		return k.failed(op, err)
	}
	return k.verify(ctx, a.String(), m, signature)
}

// read reads a message in the form in which the key can have it: its digest;
// the message itself where the algorithm takes no digest; of a longer one the mu
// of ML-DSA.
func (k *Key) read(op, algorithm string, message io.Reader) (alg.Algorithm, engine.Message, error) {
	var none engine.Message
	if k.public == nil {
		return 0, none, k.lacks(op, "sign")
	}
	a, err := k.algorithm(op, algorithm, alg.SignVerify)
	if err != nil {
		return 0, none, err
	}
	if !a.Takes(alg.Raw) {
		return 0, none, refuse(InvalidArgument, op, k.uri, "the algorithm "+a.String()+" takes a digest, and no message")
	}
	var head bytes.Buffer
	if a.Info().Hash == 0 {
		limit := int64(maxMessage)
		if a.Takes(alg.ExternalMu) {
			limit = atOnce
		}
		n, err := io.Copy(&head, io.LimitReader(message, limit+1))
		switch {
		case err != nil:
			return 0, none, err
		case n <= limit:
			return a, engine.Message{Form: alg.Raw, Bytes: head.Bytes()}, nil
		case !a.Takes(alg.ExternalMu):
			return 0, none, refuse(LimitExceeded, op, k.uri, "the message is longer than 16 MiB, and "+a.String()+" signs the message itself")
		}
	}
	d, err := k.public.NewDigester(a)
	if err != nil {
		return 0, none, err
	}
	if _, err := io.Copy(d, io.MultiReader(&head, message)); err != nil {
		return 0, none, err
	}
	return a, d.Message(), nil
}
