package cert

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func TestSerial(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	random := strings.NewReader(strings.Repeat("\xff", 40))
	s, err := NewSerial(at, random)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := SerialText(s), "01a20320a200ffffffffffffffffffff"; got != want {
		t.Errorf("serial %s, want %s", got, want)
	}
	later, err := NewSerial(at.Add(time.Millisecond), strings.NewReader(strings.Repeat("\x00", 10)))
	if err != nil || later.Cmp(s) <= 0 {
		t.Errorf("the later serial number is not greater: %x, %v", later, err)
	}
	end, err := NewSerial(time.Date(6400, 1, 1, 0, 0, 0, 0, time.UTC), random)
	if err != nil || end.Sign() <= 0 || end.Bytes()[0] >= 0x80 || len(end.Bytes()) != 16 {
		t.Errorf("serial of the year 6400: %x, %v", end, err)
	}
	if _, err := NewSerial(at, strings.NewReader("short")); err == nil {
		t.Error("a serial number without randomness")
	}
	for text, want := range map[string]string{
		SerialText(s): SerialText(s), strings.ToUpper(SerialText(s)): SerialText(s),
		"01:9A:AB": SerialText(big.NewInt(0x019aab)), "1": SerialText(big.NewInt(1)), "": "", "xy": "", "a/b": "",
		strings.Repeat("11", 21): "",
	} {
		got, err := ParseSerial(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
		if err != nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Error(err)
		}
	}
}
