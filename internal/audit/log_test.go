package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/disk"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// signer returns a fixed Ed25519 key, another for each number.
func signer(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func public(s ed25519.PrivateKey) ed25519.PublicKey {
	pub, _ := s.Public().(ed25519.PublicKey)
	return pub
}

// small are the options of a log with small segments and no checkpoint by the
// clock.
func small() Options {
	return Options{Signer: signer(1), SegmentSize: MinSegmentSize, CheckpointEvery: 50, CheckpointInterval: time.Hour}
}

// sample returns the entry of a typical call.
func sample(n int) *Entry {
	return &Entry{
		Time:  time.Date(2026, 11, 22, 16, 0, n, 123456789, time.UTC),
		Realm: key.DefaultRealm, Region: "us-east-1", RequestID: fmt.Sprintf("6f1a2b3c-0000-4000-8000-%012d", n),
		API: "aws.kms", Operation: "Encrypt", Action: key.Encrypt,
		Principal: "123456789012:user:ops/alice", Credential: "AKIAIOSFODNN7EXAMPLE", Method: "sigv4", MFA: n%2 == 0,
		Source: "192.0.2.17", UserAgent: "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.6",
		Resource: "123456789012/us-east-1/1234abcd-12ab-34cd-56ef-1234567890ab",
		Decision: Allowed, Why: "key policy, statement Enable IAM policies; identity policy ops, statement 2", Result: "ok",
		Details: []Detail{{Name: "algorithm", Value: "SYMMETRIC_DEFAULT"}, {Name: "version", Value: "3"}},
	}
}

func mustOpen(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// mustAppend appends entries one after the other and waits for the last.
func mustAppend(t testing.TB, l *Log, n int) Position {
	t.Helper()
	var p Position
	for i := range n {
		var err error
		if p, err = l.Enqueue(sample(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wait(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// mustVerify checks that nothing is wrong with the log.
func mustVerify(t testing.TB, dir string, kept ...Checkpoint) Report {
	t.Helper()
	r, err := verify(dir, public(signer(1)), 0, kept)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("the log does not verify: %v (%d more)", r.Problems, r.Omitted)
	}
	return r
}

func TestAppendCloseReopen(t *testing.T) {
	dir := t.TempDir()
	id := ""
	for round := range 5 {
		l := mustOpen(t, dir, small())
		if round == 0 {
			id = l.ID()
		}
		if got := l.Recovered().Last; got != Position(round*150) {
			t.Errorf("round %d: the log ends at %d, want %d", round, got, round*150)
		}
		if got := mustAppend(t, l, 150); got != Position((round+1)*150) {
			t.Errorf("round %d: position %d, want %d", round, got, (round+1)*150)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r := mustVerify(t, dir, l.Checkpoint())
		if r.Log != id || r.Last != Position((round+1)*150) || r.Entries != uint64(r.Last) || r.First != 1 || r.Unsigned != 0 {
			t.Errorf("round %d: report %+v", round, r)
		}
	}
	if r := mustVerify(t, dir); r.Segments < 5 {
		t.Errorf("%d segments: the log was not rotated", r.Segments)
	}
}

func TestConcurrentCallers(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	var callers sync.WaitGroup
	var mu sync.Mutex
	given := make(map[Position]bool)
	for range 32 {
		callers.Go(func() {
			for i := range 100 {
				p, err := l.Enqueue(sample(i))
				if err == nil {
					err = l.Wait(t.Context(), p)
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if given[p] {
					t.Errorf("position %d was given out twice", p)
				}
				given[p] = true
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	if r := mustVerify(t, dir); r.Entries != 3200 || r.Last != 3200 {
		t.Errorf("%d entries up to %d, want 3200", r.Entries, r.Last)
	}
}

func TestOpenRefuses(t *testing.T) {
	valid := small()
	used := t.TempDir()
	l := mustOpen(t, used, valid)
	mustAppend(t, l, 10)

	foreign := valid
	foreign.ID = "other"
	otherKey := valid
	otherKey.Signer = signer(2)
	tests := []struct {
		name    string
		options Options
		closed  bool
		want    string
	}{
		{"a second writer", valid, false, "in use by another process"},
		{"no key", Options{}, true, "needs a key"},
		{"tiny segments", Options{Signer: signer(1), SegmentSize: 100}, true, "segments of 100 bytes"},
		{"another log's id", foreign, true, "not of other"},
		{"another key", otherKey, true, "signed by the key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.closed {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(used, tt.options)
			wantText(t, err, tt.want)
		})
	}
	// None of it did any harm.
	mustOpen(t, used, valid)
}

func TestWaitErrors(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	if err := l.Wait(t.Context(), 1); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("waiting for what was not given out: %v", err)
	}
	mustAppend(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(t.Context(), 1); err != nil {
		t.Errorf("waiting for a durable entry of a closed log: %v", err)
	}
	if _, err := l.Enqueue(sample(1)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("enqueueing in a closed log: %v", err)
	}
	if err := l.Err(); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a closed log's state: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

// cpuTime returns the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDurable(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := mustOpen(b, b.TempDir(), Options{Signer: signer(1)})
			e := sample(1)
			b.ReportAllocs()
			before := cpuTime(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for range (b.N + callers - 1 - c) / callers {
						p, err := l.Enqueue(e)
						if err == nil {
							err = l.Wait(b.Context(), p)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
		})
	}
}

// failing makes the log's syncs fail with an error while it is not nil.
type failing struct {
	mu  sync.Mutex
	err error
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) sync(file *os.File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	return disk.Sync(file)
}

// failingLog opens a log whose syncs can be made to fail.
func failingLog(t *testing.T, dir string, o Options) (*Log, *failing) {
	t.Helper()
	l := mustOpen(t, dir, o)
	mustAppend(t, l, 20) // the goroutine that writes is idle after it
	f := &failing{}
	l.mu.Lock()
	l.w.sync = f.sync
	l.mu.Unlock()
	return l, f
}

func TestBrokenDiskRefusesUntilReopened(t *testing.T) {
	dir := t.TempDir()
	l, f := failingLog(t, dir, small())
	f.set(syscall.EIO)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			p, err := l.Enqueue(sample(i))
			if err == nil {
				err = l.Wait(t.Context(), p)
			}
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("got %v, want unavailable", err)
			}
		})
	}
	callers.Wait()
	f.set(nil)
	if _, err := l.Enqueue(sample(1)); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want unavailable for the EIO: a disk that failed once is not trusted", err)
	}
	if err := l.Close(); err == nil {
		t.Error("closing a failed log said that all is well")
	}
	l = mustOpen(t, dir, small())
	if l.Recovered().Last < 20 {
		t.Errorf("the log ends at %d: acknowledged entries are lost", l.Recovered().Last)
	}
	mustAppend(t, l, 10)
	mustVerify(t, dir)
}

func TestFullDiskIsOnRecord(t *testing.T) {
	dir := t.TempDir()
	o := small()
	o.RetryInterval = time.Millisecond
	l, f := failingLog(t, dir, o)
	f.set(fmt.Errorf("sync: %w", syscall.ENOSPC))
	var refused []Position
	for i := range 3 {
		p, err := l.Enqueue(sample(i))
		if err != nil {
			continue
		}
		if err := l.Wait(t.Context(), p); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("got %v, want unavailable", err)
		}
		refused = append(refused, p)
	}
	f.set(nil)
	for l.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	last := mustAppend(t, l, 10)
	for _, p := range refused {
		if err := l.Wait(t.Context(), p); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("waiting again for the refused position %d: %v", p, err)
		}
	}
	if err := l.Wait(t.Context(), 20); err != nil {
		t.Errorf("waiting for a position before the gap: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := mustVerify(t, dir)
	if r.Refused != uint64(len(refused)) || r.Last != last || r.Entries != 30 {
		t.Errorf("report %+v, want %d refused, 30 entries up to %d", r, len(refused), last)
	}
	mustOpen(t, dir, o)
}

func TestSegmentIsLost(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	mustAppend(t, l, 500)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, segmentName(2))); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, small())
	wantText(t, err, "a segment before this one is missing")
}
