package cryptoki

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/socket"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/softkey"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
)

// Options says what Serve serves, and to whom. The zero value of everything but
// Slots is the default that its comment gives.
type Options struct {
	// Options are those of the socket.
	socket.Options

	// Slots are what is behind the slots 0, 1, …
	Slots []token.Token
	// Sessions is how many sessions an application has open; 1,024.
	Sessions int
	// LoginDelay is how long the answer to a first wrong PIN takes; each further
	// one takes twice as long, up to 32 times as long; 250 ms.
	LoginDelay time.Duration
}

func (o Options) withDefaults() Options {
	if o.Sessions <= 0 {
		o.Sessions = 1024
	}
	if o.LoginDelay <= 0 {
		o.LoginDelay = 250 * time.Millisecond
	}
	o.Log = cmp.Or(o.Log, slog.Default())
	return o
}

// server is what all applications share.
type server struct {
	Options

	maker *softkey.Maker
	gates gates
}

// Serve serves applications until ctx ends, and then returns nil when those
// calls have ended that ran, or were given up after Options.Drain. It closes l.
func Serve(ctx context.Context, l net.Listener, o Options) (err error) {
	s := &server{Options: o.withDefaults()}
	if s.maker, err = softkey.New(s.Log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.maker.Close()) }()
	return socket.Serve(ctx, l, s.Options.Options, func(who socket.Peer) socket.Application { return newApplication(s, who) })
}
