package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

// patience is how long shares are kept for the next one to come: after it they
// are forgotten, and the unsealing begins again.
const patience = 15 * time.Minute

// sealed is what a server without its root key has: the shares that have come.
type sealed struct {
	shares   *seal.Unsealing
	attempts *attempts
	patience time.Duration
	// opened hands the open seal to the server's own goroutine, which starts
	// everything else.
	opened chan *unsealed
	quit   <-chan struct{} // closed when the server stops

	mu sync.Mutex // guards what follows, and that one share at a time is entered
	// sources are where the shares came from, refused how many did not count.
	sources []string
	refused int
	timer   *time.Timer
}

// unsealed is a seal that shares have opened.
type unsealed struct {
	seal    *seal.Opened
	call    *key.Call // who brought the last share
	shares  []int
	sources []string
	refused int
	done    chan error // what came of it
}

// newSealed returns nil for a server that has its root key.
func newSealed(shares *seal.Unsealing, quit <-chan struct{}) *sealed {
	if shares == nil {
		return nil
	}
	s := &sealed{shares: shares, attempts: newAttempts(time.Now), patience: patience, opened: make(chan *unsealed), quit: quit}
	s.timer = time.AfterFunc(s.patience, s.forget)
	s.timer.Stop() // until a share comes
	return s
}

// forget drops the shares that have come.
func (s *sealed) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
}

func (s *sealed) reset() {
	s.timer.Stop()
	s.shares.Reset()
	s.sources = nil
}

// hand returns the channel on which the open seal comes; for a server that
// was never sealed one on which nothing comes.
func (s *sealed) hand() <-chan *unsealed {
	if s == nil {
		return nil
	}
	return s.opened
}

// enter takes a share of a call. The answer is nil, or the open seal when it
// was the last one: the caller hands that on.
func (s *sealed) enter(call *key.Call, share []byte) (*unsealed, error) {
	p, err := s.shares.Add(share)
	if err != nil {
		s.refused++
		return nil, err
	}
	s.timer.Reset(s.patience)
	if source := call.Source.String(); !slices.Contains(s.sources, source) {
		s.sources = append(s.sources, source)
	}
	if p.Have < p.Need {
		return nil, nil //nolint:nilnil // more shares are needed
	}
	defer s.reset()
	o, err := s.shares.Open()
	if err != nil {
		return nil, err
	}
	return &unsealed{
		seal: o, call: call, shares: s.shares.Entered(), sources: s.sources, refused: s.refused, done: make(chan error, 1),
	}, nil
}

// unseal starts the server with a seal that shares have opened, and records
// who brought them.
func (s *server) unseal(ctx context.Context, u *unsealed, url string) error {
	defer u.seal.Close()
	root, err := u.seal.Root()
	if err != nil {
		return err
	}
	s.Root = root
	if err := s.start(ctx, url); err != nil {
		return err
	}
	i := s.instance.Load()
	u.call.Region = i.region
	_, err = guard.Do(ctx, i.guard, u.call, key.UnsealServer, func(v *guard.Visit) (struct{}, error) {
		v.Permit(serverResource("seal"), "whoever has enough shares")
		v.Note("shares", strings.Trim(fmt.Sprint(u.shares), "[]"))
		v.Note("sources", strings.Join(u.sources, " "))
		v.NoteInt("refused", u.refused)
		return struct{}{}, nil
	})
	if err != nil {
		return err
	}
	return s.announce(ctx, url)
}

// serverResource names a part of the server itself.
func serverResource(id string) key.Resource {
	return key.Resource{Kind: key.KindServer, Realm: key.DefaultRealm, ID: id}
}

// watch adds the gauge that tells a sealed server from one that serves.
func (s *server) watch() {
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_sealed", Help: "1 while the server waits for shares of its root key, else 0.",
	}, func() float64 {
		if s.instance.Load() == nil {
			return 1
		}
		return 0
	}))
}

// progress is what /readyz says of a server without its root key.
func (s *server) progress() string {
	if s.sealed == nil {
		return "starting"
	}
	return "sealed: " + s.sealed.shares.Progress().String()
}

// waiting is the fault with which a server without its root key answers.
func (s *server) waiting() error {
	if s.sealed == nil {
		return fault.New(fault.Unavailable, "the server is starting")
	}
	return fault.New(fault.Unavailable, "the server is sealed: %s have been entered (\"holdfast unseal\" enters one)", s.sealed.shares.Progress())
}

// takeShare enters a share of a request, or with restart only proves by it
// that the shares which have come may be forgotten.
func (s *server) takeShare(r *http.Request, call *key.Call, share []byte, restart bool) error {
	s.sealed.mu.Lock()
	defer s.sealed.mu.Unlock()
	if s.instance.Load() != nil {
		return errNotSealed()
	}
	if err := s.sealed.attempts.take(call.Source); err != nil {
		return err
	}
	log := s.Log.With(slog.String("source", call.Source.String()), slog.String("request", call.RequestID))
	if restart {
		if err := s.sealed.shares.Judge(share); err != nil {
			s.sealed.refused++
			return err
		}
		s.sealed.reset()
		log.WarnContext(r.Context(), "the unsealing begins again")
		return nil
	}
	opened, err := s.sealed.enter(call, share)
	if err != nil {
		log.WarnContext(r.Context(), "a share was refused", slog.Any("cause", err))
		return err
	}
	if opened == nil {
		log.InfoContext(r.Context(), "a share was entered", slog.String("progress", s.sealed.shares.Progress().String()))
		return nil
	}
	select {
	case s.sealed.opened <- opened:
	case <-s.sealed.quit:
		opened.seal.Close()
		return fault.New(fault.Unavailable, "the server is stopping")
	}
	if err := <-opened.done; err != nil {
		return &fault.Error{
			Kind: fault.Unavailable, Public: "the shares are right, but the server cannot start: its log has the cause", Err: err,
		}
	}
	return nil
}

func errNotSealed() error { return fault.New(fault.WrongState, "the server is not sealed") }

// start opens the instance with the root key that the server has.
func (s *server) start(ctx context.Context, url string) error {
	i, err := open(ctx, &s.Config, s.Root, s.Dev != nil && s.Dev.InMemory, s.metrics, s.Log)
	if err != nil {
		return err
	}
	s.instance.Store(i)
	if err := s.startKeyless(); err != nil {
		return err
	}
	if s.Dev != nil {
		return s.prepareDev(ctx, url)
	}
	return nil
}

// stop ends the instance, if there is one, and forgets the shares that came.
func (s *server) stop() error {
	if s.sealed != nil {
		s.sealed.forget()
	}
	stopped := s.stopKeyless(context.Background()) // it has ended, unless the start failed
	if i := s.instance.Load(); i != nil {
		return errors.Join(stopped, i.close())
	}
	return stopped
}

// announce tells that the server serves, or that it waits for shares.
func (s *server) announce(ctx context.Context, url string) error {
	i := s.instance.Load()
	if i == nil {
		s.Log.WarnContext(ctx, "sealed: no request is served before enough shares are entered", slog.String("url", url),
			slog.String("progress", s.sealed.shares.Progress().String()))
		if s.Sealed == nil {
			return errors.New("nobody is told that the server is sealed")
		}
		return s.Sealed(url)
	}
	s.Log.InfoContext(ctx, "serving", slog.String("url", url), slog.Int("keys", i.keys.Keys()), slog.String("version", Version().Version))
	return s.Ready(url)
}
