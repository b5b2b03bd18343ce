package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// failed is a service's error that says itself what it means.
type failed struct {
	Verdict
	text string
}

func (f *failed) Error() string { return f.text }

func judge(err error) Verdict {
	if f, ok := errors.AsType[*failed](err); ok {
		return f.Verdict
	}
	return Verdict{Kind: fault.Unavailable, Again: true, Down: true}
}

func failing(v Verdict) error { return &failed{v, "the service's own words"} }

// The verdicts of the tests.
var (
	down      = failing(Verdict{Kind: fault.Unavailable, Again: true, Down: true})
	throttled = failing(Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true})
	wrong     = failing(Verdict{Kind: fault.NotFound, Refused: true})
)

func newLine(s Settings) *Line {
	if s.Name == "" {
		s.Name = "far"
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return NewLine(s, judge)
}

// script sends requests with outcomes in their order, the last one for all that
// follow, and notes when each was sent.
type script struct {
	outcomes []error
	began    time.Time
	sent     []time.Duration
}

func (s *script) send(context.Context) error {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.sent = append(s.sent, time.Since(s.began))
	return s.outcomes[min(len(s.sent), len(s.outcomes))-1]
}

// TestRetries says which requests are sent again, and how often.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		name     string
		how      How
		retries  int
		outcomes []error
		sent     int
		want     error // nil: it succeeds; else any of its kind
	}{
		{"answered", Repeatable, 0, []error{nil}, 1, nil},
		{"answered, the third time", Repeatable, 0, []error{down, throttled, nil}, 3, nil},
		{"never answered", Repeatable, 0, []error{down}, 4, down},
		{"never answered, and one repetition", Repeatable, 1, []error{down}, 2, down},
		{"never repeated", Repeatable, -1, []error{down, nil}, 1, down},
		{"a mistake of the request's", Repeatable, 0, []error{wrong, nil}, 1, wrong},
		{"a mistake, the second time", Repeatable, 0, []error{down, wrong}, 2, wrong},
		{"once, and nobody knows", Once, 0, []error{down, nil}, 1, down},
		{"once, and refused", Once, 0, []error{throttled, throttled, nil}, 3, nil},
		{"once, refused, and then nobody knows", Once, 0, []error{throttled, down, nil}, 2, down},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(Settings{Retries: tt.retries, Trip: 100})
				s := &script{outcomes: tt.outcomes}
				err := l.Do(t.Context(), "op", tt.how, s.send)
				if len(s.sent) != tt.sent {
					t.Errorf("%d requests were sent, want %d", len(s.sent), tt.sent)
				}
				if (err == nil) != (tt.want == nil) || err != nil && (fault.KindOf(err) != judge(tt.want).Kind || !errors.Is(err, tt.want)) {
					t.Errorf("the error is %v, want one of %v", err, tt.want)
				}
				for i := range s.sent[1:] { // between half of a wait and all of it, which doubles
					full := firstWait << i
					if wait := s.sent[i+1] - s.sent[i]; wait < full/2 || wait >= full {
						t.Errorf("wait %d is %v, want %v to %v", i+1, wait, full/2, full)
					}
				}
			})
		})
	}
}

// TestAfter says that a request waits as long as the service says, and is given
// up at once when that is too long.
func TestAfter(t *testing.T) {
	after := func(d time.Duration) error {
		return failing(Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true, After: d})
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{Timeout: 10 * time.Second})
		s := &script{outcomes: []error{after(3 * time.Second), nil}}
		if err := l.Do(t.Context(), "op", Once, s.send); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]time.Duration{0, 3 * time.Second}, s.sent); diff != "" {
			t.Errorf("when requests were sent (-want +got):\n%s", diff)
		}
		began := time.Now()
		s = &script{outcomes: []error{after(10 * time.Second), nil}}
		if err := l.Do(t.Context(), "op", Once, s.send); fault.KindOf(err) != fault.LimitExceeded {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a call that cannot be repeated in time took %v", took)
		}
	})
}

// hang sends a request that is never answered.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("sending: %w", ctx.Err())
}

