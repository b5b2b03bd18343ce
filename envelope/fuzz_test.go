package envelope

import (
	"bytes"
	"io"
	"testing"
)

// seedHeader is a header of two recipients.
func seedHeader(tb testing.TB) []byte {
	tb.Helper()
	h := &header{stanzas: []Stanza{
		{AEADMethod, "awskms:///alias/files?region=eu-central-1", bytes.Repeat([]byte{7}, 92)},
		{OAEPSHA256, "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", bytes.Repeat([]byte{9}, 256)},
	}}
	copy(h.id[:], "0123456789abcdef")
	b, err := h.marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return append(b, make([]byte, macSize)...)
}

// What parses as a header marshals back the same, and what cannot be a header
// is never one.
func FuzzHeader(f *testing.F) {
	seed := seedHeader(f)
	f.Add(seed)
	f.Add(seed[:len(seed)-1])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := bytes.NewReader(data)
		h, covered, mac, err := readHeader(src)
		if err != nil {
			return
		}
		again, err := h.marshal()
		if err != nil {
			t.Fatalf("what was parsed does not marshal: %v", err)
		}
		rest, err := io.ReadAll(src)
		if err != nil || !bytes.Equal(again, covered) || !bytes.Equal(append(append(again, mac...), rest...), data) {
			t.Errorf("%x marshals back as %x (%v)", data, again, err)
		}
	})
}

// Whatever is done to a payload, what is read of it is the beginning of what
// was written, and all of it only when nothing was done.
func FuzzPayload(f *testing.F) {
	h := &header{stanzas: []Stanza{{AEADMethod, "file:a", []byte{1}}}}
	fileKey := bytes.Repeat([]byte{5}, keySize)
	plain := bytes.Repeat([]byte("data that is long enough for chunks "), 4000)
	c, err := newChunks(h, fileKey)
	if err != nil {
		f.Fatal(err)
	}
	var sealed bytes.Buffer
	w := newWriter(&sealed, c)
	if _, err := w.Write(plain); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(70_000), uint32(1), []byte{0})
	f.Add(uint32(chunkSize+tagSize), uint32(chunkSize+tagSize), []byte{})
	f.Add(uint32(2*(chunkSize+tagSize)), uint32(1<<31), []byte{}) //nolint:mnd // the cut
	f.Fuzz(func(t *testing.T, at, drop uint32, insert []byte) {
		whole := sealed.Bytes()
		begin := min(int(at), len(whole))
		end := min(begin+int(drop), len(whole))
		changed := bytes.Join([][]byte{whole[:begin], insert, whole[end:]}, nil)
		c, err := newChunks(h, fileKey)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(newReader(bytes.NewReader(changed), c))
		if !bytes.HasPrefix(plain, got) {
			t.Fatal("other data is read")
		}
		if same := bytes.Equal(changed, whole); same != (err == nil) || same != (len(got) == len(plain)) {
			t.Errorf("unchanged: %t, yet %d bytes and %v", same, len(got), err)
		}
	})
}
