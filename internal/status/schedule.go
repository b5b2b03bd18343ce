package status

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Times of lists.
const (
	day = 24 * time.Hour
	// DefaultValidity is the time between a complete list and its nextUpdate
	// where the authority's configuration names none.
	DefaultValidity = 7 * day
	// DeltaValidity is that of a delta. It never outlasts its complete list.
	DeltaValidity = day
)

// The share of a core that revocations may cost. A list of few entries is made
// whenever it lacks a change, so that whoever asks after a revocation gets one
// with it. A longer one is made again only after share times as long as it
// took; its delta, where there is one, tells the news meanwhile.
const (
	fewEntries = 10_000
	share      = 20
)

// changes are the times of the newest changes of an authority's revocations.
type changes struct {
	all     time.Time
	byShard map[string]time.Time
}

// note notes a change of a shard.
func (c *changes) note(shard string, at time.Time) {
	if at.After(c.all) {
		c.all = at
	}
	if at.After(c.byShard[shard]) {
		c.byShard[shard] = at
	}
}

// changesOf returns an authority's changes. s.mu is held, or s is not shared
// yet.
func (s *Service) changesOf(authority string) *changes {
	c, ok := s.changes[authority]
	if !ok {
		c = &changes{byShard: map[string]time.Time{}}
		s.changes[authority] = c
	}
	return c
}

// lastChange returns when something in the scope changed last.
func (s *Service) lastChange(of scope) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.changes[of.authority]
	switch {
	case !ok:
		return time.Time{}
	case of.shard == "":
		return c.all
	}
	return c.byShard[of.shard]
}

// scopes returns the lists that the authority makes: that of all, and those of
// its shards, also of those that it had once, for their certificates are out
// there; and the delta of each.
func (s *Service) scopes(a *ca.Authority) []scope {
	c := &a.Revocation.CRL
	if !c.Enabled {
		return nil
	}
	shards := []string{""}
	for n := range c.Shards {
		shards = append(shards, strconv.Itoa(n+1))
	}
	s.mu.Lock()
	for of := range s.slots {
		if of.authority == a.ID && !slices.Contains(shards, of.shard) && s.slots[of].current.Load() != nil {
			shards = append(shards, of.shard)
		}
	}
	s.mu.Unlock()
	var list []scope
	for _, shard := range shards {
		list = append(list, scope{a.ID, shard, false})
		if c.Delta {
			list = append(list, scope{a.ID, shard, true})
		}
	}
	return list
}

// makes reports whether the scope is one of scopes.
func (s *Service) makes(a *ca.Authority, of scope) bool {
	c := &a.Revocation.CRL
	if !c.Enabled || of.delta && !c.Delta {
		return false
	}
	if n, err := strconv.Atoi(of.shard); of.shard == "" || err == nil && n > 0 && n <= c.Shards && strconv.Itoa(n) == of.shard {
		return true
	}
	of.delta = false
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.slots[of]
	return ok && found.current.Load() != nil
}

// base returns the complete list that a delta of the scope continues; nil when
// there is none, or the scope is not a delta's.
func (s *Service) base(of scope) *List {
	if !of.delta {
		return nil
	}
	of.delta = false
	return s.slot(of).current.Load()
}

// due reports whether the slot's next list is to be made: for there is none,
// it is halfway to its nextUpdate (half the time is left for whoever has to
// repair what keeps it from being made), or it lacks a change. A delta
// follows its complete list, base.
func (s *slot) due(changed time.Time, base *List, now time.Time) bool {
	l := s.current.Load()
	if l == nil || l.lost {
		return true
	}
	if !now.Before(l.ThisUpdate.Add(l.NextUpdate.Sub(l.ThisUpdate) / 2)) {
		return true
	}
	if base != nil && base.Number > l.Number {
		return true
	}
	return changed.After(l.seen) && (l.short() || !now.Before(l.made.Add(share*l.cost)))
}

// short reports whether the list is made as soon as it is due.
func (l *List) short() bool { return l.Entries <= fewEntries && !l.long }

// current returns the scope's list, a new one when it is due. While a new one
// cannot be made, the old one serves until its nextUpdate.
func (s *Service) current(ctx context.Context, a *ca.Authority, of scope) (*List, error) {
	if !s.makes(a, of) {
		return nil, fault.New(fault.NotFound, "the authority makes no such list")
	}
	slot, now := s.slot(of), s.Now()
	l := slot.current.Load()
	if !slot.due(s.lastChange(of), s.base(of), now) {
		return l, nil
	}
	if l != nil && !l.lost && !l.short() && now.Before(l.NextUpdate) {
		return l, nil // the clock makes the next one; nobody has to wait so long
	}
	made, err := s.renew(ctx, of)
	if err == nil {
		return made, nil
	}
	if l != nil && !l.lost && now.Before(l.NextUpdate) {
		return l, nil
	}
	return nil, &fault.Error{Kind: fault.Unavailable, Op: "status.CRL", Public: "the CRL cannot be made at the moment", Err: err}
}
