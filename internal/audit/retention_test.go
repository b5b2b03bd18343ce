package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// aged makes a log with several sealed segments.
func aged(t testing.TB) (*Log, string, []uint64) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	for range 12 {
		mustAppend(t, l, 50)
	}
	numbers, err := l.Segments()
	if err != nil || len(numbers) < 5 {
		t.Fatalf("segments %v, %v: want five or more", numbers, err)
	}
	return l, dir, numbers
}

// TestRetire: a log whose beginning was retired is intact and says so, reads
// from where it begins, goes on growing, and is opened again.
func TestRetire(t *testing.T) {
	l, dir, numbers := aged(t)
	old := l.Checkpoint()
	third, err := l.Beginning(3)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		m, err := l.Retire(3)
		if err != nil || m.Segment != 3 || m.First != third.First {
			t.Fatalf("retired up to %+v, %v; want segment 3, entry %d", m, err, third.First)
		}
	}
	if m, err := l.Retire(2); err != nil || m.Segment != 3 {
		t.Errorf("an earlier segment moved the beginning to %+v, %v", m, err)
	}
	if _, err := l.Retire(numbers[len(numbers)-1] + 1); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("retiring what is not there: %v", err)
	}
	last := mustAppend(t, l, 60)
	r := mustVerify(t, dir, old)
	if r.Retention == nil || r.Retention.First != third.First || r.First != third.First || r.Last != last {
		t.Errorf("the report is of %d to %d with the mark %+v", r.First, r.Last, r.Retention)
	}
	for after, want := range map[Position]Position{0: third.First, third.First + 7: third.First + 8} {
		for record, err := range l.Read(context.Background(), Filter{After: after}) {
			if err != nil || record.Position != want {
				t.Errorf("the first entry after %d is %v, %v; want %d", after, record, err, want)
			}
			break
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, small())
	if _, err := l.Retire(4); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, dir)
}

// TestRetireWhileRead: who reads while the beginning is removed goes on with
// what is kept.
func TestRetireWhileRead(t *testing.T) {
	l, dir, _ := aged(t)
	third, err := l.Beginning(3)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Position
	for r, err := range l.Read(context.Background(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) == 0 {
			if _, err := l.Retire(3); err != nil {
				t.Fatal(err)
			}
		}
		if r.Segment != 1 {
			seen = append(seen, r.Position)
		} else {
			seen = []Position{0}
		}
	}
	if seen[1] != third.First || seen[len(seen)-1] != l.Last() {
		t.Errorf("read on at %d up to %d, want %d to %d", seen[1], seen[len(seen)-1], third.First, l.Last())
	}
	mustVerify(t, dir)
}

