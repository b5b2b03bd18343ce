package keyless

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Keys are what a Server serves.
type Keys interface {
	// Session begins a client's use of the keys, once for each connection.
	Session(c *Client) Session
}

// Client is who is at the other end of a connection, as far as TLS tells.
type Client struct {
	// Chain are the certificates that the client presented, its own first; nil
	// for none. The handshake has shown that it has the key.
	Chain []*x509.Certificate
	// Source is the client's address, the zero Addr on a Unix socket.
	Source netip.Addr
	// Name is the connection's own among all of all servers.
	Name string
}

// Session is one client's use of keys. All methods but Prove may be called at
// the same time. Errors are *fault.Error, or a wire.Error to be answered as it is.
type Session interface {
	// Proved reports whether the client has proved who it is. It costs nothing.
	Proved() bool
	// Prove binds the session to what the request's payload proves.
	Prove(ctx context.Context, r *Request) error
	// Do signs, decrypts, seals or unseals. Of wire.OpRSADecrypt it returns what
	// RSADP returns, padding and all. The request is valid until Do returns.
	Do(ctx context.Context, r *Request) ([]byte, error)
	// Refuse records a request that failed before Do, and returns its failure, or
	// that it could not be recorded.
	Refuse(ctx context.Context, r *Request, err error) error
}

// Request is one request.
type Request struct {
	wire.Operation
	// Route is the row of the table.
	Route *Operation
	// ID names the request: the connection's name and a number.
	ID string
	// Arrived is when it was read.
	Arrived time.Time
}
