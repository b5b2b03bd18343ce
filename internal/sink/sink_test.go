package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestEverything: all entries of a log of many files get to a sink in their
// order, those before its start and those after it; another one begins at the
// end.
func TestEverything(t *testing.T) {
	w := newWorld(t)
	write(t, w.log, 700)
	old, recent := &box{}, &box{}
	w.start(t, Options{Name: "old", Receiver: old, Entries: 64}, Options{Name: "recent", Receiver: recent, FromNow: true})
	for range 5 {
		write(t, w.log, 120)
		time.Sleep(5 * time.Millisecond)
	}
	w.caughtUp(t)
	got := old.positions()
	if left := missing(got, 1300); left != nil || len(got) != 1300 || !slices.IsSorted(got) {
		t.Errorf("%d entries, %v are missing", len(got), left)
	}
	if got := recent.positions(); len(got) != 600 || got[0] != 701 {
		t.Errorf("the sink that begins at the end has %d entries from %d on", len(got), got[0])
	}
	h := w.Health()
	if h[0].Entries != 0 || h[0].Lag != 0 || h[0].Delivered != 1300 || h[0].Failures != 0 || h[0].Position != 1300 {
		t.Errorf("the sink is %+v", h[0])
	}
}

// TestDownForAnHour: of what happens while a syslog server is away for an hour
// nothing is lost; attempts are few, people are told once, and the end of it is
// known.
func TestDownForAnHour(t *testing.T) {
	w, s := newWorld(t), newServer(t, nil)
	write(t, w.log, 50)
	w.start(t, Options{Name: "siem", Receiver: s.plain(), Entries: 100})
	w.caughtUp(t)
	s.down()
	begin := w.clock.Now()
	for w.clock.Now().Before(begin.Add(time.Hour)) {
		write(t, w.log, 1)
		time.Sleep(time.Millisecond)
	}
	h := w.Health()[0]
	most := 15 + int64(w.clock.Now().Sub(begin)/(maxPause/2)) // the pauses grow to between a half and all of the longest
	if !h.Behind || h.Lag < 50*time.Minute || h.Entries == 0 || h.Error == "" || h.Failures < 10 || h.Failures > most {
		t.Errorf("after an hour the sink is %+v", h)
	}
	s.up()
	w.caughtUp(t)
	if left := missing(s.positions(), w.log.Last()); left != nil {
		t.Errorf("lost: %v", left)
	}
	until(t, "the sink is no longer behind", func() bool { return !w.Health()[0].Behind })
	told := w.events(t)
	if len(told) != 1 || told[0].Kind != event.SinkBehind || told[0].Name != "siem" {
		t.Fatalf("people are told %+v", told)
	}
	title := (&notice.Message{Events: told}).Title()
	if !strings.HasPrefix(title, "[Holdfast] warning: The audit log does not get to siem: ") || !strings.Contains(title, " entries wait, the oldest for ") {
		t.Errorf("a notice has the title %q", title)
	}
}

// TestBrokenConnections: connections that break at any place, in order or with
// a reset, lose nothing, and what comes twice is at most one batch each time.
func TestBrokenConnections(t *testing.T) {
	w, s := newWorld(t), newServer(t, nil)
	breaks := 0
	s.mu.Lock()
	s.hurt = func() (int, func(net.Conn)) {
		if breaks == 60 || rand.IntN(4) == 0 {
			return -1, nil
		}
		breaks++
		how := func(net.Conn) {} // with an end, or with a reset if there is something that was not read
		if rand.IntN(2) == 0 {
			how = func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) } // with a reset
		}
		return rand.IntN(30), how
	}
	s.mu.Unlock()
	const batch = 20
	w.start(t, Options{Name: "siem", Receiver: s.plain(), Entries: batch})
	write(t, w.log, 600)
	until(t, "the receiver has the last entry", func() bool {
		return slices.Contains(s.positions(), w.log.Last())
	})
	time.Sleep(20 * time.Millisecond)
	got := s.positions()
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := missing(got, w.log.Last()); left != nil {
		t.Errorf("lost after %d breaks: %v", breaks, left)
	}
	if twice, most := len(got)-600, 60*batch; twice > most {
		t.Errorf("%d entries came again, more than %d", twice, most)
	}
}

// TestExactBatches: a receiver that knows batches by their ends gets the same
// ones, whatever was added meanwhile and whenever the server stopped.
func TestExactBatches(t *testing.T) {
	w := newWorld(t)
	away := errors.New("away")
	x := &box{about: About{Exact: true}, refuse: func(context.Context, *Batch) error { return away }}
	var tried []string
	note := func(_ context.Context, b *Batch) error {
		tried = append(tried, fmt.Sprintf("%d-%d", b.First(), b.Last()))
		return away
	}
	x.refuse = note
	write(t, w.log, 30)
	for range 3 { // three lives of a server
		w.start(t, Options{Name: "files", Receiver: x, Entries: 100})
		until(t, "an attempt", func() bool { return w.Health()[0].Failures >= 2 })
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, w.log, 30)
	}
	if tried = slices.Compact(tried); !slices.Equal(tried, []string{"1-30"}) {
		t.Errorf("tried %v", tried)
	}
	x.refuse = nil
	w.start(t, Options{Name: "files", Receiver: x, Entries: 100})
	w.caughtUp(t)
	if diff := cmp.Diff([]string{"1-30", "31-120"}, x.runs); diff != "" {
		t.Error(diff)
	}
}

