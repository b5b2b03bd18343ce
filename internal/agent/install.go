package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/holdfast-kms/holdfast/internal/durable"
)

// The names in a certificate's own directory.
const (
	versionsDir = "versions"
	currentLink = "current"
)

// kept is how many versions of a set stay in a certificate's own directory:
// the one in use and the one before it.
const kept = 2

// placed is a file as it was written.
type placed struct {
	Path   string      `json:"path"`
	SHA256 string      `json:"sha256"`
	Mode   os.FileMode `json:"mode"`
}

// installer changes the files of one certificate.
type installer struct {
	c   *Certificate
	dir string // of the certificate's state
}

func (i *installer) journalPath() string { return filepath.Join(i.dir, "journal.json") }
func (i *installer) savedDir() string    { return filepath.Join(i.dir, "before") }

// pending returns the journal of a change that was begun and not decided, nil
// for none.
func (i *installer) pending() (*journal, error) {
	j := new(journal)
	found, err := recall(i.journalPath(), j)
	if err != nil || !found {
		return nil, err
	}
	if j.V != journalVersion {
		return nil, fmt.Errorf("%s has version %d, which this program does not know", i.journalPath(), j.V)
	}
	return j, nil
}

// stage writes the files of a version beside those in use, and then the
// journal. Nothing that others read has changed when it returns.
func (i *installer) stage(m *material, version uint64) (*journal, []placed, error) {
	j := &journal{V: journalVersion, Version: version}
	var all []placed
	if i.c.Dir != "" {
		if err := i.stageDir(j); err != nil {
			return nil, nil, err
		}
	}
	if err := errors.Join(os.RemoveAll(i.savedDir()), os.MkdirAll(i.savedDir(), 0o700)); err != nil {
		return nil, nil, err
	}
	for n := range i.c.Files {
		p, err := i.stageFile(j, m, n)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("writing %s: %w", i.c.at(i.c.Files[n].Path), err), j.unstage(), i.discard(j))
		}
		all = append(all, *p)
	}
	if i.c.Dir != "" {
		if err := durable.SyncDir(filepath.Join(i.c.Dir, j.Target)); err != nil {
			return nil, nil, err
		}
	}
	if err := errors.Join(durable.SyncDir(i.savedDir()), durable.SyncDir(i.dir)); err != nil {
		return nil, nil, err
	}
	return j, all, keep(i.journalPath(), j)
}

// stageDir makes the directory of a new version.
func (i *installer) stageDir(j *journal) error {
	target := filepath.Join(versionsDir, strconv.FormatUint(j.Version, 10))
	made := filepath.Join(i.c.Dir, target)
	if err := os.MkdirAll(filepath.Dir(made), 0o755); err != nil { //nolint:gosec // the programs that use the files look into it
		return err
	}
	if err := os.RemoveAll(made); err != nil { // of a start that was broken off
		return err
	}
	if err := os.Mkdir(made, 0o755); err != nil { //nolint:gosec // as above: each file has its own mode
		return err
	}
	former, err := os.Readlink(filepath.Join(i.c.Dir, currentLink))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is in the way: %w", filepath.Join(i.c.Dir, currentLink), err)
	}
	j.Link, j.Target, j.Former = filepath.Join(i.c.Dir, currentLink), target, former
	return durable.SyncDir(filepath.Dir(made))
}

// stageFile writes one file where it does not matter yet.
func (i *installer) stageFile(j *journal, m *material, n int) (*placed, error) {
	f := &i.c.Files[n]
	content, err := m.render(f)
	if err != nil {
		return nil, err
	}
	if f.secret() {
		defer clear(content)
	}
	uid, gid, err := f.owner()
	if err != nil {
		return nil, err
	}
	p := &placed{Path: i.c.at(f.Path), SHA256: hashOf(content), Mode: os.FileMode(f.Mode)}
	if !filepath.IsAbs(f.Path) {
		return p, writeFile(filepath.Join(i.c.Dir, j.Target, f.Path), content, p.Mode, uid, gid)
	}
	c := change{Path: f.Path, SHA256: p.SHA256, Staged: filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".holdfast")}
	if c.Before, err = save(f.Path, filepath.Join(i.savedDir(), strconv.Itoa(n))); err != nil {
		return nil, err
	}
	j.Files = append(j.Files, c)
	return p, writeFile(c.Staged, content, p.Mode, uid, gid)
}

