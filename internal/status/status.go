// Package status publishes which certificates are revoked: lists of them
// (CRLs, RFC 5280 section 5: complete ones, one for each shard of an
// authority, and deltas) and answers about single ones (OCSP, RFC 6960 and RFC
// 5019). What is revoked is decided in package ca; here it is made known.
//
// Start with Service. list.go says what a list is and schedule.go when the
// next one is due; make.go makes it by streaming, folder.go keeps its file.
// respond.go answers OCSP requests, from answers signed ahead where it can;
// signer.go has the keys that sign them. The design and its alternatives are
// in docs/design/2026-11-22-status.md.
package status

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Keys is what OCSP responders need of the door. *kms.Service is it.
type Keys interface {
	// Entrust makes a key that is the grantee's own.
	Entrust(ctx context.Context, call *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error)
	// EndEntrusted has such a key deleted in a while.
	EndEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) error
	// DelegatedSigner signs with it; each signature is recorded.
	DelegatedSigner(ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm) (crypto.Signer, error)
}

// Sink takes files for others to fetch: a bucket.
type Sink interface {
	Put(ctx context.Context, bucket, name, contentType string, content io.Reader) error
}

// Config says what a Service works with. Authorities, Keys, Guard and Store
// are needed.
type Config struct {
	Authorities *ca.Service
	Keys        Keys
	Guard       *guard.Guard
	Store       store.Store
	// Dir is the folder in which the lists are kept, made when it is missing;
	// nobody else writes there. Empty keeps them in memory.
	Dir string
	// Sink is where the lists of authorities with a bucket go, too; nil for
	// none.
	Sink Sink
	// Answers is how many signed answers are kept in memory at most, 0 for
	// DefaultAnswers. One has 1 to 2 KiB, with ML-DSA 15 KiB.
	Answers int
	// AnswerValidity is the time between an answer and its nextUpdate, 0 for
	// DefaultAnswerValidity.
	AnswerValidity time.Duration
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Defaults of Config.
const (
	DefaultAnswers        = 50_000
	DefaultAnswerValidity = 4 * time.Hour
)

// Limits on what strangers can ask for.
const (
	// unknownAnswers is how many answers about certificates that do not exist
	// are kept.
	unknownAnswers = 4096
	// waiting is how many requests wait for a signature, in each lane.
	waiting = 256
	// patience is how long one waits.
	patience = 5 * time.Second
)

// Service publishes. All methods may be called at the same time.
type Service struct {
	Config
	lints  *lint.Linter
	folder folder

	mu      sync.Mutex // guards what follows, but not what the slots hold
	slots   map[scope]*slot
	changes map[string]*changes // by authority

	issuers *issuers
	signers signers
	// known and unknown keep signed answers, about certificates that exist and
	// about others.
	known, unknown *cache
	// signing bounds the signatures that are made for the cache, fresh the
	// others.
	signing, fresh *lane
}

// New loads what is known of the authorities' lists and responders. It
// subscribes to c.Authorities, which nobody may use before New returns.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Answers <= 0 {
		c.Answers = DefaultAnswers
	}
	if c.AnswerValidity <= 0 {
		c.AnswerValidity = DefaultAnswerValidity
	}
	width := max(1, runtime.GOMAXPROCS(0)/2)
	s := &Service{
		Config: c, lints: lint.New(), slots: map[scope]*slot{}, changes: map[string]*changes{},
		issuers: &issuers{all: c.Authorities.All, now: c.Now},
		known:   newCache(c.Answers), unknown: newCache(unknownAnswers),
		signing: newLane(width, waiting), fresh: newLane(width, waiting),
	}
	var err error
	if s.folder, err = openFolder(c.Dir); err != nil {
		return nil, fmt.Errorf("opening the folder of revocation lists: %w", err)
	}
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("loading revocation lists: %w", err)
	}
	c.Authorities.OnRevoked(s.revoked)
	return s, nil
}

