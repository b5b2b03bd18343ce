package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// place is a frame and where it stands.
type place struct {
	kind     frameKind
	position Position
	off      int64
	raw      []byte
}

// framesOf returns the frames of a segment.
func framesOf(t testing.TB, dir string, number uint64) []place {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, segmentName(number)))
	if err != nil {
		t.Fatal(err)
	}
	var list []place
	for off := len(magic); ; {
		f, ok := parseFrame(b[off:])
		if !ok {
			break
		}
		list = append(list, place{f.kind, f.position, int64(off), bytes.Clone(f.raw)})
		off += len(f.raw)
	}
	if len(list) == 0 {
		t.Fatalf("segment %d has no frames", number)
	}
	return list
}

// patch changes a segment's file from an offset on.
func patch(t testing.TB, dir string, number uint64, off int64, change func([]byte)) {
	t.Helper()
	path := filepath.Join(dir, segmentName(number))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b[off:])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rebuild writes a segment anew from frames, in a file of the same size.
func rebuild(t testing.TB, dir string, number uint64, frames []place) {
	t.Helper()
	patch(t, dir, number, int64(len(magic)), func(b []byte) {
		clear(b)
		for _, f := range frames {
			b = b[copy(b, f.raw):]
		}
	})
}

// rechain computes positions, hashes and checksums of the frames anew, as
// somebody does who has the program but not the key.
func rechain(frames []place) {
	var chain Hash
	var p Position
	off := int64(len(magic))
	for i, f := range frames {
		if f.kind == kindHeader {
			var h header
			_ = json.Unmarshal(f.raw[payloadAt:], &h)
			chain, p = h.Previous, h.First-1
		}
		if f.kind == kindRecord {
			p++
		}
		if f.kind == kindGap {
			p = f.position
		}
		raw := appendFrame(nil, f.kind, p, f.raw[payloadAt:])
		write := off
		if f.kind == kindHeader {
			write = 0
		}
		link(raw, &chain, write)
		frames[i].raw = raw
		off += int64(len(raw))
	}
}

// edit returns a frame with a text in its payload replaced.
func edit(f place, from, to string) place {
	payload := bytes.Replace(f.raw[payloadAt:], []byte(from), []byte(to), 1)
	f.raw = append(bytes.Clone(f.raw[:payloadAt]), payload...)
	return f
}

func record(frames []place, p Position) int {
	return slices.IndexFunc(frames, func(f place) bool { return f.kind == kindRecord && f.position == p })
}

func checkpoints(frames []place) []int {
	var list []int
	for i, f := range frames {
		if f.kind == kindCheckpoint {
			list = append(list, i)
		}
	}
	return list
}

