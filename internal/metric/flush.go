package metric

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The bounds on the work of one step, and on what is held in memory while the
// store cannot be written.
const (
	flushEvery  = time.Minute
	flushSeries = 100     // written in one transaction
	expireRows  = 500     // deleted in one transaction
	maxReadings = 10_000  // of one gauge
	maxHeld     = 1 << 20 // bins
)

// Tick writes what was counted when a minute is over, a part of it in each
// transaction, and deletes what has expired.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	now := s.now()
	if s.begin(now) {
		if err := s.look(ctx, now); err != nil {
			s.log.WarnContext(ctx, "some figures could not be read", slog.Any("cause", err))
		}
	}
	if more, err = s.flush(ctx); more || err != nil {
		return more, err
	}
	if n := s.dropped.Swap(0); n > 0 {
		s.log.WarnContext(ctx, "figures were lost: the store takes none", slog.Int64("bins", n))
	}
	return s.expire(ctx, now)
}

// begin begins the writing of everything if it is time, and reports whether it
// is.
func (s *Service) begin(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	if s.writing || now.Sub(s.flushed) < flushEvery && now.After(s.flushed) {
		return false
	}
	s.flushed, s.writing = now, true
	return true
}

// Close writes all that was counted.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.collect()
	s.writing = true
	s.mu.Unlock()
	for {
		more, err := s.flush(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// collect brings what the calls have counted into pending. The lock is held.
func (s *Service) collect() {
	s.meter.drain(func(at spot, t *tally) {
		for _, of := range at.series() {
			s.add(of, at.slot, &Bin{Samples: t.calls, Errors: t.errors, Denied: t.denied, Throttled: t.throttled})
		}
	})
}

// add adds to a pending bin. The lock is held.
func (s *Service) add(of Series, at int64, b *Bin) {
	list := s.pending[of]
	have := list[at]
	switch {
	case have != nil:
		have.Add(b)
		return
	case s.held >= maxHeld:
		s.dropped.Add(1)
		return
	case list == nil:
		list = bins{}
		s.pending[of] = list
	}
	list[at] = b
	s.held++
}

// look looks at the gauges whose time has come. Nobody but Tick calls.
func (s *Service) look(ctx context.Context, now time.Time) error {
	var failures []error
	for _, g := range s.gauges {
		if last := s.looked[g.Kind]; now.Before(last.Add(g.Every)) && !now.Before(last) {
			continue
		}
		s.looked[g.Kind] = now
		readings, err := g.Read(ctx, now)
		if err != nil {
			failures = append(failures, err)
		}
		if len(readings) > maxReadings {
			failures = append(failures, fmt.Errorf("%d readings of %s are left out", len(readings)-maxReadings, g.Kind))
			readings = readings[:maxReadings]
		}
		s.mu.Lock()
		for _, r := range readings {
			of := Series{Realm: r.Realm, Region: r.Region, Kind: g.Kind, ID: r.ID}
			s.add(of, now.Unix()/int64(slot/time.Second), &Bin{Samples: 1, Sum: r.Value, Min: r.Value, Max: r.Value})
		}
		s.mu.Unlock()
	}
	return errors.Join(failures...)
}

// flush writes some of what is pending, if it is to be written now.
func (s *Service) flush(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writing {
		return false, nil
	}
	part := make([]Series, 0, flushSeries)
	for of := range s.pending {
		if part = append(part, of); len(part) == flushSeries {
			break
		}
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		for _, of := range part {
			for i := range tiers {
				if err := put(tx, of, &tiers[i], s.pending[of]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		s.writing = false // the next minute tries again
		return false, fmt.Errorf("writing figures: %w", err)
	}
	for _, of := range part {
		s.held -= len(s.pending[of])
		delete(s.pending, of)
	}
	s.writing = len(s.pending) > 0
	return s.writing, nil
}

// put adds figures to the blocks of a tier.
func put(tx store.Tx, of Series, t *tier, figures bins) error {
	blocks := map[int64]block{}
	for at, bin := range figures {
		begin := time.Duration(at) * slot
		number := int64(begin / t.block())
		b := blocks[number]
		if b == nil {
			var err error
			if b, err = get(tx, of, t, number); err != nil {
				return err
			}
			blocks[number] = b
		}
		i := int(begin % t.block() / t.bin)
		if b[i] == nil {
			b[i] = new(Bin)
		}
		b[i].Add(bin)
	}
	for number, b := range blocks {
		end := time.Unix(0, 0).Add(time.Duration(number+1)*t.block() + t.keep)
		row := store.Row{ID: of.row(t, number), Columns: []string{end.UTC().Format(store.TimeFormat)}, Body: b.encode(of.Kind, t)}
		if err := tx.Put(store.Metrics, row); err != nil {
			return err
		}
	}
	return nil
}

// get reads a block, an empty one if there is none.
func get(r store.Reader, of Series, t *tier, number int64) (block, error) {
	row, err := r.Get(store.Metrics, of.row(t, number))
	switch {
	case err == nil:
		b, err := readBlock(row.Body, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.ID, err)
		}
		return b, nil
	case fault.KindOf(err) == fault.NotFound:
		return block{}, nil
	default:
		return nil, err
	}
}

// expire deletes blocks whose time is over.
func (s *Service) expire(ctx context.Context, now time.Time) (more bool, err error) {
	var ids []string
	q := store.Query{Column: "expires", From: "0", To: now.UTC().Format(store.TimeFormat), Limit: expireRows}
	collect := func(r store.Reader) error {
		for row, err := range r.Scan(store.Metrics, q) {
			if err != nil {
				return err
			}
			ids = append(ids, row.ID)
		}
		return nil
	}
	if err := s.store.View(ctx, collect); err != nil || len(ids) == 0 {
		return false, err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			if err := tx.Delete(store.Metrics, id); err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
		}
		return nil
	})
	return err == nil && len(ids) == expireRows, err
}