// TestTimeouts says how long a call takes that is never answered.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings Settings
		how      How
		sent     int
		took     time.Duration
	}{
		{"the defaults: each attempt 10 s, all 30 s", Settings{}, Repeatable, 3, 30 * time.Second},
		{"once", Settings{}, Once, 1, 10 * time.Second},
		{"one attempt is all", Settings{Timeout: 2 * time.Second}, Repeatable, 1, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(tt.settings)
				began, sent := time.Now(), 0
				err := l.Do(t.Context(), "op", tt.how, func(ctx context.Context) error {
					sent++
					return hang(ctx)
				})
				if took := time.Since(began); took != tt.took || sent != tt.sent || fault.KindOf(err) != fault.Unavailable {
					t.Errorf("%d requests took %v (%v), want %d and %v", sent, took, err, tt.sent, tt.took)
				}
				if h := l.Health(); h.State != StateFailing || h.Failures != int64(tt.sent) {
					t.Errorf("the health is %+v", h)
				}
			})
		})
	}
}

// TestCallerGone says that a caller who gives up is let go at once, sends
// nothing more, and that this says nothing of the service.
func TestCallerGone(t *testing.T) {
	for name, leave := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
		"a deadline of its own": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(Settings{Trip: 2})
				_ = l.Do(t.Context(), "op", Once, func(context.Context) error { return down })
				for range 5 {
					ctx, cancel := leave(t.Context())
					began, sent := time.Now(), 0
					err := l.Do(ctx, "op", Repeatable, func(ctx context.Context) error {
						sent++
						return hang(ctx)
					})
					if took := time.Since(began); took != time.Second || sent != 1 || fault.KindOf(err) != fault.Unavailable {
						t.Errorf("%d requests took %v: %v", sent, took, err)
					}
					cancel()
					if err := l.Do(ctx, "op", Repeatable, func(context.Context) error { sent++; return nil }); sent != 1 || fault.KindOf(err) != fault.Unavailable {
						t.Errorf("a caller who has gone sends a request (%v)", err)
					}
				}
				if h := l.Health(); h.State != StateFailing || h.Failures != 1 {
					t.Errorf("the health is %+v", h)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel) // while it waits to send again
		s := &script{outcomes: []error{down}}
		began := time.Now()
		if err := l.Do(ctx, "op", Repeatable, s.send); err == nil || len(s.sent) != 1 || time.Since(began) != 10*time.Millisecond {
			t.Errorf("%d requests, the last after %v: %v", len(s.sent), time.Since(began), err)
		}
	})
}

// TestBudget says that a service in trouble gets some repetitions, and then one
// for ten answers.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{})
		count := func(calls int, outcome error) (sent int) {
			for range calls {
				_ = l.Do(t.Context(), "op", Repeatable, func(context.Context) error { sent++; return outcome })
			}
			return sent
		}
		for _, step := range []struct {
			calls   int
			outcome error
			sent    int
		}{
			{50, throttled, 50 + 20}, // repetitions
			{10, nil, 10},            // earn one more
			{10, throttled, 11},
			{9, nil, 9},
			{10, throttled, 10},   // which nine do not
			{1000, nil, 1000},     // but a long time of peace fills the budget,
			{50, throttled, 70},   // up to its size
			{50, throttled, 50},   // and it is spent again
			{5, wrong, 5},         // mistakes neither earn
			{10, throttled, 10},   // nor spend
			{30, nil, 30},         //
			{1, throttled, 1 + 3}, // and no call repeats more than its own
		} {
			if sent := count(step.calls, step.outcome); sent != step.sent {
				t.Errorf("%d calls that end with %v sent %d requests, want %d", step.calls, step.outcome, sent, step.sent)
			}
		}
	})
}

