package edge

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

// maxField bounds what a client chooses of a line of the access log, in bytes.
const maxField = 512

// bounded returns as much of a text as the log takes.
func bounded(text string) string {
	if len(text) > maxField {
		return text[:maxField] + "…"
	}
	return text
}

// journal is the access log. It has no query, no header but the user agent, and
// no body: what is in those may be a secret.
type journal struct {
	metrics *metrics
	stderr  io.Writer
	config  setting.AccessLog

	mu  sync.Mutex // guards out and lost
	out io.Writer
	// lost counts lines that could not be written.
	lost uint64
}

// openJournal opens the access log.
func openJournal(c setting.AccessLog, stderr io.Writer, m *metrics) (*journal, error) {
	j := &journal{metrics: m, stderr: stderr, config: c, out: stderr}
	return j, j.reopen()
}

// reopen opens the file again, for those who move it away.
func (j *journal) reopen() error {
	if j.config.File == "" || j.config.Format == setting.FormatOff {
		return nil
	}
	f, err := os.OpenFile(j.config.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the access log: %w", err)
	}
	j.mu.Lock()
	before := j.out
	j.out = f
	j.mu.Unlock()
	return closed(before)
}

// closed closes what was a file of the access log.
func closed(w io.Writer) error {
	if f, ok := w.(*os.File); ok && f != os.Stderr {
		return f.Close()
	}
	return nil
}

// close closes the file.
func (j *journal) close() error {
	if j.config.File == "" {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	before := j.out
	j.out = io.Discard
	return closed(before)
}

// line is what is logged of a request.
type line struct {
	Time     string  `json:"time"`
	Client   string  `json:"client"`
	Site     string  `json:"site,omitempty"`
	Host     string  `json:"host"`
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Protocol string  `json:"protocol"`
	Status   int     `json:"status"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	TLS      string  `json:"tls,omitempty"`
	Resumed  bool    `json:"resumed,omitempty"`
	Agent    string  `json:"user_agent,omitempty"`
}

// request logs and counts a request that has been answered.
func (j *journal) request(r *http.Request, w *response, s *site, began time.Time) {
	took := time.Since(began)
	name := ""
	if s != nil {
		name = s.name
	}
	j.metrics.request(name, w.status, took)
	if j.config.Format == setting.FormatOff {
		return
	}
	l := line{
		Time: began.UTC().Format("2006-01-02T15:04:05.000Z"), Client: remoteAddr(r).String(), Site: name, Host: bounded(r.Host),
		Method: bounded(r.Method), Path: bounded(r.URL.EscapedPath()), Protocol: r.Proto, Status: w.status, Bytes: w.bytes,
		Seconds: float64(took.Microseconds()) / 1e6, Agent: bounded(r.UserAgent()),
	}
	if r.TLS != nil {
		l.TLS, l.Resumed = tls.VersionName(r.TLS.Version), r.TLS.DidResume
	}
	var text []byte
	if j.config.Format == setting.FormatCommon {
		text = l.common(began)
	} else {
		text, _ = json.Marshal(l) // of numbers and strings
	}
	j.write(append(text, '\n'))
}

// common is the line in the Common Log Format.
func (l *line) common(at time.Time) []byte {
	return fmt.Appendf(nil, `%s - - [%s] "%s %s %s" %d %d`, l.Client, at.Format("02/Jan/2006:15:04:05 -0700"),
		printable(l.Method), printable(l.Path), l.Protocol, l.Status, l.Bytes)
}

// printable has no character that ends a field or a line.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			return '?'
		}
		return c
	}, text)
}

// write writes a line at once: lines are whole, also where others write too.
func (j *journal) write(text []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.out.Write(text); err != nil {
		j.lost++
	}
}

// losses returns how many lines could not be written.
func (j *journal) losses() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return float64(j.lost)
}
