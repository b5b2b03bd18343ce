package cryptoki

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/softkey"
)

// Options says what Serve serves, and to whom. The zero value of everything but
// Slots is the default that its comment gives.
type Options struct {
	// Slots are what is behind the slots 0, 1, …
	Slots []Token
	// UIDs are the users who may connect, as the kernel tells who they are. Empty
	// leaves it to the permissions of the socket's folder.
	UIDs []uint32
	// Connections is how many applications there are at the same time; 1,024.
	Connections int
	// Sessions is how many sessions an application has open; 1,024.
	Sessions int
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
	// LoginDelay is how long the answer to a first wrong PIN takes; each further
	// one takes twice as long, up to 32 times as long; 250 ms.
	LoginDelay time.Duration
	// Drain is how long calls that run may still take when the server ends; 5 s.
	Drain time.Duration
	// Log gets refusals that are none of an application's affair; slog.Default.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Connections, 1024)
	setDefault(&o.Sessions, 1024)
	setDefault(&o.Calls, 32)
	setDefault(&o.CallTimeout, time.Minute)
	setDefault(&o.MessageTimeout, 10*time.Second)
	setDefault(&o.LoginDelay, 250*time.Millisecond)
	setDefault(&o.Drain, 5*time.Second)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// server is what all applications share.
type server struct {
	Options

	maker *softkey.Maker
	gates gates
	wg    sync.WaitGroup

	// mu guards what follows.
	mu          sync.Mutex
	connections map[*connection]struct{}
	draining    bool
}

// Serve serves applications until ctx ends, and then returns nil when those
// calls have ended that ran, or were given up after Options.Drain. It closes l.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	s := &server{Options: o.withDefaults(), connections: map[*connection]struct{}{}}
	var err error
	if s.maker, err = softkey.New(s.Log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.maker.Close()) }()

	// Calls outlive ctx by Drain.
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // Accept fails then
		s.drain()
	})
	defer stop()
	err = s.accept(calls, l)
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
	if len(s.UIDs) > 0 && (err != nil || !slices.Contains(s.UIDs, who.uid)) {
		s.Log.WarnContext(ctx, "a PKCS #11 application was refused: its user may not connect", slog.Uint64("uid", uint64(who.uid)), slog.Any("cause", err))
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
