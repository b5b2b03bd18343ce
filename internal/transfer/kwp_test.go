package transfer

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestWycheproofKWP runs Wycheproof's vectors. Keys below 128 bits are refused, which its notes call reasonable.
func TestWycheproofKWP(t *testing.T) {
	type vector struct {
		ID           int `json:"tcId"`
		Key, Msg, CT string
		Result       string
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			KeySize int
			Tests   []vector
		}
	}
	f, err := os.Open("testdata/wycheproof/aes_kwp_test.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	in, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(in).Decode(&file); err != nil {
		t.Fatal(err)
	}
	ran, worked := 0, 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			ran++
			key, msg, ct := unhex(t, v.Key), unhex(t, v.Msg), unhex(t, v.CT)
			ok := v.Result == "valid" && len(msg) >= MinKWP
			plain, err := UnwrapKWP(key, ct)
			if (err == nil) != ok || ok && !bytes.Equal(plain, msg) || !ok && cmp.Diff(Refused(), err) != "" {
				t.Errorf("%d: unwrapped as %x, %v", v.ID, plain, err)
			}
			if ok {
				worked++
				if wrapped, err := WrapKWP(key, msg); err != nil || !bytes.Equal(wrapped, ct) {
					t.Errorf("%d: wrapped as %x, %v", v.ID, wrapped, err)
				}
			}
		}
	}
	if ran != file.NumberOfTests || worked == 0 {
		t.Errorf("%d of %d vectors ran, %d of them worked", ran, file.NumberOfTests, worked)
	}
}

// TestRFC5649: the vectors of section 6, of which one has a key of 7 bytes,
// which is refused on purpose.
func TestRFC5649(t *testing.T) {
	kek := unhex(t, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	long, boxed := unhex(t, "c37b7e6492584340bed12207808941155068f738"), unhex(t, "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a")
	if got, err := WrapKWP(kek, long); err != nil || !bytes.Equal(got, boxed) {
		t.Errorf("wrapped as %x, %v", got, err)
	}
	if got, err := UnwrapKWP(kek, boxed); err != nil || !bytes.Equal(got, long) {
		t.Errorf("unwrapped as %x, %v", got, err)
	}
	if _, err := WrapKWP(kek, unhex(t, "466f7250617369")); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("a short key is wrapped: %v", err)
	}
	if _, err := UnwrapKWP(kek, unhex(t, "afbeb0f07dfbf5419200f2ccb50bb24f")); cmp.Diff(Refused(), err) != "" {
		t.Errorf("a short key is unwrapped: %v", err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzUnwrapKWP: what unwraps wraps back the same.
func FuzzUnwrapKWP(f *testing.F) {
	key := filled(32)
	for _, n := range []int{16, 17, 31, 32, 200} {
		wrapped, err := WrapKWP(key, filled(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key, wrapped)
	}
	f.Fuzz(func(t *testing.T, key, wrapped []byte) {
		plain, err := UnwrapKWP(key, wrapped)
		if err != nil {
			return
		}
		if again, err := WrapKWP(key, plain); err != nil || !bytes.Equal(again, wrapped) {
			t.Errorf("%x wraps back as %x, %v", wrapped, again, err)
		}
	})
}
