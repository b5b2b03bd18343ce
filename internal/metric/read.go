package metric

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// MaxPoints is how many periods a question may be about.
const MaxPoints = 100_800

// Question asks for the figures of a metric in periods. The first one begins
// at From, which Begin rounds; those that begin at To or later are left out.
type Question struct {
	Metric
	From, To time.Time
	Period   time.Duration
}

// Begin returns a question's From as it may be: the older, the rounder, as the
// bins are that are still there.
func Begin(from, now time.Time, period time.Duration) time.Time {
	t := &tiers[0]
	for i := range tiers {
		if age := now.Sub(from); age > tiers[i].keep {
			t = &tiers[min(i+1, len(tiers)-1)]
		}
	}
	if t.bin < time.Minute && period >= time.Minute {
		return from.Truncate(time.Minute)
	}
	return from.Truncate(t.bin)
}

// tier returns the coarsest tier that can answer.
func (q *Question) tier() (*tier, error) {
	if q.Period < slot || q.Period%slot != 0 || !q.From.Equal(q.From.Truncate(slot)) {
		return nil, fault.New(fault.InvalidArgument, "a period is a multiple of %d seconds", slot/time.Second)
	}
	if q.To.Sub(q.From)/q.Period > MaxPoints {
		return nil, fault.New(fault.InvalidArgument, "a question is about at most %d periods", MaxPoints)
	}
	for i := len(tiers) - 1; i > 0; i-- {
		if t := &tiers[i]; q.Period%t.bin == 0 && q.From.Equal(q.From.Truncate(t.bin)) {
			return t, nil
		}
	}
	return &tiers[0], nil
}

// Points returns the figures of a metric, to the second, without asking who
// wants to know: it is for parts of Holdfast.
func (s *Service) Points(ctx context.Context, q *Question) ([]Point, error) {
	t, err := q.tier()
	if err != nil {
		return nil, err
	}
	periods := map[int64]*Bin{}
	add := func(at time.Time, b *Bin) {
		if at.Before(q.From) || !at.Before(q.To) {
			return
		}
		n := int64(at.Sub(q.From) / q.Period)
		if periods[n] == nil {
			periods[n] = new(Bin)
		}
		periods[n].Add(b)
	}
	if err := s.bins(ctx, q, t, add); err != nil {
		return nil, fmt.Errorf("reading figures: %w", err)
	}
	points := make([]Point, 0, len(periods))
	for _, n := range slices.Sorted(maps.Keys(periods)) {
		points = append(points, periods[n].point(q.Name, q.From.Add(time.Duration(n)*q.Period)))
	}
	return points, nil
}

// bins gives the bins of a tier, and what is not stored yet, to add. Nothing
// goes from there to the store meanwhile.
func (s *Service) bins(ctx context.Context, q *Question, t *tier, add func(time.Time, *Bin)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	for at, b := range s.pending[q.Series] {
		add(time.Unix(at*int64(slot/time.Second), 0), b)
	}
	first, last := q.From.Unix()/int64(t.block()/time.Second), q.To.Unix()/int64(t.block()/time.Second)
	return s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Metrics, store.Query{From: q.row(t, first), To: q.row(t, last+1)}) {
			if err != nil {
				return err
			}
			number, err := numberOf(row.ID)
			if err != nil {
				return err
			}
			b, err := readBlock(row.Body, t)
			if err != nil {
				return fmt.Errorf("%s: %w", row.ID, err)
			}
			begin := time.Unix(0, 0).Add(time.Duration(number) * t.block())
			for i, bin := range b {
				add(begin.Add(time.Duration(i)*t.bin), bin)
			}
		}
		return nil
	})
}