// revoked is told of every certificate that was revoked or released.
func (s *Service) revoked(c *ca.Certificate, at time.Time) {
	s.mu.Lock()
	s.changesOf(c.Authority).note(c.Shard, at)
	s.mu.Unlock()
	s.forget(c.Authority, c.Serial)
}

// tickBatch is how many lists and responders one Tick makes at most, so that a
// tick is short.
const tickBatch = 16

// Tick makes the lists and the responders' certificates that are due, at most
// tickBatch of them; more says that there are more. The clock (package
// lifecycle) calls it every few seconds. It returns all failures, joined; what
// failed is left alone for a minute.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	done := 0
	failed := []error{s.bury(ctx)}
	for _, a := range s.Authorities.All() {
		if !a.Publishes() {
			continue
		}
		for _, work := range s.due(a) {
			if done++; done > tickBatch {
				return true, errors.Join(failed...)
			}
			if err := work(ctx); err != nil {
				failed = append(failed, fmt.Errorf("status of authority %s: %w", a.ID, err))
			}
		}
	}
	return false, errors.Join(failed...)
}

// due returns what is due for an authority.
func (s *Service) due(a *ca.Authority) []func(context.Context) error {
	now := s.Now()
	var list []func(context.Context) error
	for _, of := range s.scopes(a) {
		if slot := s.slot(of); slot.due(s.lastChange(of), s.base(of), now) && slot.failed(now) == nil {
			list = append(list, func(ctx context.Context) error {
				_, err := s.renew(ctx, of)
				return err
			})
		}
	}
	list = append(list, s.unpublished(a, now)...)
	if s.signerDue(a, now) {
		list = append(list, func(ctx context.Context) error { return s.renewSigner(ctx, a) })
	}
	return list
}

// PublicCertificate returns the certificate in DER of the authority with the
// id, to everybody.
func (s *Service) PublicCertificate(_ context.Context, id string) ([]byte, error) {
	a, err := s.published(id)
	if err != nil {
		return nil, err
	}
	return a.Certificate, nil
}

// PublicChain returns the authority's certificate and those of its issuers, up
// to and including the root's, to everybody.
func (s *Service) PublicChain(_ context.Context, id string) ([][]byte, error) {
	a, err := s.published(id)
	if err != nil {
		return nil, err
	}
	return append([][]byte{a.Certificate}, a.Chain...), nil
}

// PublicIssuers returns every certificate of the authority's key and name: the
// current one, those before it, and those that other issuers gave to it. Any
// of them may be what a client's path needs (RFC 5280 section 4.2.2.1).
func (s *Service) PublicIssuers(_ context.Context, id string) ([][]byte, error) {
	a, err := s.published(id)
	if err != nil {
		return nil, err
	}
	list := append([][]byte{a.Certificate}, a.Past...)
	return append(list, a.Cross...), nil
}

// published returns an authority that has something to publish.
func (s *Service) published(id string) (*ca.Authority, error) {
	a, ok := s.Authorities.ByID(id)
	if !ok || !a.Publishes() {
		return nil, fault.New(fault.NotFound, "the authority does not exist")
	}
	return a, nil
}

// own runs what an authority does by itself, on record as one call of its own.
func own[T any](ctx context.Context, s *Service, a *ca.Authority, operation string, act func(*key.Call, *guard.Visit) (T, error)) (T, error) {
	call := s.Authorities.OwnCall(a, operation)
	return guard.Do(ctx, s.Guard, call, key.UpdateAuthority, func(v *guard.Visit) (T, error) {
		target := guard.Target{Action: key.UpdateAuthority, Resource: a.Resource(), Grants: []key.Grant{a.OwnGrant()}}
		if err := v.Authorize(target); err != nil {
			var none T
			return none, err
		}
		return act(call, v)
	})
}

// warn logs what failed and is made good later.
func warn(ctx context.Context, what, authority string, err error) {
	slog.WarnContext(ctx, what, slog.String("authority", authority), slog.Any("cause", err))
}
