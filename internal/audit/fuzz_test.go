package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzFrame: what parses as a frame is, byte for byte, what link makes of its
// parts.
func FuzzFrame(f *testing.F) {
	var chain Hash
	for i, kind := range []frameKind{kindHeader, kindRecord, kindCheckpoint, kindGap} {
		b := appendFrame(nil, kind, Position(i), []byte("{}\n"))
		link(b, &chain, 77)
		f.Add(b)
	}
	f.Add([]byte{frameMark, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, ok := parseFrame(b)
		if !ok {
			return
		}
		made := appendFrame(nil, fr.kind, fr.position, fr.payload)
		var from Hash
		link(made, &from, fr.write)
		copy(made[hashAt:kindAt], fr.hash[:])
		made[crcAt], made[crcAt+1], made[crcAt+2], made[crcAt+3] = b[crcAt], b[crcAt+1], b[crcAt+2], b[crcAt+3]
		if !bytes.Equal(made, b[:len(fr.raw)]) || checksum(made) != checksum(fr.raw) {
			t.Fatalf("made again as\n%x\nnot\n%x", made, fr.raw)
		}
	})
}

// FuzzSegment: a segment with anything changed in it is never taken for the
// log that was written, and Verify, Read and Open never panic. What may
// differ is the time of the last write: the end can look torn.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	o := small()
	o.ID, o.CheckpointEvery = "fuzz", 5
	o.Now = func() time.Time { return time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC) }
	l := mustOpen(f, dir, o)
	mustAppend(f, l, 12)
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	end := len(bytes.TrimRight(whole, "\x00"))
	f.Add(uint16(100), []byte{1})
	f.Add(uint16(0), []byte("HFAUDIT2"))
	f.Add(uint16(end-1), []byte{0})
	f.Add(uint16(512), make([]byte, 1024))
	f.Add(uint16(end), []byte{frameMark, 1})
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		changed := bytes.Clone(whole)
		n := copy(changed[at:], with)
		if n == 0 || bytes.Equal(changed, whole) {
			return
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := verify(dir, public(signer(1)), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		wiped := len(bytes.TrimRight(changed, "\x00")) < end
		if r.OK() && r.Torn == 0 && !wiped {
			t.Errorf("%d bytes changed at %d, and the log verifies", n, at)
		}
		for _, err := range (files{dir: dir}).Read(t.Context(), Filter{}) {
			if err != nil && r.OK() {
				t.Errorf("Verify finds nothing, and Read says %v", err)
			}
		}
		if l, err := Open(dir, o); err == nil {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		} else if r.OK() {
			t.Errorf("Verify finds nothing, and Open says %v", err)
		}
	})
}
