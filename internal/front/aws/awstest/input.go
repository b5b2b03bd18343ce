package awstest

import (
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Input is a request that never reaches the door, and the code and message
// that a client gets. It is an alias, as Refusal is.
type Input = struct{ Operation, Body, Want string }

// TestBadInput holds that an API refuses the rows with their words, once, and
// asks its door nothing.
func TestBadInput(t *testing.T, fake Fake, rows []Input) {
	for _, row := range rows {
		service, d := fake(t)
		a := NewClient(service, d).Send(t, row.Operation, row.Body)
		if got := a.said(); got != row.Want {
			t.Errorf("%s %.200q:\n got %.500q\nwant %.500q", row.Operation, row.Body, got, row.Want)
		}
		status := http.StatusBadRequest
		if strings.HasPrefix(row.Want, "RequestEntityTooLargeException") {
			status = http.StatusRequestEntityTooLarge
		}
		if a.Status != status {
			t.Errorf("%s %.100q: status %d, want %d", row.Operation, row.Body, a.Status, status)
		}
		if d.Log != nil || len(d.Refused) != 1 {
			t.Errorf("%s %.100q: asked %v, refused %v", row.Operation, row.Body, d.Log, d.Refused)
		}
	}
}

// FuzzHandler holds that any body to any operation is answered with 200, 400
// or 413 and JSON or, of a Query API, XML, and recorded once. The recorded requests are its seeds,
// beside those that the caller has added: an operation and a body each.
func FuzzHandler(f *testing.F, fake Fake) {
	requests := os.DirFS(requestDir)
	files, err := fs.Glob(requests, "*.http")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		raw, err := fs.ReadFile(requests, file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		if _, parameters, ok := strings.Cut(body, "&Version="); ok { // of a Query API, whose client adds both
			_, body, _ = strings.Cut(parameters, "&")
		}
		f.Add(strings.TrimSuffix(file, ".http"), body)
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		if strings.ContainsFunc(operation, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header value
		}
		service, d := fake(t)
		a := NewClient(service, d).Send(t, operation, body)
		if a.Status != http.StatusOK && a.Status != http.StatusBadRequest && a.Status != http.StatusRequestEntityTooLarge {
			t.Fatalf("%s %q: %d %s", operation, body, a.Status, a.Body)
		}
		if len(d.Log)+len(d.Refused) != 1 || (a.Status == http.StatusOK) != (len(d.Log) == 1) {
			t.Fatalf("%s %q: asked %v, refused %v", operation, body, d.Log, d.Refused)
		}
	})
}