// save copies what is in a file's place, to bring it back.
func save(path, to string) (b before, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return b, nil
	case err != nil:
		return b, err
	case info.Mode()&os.ModeSymlink != 0:
		b.Link, err = os.Readlink(path)
		return b, err
	case !info.Mode().IsRegular():
		return b, fmt.Errorf("%s is no regular file", path)
	}
	content, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return b, err
	}
	defer clear(content)
	b.Saved, b.Mode, b.UID, b.GID = to, info.Mode().Perm(), -1, -1
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		b.UID, b.GID = int(s.Uid), int(s.Gid)
	}
	return b, writeFile(to, content, 0o600, -1, -1)
}

// owner returns the ids of a file's owner and group, -1 for the agent's own.
func (f *File) owner() (uid, gid int, err error) {
	uid, gid = -1, -1
	if f.Owner != "" {
		if uid, err = strconv.Atoi(f.Owner); err != nil {
			u, err := user.Lookup(f.Owner)
			if err != nil {
				return 0, 0, err
			}
			uid, _ = strconv.Atoi(u.Uid) // a number on every Unix
		}
	}
	if f.Group != "" {
		if gid, err = strconv.Atoi(f.Group); err != nil {
			g, err := user.LookupGroup(f.Group)
			if err != nil {
				return 0, 0, err
			}
			gid, _ = strconv.Atoi(g.Gid) // a number on every Unix
		}
	}
	return uid, gid, nil
}

// back brings back what was there before. Done again, it goes on.
func (i *installer) back(j *journal) error {
	if !j.Back {
		j.Back = true
		if err := keep(i.journalPath(), j); err != nil {
			return err
		}
	}
	var failures []error
	for n := range j.Files {
		failures = append(failures, j.Files[n].restore())
	}
	if j.Link != "" {
		if j.Former != "" {
			failures = append(failures, link(j.Link, j.Former))
		} else {
			failures = append(failures, remove(j.Link))
		}
	}
	return errors.Join(append(failures, j.unstage())...)
}

// end forgets a change that is decided, and versions that nothing leads to.
func (i *installer) end(j *journal) (err error) {
	if j.Back {
		err = i.discard(j)
	} else {
		err = i.prune()
	}
	return errors.Join(err, remove(i.journalPath()), os.RemoveAll(i.savedDir()))
}

// discard removes the version that a change would have led to.
func (i *installer) discard(j *journal) error {
	if j.Link == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(i.c.Dir, j.Target))
}

// prune removes all versions but the newest.
func (i *installer) prune() error {
	numbers, err := i.versions()
	if err != nil {
		return err
	}
	for len(numbers) > kept {
		if err := os.RemoveAll(filepath.Join(i.c.Dir, versionsDir, strconv.FormatUint(numbers[0], 10))); err != nil {
			return err
		}
		numbers = numbers[1:]
	}
	return nil
}

// versions returns the numbers of the versions in the certificate's own
// directory, in order.
func (i *installer) versions() ([]uint64, error) {
	if i.c.Dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(i.c.Dir, versionsDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var numbers []uint64
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 64); err == nil && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// maxOutput is the longest file that is compared, in bytes.
const maxOutput = 1 << 20

// intact reports whether a file is as it was written.
func (p *placed) intact() bool {
	f, err := os.Open(p.Path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != p.Mode {
		return false
	}
	content, err := io.ReadAll(io.LimitReader(f, maxOutput))
	return err == nil && hashOf(content) == p.SHA256
}
