package audit

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

func collect(t *testing.T, records iter.Seq2[*Record, error]) []*Record {
	t.Helper()
	var list []*Record
	for r, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func positions(records []*Record) []Position {
	var list []Position
	for _, r := range records {
		list = append(list, r.Position)
	}
	return list
}

// sources returns every kind of Source with the entries in it.
func sources(t *testing.T, entries []*Entry) map[string]Source {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	m := NewMemory(len(entries))
	for _, e := range entries {
		p, err := l.Enqueue(e)
		if err == nil {
			err = l.Wait(t.Context(), p)
		}
		if err == nil {
			_, err = m.Enqueue(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]Source{"Log": l, "Files": Files(dir), "Memory": m}
}

func TestReadReturnsWhatWasWritten(t *testing.T) {
	var want []*Entry
	for i := range 400 {
		want = append(want, sample(i))
	}
	for name, s := range sources(t, want) {
		got := collect(t, s.Read(t.Context(), Filter{}))
		if len(got) != len(want) {
			t.Fatalf("%s: %d records, want %d", name, len(got), len(want))
		}
		for i, r := range got {
			if r.Position != Position(i+1) {
				t.Fatalf("%s: position %d, want %d", name, r.Position, i+1)
			}
			if diff := cmp.Diff(want[i], &r.Entry); diff != "" {
				t.Fatalf("%s: entry %d (-want +got):\n%s", name, i+1, diff)
			}
		}
	}
}

func TestFilter(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 22, 16, minute, 0, 0, time.UTC) }
	list := []*Entry{
		{
			Time: at(1), Realm: "111111111111", RequestID: "r1", Operation: "Encrypt", Action: key.Encrypt,
			Principal: "111111111111:user:ops/alice", Resource: "111111111111/us-east-1/k1", Decision: Allowed, Result: "ok",
		},
		{
			Time: at(2), Realm: "111111111111", RequestID: "r2", Operation: "Decrypt", Action: key.Decrypt,
			Principal: "111111111111:user:ops/bob", Resource: "111111111111/us-east-1/k1", Decision: Denied, Result: "permission denied",
		},
		{
			Time: at(3), Realm: "222222222222", RequestID: "r3", Operation: "Encrypt", Action: key.Encrypt,
			Principal: "222222222222:user:alice", Resource: "222222222222/eu-west-1/k2", Decision: Allowed, Result: "bad ciphertext",
			Details: []Detail{{Name: "note", Value: `quoted "Text" ✓`}},
		},
		{Time: at(4), Operation: "Sign", Result: "unauthenticated", Error: "The security token is invalid."},
	}
	tests := []struct {
		name   string
		filter Filter
		want   []Position
	}{
		{"everything", Filter{}, []Position{1, 2, 3, 4}},
		{"from a time on", Filter{From: at(3)}, []Position{3, 4}},
		{"before a time", Filter{Until: at(3)}, []Position{1, 2}},
		{"between times", Filter{From: at(2), Until: at(4)}, []Position{2, 3}},
		{"after a position", Filter{After: 3}, []Position{4}},
		{"a realm", Filter{Realm: "222222222222"}, []Position{3}},
		{"a principal", Filter{Principal: "111111111111:user:ops/bob"}, []Position{2}},
		{"principals by their end", Filter{Principal: "*alice"}, []Position{1, 3}},
		{"principals by their beginning", Filter{Principal: "111111111111:*"}, []Position{1, 2}},
		{"principals by their middle", Filter{Principal: "*:user:*/*o*"}, []Position{2}},
		{"anybody who was proved", Filter{Principal: "*:*"}, []Position{1, 2, 3}},
		{"an action", Filter{Action: "key:Encrypt"}, []Position{1, 3}},
		{"an operation", Filter{Operation: "Sign"}, []Position{4}},
		{"a resource", Filter{Resource: "111111111111/us-east-1/k1"}, []Position{1, 2}},
		{"a request", Filter{RequestID: "r3"}, []Position{3}},
		{"a result", Filter{Result: "permission denied"}, []Position{2}},
		{"a decision", Filter{Decision: Allowed}, []Position{1, 3}},
		{"a text", Filter{Text: "SECURITY TOKEN"}, []Position{4}},
		{"a text with escapes", Filter{Text: `\"text\" ✓`}, []Position{3}},
		{"several members", Filter{Action: "key:Encrypt", Principal: "*alice", Until: at(2)}, []Position{1}},
		{"nothing", Filter{Operation: "Sign", Decision: Allowed}, nil},
		{"a part of a value is not the value", Filter{Operation: "Enc"}, nil},
	}
	for name, s := range sources(t, list) {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				got := positions(collect(t, s.Read(t.Context(), tt.filter)))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("positions (-want +got):\n%s", diff)
				}
				if n := len(tt.want); n > 1 {
					got := positions(collect(t, s.Tail(t.Context(), n-1, tt.filter, false)))
					if diff := cmp.Diff(tt.want[1:], got); diff != "" {
						t.Errorf("the last %d (-want +got):\n%s", n-1, diff)
					}
				}
			})
		}
	}
}

