// Package retention decides what of the audit log is old enough to go, and
// keeps what is under a legal hold.
//
// Start with Service. Tick removes files of the log (audit.Log.Retire, after
// which the log still proves itself); hold.go has the holds and the format of
// what is stored of them. A file goes when all of it is older than the age that
// the configuration says, every sink has it, and no hold is about its time.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package retention

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Log is the audit log. *audit.Log is it.
type Log interface {
	// Segments returns the numbers of the log's files, in order: one at least,
	// of which the last is being written.
	Segments() ([]uint64, error)
	Beginning(number uint64) (audit.Beginning, error)
	// Retire removes the files before one, for good and in proof.
	Retire(first uint64) (*audit.Mark, error)
}

// Config says what a Service keeps. Guard and Store are needed.
type Config struct {
	// Log is nil for a log that keeps nothing.
	Log   Log
	Guard *guard.Guard
	Store store.Store
	// Age is how old the log gets, 0 for ever.
	Age time.Duration
	// Delivered returns the position up to which every sink has the log, nil
	// where there is none.
	Delivered func() audit.Position
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service keeps the holds, and removes what may go.
type Service struct {
	Config

	tickedAt time.Time // Tick's own

	// changes keeps a hold from coming between the decision that files may go and
	// their removal.
	changes sync.Mutex
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{Config: c}
}

const (
	// every is how often Tick looks: the log is as coarse as its files are.
	every = 10 * time.Minute
	// maxFiles is how many files one Tick removes, as each is verified before.
	maxFiles = 4
	// slack is by how much an entry may be older than its file, or a clock wrong.
	slack = time.Hour
)

// Tick removes files that are old enough, a bounded number of them. It is for
// one goroutine.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	now := s.Now()
	if s.Log == nil || !s.tickedAt.IsZero() && now.Before(s.tickedAt.Add(every)) {
		return false, nil
	}
	s.tickedAt = now
	if more, err = s.retire(ctx, now); more {
		s.tickedAt = time.Time{}
	}
	return more, err
}

func (s *Service) retire(ctx context.Context, now time.Time) (more bool, err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	numbers, err := s.Log.Segments()
	if err != nil {
		return false, err
	}
	if _, err := s.Log.Retire(numbers[0]); err != nil { // what a crash has left
		return false, fmt.Errorf("removing what retention has left of the audit log: %w", err)
	}
	if s.Age <= 0 {
		return false, nil
	}
	first, more, err := s.first(ctx, now, numbers)
	if err != nil || first == 0 {
		return false, err
	}
	return more, s.remove(ctx, first)
}

// first returns the number of the file that the log may begin with, 0 when it
// stays as it is; more says that even that may go.
func (s *Service) first(ctx context.Context, now time.Time, numbers []uint64) (first uint64, more bool, err error) {
	if len(numbers) == 1 {
		return 0, false, nil
	}
	var holds []Hold
	err = s.Store.View(ctx, func(r store.Reader) error {
		holds, err = all(r, "")
		return err
	})
	if err != nil {
		return 0, false, err
	}
	delivered := ^audit.Position(0)
	if s.Delivered != nil {
		delivered = s.Delivered()
	}
	begin, err := s.Log.Beginning(numbers[0])
	if err != nil {
		return 0, false, err
	}
	for i, number := range numbers[1:] {
		end, err := s.Log.Beginning(number)
		if err != nil {
			return 0, false, err
		}
		if now.Sub(end.Time) <= s.Age || end.First > delivered+1 && delivered+1 != 0 || held(holds, begin.Time, end.Time) {
			return first, false, nil
		}
		if i == maxFiles {
			return first, true, nil
		}
		first, begin = number, end
	}
	return first, false, nil
}

// remove removes the files before one, which is recorded first.
func (s *Service) remove(ctx context.Context, first uint64) error {
	begin, err := s.Log.Beginning(first)
	if err != nil {
		return err
	}
	call := guard.OwnCall(key.DefaultRealm, "", "retention", "RetireAudit", s.Now())
	_, err = guard.Do(ctx, s.Guard, call, key.RetireAudit, func(v *guard.Visit) (struct{}, error) {
		v.Permit(resource(key.DefaultRealm, ""), "the configured retention")
		v.Note("before", fmt.Sprint(begin.First))
		v.Note("file", fmt.Sprint(first))
		v.Note("older than", begin.Time.UTC().Format(time.RFC3339))
		return struct{}{}, v.Commit(ctx, func() error {
			_, err := s.Log.Retire(first)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("removing the audit log's files before %d: %w", first, err)
	}
	return nil
}

// resource is what a hold is, "" for the log as a whole.
func resource(realm key.RealmID, hold string) key.Resource {
	id := "audit"
	if hold != "" {
		id += "/hold/" + hold
	}
	return key.Resource{Kind: key.KindServer, Realm: realm, ID: id}
}
