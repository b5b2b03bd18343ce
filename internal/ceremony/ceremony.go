// Package ceremony conducts a key ceremony: an offline root whose key is made
// and used under the eyes of witnesses, by a script that was agreed on
// beforehand.
//
// Run reads the script (script.go), shows each step and has a person confirm
// it, does it in this process, without any listener (act.go), and keeps a
// transcript of it all (transcript.go): every input and output with its
// SHA-256, every key and certificate, who was there and when. A ceremony that
// was interrupted goes on where the transcript ends. The last step closes the
// data directory and signs the transcript; Verify checks it offline, with
// nothing but the root's certificate.
//
// A ceremony's directory holds all of it and can be carried on removable
// media: "data" is the installation, and each ceremony has a folder of its own
// with its script, its transcript and what it made.
//
// The package is internal and may change with any release. The formats of
// scripts and transcripts carry a version; later releases read this one.
package ceremony

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/server"
)

// The names in a ceremony's directory.
const (
	dataFolder     = "data"
	scriptFile     = "script.yaml"
	transcriptFile = "transcript.jsonl"
)

// Person is who conducts the ceremony, at a terminal.
type Person interface {
	// Tell shows a line.
	Tell(line string) error
	// Ask shows a question and returns the line that is typed.
	Ask(question string) (string, error)
	// Secret asks for what must not be shown while it is typed.
	Secret(question string) ([]byte, error)
}

// Options say how a ceremony is conducted.
type Options struct {
	// Script is the path of the script; the inputs it names stand beside it.
	Script string
	// Dir is the ceremony's directory. A rehearsal has none: it makes one
	// among the system's temporary files.
	Dir string
	// Rehearse runs the script on keys that are good for nothing: subjects,
	// screen and transcript say REHEARSAL.
	Rehearse bool
	// Unattended confirms every step by itself, which only a rehearsal may.
	Unattended bool
	// Passphrase, when it is set, takes the place of typing the passphrase.
	Passphrase []byte
	// Version is the tool's, for the transcript.
	Version string
	Person  Person
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Result is what a ceremony left.
type Result struct {
	Ceremony  string `json:"ceremony"`
	Rehearsal bool   `json:"rehearsal,omitempty"`
	// Directory is the ceremony's own folder.
	Directory  string `json:"directory"`
	Transcript string `json:"transcript"`
	// SHA256 is the signed transcript's, to be written down.
	SHA256 string `json:"transcript_sha256"`
	// Files are the outputs, with their SHA-256.
	Files []File `json:"files"`
}

// conduct is one run of a ceremony.
type conduct struct {
	Options
	script *Script
	folder string // of this ceremony in Dir
	log    *writer
	// installation is the data directory, open from the first step on.
	installation *server.Offline
	files        []File // the outputs so far
}

// Run conducts the ceremony of a script, or goes on with one that was
// interrupted.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unattended && !o.Rehearse {
		return nil, fault.New(fault.InvalidArgument, "only a rehearsal may go without a person's confirmations")
	}
	text, err := os.ReadFile(o.Script)
	if err != nil {
		return nil, err
	}
	script, err := ParseScript(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Script, err)
	}
	c := &conduct{Options: o, script: script}
	if err := c.prepare(text); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.run(ctx, text); err != nil {
		return nil, c.failed(err)
	}
	return c.result()
}

// prepare makes the directories, or finds them as an earlier run left them.
func (c *conduct) prepare(script []byte) error {
	if c.Rehearse {
		dir, err := os.MkdirTemp("", "holdfast-rehearsal-*")
		if err != nil {
			return err
		}
		c.Dir = dir
		if c.Unattended {
			c.Passphrase = []byte(rand.Text())
		}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir, c.folder = dir, filepath.Join(dir, c.script.Ceremony)
	if err := checkDirectory(c.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return fmt.Errorf("making the ceremony's directory: %w", err)
	}
	c.log, err = openWriter(filepath.Join(c.folder, transcriptFile), c.Now)
	if err != nil {
		return err
	}
	if len(c.log.events) > 0 {
		return nil
	}
	return durable.WriteFile(filepath.Join(c.folder, scriptFile), script, readable)
}

// checkDirectory refuses a directory that holds something else.
func checkDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), transcriptFile)); err == nil {
			return nil
		}
	}
	return fault.New(fault.WrongState, "the directory %s is not empty and no ceremony's: give one that is empty, or does not exist", dir)
}

// run does what of the ceremony is not done yet.
func (c *conduct) run(ctx context.Context, text []byte) error {
	if err := c.begin(text); err != nil {
		return err
	}
	if err := c.attend(); err != nil {
		return err
	}
	for n := range c.script.Steps {
		if err := c.step(ctx, n+1, &c.script.Steps[n]); err != nil {
			return fmt.Errorf("step %d (%s): %w", n+1, c.script.Steps[n].action.kind(), err)
		}
	}
	return c.lock(ctx)
}

// close lets go of what an interrupted ceremony has open.
func (c *conduct) close() error {
	var failures []error
	if c.installation != nil {
		_, err := c.installation.Close()
		failures = append(failures, err)
	}
	return errors.Join(append(failures, c.log.Close())...)
}

// failed puts a failure into the transcript.
func (c *conduct) failed(err error) error {
	if c.log.signed() {
		return err
	}
	return errors.Join(err, c.log.add(&Event{Event: eventFailed, Facts: []Fact{{"failure", err.Error()}}}))
}

func (c *conduct) result() (*Result, error) {
	path := filepath.Join(c.folder, transcriptFile)
	sum, err := digestFile(path)
	if err != nil {
		return nil, err
	}
	return &Result{
		Ceremony: c.script.Ceremony, Rehearsal: c.Rehearse, Directory: c.folder, Transcript: path, SHA256: sum, Files: c.files,
	}, nil
}

// tell shows lines.
func (c *conduct) tell(format string, args ...any) error {
	return c.Person.Tell(fmt.Sprintf(format, args...))
}

// digestFile returns the SHA-256 of a file in hex.
func digestFile(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's own
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	h := newDigest()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