func TestReadFromTheMiddleOfManySegments(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := small()
	o.Now = func() time.Time { return now }
	l := mustOpen(t, dir, o)
	const n = 600
	for range n { // one entry an hour
		now = now.Add(time.Hour)
		e := sample(1)
		e.Time = now.Add(-time.Minute)
		p, err := l.Enqueue(e)
		if err == nil {
			err = l.Wait(t.Context(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if r := mustVerify(t, dir); r.Segments < 5 {
		t.Fatalf("only %d segments", r.Segments)
	}
	for _, after := range []Position{0, 1, 99, 100, 101, 102, 103, 300, 599, 600} {
		got := collect(t, l.Read(t.Context(), Filter{After: after}))
		if len(got) != int(n-after) || len(got) > 0 && got[0].Position != after+1 {
			t.Errorf("after %d: %d records from %v", after, len(got), positions(got[:min(1, len(got))]))
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(after) * time.Hour)
		if got := collect(t, l.Read(t.Context(), Filter{From: from})); len(got) != int(n-after) {
			t.Errorf("from %v: %d records, want %d", from, len(got), n-after)
		}
		want := min(int(after), 250)
		if got := collect(t, l.Tail(t.Context(), int(after), Filter{}, false)); len(got) != int(after) || want > 0 && got[len(got)-1].Position != n {
			t.Errorf("the last %d: %d records", after, len(got))
		}
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	m := NewMemory(1000)
	for name, s := range map[string]struct {
		Source
		Recorder
	}{"Log": {l, l}, "Files": {Files(dir), l}, "Memory": {m, m}} {
		t.Run(name, func(t *testing.T) {
			add := func(n int) (p Position) {
				for i := range n {
					var err error
					if p, err = s.Enqueue(sample(i)); err == nil {
						err = s.Wait(t.Context(), p)
					}
					if err != nil {
						t.Error(err)
					}
				}
				return p
			}
			before := add(10)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var got []Position
			for r, err := range s.Tail(ctx, 3, Filter{}, true) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, r.Position); len(got) == 3 {
					go add(250) // more than a segment
				}
				if len(got) == 253 {
					cancel() // and the loop must end without an error
				}
			}
			var want []Position
			for p := before - 2; p <= before+250; p++ {
				want = append(want, p)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("positions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadEnds(t *testing.T) {
	var list []*Entry
	for i := range 50 {
		list = append(list, sample(i))
	}
	for name, s := range sources(t, list) {
		for _, err := range s.Read(t.Context(), Filter{}) {
			if err != nil {
				t.Error(err)
			}
			break // the consumer may stop
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		n, failed := 0, error(nil)
		for _, err := range s.Read(ctx, Filter{}) {
			if n++; n == 5 {
				cancel()
			}
			failed = err
		}
		if n != 6 || !errors.Is(failed, context.Canceled) {
			t.Errorf("%s: a cancelled reading ended after %d records with %v", name, n, failed)
		}
	}
	for _, err := range Files(t.TempDir()).Read(t.Context(), Filter{}) {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("reading no log: %v", err)
		}
	}
}

func TestReadNamesDamage(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	mustAppend(t, l, 40)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	frames := framesOf(t, dir, 1)
	i := slices.IndexFunc(frames, func(f place) bool { return f.kind == kindRecord && f.position == 17 })
	patch(t, dir, 1, frames[i].off+payloadAt+20, func(b []byte) { b[0] ^= 1 })
	n := 0
	for _, err := range (files{dir: dir}).Read(t.Context(), Filter{}) {
		if n++; n == 17 {
			if err == nil || !strings.Contains(err.Error(), "entry 17 cannot be read") {
				t.Errorf("got %v, want entry 17 named", err)
			}
		} else if err != nil {
			t.Errorf("entry %d: %v", n, err)
		}
	}
	if n != 17 {
		t.Errorf("reading ended after %d steps, want 17", n)
	}
}

func TestMemoryForgets(t *testing.T) {
	m := NewMemory(5)
	for i := range 12 {
		if _, err := m.Enqueue(sample(i)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Position{8, 9, 10, 11, 12}, positions(collect(t, m.Read(t.Context(), Filter{})))); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
	if err := m.Wait(t.Context(), 12); err != nil {
		t.Error(err)
	}
	if err := m.Wait(t.Context(), 13); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("waiting for what was not given out: %v", err)
	}
}

func TestCheckpointByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := small()
		o.CheckpointInterval = 5 * time.Second
		var made []Checkpoint
		o.OnCheckpoint = func(c Checkpoint) { made = append(made, c) }
		l := mustOpen(t, dir, o)
		mustAppend(t, l, 7)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if c := l.Checkpoint(); c.Position != 7 || len(made) != 1 {
			t.Errorf("the checkpoint is of entry %d, %d were made", c.Position, len(made))
		}
		time.Sleep(time.Minute) // nothing new, no new checkpoint
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if r := mustVerify(t, dir, made...); r.Checkpoints != 1 || r.Unsigned != 0 {
			t.Errorf("%d checkpoints, %d entries unsigned", r.Checkpoints, r.Unsigned)
		}
	})
}
