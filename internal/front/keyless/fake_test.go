package keyless_test

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// fake are keys that do what a test says, for whoever asks. A stranger has to
// prove who it is.
type fake struct {
	do        func(ctx context.Context, r *keyless.Request) ([]byte, error)
	strangers bool
	refused   atomic.Int64
}

type fakeSession struct {
	*fake
	proved atomic.Bool
}

func (f *fake) Session(*keyless.Client) keyless.Session {
	s := &fakeSession{fake: f}
	s.proved.Store(!f.strangers)
	return s
}

func (s *fakeSession) Proved() bool { return s.proved.Load() }

func (s *fakeSession) Prove(_ context.Context, r *keyless.Request) error {
	if string(r.Payload) != "secret" {
		return fault.New(fault.Unauthenticated, "wrong")
	}
	s.proved.Store(true)
	return nil
}

func (s *fakeSession) Do(ctx context.Context, r *keyless.Request) ([]byte, error) {
	return s.do(ctx, r)
}

func (s *fakeSession) Refuse(_ context.Context, _ *keyless.Request, err error) error {
	s.refused.Add(1)
	return err
}

// turn "signs" by turning the payload around. Without one there is no key.
func turn(_ context.Context, r *keyless.Request) ([]byte, error) {
	if len(r.Payload) == 0 {
		return nil, wire.ErrKeyNotFound
	}
	out := bytes.Clone(r.Payload)
	slices.Reverse(out)
	return out, nil
}

// sign asks for a signature of a payload.
func sign(o wire.Opcode, payload string) *wire.Operation {
	return &wire.Operation{Opcode: o, Payload: []byte(payload)}
}
