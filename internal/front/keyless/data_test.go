package keyless_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/keyless"
)

// step is a part of an exchange that was written down.
type step struct {
	line       int
	send, want []byte
	end        bool
}

// readExchange reads a file of testdata, whose form ping.txt explains.
func readExchange(t *testing.T, path string) []step {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "end":
			steps = append(steps, step{line: i + 1, end: true})
		case line[0] == '>':
			if len(steps) == 0 || steps[len(steps)-1].want != nil {
				steps = append(steps, step{line: i + 1})
			}
			s := &steps[len(steps)-1]
			s.send = append(s.send, readBytes(t, path, i+1, line[1:])...)
		case line[0] == '<':
			s := &steps[len(steps)-1]
			s.want = append(s.want, readBytes(t, path, i+1, line[1:])...)
		default:
			t.Fatalf("%s:%d: %q", path, i+1, line)
		}
	}
	return steps
}

func readBytes(t *testing.T, path string, line int, text string) []byte {
	t.Helper()
	text, pad, padded := strings.Cut(text, "pad")
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("%s:%d: %v", path, line, err)
	}
	if padded {
		n, err := strconv.Atoi(strings.TrimSpace(pad))
		if err != nil {
			t.Fatalf("%s:%d: %v", path, line, err)
		}
		b = append(b, make([]byte, n)...)
	}
	return b
}

// TestExchanges plays the exchanges of testdata, byte by byte: over each of the
// TLS versions, and sent at once or one byte after the other.
func TestExchanges(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%v, %v", paths, err)
	}
	r := serve(t, &fake{do: turn}, keyless.Limits{})
	for _, path := range paths {
		for name, write := range map[string]func(io.Writer, []byte){"at once": atOnce, "byte by byte": byteByByte} {
			t.Run(filepath.Base(path)+" "+name, func(t *testing.T) {
				p := r.dial(t, nil)
				for _, s := range readExchange(t, path) {
					if s.end {
						if !p.ended() {
							t.Errorf("line %d: the connection goes on", s.line)
						}
						return
					}
					write(p, s.send)
					got := make([]byte, len(s.want))
					if _, err := io.ReadFull(p, got); err != nil {
						t.Fatalf("line %d: %v", s.line, err)
					}
					if !bytes.Equal(got, s.want) {
						t.Errorf("line %d: %x", s.line, bytes.TrimRight(got, "\x00"))
					}
				}
			})
		}
	}
}

// atOnce and byteByByte write what a server that has ended may not read any more,
// which its answers tell.
func atOnce(w io.Writer, b []byte) { _, _ = w.Write(b) }

func byteByByte(w io.Writer, b []byte) {
	for i := range b {
		atOnce(w, b[i:i+1])
	}
}