// TestRetireCrash: whatever a crash leaves between the mark and the last
// removal is intact, and is removed by the next call.
func TestRetireCrash(t *testing.T) {
	l, dir, _ := aged(t)
	kept := map[uint64][]byte{}
	for n := range uint64(3) {
		b, err := os.ReadFile(filepath.Join(dir, segmentName(n+1)))
		if err != nil {
			t.Fatal(err)
		}
		kept[n+1] = b
	}
	if _, err := l.Retire(4); err != nil {
		t.Fatal(err)
	}
	for _, left := range [][]uint64{{1, 2, 3}, {2, 3}, {3}, {1, 3}} {
		for _, n := range left {
			if err := os.WriteFile(filepath.Join(dir, segmentName(n)), kept[n], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if r := mustVerify(t, dir); r.Retention == nil {
			t.Errorf("with %v left there is no mark", left)
		}
		if _, err := l.Retire(4); err != nil {
			t.Fatal(err)
		}
		numbers, err := l.Segments()
		if err != nil || numbers[0] != 4 {
			t.Errorf("with %v left the log begins with %v, %v after another call", left, numbers, err)
		}
	}
}

// TestRetireTampering: what is wrong with a log that was retired is found.
func TestRetireTampering(t *testing.T) {
	remove := func(number uint64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, segmentName(number))); err != nil {
				t.Fatal(err)
			}
		}
	}
	rewrite := func(change func(*Mark)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			m, err := ReadMark(dir)
			if err != nil {
				t.Fatal(err)
			}
			change(m)
			if err := m.write(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		change func(*testing.T, string)
		want   ProblemKind
	}{
		"another segment is removed":       {remove(3), Missing},
		"a segment in the middle":          {remove(4), Missing},
		"the mark is removed":              {func(t *testing.T, dir string) { mustRemove(t, dir, markName) }, Missing},
		"the mark is moved on":             {func(t *testing.T, dir string) { remove(3)(t, dir); rewrite(func(m *Mark) { m.Segment = 4 })(t, dir) }, Forged},
		"the mark is signed by another":    {rewrite(func(m *Mark) { _ = m.sign(signer(2)) }), Forged},
		"the mark is of another beginning": {rewrite(func(m *Mark) { m.Previous[0] ^= 1; _ = m.sign(signer(1)) }), Changed},
		"the mark is of a later segment":   {rewrite(func(m *Mark) { m.Segment = 99; _ = m.sign(signer(1)) }), Cut},
		"an entry is changed": {func(t *testing.T, dir string) {
			patch(t, dir, 4, 8192, func(b []byte) { b[bytes.IndexByte(b, 'e')]++ })
		}, Damaged},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, dir, _ := aged(t)
			if _, err := l.Retire(3); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			test.change(t, dir)
			r, err := verify(dir, public(signer(1)), 0, nil)
			if err != nil || !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind == test.want }) {
				t.Errorf("found %v, %v; want one that is %s", r.Problems, err, test.want)
			}
		})
	}
}

// TestRetireTampered: a log that was changed is not retired: what would prove it
// stays, and a removal by somebody else is not signed.
func TestRetireTampered(t *testing.T) {
	tests := map[string]func(*testing.T, string){
		"an entry is changed": func(t *testing.T, dir string) {
			patch(t, dir, 2, 8192, func(b []byte) { b[bytes.IndexByte(b, 'e')]++ })
		},
		"a segment is removed":     func(t *testing.T, dir string) { mustRemove(t, dir, segmentName(2)) },
		"the beginning is removed": func(t *testing.T, dir string) { mustRemove(t, dir, segmentName(1)) },
		"a mark is forged": func(t *testing.T, dir string) {
			m := Mark{Log: "log", Segment: 2, First: 2}
			_ = m.sign(signer(2))
			if err := m.write(dir); err != nil {
				t.Fatal(err)
			}
			mustRemove(t, dir, segmentName(1))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			l, dir, numbers := aged(t)
			l.patience = 0
			change(t, dir)
			before, err := verify(dir, public(signer(1)), 0, nil)
			if err != nil || before.OK() {
				t.Fatalf("%v, %v", before.Problems, err)
			}
			for _, first := range []uint64{4, numbers[len(numbers)-1]} {
				if _, err := l.Retire(first); err == nil {
					t.Errorf("retired up to %d", first)
				}
			}
			after, err := verify(dir, public(signer(1)), 0, nil)
			if err != nil || len(after.Problems) != len(before.Problems) || after.Segments != before.Segments {
				t.Errorf("found %v, %v after %v", after.Problems, err, before.Problems)
			}
		})
	}
}

func mustRemove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// FuzzMark: what is read as a mark is written and read again as the same, and
// its signature is of every word of it.
func FuzzMark(f *testing.F) {
	m := Mark{Log: "log", Segment: 3, First: 2001}
	if err := m.sign(signer(1)); err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(&m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(strings.Replace(string(text), "2001", "2002", 1)))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := parseMark(b)
		if err != nil {
			return
		}
		dir := t.TempDir()
		if err := read.write(dir); err != nil {
			return // a time that JSON cannot have
		}
		again, err := ReadMark(dir)
		if err != nil || !bytes.Equal(read.text(), again.text()) || !bytes.Equal(read.Signature, again.Signature) {
			t.Fatalf("%+v was read as %+v, %v", read, again, err)
		}
		if read.Verify(public(signer(1))) == nil && !bytes.Equal(read.text(), m.text()) {
			t.Fatalf("the signature is taken for %q", read.text())
		}
	})
}
