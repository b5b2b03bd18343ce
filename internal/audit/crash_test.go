package audit

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/disk"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// A test that needs a second process runs the test binary again, with the
// name of what to do there in this variable.
const childVariable = "HOLDFAST_AUDIT_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "append":
		appendForever(os.Args[1])
	case "limited":
		appendLimited(os.Args[1])
	default:
		m.Run()
	}
}

func child(ctx context.Context, what, dir string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], dir)
	c.Env = append(os.Environ(), childVariable+"="+what)
	c.Stderr = os.Stderr
	return c
}

// say prints a line for the parent process.
func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

// crashOptions make everything happen often: rotation, checkpoints by count
// and by the clock.
func crashOptions() Options {
	o := small()
	o.CheckpointEvery, o.CheckpointInterval = 40, 2*time.Millisecond
	return o
}

// appendForever appends from many goroutines, and prints each position once
// it is durable, until it is killed.
func appendForever(dir string) {
	l, err := Open(dir, crashOptions())
	if err != nil {
		say("failed:", err)
		return
	}
	var mu sync.Mutex
	for c := range 16 {
		go func() {
			for i := c; ; i += 16 {
				p, err := l.Enqueue(sample(i))
				if err == nil {
					err = l.Wait(context.Background(), p)
				}
				mu.Lock()
				if err != nil {
					say("failed:", err)
				} else {
					say(p)
				}
				mu.Unlock()
			}
		}()
	}
	select {}
}

// TestCrash kills a process that appends, again and again, and checks each
// time that everything it acknowledged is there and that the log verifies.
// HOLDFAST_CRASH_ROUNDS says how often; without it, 250 times or for 20 s,
// which a busy machine reaches first.
func TestCrash(t *testing.T) {
	rounds, longest := 250, 20*time.Second
	if testing.Short() {
		rounds = 30
	}
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_CRASH_ROUNDS")); err == nil {
		rounds, longest = n, 24*time.Hour
	}
	dir, acknowledged, torn, before := t.TempDir(), Position(0), 0, time.Now()
	round := 0
	for ; round < rounds && time.Since(before) < longest; round++ {
		if round%100 == 0 && round > 0 { // a log of thousands of segments takes long to verify
			dir, acknowledged = t.TempDir(), 0
		}
		acknowledged = max(acknowledged, crashOnce(t, dir))

		l, err := Open(dir, crashOptions())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := l.Recovered(); got.Last < acknowledged {
			t.Fatalf("round %d: the log ends at %d, and %d was acknowledged", round, got.Last, acknowledged)
		}
		if l.Recovered().Torn > 0 {
			torn++
		}
		acknowledged = mustAppend(t, l, 1)
		kept := l.Checkpoint()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if round%10 == 0 || round%100 == 99 {
			if kept.Position == 0 {
				kept = l.Checkpoint()
			}
			mustVerify(t, dir, kept)
		}
	}
	r := mustVerify(t, dir)
	if r.Last != acknowledged {
		t.Errorf("the log ends at %d, want %d", r.Last, acknowledged)
	}
	t.Logf("%d kills in %v, %d left a torn write; the last log has %d entries in %d segments",
		round, time.Since(before).Round(time.Millisecond), torn, r.Entries, r.Segments)
}

// crashOnce runs a process that appends, kills it after a random while, and
// returns the last position that it acknowledged.
func crashOnce(t *testing.T, dir string) (last Position) {
	t.Helper()
	c := child(t.Context(), "append", dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(rand.N(40*time.Millisecond)+5*time.Millisecond, func() { _ = c.Process.Kill() })
	defer kill.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatal(lines.Text())
		}
		last = max(last, Position(p))
	}
	_ = c.Wait() // it was killed
	return last
}

