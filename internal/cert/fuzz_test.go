package cert

import "testing"

// FuzzSerial: what parses is in the form in which it is stored.
func FuzzSerial(f *testing.F) {
	for _, s := range []string{"01", "0:1", "019AAB4EFE00ffffffffffffffffffff", "", "/", "00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serial, err := ParseSerial(text)
		if err != nil {
			return
		}
		if again, err := ParseSerial(serial); err != nil || again != serial {
			t.Errorf("%q reads as %q, which reads as %q (%v)", text, serial, again, err)
		}
	})
}