// TestTooLarge: what is too large for a receiver comes in parts.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	x := &box{about: About{Exact: true}, refuse: func(_ context.Context, b *Batch) error {
		if len(b.Records) > 12 {
			return &courier.Failure{Status: tooLarge, Permanent: true, Err: errors.New("413")}
		}
		return nil
	}}
	write(t, w.log, 100)
	w.start(t, Options{Name: "hook", Receiver: x, Entries: 100})
	w.caughtUp(t)
	if got := x.positions(); len(got) != 100 || missing(got, 100) != nil || x.runs[0] != "1-12" {
		t.Errorf("got %v", x.runs)
	}
}

// TestSlowReceiver: a receiver that never answers slows nobody who is recorded,
// and does not keep the server from stopping.
func TestSlowReceiver(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{}, 1)
	x := &box{refuse: func(ctx context.Context, _ *Batch) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	write(t, w.log, 10)
	w.start(t, Options{Name: "slow", Receiver: x})
	<-begun
	start := time.Now()
	write(t, w.log, 500)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("500 entries took %v", took)
	}
	if h := w.Health()[0]; h.Entries != 510 {
		t.Errorf("the sink is %+v", h)
	}
	start = time.Now()
	if err := w.Close(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("closing took %v: %v", time.Since(start), err)
	}
}

// TestAskedToWait: who asks to be left alone is, up to an hour.
func TestAskedToWait(t *testing.T) {
	for _, asked := range []time.Duration{10 * time.Minute, 30 * time.Hour} {
		w := newWorld(t)
		var times []time.Time
		x := &box{refuse: func(context.Context, *Batch) error {
			times = append(times, w.clock.Now())
			if len(times) > 1 {
				return nil
			}
			return &courier.Failure{Status: 429, RetryAfter: asked, Err: errors.New("429")}
		}}
		write(t, w.log, 10)
		w.start(t, Options{Name: "hook", Receiver: x})
		w.caughtUp(t)
		if took := times[1].Sub(times[0]); took != min(asked, time.Hour) {
			t.Errorf("asked for %v, the next attempt came after %v", asked, took)
		}
	}
}

// failing is a store that cannot be written for a while.
type failing struct {
	store.Store
	left atomic.Int32
}

func (f *failing) Update(ctx context.Context, change func(store.Tx) error) error {
	if f.left.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return f.Store.Update(ctx, change)
}

// TestNotStored: what was delivered and could not be remembered comes again.
func TestNotStored(t *testing.T) {
	w, x := newWorld(t), &box{}
	f := &failing{Store: w.store}
	w.store = f
	x.refuse = func(context.Context, *Batch) error {
		if len(x.got) == 0 {
			f.left.Store(1)
		}
		return nil
	}
	write(t, w.log, 40)
	w.start(t, Options{Name: "a", Receiver: x})
	w.caughtUp(t)
	if diff := cmp.Diff([]string{"1-40", "1-40"}, x.runs); diff != "" {
		t.Error(diff)
	}
}

// TestLoad: what is stored of a sink is of its log, or it begins anew.
func TestLoad(t *testing.T) {
	tests := map[string]struct {
		stored string
		want   audit.Position
		fails  bool
	}{
		"this log":          {`{"v":1,"log":"` + logID + `","position":7,"upto":9}`, 7, false},
		"another log":       {`{"v":1,"log":"other","position":7}`, 0, false},
		"beyond its end":    {`{"v":1,"log":"` + logID + `","position":70}`, 20, false},
		"a later version":   {`{"v":2,"log":"` + logID + `","position":7}`, 0, true},
		"an impossible end": {`{"v":1,"log":"` + logID + `","position":7,"upto":7}`, 0, true},
		"no JSON":           {`{`, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			write(t, w.log, 20)
			put(t, w.store, "a", test.stored)
			s, err := Open(context.Background(), Config{Log: w.log, ID: logID, Store: w.store, Out: discard, Sinks: []Options{{Name: "a", Receiver: &box{}}}})
			if (err != nil) != test.fails {
				t.Fatalf("opened with %v", err)
			}
			if err == nil && s.Delivered() != test.want {
				t.Errorf("delivered up to %d, want %d", s.Delivered(), test.want)
			}
		})
	}
}

// FuzzState: what is read of a stored state is written as the same again.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"v":1,"log":"a","position":7,"upto":9,"toldAt":"2026-11-23T08:00:00Z"}`))
	f.Add([]byte(`{"v":1,"position":18446744073709551615}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			return
		}
		again, err := parseState(encoded(t, s))
		if err != nil || cmp.Diff(s, again) != "" {
			t.Fatalf("%+v was read again as %+v, %v", s, again, err)
		}
	})
}

// TestFarBehind: a sink that delivers, and is behind all the same, is told of
// once.
func TestFarBehind(t *testing.T) {
	w := newWorld(t)
	for range 30 {
		e := call(1)
		e.Time = w.clock.Now().Add(-2 * time.Hour)
		p, err := w.log.Enqueue(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.log.Wait(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
	w.start(t, Options{Name: "slow", Receiver: &box{}, Entries: 2})
	w.caughtUp(t)
	until(t, "it is no longer behind", func() bool { return stateOf(t, w.store, "slow").ToldAt.IsZero() })
	if told := w.events(t); len(told) != 1 || told[0].Details[2].Value == "0" {
		t.Errorf("people are told %+v", told)
	}
}
