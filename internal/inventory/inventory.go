// Package inventory knows every certificate there is: those that the
// authorities here have issued, and those from elsewhere that somebody
// registered or a scan discovered.
//
// Start with Service and Query. search.go finds certificates, plan.go by which
// index, and index.go writes what package term says that they are found by;
// export.go writes them out; foreign.go and chain.go are about certificates
// from elsewhere and what is wrong with certificates; report.go makes the audit
// reports of authorities.
package inventory

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Authorities is what the inventory needs to know of authorities. *ca.Service
// is it.
type Authorities interface {
	// Find returns the authority that a call names.
	Find(call *key.Call, idOrName string) (*ca.Authority, error)
	// All returns every authority in the order of their ids.
	All() []*ca.Authority
	// OnIssued has f called with each certificate that is stored from now on.
	OnIssued(f func(*ca.Certificate))
}

// Sink is where files for others are put: reports, and lists that are
// published. A call that cannot be served now is a fault.Unavailable error; a
// bucket that is not there a fault.NotFound error. A name has parts divided by
// "/". Put replaces what has the name, and when it returns nil the whole
// content is durable; otherwise what was there before still is.
type Sink interface {
	Put(ctx context.Context, bucket, name, contentType string, content io.Reader) error
}

// Config says what a Service works with. Authorities, Guard and Store are
// needed.
type Config struct {
	Authorities Authorities
	Guard       *guard.Guard
	Store       store.Store
	// Sink takes audit reports. Without it none are made.
	Sink Sink
	// Styles are the forms of audit reports by their names.
	Styles map[string]Style
	// Roots are what foreign chains may end at beside the realm's own
	// authorities, such as the system's. Nil means none.
	Roots *x509.CertPool
	// Delay is how long a certificate issued may wait until it is found by its
	// names and key without a search waiting for that. Default: 2 s.
	Delay time.Duration
	// Log is where work in the background reports failures. Default: nowhere.
	Log *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service is the inventory. All methods may be called at the same time.
type Service struct {
	authorities Authorities
	guard       *guard.Guard
	store       store.Store
	sink        Sink
	styles      map[string]Style
	roots       *x509.CertPool
	log         *slog.Logger
	now         func() time.Time

	index   *index
	reports *queue
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New starts the inventory. Certificates that were stored while there was
// none are taken up in the background. Close ends it.
func New(ctx context.Context, c Config) (*Service, error) {
	s := &Service{
		authorities: c.Authorities, guard: c.Guard, store: c.Store, sink: c.Sink, styles: c.Styles, roots: c.Roots,
		log: c.Log, now: c.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if c.Delay <= 0 {
		c.Delay = 2 * time.Second
	}
	s.index = newIndex(c.Authorities, c.Store, s.now, c.Delay)
	if err := s.index.load(ctx); err != nil {
		return nil, err
	}
	waiting, err := s.waitingReports(ctx)
	if err != nil {
		return nil, err
	}
	s.reports = newQueue(waiting)
	c.Authorities.OnIssued(s.index.take)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() { s.index.run(background, s.log) })
	s.done.Go(func() { s.makeReports(background) })
	return s, nil
}

// Ready reports whether certificates that were stored while there was no
// inventory have been taken up. Until then searches by name, key, profile and
// requester go through all certificates.
func (s *Service) Ready() bool { return s.index.ready() }

// Flush writes to the index what was issued before it is called. ready tells
// that everything is in it: after a crash that takes a while.
func (s *Service) Flush(ctx context.Context) (ready bool, err error) {
	ready = s.index.ready()
	return ready, s.index.flush(ctx)
}

// Close writes what is still to be written and ends what runs in the
// background. The store must still be open.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	return s.index.close(context.Background())
}