// TestLimiter says that no more requests are sent in a second than are allowed,
// and that a call which would wait for too long fails at once.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{Rate: 10, Burst: 2, Timeout: 5 * time.Second})
		s := &script{outcomes: []error{nil}}
		for range 12 {
			if err := l.Do(t.Context(), "op", Repeatable, s.send); err != nil {
				t.Fatal(err)
			}
		}
		if took := s.sent[11]; s.sent[1] != 0 || took != time.Second {
			t.Errorf("12 requests took %v, the first two %v", took, s.sent[1])
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		var refused []error
		for range 60 { // six seconds' worth
			all.Go(func() {
				began := time.Now()
				if err := l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return nil }); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if refused = append(refused, err); time.Since(began) != 0 {
						t.Errorf("it took %v to refuse a call", time.Since(began))
					}
				}
			})
		}
		all.Wait()
		if len(refused) != 10 {
			t.Errorf("%d calls were refused", len(refused))
		}
		for _, err := range refused {
			if fault.KindOf(err) != fault.LimitExceeded {
				t.Errorf("a call that would wait for too long: %v", err)
			}
		}
		if h := l.Health(); h.State != StateOK || h.Failures != 0 || h.Calls != 62 {
			t.Errorf("the health is %+v", h)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l, began := newLine(Settings{Rate: 0.5}), time.Now() // less than one is still one at once
		for range 3 {
			if err := l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("three requests took %v", took)
		}
	})
}

// TestCircuit says when a service is left alone, and when it is tried again.
func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{Trip: 3, Rest: time.Second, Retries: -1})
		do := func(outcome error) (bool, error) {
			sent := false
			err := l.Do(t.Context(), "op", Repeatable, func(context.Context) error { sent = true; return outcome })
			return sent, err
		}
		all := func(n int, outcome error) {
			t.Helper()
			for range n {
				if sent, _ := do(outcome); !sent {
					t.Fatal("a request was not sent")
				}
			}
		}
		all(2, down)
		all(1, wrong) // an answer all the same
		all(2, down)
		all(1, nil)
		all(20, throttled) // by a service that is well
		all(3, down)
		if h := l.Health(); h.State != StateOpen {
			t.Errorf("three failures in a row, and it is %q", h.State)
		}
		sent, err := do(nil)
		if f, ok := errors.AsType[*fault.Error](err); sent || !ok || f.Kind != fault.Unavailable || !errors.Is(f.Err, down) || !strings.Contains(f.Public, "left alone") {
			t.Errorf("the circuit is open: %v", err)
		}
		time.Sleep(1001 * time.Millisecond)
		all(1, down) // one try, and it is open again
		if sent, _ := do(nil); sent {
			t.Error("the one try failed, and the circuit is closed")
		}
		time.Sleep(1001 * time.Millisecond)
		gone, cancel := context.WithCancel(t.Context())
		_ = l.Do(gone, "op", Repeatable, func(ctx context.Context) error { cancel(); return hang(ctx) })
		if h := l.Health(); h.State != StateFailing {
			t.Errorf("the caller of the one try has gone, and it is %q", h.State)
		}
		func() {
			defer func() { _ = recover() }()
			_ = l.Do(t.Context(), "op", Repeatable, func(context.Context) error { panic("ours") })
		}()
		all(1, nil)
		all(2, down)
		if h := l.Health(); h.State != StateFailing {
			t.Errorf("the one try was answered, and it is %q", h.State)
		}
	})
}

// TestCircuitBeforeLimit: a call that is not sent waits for no turn and takes
// none, and the log has the failures that opened the circuit, and not each call
// that came after.
func TestCircuitBeforeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLine(Settings{Trip: 1, Rest: 10 * time.Second, Retries: -1, Rate: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
		_ = l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return down })
		began := time.Now()
		for range 5 {
			err := l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return nil })
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("the circuit is open: %v", err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("five calls that were not sent took %v", took)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("the log has %d warnings of one failure", n)
		}
	})
}

