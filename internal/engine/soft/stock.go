package soft

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// stockDelay keeps the making of keys in advance out of what a server does
// first.
const stockDelay = time.Second

// stock makes RSA keys, one at a time, and has some made in advance.
type stock struct {
	ready map[alg.Spec]chan *rsa.PrivateKey // never changed
	turn  chan struct{}                     // held by who makes a key
	begun chan struct{}                     // closed by begin
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func newStock(want map[alg.Spec]int) *stock {
	ctx, stop := context.WithCancel(context.Background())
	s := &stock{
		ready: map[alg.Spec]chan *rsa.PrivateKey{}, turn: make(chan struct{}, 1), begun: make(chan struct{}), stop: stop,
	}
	for spec, n := range want {
		if n > 0 {
			s.ready[spec] = make(chan *rsa.PrivateKey, n-1) // the goroutine holds one more
			s.done.Go(func() { s.keep(ctx, spec) })
		}
	}
	return s
}

// begin starts the making in advance. It is called at most once.
func (s *stock) begin() { close(s.begun) }

// close stops the making in advance and waits until it has ended.
func (s *stock) close() {
	s.stop()
	s.done.Wait()
}

// keep makes keys of a spec from begin on until ctx ends, as fast as they are
// taken.
func (s *stock) keep(ctx context.Context, spec alg.Spec) {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(stockDelay):
	case <-ctx.Done():
		return
	}
	for {
		k, err := s.generate(ctx, spec, nil)
		if err != nil {
			return // ctx has ended: crypto/rsa itself does not fail
		}
		select {
		case s.ready[spec] <- k:
		case <-ctx.Done():
			return
		}
	}
}

// take returns a new key of the spec: one made in advance, or else the first
// that can be made.
func (s *stock) take(ctx context.Context, spec alg.Spec) (*rsa.PrivateKey, error) {
	select {
	case k := <-s.ready[spec]:
		return k, nil
	default:
		return s.generate(ctx, spec, s.ready[spec])
	}
}

// generate makes a key when it is its turn, or takes one that becomes ready
// while it waits.
func (s *stock) generate(ctx context.Context, spec alg.Spec, ready <-chan *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	select {
	case k := <-ready:
		return k, nil
	case <-ctx.Done():
		return nil, unavailable("engine/soft.Generate", ctx.Err())
	case s.turn <- struct{}{}:
	}
	defer func() { <-s.turn }()
	k, err := rsa.GenerateKey(rand.Reader, spec.Info().Bits)
	if err != nil {
		return nil, internal("engine/soft.Generate", err)
	}
	return k, nil
}
