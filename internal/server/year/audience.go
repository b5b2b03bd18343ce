package year

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/notice"
)

// audience is who is told: the receiver of the one channel of notices. It
// remembers what it heard whatever becomes of the servers.
type audience struct {
	mu sync.Mutex // guards all below
	// away says that it is not reached at the moment.
	away bool
	// life counts how often the servers were killed.
	life int
	// heard has the messages by their ids, and the life in which each was sent
	// last; told has the events by theirs, and the message that each came in.
	heard map[string]int
	told  map[string]string
	// repeated counts messages that came again because a kill kept the server
	// from noting that they had arrived.
	repeated, refused int
	// renewals are the certificates that followed others, by the managed
	// certificate's id and the serial before.
	renewals map[string]map[string]*seen
	failed   int
	ending   []string // ids of events about certificates that end
	wrong    []error
}

func newAudience() *audience {
	return &audience{heard: map[string]int{}, told: map[string]string{}, renewals: map[string]map[string]*seen{}}
}

// Send implements notice.Sender.
func (a *audience) Send(_ context.Context, m *notice.Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		a.refused++
		return notice.Down(errors.New("nobody is there"))
	}
	if life, ok := a.heard[m.ID]; ok {
		if life == a.life {
			a.wrong = append(a.wrong, fmt.Errorf("message %s came twice, and no server was killed", m.ID))
		}
		a.repeated++
		a.heard[m.ID] = a.life
		return nil
	}
	a.heard[m.ID] = a.life
	for _, e := range m.Events {
		if err := a.listen(m, e); err != nil {
			a.wrong = append(a.wrong, err)
		}
	}
	return nil
}

// listen takes an event in that comes for the first time.
func (a *audience) listen(m *notice.Message, e *event.Event) error {
	if other, ok := a.told[e.ID]; ok {
		return fmt.Errorf("%s is told of twice, by the messages %s and %s", e.ID, other, m.ID)
	}
	a.told[e.ID] = m.ID
	switch e.Kind {
	case event.RenewalFailed:
		a.failed++
	case event.CertificateRenewed:
		return a.renewed(e)
	case event.CertificateExpiring, event.CertificateExpired:
		a.ending = append(a.ending, e.ID)
	default:
	}
	return nil
}

// renewed takes a renewal in. They may come in any order: report follows them.
func (a *audience) renewed(e *event.Event) error {
	details := map[string]string{}
	for _, d := range e.Details {
		details[d.Name] = d.Value
	}
	end, err := time.Parse(time.RFC3339, details["not after"])
	if err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	id := filepath.Base(filepath.Dir(e.ID))
	after := a.renewals[id]
	if after == nil {
		after = map[string]*seen{}
		a.renewals[id] = after
	}
	if after[details["before"]] != nil {
		return fmt.Errorf("%s follows %s, which another one follows", e.ID, details["before"])
	}
	after[details["before"]] = &seen{serial: details["serial"], at: e.Time, end: end}
	return nil
}

// follow goes through the renewals of a certificate from its first one to its
// last, which it returns, and with how much left of its life any was renewed.
func (a *audience) follow(id string, first *seen) (last *seen, least float64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, least = first, 1
	n := 0
	for next := a.renewals[id][last.serial]; next != nil; next = a.renewals[id][last.serial] {
		if !next.at.Before(last.end) {
			return nil, 0, fmt.Errorf("%s expired at %s, before it was renewed at %s", id, last.end, next.at)
		}
		least = min(least, float64(last.end.Sub(next.at))/float64(first.life))
		last = next
		n++
	}
	if n != len(a.renewals[id]) {
		return nil, 0, fmt.Errorf("%s was told to be renewed %d times, of which %d follow one another", id, len(a.renewals[id]), n)
	}
	return last, least, nil
}

// unrenewed judges what was told of the certificates that nobody renews, which
// are those of want: each event of want once, and none else.
func (a *audience) unrenewed(want []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := map[string]bool{}
	for _, id := range want {
		left[id] = true
	}
	var errs []error
	for _, id := range a.ending {
		if strings.Contains(id, "/managed/") {
			continue // one whose renewal is overdue
		}
		if !left[id] {
			errs = append(errs, fmt.Errorf("%s is told of for no reason", id))
		}
		delete(left, id)
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, fmt.Errorf("%s is not told of", id))
	}
	return errors.Join(errs...)
}
