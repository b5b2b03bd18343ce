package keyless

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// proofPause is what a proof that fails costs, beside the connection's place.
const proofPause = time.Second

// prove serves the custom function by which a connection proves who it is. The
// connection reads nothing else meanwhile.
func (c *conn) prove(j *job) bool {
	j.ID = c.requestID()
	ctx, cancel := context.WithTimeout(context.Background(), c.server.limits.Request)
	defer cancel()
	err := c.tryProof(ctx, j)
	c.server.config.Observe(ctx, API, j.Route.Name(), codeOf(err), time.Since(j.Arrived))
	if err == nil {
		c.answer(&wire.Operation{Opcode: wire.OpResponse}, j.id)
		j.free()
		return true
	}
	c.failed++
	if fault.KindOf(err) == fault.Unauthenticated {
		c.server.wait(proofPause)
	}
	c.answer(&wire.Operation{Opcode: wire.OpError, Payload: errorPayload(errorOf(err))}, j.id)
	j.free()
	return c.failed < maxProofs
}

// tryProof has the session prove who it is, and recovers from our own bugs.
func (c *conn) tryProof(ctx context.Context, j *job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.server.config.Log.ErrorContext(ctx, "a proof panicked", slog.String("request", j.ID), slog.Any("panic", p),
				slog.String("stack", string(debug.Stack())))
			err = wire.ErrInternal
		}
	}()
	if string(j.Function) != Authenticate {
		return c.session.Refuse(ctx, &j.Request, wire.ErrBadOpcode)
	}
	return c.session.Prove(ctx, &j.Request)
}

// refuse answers an operation of a client that nobody knows.
func (c *conn) refuse(j *job) bool {
	j.ID = c.requestID()
	err := c.session.Refuse(context.Background(), &j.Request,
		fault.Because(fault.Unauthenticated, fault.MissingCredential, "the client has not proved who it is"))
	c.server.config.Observe(context.Background(), API, j.Route.Name(), codeOf(err), time.Since(j.Arrived))
	c.answer(&wire.Operation{Opcode: wire.OpError, Payload: errorPayload(errorOf(err))}, j.id)
	j.free()
	return c.tolerate()
}
