package gcpkmstest

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

// RetryDelay is what the server tells those whom it throttles to wait.
const RetryDelay = 60 * time.Millisecond

// intercept is before every call: it checks the access token, and misbehaves.
func (s *Server) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	switch s.Turn() {
	case remotetest.Throttle:
		return nil, detailed(codes.ResourceExhausted, "Quota exceeded for quota metric 'Cryptographic requests'.",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(RetryDelay)})
	case remotetest.Fail:
		return nil, status.Error(codes.Internal, "Internal error encountered.")
	case remotetest.Drop:
		s.wires.of(ctx).end()
		return nil, status.Error(codes.Unavailable, "dropped")
	case remotetest.Expire:
		s.door.revoke()
	case remotetest.Cut:
		answer, err := s.answer(ctx, req, next)
		s.wires.of(ctx).halve()
		return answer, err
	case remotetest.Slow:
		answer, err := s.answer(ctx, req, next)
		select {
		case <-ctx.Done():
		case <-time.After(remotetest.Delay):
		}
		return answer, err
	case remotetest.None:
	}
	return s.answer(ctx, req, next)
}

// answer acts.
func (s *Server) answer(ctx context.Context, req any, next grpc.UnaryHandler) (any, error) {
	if err := s.door.admit(ctx); err != nil {
		return nil, err
	}
	answer, err := next(ctx, req)
	if m, ok := answer.(proto.Message); ok && err == nil {
		if w := s.turnWrong(); w != 0 {
			m = proto.Clone(m)
			spoil(m.ProtoReflect(), w)
			return m, nil
		}
	}
	return answer, err
}

// wrong is what answers are to be, and which.
type wrong struct {
	what        Wrong
	spare, left int
}

func (s *Server) turnWrong() Wrong {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.wrong.spare > 0:
		s.wrong.spare--
	case s.wrong.left > 0:
		s.wrong.left--
		return s.wrong.what
	}
	return 0
}

// spoil makes an answer wrong.
func spoil(m protoreflect.Message, w Wrong) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case w == Checksum && strings.Contains(name, "crc32c") && f.Message() != nil:
			if sum, ok := v.Message().Interface().(*wrapperspb.Int64Value); ok {
				sum.Value ^= 1
			}
		case w == Checksum && name == "public_key" && f.Message() != nil:
			spoil(v.Message(), w)
		case w == Unverified && strings.HasPrefix(name, "verified_"):
			m.Clear(f)
		case w == Name && name == "name" && f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(v.String()+"7"))
		}
		return true
	})
}

// detailed is an error with details.
func detailed(code codes.Code, text string, details ...protoadapt.MessageV1) error {
	st, err := status.New(code, text).WithDetails(details...)
	if err != nil {
		return err
	}
	return st.Err()
}

// wires are the connections of a listener.
type wires struct {
	net.Listener

	mu   sync.Mutex
	open map[string]*wire // by the client's address; guarded by mu
}

// Accept returns the next connection.
func (w *wires) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	one := &wire{Conn: c}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c.RemoteAddr().String()] = one
	return one, nil
}

// of returns the connection of a call.
func (w *wires) of(ctx context.Context) *wire {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[p.Addr.String()]
}

// wire is a connection that can end in the middle of an answer.
type wire struct {
	net.Conn

	mu    sync.Mutex
	cut   bool // guarded by mu
	ended bool // guarded by mu
}

// halve has the connection end in the middle of what is written next.
func (w *wire) halve() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// end ends the connection, without the goodbye of TLS.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	_ = w.Close()
}

// Write writes, or ends the connection in the middle of it.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, net.ErrClosed
	}
	if w.cut {
		n, _ := w.Conn.Write(b[:len(b)/2])
		w.ended = true
		_ = w.Close()
		return n, net.ErrClosed
	}
	return w.Conn.Write(b)
}