// appendLimited appends until the size limit of files (RLIMIT_FSIZE) fails a
// write, and prints what was acknowledged before and what came after.
func appendLimited(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := Open(dir, small())
	if err == nil {
		// The current segment is complete; no further one can be prepared.
		limit := syscall.Rlimit{Cur: MinSegmentSize / 2, Max: MinSegmentSize / 2}
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	}
	if err != nil {
		say("failed:", err)
		return
	}
	acknowledged := Position(0)
	for i := 0; ; i++ {
		p, err := l.Enqueue(sample(i))
		if err == nil {
			err = l.Wait(context.Background(), p)
		}
		if err != nil {
			say(acknowledged, fault.KindOf(err))
			return
		}
		acknowledged = p
	}
}

func TestWriteErrorLosesNothing(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t.Context(), "limited", dir).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var acknowledged Position
	var kind string
	if _, err := fmt.Sscan(string(out), &acknowledged, &kind); err != nil || acknowledged == 0 || kind != fault.Unavailable.String() {
		t.Fatalf("the process said %q, want a position and %v", out, fault.Unavailable)
	}
	l := mustOpen(t, dir, small())
	if got := l.Recovered().Last; got < acknowledged {
		t.Errorf("the log ends at %d, and %d was acknowledged", got, acknowledged)
	}
	mustAppend(t, l, 200)
	mustVerify(t, dir)
}

// TestFullDisk fills a small file system for real.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("none", mount, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("skipped: no small file system can be mounted here (%v); TestWriteErrorLosesNothing and TestFullDiskIsOnRecord still run", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(mount, "ballast")
	dir := filepath.Join(mount, "log")
	o := small()
	o.RetryInterval = time.Millisecond
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged, refused := map[Position]bool{}, map[Position]bool{}
	try := func() error {
		p, err := l.Enqueue(sample(1))
		if err == nil {
			if err = l.Wait(t.Context(), p); err != nil {
				refused[p] = true
			} else {
				acknowledged[p] = true
			}
		}
		return err
	}
	for episode := range 2 {
		fill(t, ballast)
		for err = error(nil); err == nil; {
			err = try()
		}
		if fault.KindOf(err) != fault.Unavailable || !disk.Full(err) {
			t.Fatalf("episode %d: a full disk gave %v", episode, err)
		}
		for range 10 {
			if err := try(); err == nil {
				t.Fatal("an entry was accepted on a full disk")
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); l.Err() != nil; {
			if time.Now().After(deadline) {
				t.Fatalf("episode %d: space is back, and the log still says %v", episode, l.Err())
			}
			time.Sleep(time.Millisecond)
		}
		if err := try(); err != nil {
			t.Fatalf("episode %d: space is back: %v", episode, err)
		}
		// Make room for the second episode.
		if episode == 0 {
			if err := os.Remove(filepath.Join(dir, segmentName(1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	checkFullDisk(t, dir, acknowledged, refused)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !disk.Full(err) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkFullDisk checks that the log has what was acknowledged and says what
// was refused. The test removed segment 1.
func checkFullDisk(t *testing.T, dir string, acknowledged, refused map[Position]bool) {
	t.Helper()
	r, err := verify(dir, public(signer(1)), 0, nil)
	if err != nil || len(r.Problems) != 1 || r.Problems[0].Kind != Missing {
		t.Fatalf("problems %v, %v, want only that the first segment is missing", r.Problems, err)
	}
	if len(refused) == 0 || r.Refused != uint64(len(refused)) {
		t.Errorf("%d positions are on record as refused, want %d", r.Refused, len(refused))
	}
	for record, err := range Files(dir).Read(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if refused[record.Position] || !acknowledged[record.Position] {
			t.Errorf("the log has entry %d, which was refused", record.Position)
		}
		delete(acknowledged, record.Position)
	}
	for p := range acknowledged {
		if p >= r.First {
			t.Errorf("entry %d was acknowledged and is lost", p)
		}
	}
	t.Logf("%d refused, %d entries up to %d", r.Refused, r.Entries, r.Last)
}