// Statistics answers a question of a call. The series is taken to be of the
// caller's realm and region.
func (s *Service) Statistics(ctx context.Context, call *key.Call, q *Question) ([]Point, error) {
	all, err := s.answer(ctx, call, key.GetMetricStatistics, []*Question{q}, 1)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Data answers several questions of a call, from the first on until it has
// most points, or more with those of the last one answered.
func (s *Service) Data(ctx context.Context, call *key.Call, questions []*Question, most int) ([][]Point, error) {
	return s.answer(ctx, call, key.GetMetricData, questions, most)
}

func (s *Service) answer(ctx context.Context, call *key.Call, action key.Action, questions []*Question, most int) ([][]Point, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) ([][]Point, error) {
		if err := v.Authorize(atLarge(call, action)); err != nil {
			return nil, err
		}
		var answers [][]Point
		for _, q := range questions {
			if most <= 0 {
				break
			}
			q.Realm, q.Region = call.Caller.Principal.Realm, call.Region
			points, err := s.Points(ctx, q)
			if err != nil {
				return nil, err
			}
			answers = append(answers, points)
			most -= len(points)
		}
		return answers, nil
	})
}

// atLarge is what to authorise: figures belong to the realm.
func atLarge(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}

// List asks for series that have figures.
type List struct {
	// Kind is "" for all.
	Kind Kind
	// Since leaves out those without figures after it; at most 15 days ago.
	Since time.Time
	// Wants, if it is there, has the last word.
	Wants func(*Series) bool
	// After is where the page begins, and Limit how many it has.
	After string
	Limit int
}

// wants reports whether the series of a name is wanted.
func (l *List) wants(name string) (bool, error) {
	if l.Wants == nil {
		return true, nil
	}
	s, err := parseName(name)
	return err == nil && l.Wants(&s), err
}

// List returns series of the caller's realm and region in a fixed order, and
// where the next page begins, "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, l *List) (list []Series, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.ListMetrics, func(v *guard.Visit) ([]Series, error) {
		if err := v.Authorize(atLarge(call, key.ListMetrics)); err != nil {
			return nil, err
		}
		return s.list(ctx, Series{Realm: call.Caller.Principal.Realm, Region: call.Region, Kind: l.Kind}, l)
	})
	if err == nil && len(list) == l.Limit {
		next = list[len(list)-1].name()
	}
	return list, next, err
}

// list returns at most l.Limit series like of.
func (s *Service) list(ctx context.Context, of Series, l *List) ([]Series, error) {
	prefix := string(of.Realm) + "/" + of.Region + "/"
	if of.Kind != "" {
		prefix += string(of.Kind) + "/"
	}
	t := &tiers[1]
	if s.now().Sub(l.Since) <= tiers[0].keep {
		t = &tiers[0]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	found := map[string]bool{}
	for p := range s.pending {
		if name := p.name(); strings.HasPrefix(name, prefix) && name > l.After && (l.Wants == nil || l.Wants(&p)) {
			found[name] = true
		}
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		return stored(r, prefix, t, l, found)
	})
	if err != nil {
		return nil, fmt.Errorf("listing series: %w", err)
	}
	names := slices.Sorted(maps.Keys(found))
	list := make([]Series, 0, len(names))
	for _, name := range names[:min(len(names), l.Limit)] {
		one, err := parseName(name)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// stored adds the names of series in the store, from one to the next, until
// there are enough.
func stored(r store.Reader, prefix string, t *tier, l *List, found map[string]bool) error {
	since := max(l.Since.Unix(), 0) / int64(t.block()/time.Second)
	from := prefix
	if l.After != "" {
		from = l.After + "0" // '0' comes after '/', so this passes over all of its rows
	}
	for n := 0; n < l.Limit; {
		id, err := firstID(r, from, prefix[:len(prefix)-1]+"0")
		if err != nil || id == "" {
			return err
		}
		name := seriesOf(id)
		from = name + "0"
		wanted, err := l.wants(name)
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		if id, err = firstID(r, rowID(name, t, since), name+"/"+t.name+"0"); err != nil {
			return err
		}
		if id != "" {
			found[name] = true
			n++
		}
	}
	return nil
}

// firstID returns the first id in a range, "" if there is none.
func firstID(r store.Reader, from, to string) (string, error) {
	id := ""
	for row, err := range r.Scan(store.Metrics, store.Query{From: from, To: to, Limit: 1}) {
		if err != nil {
			return "", err
		}
		id = row.ID
	}
	return id, nil
}
