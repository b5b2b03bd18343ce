package awskms

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// call is what is asked for.
type call struct {
	op  string
	how remote.How
	// key is the name of the key, whose region is asked; "" for the engine's own.
	key string
	// fresh says that the key was made a moment ago: AWS may not have heard of it
	// everywhere yet.
	fresh bool
}

// ask sends a request of the SDK until it is answered. An answer that check
// refuses counts as none.
func ask[In, Out any](ctx context.Context, e *Engine, c call,
	send func(context.Context, *In, ...func(*kms.Options)) (*Out, error), in *In, check func(*Out) error,
) (*Out, error) {
	var out *Out
	where := e.elsewhere(c.key)
	err := e.line.Do(ctx, "awskms."+c.op, c.how, func(ctx context.Context) (err error) {
		if out, err = send(ctx, in, where...); err == nil && check != nil {
			err = check(out)
		}
		if codeOf(err) == "NotFoundException" && c.fresh {
			err = &notYet{err}
		}
		if expired(err) {
			e.credentials.renew()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// elsewhere returns the options of a request for a key of another region.
func (e *Engine) elsewhere(name string) []func(*kms.Options) {
	if !strings.HasPrefix(name, "arn:") {
		return nil
	}
	arn, ok := wire.ParseARN(name)
	if !ok || arn.Region == "" || arn.Region == e.region {
		return nil
	}
	return []func(*kms.Options){func(o *kms.Options) { o.Region = arn.Region }}
}

// answers returns an error unless an answer is about the key that was asked
// for. AWS answers with the ARN, some that speak its API with the id alone.
func answers(asked string, got *string) error {
	switch {
	case got == nil:
		return &wrongAnswer{"no key"}
	case *got == asked, !strings.HasPrefix(*got, "arn:") && strings.HasSuffix(asked, ":key/"+*got):
		return nil
	}
	return &wrongAnswer{"the key " + *got + " where " + asked + " was asked for"}
}

// wrongAnswer is an answer to another request than ours.
type wrongAnswer struct{ of string }

// Error says what the answer has.
func (w *wrongAnswer) Error() string { return "the answer has " + w.of }

// notYet is that a key is not found which was made a moment ago.
type notYet struct{ error }

// Unwrap returns the service's own error.
func (n *notYet) Unwrap() error { return n.error }

// used says what an error means for a key that is in use: it was there once.
func used(err error) error {
	if fault.KindOf(err) != fault.NotFound || err == nil {
		return err
	}
	return &fault.Error{
		Kind: fault.WrongState, Reason: fault.KeyUnavailable, Op: "awskms", Public: "the key is no longer where it lived", Err: err,
	}
}

// badCiphertext is the one error of every ciphertext that is none of the
// key's.
func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}
