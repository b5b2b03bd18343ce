package trail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// maxBatch is how many entries of the log one delivery has at most, of all
// regions together.
const maxBatch = 10_000

// Tick delivers what is due of one trail: everything that the log has for it
// and that is not delivered, in files of maxBatch entries at most. A file
// comes at least once: when what was delivered cannot be remembered, the same
// file is delivered again under the same name.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	t, err := s.due(ctx)
	if t == nil || err != nil {
		return false, err
	}
	b, err := s.gather(ctx, t)
	if err != nil {
		return false, err
	}
	failure := s.deliver(ctx, t, b)
	if failure != nil {
		s.out.ErrorContext(ctx, "events of a trail cannot be delivered, and will be tried again",
			slog.String("trail", idOf(t.Realm, t.Region, t.Name)), slog.String("bucket", t.Bucket), slog.Any("cause", failure))
	}
	return true, s.remember(ctx, t, b, failure)
}

// due returns a trail that has something to deliver and was not tried within
// the interval; nil for none.
func (s *Service) due(ctx context.Context) (due *Trail, err error) {
	now, last := s.now(), s.log.Last()
	err = s.store.View(ctx, func(r store.Reader) error {
		for t, err := range all(r, "") {
			if err != nil {
				return err
			}
			if len(t.spans) == 0 || now.Before(t.AttemptedAt.Add(s.interval)) || t.spans[0].To == 0 && t.spans[0].From >= last {
				continue
			}
			due = t
			return nil
		}
		return nil
	})
	return due, err
}

// batch is what one delivery has.
type batch struct {
	files map[string]*file // by region
	// upto is the last position that the batch accounts for.
	upto audit.Position
	// whole says that there is no more for now.
	whole bool
}

// file is a file that is being filled.
type file struct {
	bytes.Buffer
	records File
	first   time.Time
}

// gather reads what the first span of a trail has.
func (s *Service) gather(ctx context.Context, t *Trail) (*batch, error) {
	part := t.spans[0]
	last := s.log.Last()
	if part.To > 0 {
		last = min(last, part.To)
	}
	b := &batch{files: map[string]*file{}, upto: last, whole: true}
	seen := 0
	for r, err := range s.log.Read(ctx, audit.Filter{After: part.From, Realm: string(t.Realm)}) {
		if err != nil {
			return nil, err
		}
		if r.Position > last {
			break
		}
		if seen++; seen > maxBatch {
			b.upto, b.whole = r.Position-1, false
			break
		}
		if err := s.add(b, t, r); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// add adds an event to a batch, if the trail has it.
func (s *Service) add(b *batch, t *Trail, r *audit.Record) error {
	e := s.format.Event(r)
	if !t.wants(&e) {
		return nil
	}
	f := b.files[e.Region]
	if f == nil {
		f = &file{first: e.Time}
		f.records = s.format.NewFile(&f.Buffer)
		b.files[e.Region] = f
	}
	return f.records.Write(r)
}

// deliver puts a batch's files into the trail's bucket.
func (s *Service) deliver(ctx context.Context, t *Trail, b *batch) error {
	for _, region := range slices.Sorted(maps.Keys(b.files)) {
		f := b.files[region]
		if err := f.records.Close(); err != nil {
			return err
		}
		name := path.Join(t.Prefix, s.format.FileName(t.Realm, region, f.first, unique(t, region, t.spans[0].From)))
		if err := s.sink.Put(ctx, t.Bucket, name, "application/x-gzip", &f.Buffer); err != nil {
			return fmt.Errorf("putting %s into the bucket %s: %w", name, t.Bucket, err)
		}
	}
	return nil
}

// unique tells a file from all others, and is the same when it is delivered
// again.
func unique(t *Trail, region string, from audit.Position) string {
	text := fmt.Appendf(nil, "%s\n%d\n%s\n", idOf(t.Realm, t.Region, t.Name), t.CreatedAt.UnixNano(), region)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(text, uint64(from)))
	return hex.EncodeToString(sum[:8])
}

// remember stores how a delivery ended. A trail that was changed meanwhile
// keeps what was changed; one that is gone, or another of its name, is left
// alone.
func (s *Service) remember(ctx context.Context, t *Trail, b *batch, failure error) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	now := s.now().UTC()
	return s.store.Update(ctx, func(tx store.Tx) error {
		row, err := tx.Get(store.Trails, idOf(t.Realm, t.Region, t.Name))
		if err != nil {
			if fault.KindOf(err) == fault.NotFound {
				return nil
			}
			return err
		}
		have, err := readTrail(row)
		if err != nil {
			return err
		}
		if !have.CreatedAt.Equal(t.CreatedAt) || len(have.spans) == 0 || have.spans[0].From != t.spans[0].From {
			return nil
		}
		if failure != nil {
			have.AttemptedAt, have.Failure = now, publicOf(failure)
			return put(tx, have)
		}
		have.settle(b, now)
		return put(tx, have)
	})
}

// settle notes that a batch is delivered.
func (t *Trail) settle(b *batch, now time.Time) {
	t.Failure = ""
	if len(b.files) > 0 {
		t.DeliveredAt = now
	}
	if b.whole {
		t.AttemptedAt = now // of what is left, the next part comes at once
	}
	t.spans[0].From = b.upto
	if to := t.spans[0].To; to > 0 && b.upto >= to {
		t.spans = t.spans[1:]
	}
}

// publicOf is what a trail's owner learns of a failure.
func publicOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Public != "" {
		return e.Public
	}
	return "the file could not be delivered"
}
