package index

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var begin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func openLog(t testing.TB, dir string, size int64) *audit.Log {
	t.Helper()
	l, err := audit.Open(dir, audit.Options{Signer: ed25519.NewKeyFromSeed(make([]byte, 32)), SegmentSize: size, CheckpointInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // a test may have closed it
	return l
}

var (
	people  = []string{"", "123456789012:user:alice", "123456789012:user:ops/bob", "999999999999:root:", "123456789012:session:app/one"}
	things  = []string{"", "123456789012/us-east-1/key-1", "123456789012/us-east-1/key-2", "123456789012/us-east-1/authority/ca", `odd "quoted" ✓`}
	actions = []key.Action{key.NoAction, key.Sign, key.Encrypt, key.CreateKey, key.IssueCertificate}
	results = []string{"ok", "permission denied", "not found"}
)

// random returns an entry; its time is near the one of its number.
func random(r *rand.Rand, n int) *audit.Entry {
	e := &audit.Entry{
		Time:  begin.Add(time.Duration(n)*time.Minute + time.Duration(r.IntN(600))*time.Second),
		Realm: key.RealmID([]string{"123456789012", "999999999999", ""}[r.IntN(3)]), Operation: "Op" + fmt.Sprint(r.IntN(3)),
		RequestID: fmt.Sprintf("request-%d", r.IntN(n+1)), Action: actions[r.IntN(len(actions))], Principal: people[r.IntN(len(people))],
		Resource: things[r.IntN(len(things))], Result: results[r.IntN(len(results))],
		Decision: []audit.Decision{audit.Undecided, audit.Allowed, audit.Denied}[r.IntN(3)],
		Details:  []audit.Detail{{Name: "filler", Value: strings.Repeat("x", r.IntN(200))}},
	}
	if r.IntN(50) == 0 {
		e.Time = begin.Add(-time.Hour * 24 * time.Duration(r.IntN(30)))
	}
	return e
}

// fill adds entries to a log and waits for them.
func fill(t testing.TB, l *audit.Log, n int, entryOf func(int) *audit.Entry) {
	t.Helper()
	var p audit.Position
	for i := range n {
		var err error
		if p, err = l.Enqueue(entryOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wait(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

func facets(e *entry.Entry, put func(facet, value string)) {
	_, name, _ := strings.Cut(e.Principal, ":")
	put("who", name)
	put("first", e.Result[:1])
}

// randomFilter returns a filter of every kind, at random.
func randomFilter(r *rand.Rand, n int) audit.Filter {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	f := audit.Filter{
		Realm: pick("", "", "123456789012", "nobody"), Principal: pick("", "", people[1], "*user:*", "*bob", "*"),
		Action: pick("", "", "key:Sign", "key:*", "nothing"), Resource: pick("", "", things[1], "*key*", things[4]),
		Operation: pick("", "", "Op1"), Result: pick("", "", "ok", "*denied"),
		RequestID: pick("", "", "", fmt.Sprintf("request-%d", r.IntN(n)), "request-1*"),
		Decision:  audit.Decision(pick("", "", "allow", "deny")), Text: pick("", "", "", "QUOTED", "xxxx"),
	}
	if r.IntN(3) == 0 {
		f.From = begin.Add(time.Duration(r.IntN(n)) * time.Minute)
	}
	if r.IntN(3) == 0 {
		f.Until = begin.Add(time.Duration(r.IntN(n))*time.Minute + time.Millisecond)
	}
	if r.IntN(4) == 0 {
		f.After = audit.Position(r.IntN(n))
	}
	return f
}

func positions(t testing.TB, all iter.Seq2[*audit.Record, error]) (list []audit.Position) {
	t.Helper()
	for r, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r.Position)
	}
	return list
}

func mustOpen(t testing.TB, c Config) *Index {
	t.Helper()
	x, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestSameAsTheLog: on logs at random, whatever is asked, the index has the
// answers of a look at every entry.
func TestSameAsTheLog(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		l := openLog(t, dir, audit.MinSegmentSize)
		c := Config{Log: l, Dir: filepath.Join(dir, "index"), Facets: facets, Version: "1"}
		x := mustOpen(t, c)
		total := 0
		for round := range 3 {
			n := 50 + r.IntN(500)
			fill(t, l, n, func(i int) *audit.Entry { return random(r, total+i) })
			total += n
			switch round {
			case 1:
				tick(t, x)
			case 2:
				x = mustOpen(t, c)
			}
			for range 20 {
				same(t, r, x, l, randomFilter(r, total))
			}
		}
		same(t, r, mustOpen(t, Config{Log: audit.Files(dir), Dir: c.Dir, ReadOnly: true}), l, randomFilter(r, total))
		same(t, r, mustOpen(t, Config{Log: audit.Files(dir)}), l, randomFilter(r, total))
	}
}

func tick(t testing.TB, x *Index) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = x.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func same(t *testing.T, r *rand.Rand, x *Index, l audit.Source, f audit.Filter) {
	t.Helper()
	want := positions(t, l.Read(t.Context(), f))
	if diff := cmp.Diff(want, positions(t, x.Read(t.Context(), f))); diff != "" {
		t.Fatalf("%+v (-log +index):\n%s", f, diff)
	}
	n := 1 + r.IntN(10)
	tail := want[max(0, len(want)-n):]
	if got := positions(t, x.Tail(t.Context(), n, f, false)); len(got)+len(tail) > 0 && !slices.Equal(tail, got) {
		t.Fatalf("the last %d of %+v are %v, want %v", n, f, got, tail)
	}
	before := audit.Position(1 + r.IntN(1000))
	var newest []audit.Position
	for _, p := range slices.Backward(want) {
		if p < before {
			newest = append(newest, p)
		}
	}
	q := &Query{Filter: f, Before: before, Newest: true}
	if got := positions(t, x.Search(t.Context(), q)); len(got)+len(newest) > 0 && !slices.Equal(newest, got) {
		t.Fatalf("before %d, newest first, of %+v are %v, want %v", before, f, got, newest)
	}
}

// TestTerms: facets find what they say, in files and in memory.
func TestTerms(t *testing.T) {
	r, dir := rand.New(rand.NewPCG(7, 7)), t.TempDir()
	l := openLog(t, dir, audit.MinSegmentSize)
	fill(t, l, 700, func(i int) *audit.Entry { return random(r, i) })
	x := mustOpen(t, Config{Log: l, Dir: filepath.Join(dir, "index"), Facets: facets, Version: "1"})
	var want []audit.Position
	for record, err := range l.Read(t.Context(), audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(record.Entry.Principal, "user:ops/bob") && record.Entry.Result == "not found" {
			want = append(want, record.Position)
		}
	}
	q := &Query{Terms: []Term{{"who", "user:ops/bob"}, {"first", "n"}}}
	if got := positions(t, Over(l, facets).Search(t.Context(), q)); !slices.Equal(want, got) {
		t.Errorf("without an index: found %v, want %v", got, want)
	}
	newest := &Query{Terms: q.Terms, Newest: true}
	if got := positions(t, Over(l, facets).Search(t.Context(), newest)); len(got) != len(want) || got[0] != want[len(want)-1] {
		t.Errorf("without an index, newest first: found %v, want %v", got, want)
	}
	if got := positions(t, x.Search(t.Context(), q)); len(want) == 0 || !slices.Equal(want, got) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := positions(t, x.Search(t.Context(), &Query{Terms: []Term{{"none", ""}}})); len(got) > 0 {
		t.Errorf("a facet that there is not finds %v", got)
	}
}

// TestFilesAreDerived: whatever is done to the files, the answers stay right,
// and what is damaged is made again.
func TestFilesAreDerived(t *testing.T) {
	r, dir := rand.New(rand.NewPCG(3, 3)), t.TempDir()
	l := openLog(t, dir, audit.MinSegmentSize)
	fill(t, l, 900, func(i int) *audit.Entry { return random(r, i) })
	c := Config{Log: l, Dir: filepath.Join(dir, "index"), Facets: facets, Version: "1"}
	tick(t, mustOpen(t, c))
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(c.Dir, "*"))
		if err != nil || len(list) < 3 {
			t.Fatalf("the index has the files %v (%v): too few for the test", list, err)
		}
		return list
	}
	whole := map[string][]byte{}
	for _, path := range files() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole[path] = text
	}
	put := func(path string, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := files()[0]
	for name, harm := range map[string]func(){
		"nothing":           func() {},
		"a file is missing": func() { _ = os.Remove(first) },
		"a file is empty":   func() { put(first, nil) },
		"cut":               func() { put(first, whole[first][:len(whole[first])/2]) },
		"of another":        func() { put(first, whole[files()[1]]) },
		"half written":      func() { put(first+partialSuffix, whole[first][:100]) },
		"of other facets":   func() { c.Version += "+" },
	} {
		harm()
		x := mustOpen(t, c)
		for range 10 {
			same(t, r, x, l, randomFilter(r, 900))
		}
		tick(t, x)
		for _, path := range files() {
			if strings.HasSuffix(path, partialSuffix) {
				t.Errorf("%s: %s is left", name, path)
			}
		}
	}
	// Any byte, in a file that is open already.
	c.Version = "1"
	for range 12 {
		x := mustOpen(t, c)
		tick(t, x)
		text, err := os.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		text[r.IntN(len(text))] ^= 1 << r.IntN(8)
		put(first, text)
		same(t, r, x, l, randomFilter(r, 900))
		same(t, r, mustOpen(t, c), l, randomFilter(r, 900))
	}
}

// TestForgottenSegments: what is of segments that are gone goes too.
func TestForgottenSegments(t *testing.T) {
	r, dir := rand.New(rand.NewPCG(4, 4)), t.TempDir()
	l := openLog(t, dir, audit.MinSegmentSize)
	fill(t, l, 700, func(i int) *audit.Entry { return random(r, i) })
	x := mustOpen(t, Config{Log: l, Dir: filepath.Join(dir, "index")})
	tick(t, x)
	if err := os.Remove(filepath.Join(dir, "audit-0000000001.seg")); err != nil {
		t.Fatal(err)
	}
	tick(t, x)
	if _, err := os.Stat(filepath.Join(dir, "index", fileName(1))); err == nil {
		t.Error("the file of a segment that is gone is still there")
	}
	same(t, r, x, l, audit.Filter{})
}

// FuzzFile: no file of an index makes a search panic, or has it find what the
// log does not have.
func FuzzFile(f *testing.F) {
	r, dir := rand.New(rand.NewPCG(5, 5)), f.TempDir()
	l := openLog(f, dir, audit.MinSegmentSize)
	fill(f, l, 300, func(i int) *audit.Entry { return random(r, i) })
	tick(f, mustOpen(f, Config{Log: l, Dir: filepath.Join(dir, "index")}))
	text, err := os.ReadFile(filepath.Join(dir, "index", fileName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:headSize])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openStored(path)
		if err != nil || s.toc.Count > 1<<20 {
			return
		}
		offsets, err := candidates(s, &Query{Filter: audit.Filter{Action: "key:*", Result: "ok"}})
		if err != nil || offsets == nil {
			return
		}
		for range offsets {
		}
	})
}