// TestHealth says what is known of a service after its answers.
func TestHealth(t *testing.T) {
	denied := failing(Verdict{Kind: fault.PermissionDenied, Refused: true})
	unproved := failing(Verdict{Kind: fault.Unauthenticated, Refused: true})
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Settings{Name: "vault-1", Retries: 1, Trip: 100})
		began := time.Now()
		want := Health{Name: "vault-1", State: StateOK}
		check := func(when string) {
			t.Helper()
			if diff := cmp.Diff(want, l.Health(), cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" { //nolint:errorlint // the very same
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		check("new")
		for i, step := range []struct {
			outcome error
			state   State
			change  func(*Health)
		}{
			{nil, StateOK, func(h *Health) { h.Calls++ }},
			{wrong, StateOK, func(h *Health) { h.Calls++ }},
			{down, StateFailing, func(h *Health) { h.Calls, h.Failures, h.Retries, h.Err = h.Calls+2, h.Failures+2, h.Retries+1, down }},
			{wrong, StateOK, func(h *Health) { h.Calls++ }},
			{denied, StateRefusing, func(h *Health) { h.Calls, h.Failures, h.Err = h.Calls+1, h.Failures+1, denied }},
			{unproved, StateRefusing, func(h *Health) { h.Calls, h.Failures, h.Err = h.Calls+1, h.Failures+1, unproved }},
			{nil, StateOK, func(h *Health) { h.Calls, h.Err = h.Calls+1, nil }},
			{throttled, StateOK, func(h *Health) {
				h.Calls, h.Failures, h.Retries, h.Throttled = h.Calls+2, h.Failures+2, h.Retries+1, h.Throttled+2
			}},
		} {
			time.Sleep(time.Until(began.Add(time.Duration(i+1) * time.Minute)))
			if want.State != step.state {
				want.Since = time.Now()
			}
			_ = l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return step.outcome })
			want.State = step.state
			step.change(&want)
			check(fmt.Sprintf("after answer %d", i+1))
		}
	})
}

// TestTexts says what callers are told of every kind of failure, and what the
// operator is.
func TestTexts(t *testing.T) {
	for _, kind := range fault.Kinds() {
		for _, public := range []string{"", "words of the engine's"} {
			cause := failing(Verdict{Kind: kind, Reason: fault.KeyDisabled, Public: public})
			var log bytes.Buffer
			l := newLine(Settings{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			err := l.Do(t.Context(), "far.Sign", Repeatable, func(context.Context) error { return cause })
			f, ok := errors.AsType[*fault.Error](err)
			if !ok {
				t.Fatalf("%s: %v", kind, err)
			}
			want, level := kind, "DEBUG"
			if kind == fault.PermissionDenied || kind == fault.Unauthenticated {
				want = fault.Unavailable // it is not the caller's credential
			}
			if want == fault.Unavailable || want == fault.Internal {
				level = "WARN"
			}
			if kind == fault.LimitExceeded {
				level = "INFO"
			}
			if kind == fault.BadCiphertext { // there is nothing to tell apart
				if diff := cmp.Diff(fault.New(kind, "the ciphertext cannot be decrypted with this key"), f); diff != "" {
					t.Errorf("a bad ciphertext (-want +got):\n%s", diff)
				}
				continue
			}
			if f.Kind != want || f.Reason != fault.KeyDisabled || f.Op != "far.Sign" || !errors.Is(f, cause) {
				t.Errorf("%s is told as %v", kind, f)
			}
			if f.Public == "" || public != "" && f.Public != public || strings.Contains(f.Public, cause.Error()) {
				t.Errorf("the caller is told %q of %s", f.Public, kind)
			}
			_, line, _ := strings.Cut(log.String(), "\n") // after that of the attempt
			for _, part := range []string{"level=" + level, "refuses", "engine=far", "op=far.Sign", "kind=", cause.Error()} {
				if !strings.Contains(line, part) {
					t.Errorf("the log of %s has no %q: %s", kind, part, &log)
				}
			}
		}
	}
}

// TestAtOnce has many calls use a line at once.
func TestAtOnce(t *testing.T) {
	l := newLine(Settings{Trip: 1000, Retries: -1})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for range 50 {
				outcome := []error{nil, wrong, throttled, down}[i%4]
				if err := l.Do(t.Context(), "op", Repeatable, func(context.Context) error { return outcome }); (err == nil) != (outcome == nil) {
					t.Error(err)
				}
				_ = l.Health()
			}
		})
	}
	all.Wait()
	if h := l.Health(); h.Calls != 3200 || h.Failures != 1600 || h.Throttled != 800 {
		t.Errorf("the health is %+v", h)
	}
}

// TestContext says how long an operation may take whose caller has no context.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := newLine(Settings{Timeout: 3 * time.Second}).Context()
		defer cancel()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) != 3*time.Second {
			t.Errorf("it ends %v", end)
		}
	})
}
