// Package keylesstest is a small key server for tests of what uses one: it has
// the keys that it is given, answers each request when that is done, and
// misbehaves where it is told to.
//
// Start with Start.
package keylesstest

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Config is what a server has and does.
type Config struct {
	Keys []crypto.Signer
	// TLS is the server's; nil serves without.
	TLS *tls.Config
	// Network and Address are where it listens. Default: tcp, 127.0.0.1:0.
	Network, Address string
	// Answer answers a request in the place of the server. It returns false for
	// what the server is to do itself, and no answer for silence.
	Answer func(*wire.Operation) (*wire.Operation, bool)
}

// Server is a key server.
type Server struct {
	config   Config
	keys     map[string]crypto.Signer
	listener net.Listener
	tasks    sync.WaitGroup

	mu       sync.Mutex // guards all below
	conns    map[net.Conn]bool
	requests map[wire.Opcode]int
	accepted int
	stopped  bool
}

// Start starts a server, which stops with the test.
func Start(tb testing.TB, c Config) *Server {
	tb.Helper()
	if c.Network == "" {
		c.Network, c.Address = "tcp", "127.0.0.1:0"
	}
	s := &Server{config: c, keys: map[string]crypto.Signer{}, conns: map[net.Conn]bool{}, requests: map[wire.Opcode]int{}}
	for _, k := range c.Keys {
		ski, err := wire.SKI(k.Public())
		if err != nil {
			tb.Fatal(err)
		}
		s.keys[string(ski[:])] = k
	}
	l, err := net.Listen(c.Network, c.Address) //nolint:noctx // it lives as long as the server
	if err != nil {
		tb.Fatal(err)
	}
	s.listener = l
	if c.TLS != nil {
		s.listener = tls.NewListener(l, c.TLS)
	}
	s.tasks.Go(s.serve)
	tb.Cleanup(s.Stop)
	return s
}

// Address returns where the server is, "host:port" or "unix:///path".
func (s *Server) Address() string {
	if s.config.Network == "unix" {
		return "unix://" + s.config.Address
	}
	return s.listener.Addr().String()
}

// Stop ends the server with all connections.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	_ = s.listener.Close() // it may have been closed
	s.Drop()
	s.tasks.Wait()
}

// Drop ends the connections that there are.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // it is read to its end
	}
}

// Requests returns how many requests of an opcode came.
func (s *Server) Requests(o wire.Opcode) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[o]
}

// Accepted returns how many connections came.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.accepted++
		stopped := s.stopped
		s.mu.Unlock()
		if stopped {
			_ = c.Close() // as Drop does
		}
		s.tasks.Go(func() { s.converse(c) })
	}
}

// converse answers the requests of a connection, each when it is done.
func (s *Server) converse(c net.Conn) {
	var requests sync.WaitGroup
	var writing sync.Mutex // guards writing to c
	in := bufio.NewReader(c)
	for {
		head := make([]byte, wire.HeaderSize)
		if _, err := io.ReadFull(in, head); err != nil {
			break
		}
		h, err := wire.ParseHeader(head)
		body := make([]byte, h.Length)
		if _, readErr := io.ReadFull(in, body); err != nil || readErr != nil {
			break
		}
		requests.Go(func() {
			answer := s.answer(body)
			if answer == nil {
				return
			}
			packet, err := answer.Append(nil, h.ID)
			if err != nil {
				return
			}
			writing.Lock()
			defer writing.Unlock()
			_, _ = c.Write(packet) // the client may be gone
		})
	}
	requests.Wait()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close() // nothing is left to write
}

// Failed returns the answer that says an error.
func Failed(e wire.Error) *wire.Operation {
	return &wire.Operation{Opcode: wire.OpError, Payload: []byte{byte(e)}}
}

func (s *Server) answer(body []byte) *wire.Operation {
	var op wire.Operation
	if err := op.Parse(body); err != nil {
		return Failed(wire.ErrFormat)
	}
	s.mu.Lock()
	s.requests[op.Opcode]++
	s.mu.Unlock()
	if s.config.Answer != nil {
		if answer, ok := s.config.Answer(&op); ok {
			return answer
		}
	}
	switch op.Opcode { //nolint:exhaustive // the rest needs a key
	case wire.OpPing:
		return &wire.Operation{Opcode: wire.OpPong, Payload: op.Payload}
	case wire.OpSeal, wire.OpUnseal:
		return &wire.Operation{Opcode: wire.OpResponse, Payload: flipped(op.Payload)}
	}
	key, ok := s.keys[string(op.SKI)]
	if !ok {
		return Failed(wire.ErrKeyNotFound)
	}
	payload, err := use(key, &op)
	if err != nil {
		return Failed(wire.ErrCrypto)
	}
	return &wire.Operation{Opcode: wire.OpResponse, Payload: payload}
}

// flipped is what stands for an encryption here.
func flipped(in []byte) []byte {
	out := make([]byte, len(in))
	for i, b := range in {
		out[i] = ^b
	}
	return out
}

// use does what the operation asks with the key.
func use(key crypto.Signer, op *wire.Operation) ([]byte, error) {
	if k, ok := key.(*rsa.PrivateKey); ok && op.Opcode == wire.OpRSARawDecrypt {
		return new(big.Int).Exp(new(big.Int).SetBytes(op.Payload), k.D, k.N).FillBytes(make([]byte, k.Size())), nil
	}
	var opts crypto.SignerOpts = op.Opcode.Hash()
	if op.Opcode.Scheme() == wire.PSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: op.Opcode.Hash()}
	}
	return key.Sign(rand.Reader, op.Payload, opts)
}
