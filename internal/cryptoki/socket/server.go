// Package socket reads the messages of the p11-kit protocol (package wire/p11kit)
// at a Unix socket, has the calls in them made, side by side where they wait, and
// writes the answers; and it knows who is at the socket's other end. What a call
// means is nothing that it knows: that is an Application's.
//
// Start with Serve. The package is internal and may change with any release.
package socket

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// Application makes the calls of one connection.
type Application interface {
	// Call makes a call: it reads the arguments and writes the results. What was
	// written is not sent with an answer other than CKR_OK. Both, and what the
	// arguments refer to, are overwritten afterwards. Calls come at the same time.
	Call(ctx context.Context, id p11kit.Call, args *p11kit.Reader, results *p11kit.Writer) pkcs11.RV
	// Close ends all that the application had. It comes last, and once.
	Close(ctx context.Context)
}

// Options says to whom Serve talks, how much at the same time, and how long it
// waits. The zero value of each is the default that its comment gives.
type Options struct {
	// UIDs are the users who may connect, as the kernel tells who they are. Empty
	// leaves it to the permissions of the socket's folder.
	UIDs []uint32
	// Connections is how many applications there are at the same time; 1,024.
	Connections int
	// Calls is how many calls of one application run at the same time; 32.
	Calls int
	// CallTimeout is how long a call may take; a minute.
	CallTimeout time.Duration
	// MessageTimeout is how long a message may take to arrive once it has begun,
	// and the greeting; 10 s.
	MessageTimeout time.Duration
	// IdleTimeout ends connections on which nothing comes for so long. The default
	// is never: a client whose connection has gone does not make another one.
	IdleTimeout time.Duration
	// Drain is how long calls that run may still take when the server ends; 5 s.
	Drain time.Duration
	// Log gets refusals that are none of an application's affair; slog.Default.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Connections, 1024)
	setDefault(&o.Calls, 32)
	setDefault(&o.CallTimeout, time.Minute)
	setDefault(&o.MessageTimeout, 10*time.Second)
	setDefault(&o.Drain, 5*time.Second)
	o.Log = cmp.Or(o.Log, slog.Default())
	return o
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// server is what all connections share.
type server struct {
	Options

	application func(Peer) Application
	wg          sync.WaitGroup

	// mu guards what follows.
	mu          sync.Mutex
	connections map[*connection]struct{}
	draining    bool
}

// Serve serves connections, each with an application of its own, until ctx ends,
// and then returns nil when those calls have ended that ran, or were given up
// after Options.Drain. It closes l.
func Serve(ctx context.Context, l net.Listener, o Options, application func(Peer) Application) error {
	s := &server{Options: o.withDefaults(), application: application, connections: map[*connection]struct{}{}}
	// Calls outlive ctx by Drain.
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // Accept fails then
		s.drain()
	})
	defer stop()
	err := s.accept(calls, l)
	if ctx.Err() != nil {
		err = nil
	}
	_ = l.Close() // it is closed already, or Accept has failed
	s.drain()
	s.finish(end)
	return err
}

func (s *server) accept(ctx context.Context, l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accepting PKCS #11 applications: %w", err)
		}
		if c := s.admit(ctx, conn); c != nil {
			s.wg.Go(func() { c.run(ctx) })
		} else {
			_ = conn.Close() // refused
		}
	}
}

// admit returns a connection that is counted, or nil when it is refused.
func (s *server) admit(ctx context.Context, conn net.Conn) *connection {
	who, err := peerOf(conn)
	if len(s.UIDs) > 0 && (err != nil || !slices.Contains(s.UIDs, who.UID)) {
		s.Log.WarnContext(ctx, "a PKCS #11 application was refused: its user may not connect", slog.Uint64("uid", uint64(who.UID)), slog.Any("cause", err))
		return nil
	}
	c := newConnection(s, conn, who)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return nil
	case len(s.connections) >= s.Connections:
		s.Log.WarnContext(ctx, "a PKCS #11 application was refused: there are too many", slog.Int("limit", s.Connections))
		return nil
	}
	s.connections[c] = struct{}{}
	return c
}

func (s *server) forget(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
}

// drain ends reading on every connection: what runs is still answered.
func (s *server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for c := range s.connections {
		c.stop()
	}
}

// finish waits for all connections: after Drain it gives their calls up.
func (s *server) finish(giveUp context.CancelFunc) {
	timer := time.AfterFunc(s.Drain, func() {
		giveUp()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.connections {
			_ = c.conn.Close() // whoever writes to it gives up, too
		}
	})
	defer timer.Stop()
	s.wg.Wait()
}
