package place

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestParameters: docs/library.md has each parameter of each scheme, and those
// that a foreign URI may have are parameters.
func TestParameters(t *testing.T) {
	page, err := os.ReadFile("../../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| scheme | parameter |")
	table, _, _ = strings.Cut(table, "\n\n")
	sections := map[string]string{}
	scheme := ""
	for line := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			if name := strings.Trim(cells[1], " `"); name != "" {
				scheme = name
			}
			sections[scheme] += cells[2]
		}
	}
	for scheme, names := range parameters {
		for _, name := range names {
			if text := sections[scheme]; !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"=") {
				t.Errorf("docs/library.md does not have the parameter %s of %s", name, scheme)
			}
		}
		for _, name := range harmless[scheme] {
			if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				t.Errorf("%s has no parameter %s", scheme, name)
			}
		}
	}
	if len(parameters) != 6 {
		t.Errorf("%d schemes", len(parameters))
	}
}

// FuzzSecret: what is read of a file of bytes is as long as the key, and reads
// the same in each of the three forms.
func FuzzSecret(f *testing.F) {
	for _, text := range []string{strings.Repeat("k", 32), strings.Repeat("0f", 32) + "\n", strings.Repeat("A", 43) + "=\n", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		secret, err := secretBytes(text, 32)
		if err != nil {
			return
		}
		for _, form := range [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(base64.StdEncoding.EncodeToString(secret) + "\n")} {
			again, err := secretBytes(form, 32)
			if err != nil || len(again) != 32 || !bytes.Equal(again, secret) {
				t.Errorf("%q reads as %x, and that as %x (%v)", text, secret, again, err)
			}
		}
	})
}