// swapFiles exchanges the contents of two segments.
func swapFiles(t *testing.T, dir string, a, b uint64) {
	t.Helper()
	one, other, spare := filepath.Join(dir, segmentName(a)), filepath.Join(dir, segmentName(b)), filepath.Join(dir, "spare")
	for _, step := range [][2]string{{one, spare}, {other, one}, {spare, other}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// writeLog makes a closed log of some segments. Segment 2 has entries 81 to 160
// or so, segment 4 the last one, 300.
func writeLog(t *testing.T, key ed25519.PrivateKey, id string) string {
	t.Helper()
	dir := t.TempDir()
	o := small()
	o.Signer, o.ID, o.CheckpointEvery = key, id, 20
	now := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { now = now.Add(time.Second); return now }
	l := mustOpen(t, dir, o)
	for i := range 300 {
		e := sample(i)
		e.Why += " of log " + id
		p, err := l.Enqueue(e)
		if err == nil {
			err = l.Wait(t.Context(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTampering(t *testing.T) {
	type args struct {
		dir    string
		frames []place // of segment 2
		other  []place // of segment 2 of another log with the same key
	}
	flip := func(at int) func(*testing.T, args) {
		return func(t *testing.T, a args) {
			f := a.frames[record(a.frames, 120)]
			patch(t, a.dir, 2, f.off+int64(at), func(b []byte) { b[0] ^= 0x04 })
		}
	}
	change := func(with func(a *args)) func(*testing.T, args) {
		return func(t *testing.T, a args) {
			with(&a)
			rebuild(t, a.dir, 2, a.frames)
		}
	}
	// forge changes a frame without caring for more than its checksum.
	forge := func(raw []byte, at int) {
		raw[at] ^= 0x04
		sum := checksum(raw)
		raw[crcAt], raw[crcAt+1], raw[crcAt+2], raw[crcAt+3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	}
	tests := []struct {
		name   string
		tamper func(*testing.T, args)
		kind   ProblemKind
		text   string // of the first problem
	}{
		// One bit of each field of a record's frame.
		{"a bit of the mark", flip(0), Damaged, "entry 120: damaged"},
		{"a bit of the length", flip(lengthAt), Damaged, "entry 120: damaged"},
		{"the length's highest byte", flip(lengthAt + 3), Damaged, "entry 120: damaged"},
		{"a bit of the checksum", flip(crcAt), Damaged, "entry 120: damaged"},
		{"a bit of the hash", flip(hashAt + 7), Damaged, "entry 120: damaged"},
		{"a bit of the kind", flip(kindAt), Damaged, "entry 120: damaged"},
		{"a bit of the write", flip(writeAt), Damaged, "entry 120: damaged"},
		{"a bit of the position", flip(positionAt), Damaged, "entry 120: damaged"},
		{"a bit of the time", flip(payloadAt + 20), Damaged, "entry 120: damaged"},
		{"a bit of the last byte", func(t *testing.T, a args) {
			f := a.frames[record(a.frames, 120)]
			patch(t, a.dir, 2, f.off+int64(len(f.raw))-1, func(b []byte) { b[0] ^= 1 })
		}, Damaged, "entry 120: damaged"},
		{"a record wiped with zeros", func(t *testing.T, a args) {
			f := a.frames[record(a.frames, 120)]
			patch(t, a.dir, 2, f.off, func(b []byte) { clear(b[:len(f.raw)]) })
		}, Damaged, "entry 120: damaged"},

		// With a right checksum.
		{
			"the text of a record", change(func(a *args) { forge(a.frames[record(a.frames, 120)].raw, payloadAt+20) }),
			Changed, "entry 120 was changed",
		},
		{
			"the hash of a record", change(func(a *args) { forge(a.frames[record(a.frames, 120)].raw, hashAt) }),
			Changed, "entry 120 was changed",
		},
		{
			"the position of a record", change(func(a *args) { forge(a.frames[record(a.frames, 120)].raw, positionAt) }),
			Missing, "entries 120 to 123 should stand here, before entry 124",
		},
		{
			"a record removed", change(func(a *args) { i := record(a.frames, 120); a.frames = slices.Delete(a.frames, i, i+1) }),
			Missing, "entry 120 should stand here, before entry 121",
		},
		{
			"three records removed", change(func(a *args) { i := record(a.frames, 110); a.frames = slices.Delete(a.frames, i, i+3) }),
			Missing, "entries 110 to 112 should stand here, before entry 113",
		},
		{"two records exchanged", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames[i], a.frames[i+1] = a.frames[i+1], a.frames[i]
		}), Missing, "entry 120 should stand here, before entry 121"},
		{"a record repeated", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames = slices.Insert(a.frames, i+1, a.frames[i])
		}), Moved, "entry 120 stands where entry 121 should"},
		{"a record of another log", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames[i] = a.other[record(a.other, 120)]
		}), Changed, "entry 120 was changed, or entry 119 before it"},
		{
			"the header", change(func(a *args) {
				a.frames[0] = edit(a.frames[0], `"every":20`, `"every":99`)
				forge(a.frames[0].raw, payloadAt)
			}),
			Changed, "does not begin with a header",
		},
		{
			"the magic", func(t *testing.T, a args) { patch(t, a.dir, 2, 0, func(b []byte) { b[7] = '2' }) },
			Damaged, "does not begin as an audit segment",
		},

		// With the hash chain computed anew, but without the key.
		{"a record changed, chain anew", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames[i] = edit(a.frames[i], `"decision":"allow"`, `"decision":"deny"`)
			rechain(a.frames)
		}), Rewrote, "not what was signed: the hash chain was computed anew"},
		{"a record removed, chain anew", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames = slices.Delete(a.frames, i, i+1)
			rechain(a.frames)
		}), Moved, "the checkpoint of entry"},
		{"a record inserted, chain anew", change(func(a *args) {
			i := record(a.frames, 120)
			a.frames = slices.Insert(a.frames, i, a.frames[i-5])
			rechain(a.frames)
		}), Unsigned, "more than 20 before it have no checkpoint"},
		{"a checkpoint removed, chain anew", change(func(a *args) {
			i := checkpoints(a.frames)[1]
			a.frames = slices.Delete(a.frames, i, i+1)
			rechain(a.frames)
		}), Unsigned, "more than 20 before it have no checkpoint"},
		{"all checkpoints removed, chain anew", change(func(a *args) {
			a.frames = slices.DeleteFunc(a.frames, func(f place) bool { return f.kind == kindCheckpoint })
			rechain(a.frames)
		}), Unsigned, "more than 20 before it have no checkpoint"},
		{"a checkpoint edited, chain anew", change(func(a *args) {
			i := checkpoints(a.frames)[1]
			a.frames[i] = edit(a.frames[i], `"time":"2026`, `"time":"2025`)
			rechain(a.frames)
		}), Forged, "the signature is wrong"},
		{"a checkpoint by another key, chain anew", change(func(a *args) {
			i := checkpoints(a.frames)[1]
			var c Checkpoint
			_ = json.Unmarshal(a.frames[i].raw[payloadAt:], &c)
			_ = c.sign(signer(2))
			payload, _ := jsonLine(&c)
			a.frames[i].raw = append(a.frames[i].raw[:payloadAt:payloadAt], payload...)
			rechain(a.frames)
		}), Forged, "signed by the key"},
		{"a checkpoint of another log, chain anew", change(func(a *args) {
			a.frames[checkpoints(a.frames)[1]] = a.other[checkpoints(a.other)[1]]
			rechain(a.frames)
		}), Moved, "of the log two stands after"},
		{"a checkpoint repeated later, chain anew", change(func(a *args) {
			at := checkpoints(a.frames)
			a.frames[at[2]] = a.frames[at[1]]
			rechain(a.frames)
		}), Moved, "the checkpoint of entry"},
		{"a gap for a removed record, chain anew", change(func(a *args) {
			i := record(a.frames, 120)
			payload, _ := jsonLine(&gap{Version: 1, From: 120, To: 120, Why: "no space"})
			a.frames[i] = place{kind: kindGap, position: 120, raw: appendFrame(nil, kindGap, 120, payload)}
			rechain(a.frames)
		}), Rewrote, "not what was signed"},
		{"the header, chain anew", change(func(a *args) {
			a.frames[0] = edit(a.frames[0], `"every":20`, `"every":99`)
			rechain(a.frames)
		}), Rewrote, "not what was signed"},

		// Whole segments.
		{"a segment removed", func(t *testing.T, a args) { remove(t, a.dir, 2) }, Missing, "the segment is missing"},
		{"the first segment removed", func(t *testing.T, a args) { remove(t, a.dir, 1) }, Missing, "segments 1 to 1 are missing"},
		{"two segments exchanged", func(t *testing.T, a args) { swapFiles(t, a.dir, 2, 3) }, Moved, "the file holds segment 3"},
		{"a segment of another log", func(t *testing.T, a args) { rebuild(t, a.dir, 2, a.other) }, Moved, "belongs to the log two"},
		{"the end of a segment wiped", change(func(a *args) { a.frames = a.frames[:record(a.frames, 150)] }), Cut, "from entry 150 on"},
		{"the seal removed", change(func(a *args) { a.frames = a.frames[:len(a.frames)-1] }), Cut, "it has a successor and is not sealed"},
		{"a file cut in a record", func(t *testing.T, a args) { cut(t, a.dir, 2, a.frames[record(a.frames, 150)].off+70) }, Cut, "the file has"},
		{"a file cut between records", func(t *testing.T, a args) { cut(t, a.dir, 2, a.frames[record(a.frames, 150)].off) }, Cut, "the file has"},
		{"something after the seal", func(t *testing.T, a args) {
			last := a.frames[len(a.frames)-1]
			patch(t, a.dir, 2, last.off+int64(len(last.raw)), func(b []byte) { b[3] = 1 })
		}, Damaged, "something follows the checkpoint that sealed"},
		{
			"a record after the seal", change(func(a *args) { a.frames = append(a.frames, a.frames[5]) }),
			Moved, "something follows the checkpoint that sealed",
		},
		{"the last file cut", func(t *testing.T, a args) {
			frames := framesOf(t, a.dir, 4)
			cut(t, a.dir, 4, frames[record(frames, 295)].off)
		}, Cut, "the file has"},
		{"a bit of the last record", func(t *testing.T, a args) {
			frames := framesOf(t, a.dir, 4)
			patch(t, a.dir, 4, frames[record(frames, 300)].off+100, func(b []byte) { b[0] ^= 1 })
		}, Damaged, "entry 300: damaged"},
		{"a bit of the last checkpoint", func(t *testing.T, a args) {
			frames := framesOf(t, a.dir, 4)
			patch(t, a.dir, 4, frames[len(frames)-1].off+100, func(b []byte) { b[0] ^= 1 })
		}, Damaged, "or what else stands there, is damaged"},
	}
	pristine, foreign := writeLog(t, signer(1), "one"), writeLog(t, signer(1), "two")
	if r := mustVerify(t, pristine); r.Segments != 4 {
		t.Fatalf("%d segments, the test wants 4", r.Segments)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
				t.Fatal(err)
			}
			tt.tamper(t, args{dir, framesOf(t, dir, 2), framesOf(t, foreign, 2)})
			r, err := verify(dir, public(signer(1)), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() {
				t.Fatal("the log verifies")
			}
			if p := r.Problems[0]; p.Kind != tt.kind || !strings.Contains(p.Text, tt.text) {
				t.Errorf("got %v\nwant %s: %s", p, tt.kind, tt.text)
			}
		})
	}
}

