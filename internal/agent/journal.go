package agent

import (
	"errors"
	"os"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/durable"
)

// journal says how a set of files is being changed. It is on disk before the
// first file changes, and gone when all is decided: whoever finds one at the
// start has to end what it says.
type journal struct {
	V       int    `json:"v"`
	Version uint64 `json:"version"`
	// Back tells that the change is being taken back.
	Back  bool     `json:"back,omitempty"`
	Files []change `json:"files,omitempty"`
	// Link is the symbolic link that changes from Former, "" for none, to Target.
	Link   string `json:"link,omitempty"`
	Target string `json:"target,omitempty"`
	Former string `json:"former,omitempty"`
}

const journalVersion = 1

// change is one file that is replaced: by Staged, which is beside it.
type change struct {
	Path   string `json:"path"`
	Staged string `json:"staged"`
	SHA256 string `json:"sha256"`
	Before before `json:"before"`
}

// before is what was in a file's place.
type before struct {
	// Saved is the file in the state directory with the content, "" where there
	// was no regular file; Link is where a symbolic link led.
	Saved string      `json:"saved,omitempty"`
	Link  string      `json:"link,omitempty"`
	Mode  os.FileMode `json:"mode,omitempty"`
	UID   int         `json:"uid,omitempty"`
	GID   int         `json:"gid,omitempty"`
}

// proceed puts the staged files in place. Done again, it goes on where it was
// broken off; a staged file that is gone without having arrived is a failure.
func (j *journal) proceed() error {
	for n := range j.Files {
		c := &j.Files[n]
		err := durable.Rename(c.Staged, c.Path)
		if errors.Is(err, os.ErrNotExist) && c.arrived() {
			continue
		}
		if err != nil {
			return err
		}
	}
	if j.Link != "" {
		return link(j.Link, j.Target)
	}
	return nil
}

// replaces reports whether there was anything before.
func (j *journal) replaces() bool {
	return j.Former != "" || slices.ContainsFunc(j.Files, func(c change) bool { return c.Before != before{} })
}

// arrived reports whether the new content is in place.
func (c *change) arrived() bool {
	content, err := os.ReadFile(c.Path)
	return err == nil && hashOf(content) == c.SHA256
}

// restore brings one file back.
func (c *change) restore() error {
	switch {
	case c.Before.Link != "":
		return link(c.Path, c.Before.Link)
	case c.Before.Saved == "":
		return remove(c.Path)
	}
	content, err := os.ReadFile(c.Before.Saved)
	if err != nil {
		return err
	}
	defer clear(content)
	if err := writeFile(c.Staged, content, c.Before.Mode, c.Before.UID, c.Before.GID); err != nil {
		return err
	}
	return durable.Rename(c.Staged, c.Path)
}

// unstage removes staged files that are not in place.
func (j *journal) unstage() error {
	var failures []error
	for n := range j.Files {
		failures = append(failures, remove(j.Files[n].Staged))
	}
	return errors.Join(failures...)
}
