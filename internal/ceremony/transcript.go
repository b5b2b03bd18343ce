package ceremony

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Format is the name and version of the transcript's format, which its first
// line tells.
const Format = "holdfast ceremony transcript v1"

// MaxTranscript is the longest transcript that is read, in bytes.
const MaxTranscript = 16 << 20

// The events of a transcript, in the order in which they can come.
const (
	eventBegin   = "begin"   // what was agreed on, by whom, with which tool
	eventWitness = "witness" // a witness typed the name that is recorded
	eventStart   = "start"   // a step was confirmed, and begins
	eventDone    = "done"    // it is done, with what it made
	eventFailed  = "failed"  // something failed: the ceremony stopped
	eventResume  = "resume"  // it went on
	eventLock    = "lock"    // the data directory is closed for good
	eventSigned  = "signature"
)

// Event is a line of a transcript: JSON, in the order of what happened. Each
// line holds the SHA-256 of the line before it, so that none can be taken
// out; the last one is the signature over all lines before it.
type Event struct {
	// Number counts the lines from 1.
	Number int       `json:"n"`
	Event  string    `json:"event"`
	Time   time.Time `json:"time"`
	// Previous is the SHA-256 of the line before without its line feed, in
	// hex; empty in the first line.
	Previous string `json:"previous,omitempty"`
	// Step counts the script's steps from 1.
	Step  int    `json:"step,omitempty"`
	Facts []Fact `json:"facts,omitempty"`
	Files []File `json:"files,omitempty"`
	// Certificate, in the last line, is the signer's in PEM; Signature is
	// Ed25519 (RFC 8032) over the bytes of all lines before.
	Certificate string `json:"certificate,omitempty"`
	Signature   []byte `json:"signature,omitempty"`
}

// Fact is something that an event tells.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// File is an input or an output of a step.
type File struct {
	// Role is "input" or "output".
	Role string `json:"role"`
	Name string `json:"name"`
	Size int    `json:"size"`
	// SHA256 is of the file's content, in hex.
	SHA256 string `json:"sha256"`
}

// The roles of files.
const (
	roleInput  = "input"
	roleOutput = "output"
)

func fileOf(role, name string, content []byte) File {
	return File{Role: role, Name: name, Size: len(content), SHA256: hexDigest(content)}
}

// fact returns the value of a fact, "" where there is none.
func (e *Event) fact(name string) string {
	for _, f := range e.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func newDigest() hash.Hash { return sha256.New() }

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// parseTranscript reads whole lines and checks their numbers and the chain
// through them. It returns the events, and of the last one where it begins.
func parseTranscript(text []byte) (events []Event, last int, err error) {
	previous := ""
	for at := 0; at < len(text); {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			return nil, 0, fault.New(fault.InvalidArgument, "line %d of the transcript has no end", len(events)+1)
		}
		line := text[at : at+n]
		e, err := parseEvent(line)
		if err != nil {
			return nil, 0, fault.New(fault.InvalidArgument, "line %d of the transcript is none of %s", len(events)+1, Format)
		}
		if e.Number != len(events)+1 || e.Previous != previous {
			return nil, 0, fault.New(fault.BadSignature, "line %d of the transcript does not follow the line before it: a line was changed, removed or put in", len(events)+1)
		}
		if len(events) > 0 && events[len(events)-1].Event == eventSigned {
			return nil, 0, fault.New(fault.BadSignature, "line %d of the transcript stands behind the signature", len(events)+1)
		}
		events, last, previous = append(events, e), at, hexDigest(line)
		at += n + 1
	}
	if len(events) > 0 && (events[0].Event != eventBegin || events[0].fact(factFormat) != Format) {
		return nil, 0, fault.New(fault.InvalidArgument, "the file is none of %s", Format)
	}
	return events, last, nil
}

// parseEvent reads a line that is just as the writer writes it: there is one
// way to write an event.
func parseEvent(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, err
	}
	again, err := json.Marshal(&e)
	if err == nil && !bytes.Equal(again, line) {
		err = errors.New("not as the writer writes it")
	}
	return e, err
}

// writer appends events to a transcript. Each is on disk before the next
// thing happens.
type writer struct {
	file   *os.File
	now    func() time.Time
	events []Event
	text   []byte // all lines so far
	// torn is what the line that a crash left half written held.
	torn int
}

// openWriter opens a transcript to go on with it, or makes it.
func openWriter(path string, now func() time.Time) (*writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the ceremony's own folder
	if err != nil {
		return nil, err
	}
	w := &writer{file: f, now: now}
	if err := w.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return w, durable.SyncDir(filepath.Dir(path))
}

func (w *writer) resume() error {
	text, err := io.ReadAll(io.LimitReader(w.file, MaxTranscript+1))
	if err != nil {
		return err
	}
	if len(text) > MaxTranscript {
		return fault.New(fault.LimitExceeded, "the transcript is longer than %d bytes", MaxTranscript)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	w.torn, w.text = len(text)-whole, text[:whole]
	if w.events, _, err = parseTranscript(w.text); err != nil || w.torn == 0 {
		return err
	}
	if err := w.file.Truncate(int64(whole)); err != nil {
		return err
	}
	_, err = w.file.Seek(int64(whole), io.SeekStart)
	return err
}

// add writes an event and waits until it is on disk.
func (w *writer) add(e *Event) error {
	e.Number, e.Time = len(w.events)+1, w.now().UTC()
	if len(w.text) > 0 {
		before := bytes.TrimSuffix(w.text, []byte("\n"))
		e.Previous = hexDigest(before[bytes.LastIndexByte(before, '\n')+1:])
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := w.file.Write(line); err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	w.events, w.text = append(w.events, *e), append(w.text, line...)
	return nil
}

// sign ends the transcript with a signature by the key of a certificate.
func (w *writer) sign(key ed25519.PrivateKey, certificate []byte) error {
	return w.add(&Event{
		Event:       eventSigned,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		Signature:   ed25519.Sign(key, w.text),
	})
}

// signed reports whether the ceremony is over.
func (w *writer) signed() bool { return w.has(eventSigned, 0) }

// has reports whether an event of a step is in the transcript.
func (w *writer) has(event string, step int) bool { return w.find(event, step) != nil }

// find returns the last event of its kind of a step, nil where there is none.
func (w *writer) find(event string, step int) *Event {
	for i := len(w.events) - 1; i >= 0; i-- {
		if w.events[i].Event == event && w.events[i].Step == step {
			return &w.events[i]
		}
	}
	return nil
}

// readable is the mode of what a ceremony makes: certificates, CRLs and scripts
// are for everybody to read.
const readable = 0o644

// Close lets go of the file.
func (w *writer) Close() error { return w.file.Close() }