func remove(t *testing.T, dir string, number uint64) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, segmentName(number))); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, dir string, number uint64, size int64) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, segmentName(number)), size); err != nil {
		t.Fatal(err)
	}
}

// The end of a log can be removed so that nothing in the directory shows it.
// A checkpoint that was kept elsewhere does.
func TestCutIsFoundByKeptCheckpoint(t *testing.T) {
	dir := writeLog(t, signer(1), "one")
	kept := mustVerify(t, dir).Checkpoint
	remove(t, dir, 4)
	frames := framesOf(t, dir, 3)
	i := checkpoints(frames)[2]
	rebuild(t, dir, 3, frames[:i+1])

	if r := mustVerify(t, dir); r.Last >= kept.Position || r.Unsigned != 0 {
		t.Fatalf("the log ends at %d", r.Last)
	}
	r, err := verify(dir, public(signer(1)), 0, []Checkpoint{kept})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || r.Problems[0].Kind != Cut || !strings.Contains(r.Problems[0].Text, "it was cut or replaced") {
		t.Errorf("problems %v, want that the log was cut", r.Problems)
	}
	forged := kept
	forged.Position--
	if r, err := verify(dir, public(signer(1)), 0, []Checkpoint{forged}); err != nil || r.OK() || r.Problems[0].Kind != Forged {
		t.Errorf("a forged kept checkpoint: %v, %v", r.Problems, err)
	}
}

