package awstest

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// Where an API's tests keep the wire pairs (see kms/testdata/README.md).
const (
	requestDir = "testdata/requests"
	answerDir  = "testdata/answers"
)

// Recorded reads the request that botocore made for an operation, and when.
func Recorded(t *testing.T, operation string) (*http.Request, time.Time) {
	t.Helper()
	return RecordedIn(t, requestDir, operation)
}

// RecordedIn reads a request from another folder.
func RecordedIn(t *testing.T, dir, operation string) (*http.Request, time.Time) {
	t.Helper()
	raw, err := fs.ReadFile(os.DirFS(dir), operation+".http")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(sigv4.DateFormat, r.Header.Get(sigv4.HeaderDate))
	if err != nil {
		t.Fatal(err)
	}
	return r.WithContext(t.Context()), at
}

// Pairs says which recorded requests an API has to answer.
type Pairs struct {
	Operations []aws.Coverage
	// Update rewrites testdata/answers.
	Update bool
	// Mask takes out of a body what differs each time; nil takes out nothing.
	Mask func(body string) string
}

// TestWirePairs sends what botocore sends for every operation that is served,
// signature included, and compares what the door is asked and what goes back
// with testdata/answers. A request without an operation fails, too.
func TestWirePairs(t *testing.T, fake Fake, p Pairs) {
	served := 0
	for _, o := range p.Operations {
		if !o.Served {
			continue
		}
		served++
		t.Run(o.Name, func(t *testing.T) {
			r, at := Recorded(t, o.Name)
			service, d := fake(t)
			d.Next = "next"
			w := httptest.NewRecorder()
			serve(service, d, func() time.Time { return at }).ServeHTTP(w, r)
			if d.Refused != nil {
				t.Errorf("refused: %v", d.Refused)
			}
			body := w.Body.String()
			if p.Mask != nil {
				body = p.Mask(body)
			}
			golden(t, o.Name+".txt", fmt.Sprintf("%s\n%d\n%s\n", strings.Join(d.Log, "\n"), w.Code, body), p.Update)
		})
	}
	files, err := fs.Glob(os.DirFS(requestDir), "*.http")
	if err != nil || len(files) != served || served == 0 {
		t.Errorf("%d operations are served, %d requests are recorded: %v", served, len(files), err)
	}
}

// golden compares a text with an answer's file, which update rewrites first.
func golden(t *testing.T, name, got string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(answerDir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(answerDir, name), []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := fs.ReadFile(os.DirFS(answerDir), name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// TestOperations holds a table against the names of all of AWS's operations,
// in order: nothing is missing, nothing is made up.
func TestOperations(t *testing.T, operations []aws.Coverage, all string) {
	names := make([]string, 0, len(operations))
	for _, o := range operations {
		names = append(names, o.Name)
	}
	if got, want := strings.Join(names, " "), strings.Join(strings.Fields(all), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
