package cryptoki_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/cryptoki"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// panics counts what the server logs of panics.
type panics struct{ n atomic.Int64 }

func (p *panics) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("panicked")) {
		p.n.Add(1)
	}
	return len(b), nil
}

// FuzzCalls sends any body in a session that is logged in and has keys. Whatever
// it says, the server answers it or ends the connection, and does not panic.
func FuzzCalls(f *testing.F) {
	recorded, err := os.ReadFile("../wire/p11kit/testdata/recorded.txt")
	if err != nil {
		f.Fatal(err)
	}
	seeds := 0
	for line := range strings.Lines(string(recorded)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			b, err := hex.DecodeString(text)
			if err != nil {
				f.Fatal(err)
			}
			seeds++
			f.Add(bytes.Replace(b[p11kit.HeaderSize+len("client"):], []byte{0, 0, 0, 0, 0, 0, 0, 17}, []byte{0, 0, 0, 0, 0, 0, 0, 1}, 1), byte(seeds))
		}
	}
	if seeds == 0 {
		f.Fatal("no recorded request was found")
	}
	var seen panics
	a := serve(f, func(o *cryptoki.Options) { o.Log = slog.New(slog.NewTextHandler(&seen, nil)) })
	f.Fuzz(func(t *testing.T, body []byte, offer byte) {
		if len(body) < 8 || len(body) > 1<<16 {
			return
		}
		c, s := user(t, a)
		defer func() { _ = c.Close() }()
		if _, _, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", false), tokenKey(false)); err != nil {
			t.Fatal(err)
		}
		frame := append(p11kit.Header{Code: 1, Body: uint32(len(body))}.Append(nil), body...)
		if offer%2 == 0 {
			frame = append(frame, frame...) // twice: what it began is active then
		}
		if _, err := c.Conn().Write(frame); err != nil {
			t.Fatal(err)
		}
		header := make([]byte, p11kit.HeaderSize)
		if _, err := io.ReadFull(c.Conn(), header); err == nil {
			if _, err := p11kit.ParseHeader(header); err != nil {
				t.Errorf("the answer is no message: %x", header)
			}
		}
		if seen.n.Load() > 0 {
			t.Errorf("%x made the server panic", body)
		}
	})
}