func TestVerifyNeedsALogAndAKey(t *testing.T) {
	if _, err := Verify(t.TempDir(), public(signer(1))); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Verify(t.TempDir(), nil); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("no key: %v", err)
	}
	dir := writeLog(t, signer(1), "one")
	r, err := verify(dir, public(signer(2)), 0, nil)
	if err != nil || r.OK() || r.Problems[0].Kind != Forged || r.Checkpoints != 0 {
		t.Errorf("another key: %v, %v", r.Problems, err)
	}
}

// A torn write is cut off; a change of what was written whole is refused,
// also in the last record, which no checkpoint covers yet.
func TestOpenTellsTornFromChanged(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(b []byte, last place) // b is the file from the last record on
		want   string                     // of the error; empty: the record is cut off
	}{
		{"the record's end never written", func(b []byte, last place) {
			clear(b[sector-last.off%sector : len(last.raw)])
		}, ""},
		{"the record's beginning never written", func(b []byte, last place) { clear(b[:sector-last.off%sector]) }, ""},
		{"a bit of the payload", func(b []byte, _ place) { b[payloadAt+30] ^= 1 }, "entry 60"},
		{"a bit of the mark", func(b []byte, _ place) { b[0] ^= 1 }, "entry 60"},
		{"a bit of the length", func(b []byte, _ place) { b[lengthAt+1] ^= 0xFF }, "entry 60"},
		{"a bit of the record before", nil, "entry 59"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			o := small()
			o.CheckpointEvery = 1000
			l := mustOpen(t, dir, o)
			mustAppend(t, l, 59)
			mustAppend(t, l, 1)
			crashed := t.TempDir() // as a crash leaves it: without the last checkpoint
			if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			frames := framesOf(t, crashed, 1)
			last := frames[len(frames)-1]
			if tt.tamper == nil {
				patch(t, crashed, 1, frames[len(frames)-2].off+payloadAt+30, func(b []byte) { b[0] ^= 1 })
			} else {
				patch(t, crashed, 1, last.off, func(b []byte) { tt.tamper(b, last) })
			}
			r, err := verify(crashed, public(signer(1)), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() != (tt.want == "") || r.OK() && r.Torn == 0 {
				t.Errorf("Verify found %v, %d bytes torn", r.Problems, r.Torn)
			}
			l, err = Open(crashed, o)
			if tt.want != "" {
				wantText(t, err, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Recovered(); got.Last != 59 || got.Torn == 0 {
				t.Errorf("recovered %+v", got)
			}
			mustAppend(t, l, 100)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r := mustVerify(t, crashed); r.Last != 159 || r.Torn != 0 {
				t.Errorf("the log ends at %d, %d bytes torn", r.Last, r.Torn)
			}
		})
	}
}

// Verify and Read look at a log while it is written, and find nothing wrong.
func TestLiveLog(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	mustAppend(t, l, 60) // more than a checkpoint's worth
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			p, err := l.Enqueue(sample(i))
			if err == nil && i%20 == 0 {
				err = l.Wait(t.Context(), p)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 20 {
		r, err := Verify(dir, public(signer(1)), l.Checkpoint())
		if err != nil || !r.OK() {
			t.Fatalf("verifying a live log: %v, %v", r.Problems, err)
		}
		for _, err := range Files(dir).Read(t.Context(), Filter{RequestID: "none"}) {
			t.Fatalf("reading a live log: %v", err)
		}
	}
	close(stop)
	<-done
}
