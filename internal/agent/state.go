package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/holdfast-kms/holdfast/client"
)

const stateVersion = 1

// state is what is known of one certificate, as JSON in its directory under
// the agent's state. Beside it are the certificates themselves with their
// keys, in PEM, by version; a journal while files change, and what those were.
type state struct {
	V int `json:"v"`
	// Version is the latest one that was given to anything.
	Version uint64 `json:"version"`
	// Current is what is in place, nil before the first.
	Current *installed `json:"current,omitempty"`
	// Candidate is what is to be put in place, nil for none.
	Candidate *candidate `json:"candidate,omitempty"`
	// Order is a request that is on its way, nil for none.
	Order *order `json:"order,omitempty"`
	// Asking is how the server, or the authority, failed to give a certificate.
	Asking failures `json:"asking,omitzero"`
	// Reports are those that the server has not got, the oldest first.
	Reports []client.DeploymentReport `json:"reports,omitempty"`
	// ReportedAt is when the server got the latest one.
	ReportedAt time.Time `json:"reported,omitzero"`
}

// installed is a version in place.
type installed struct {
	Version uint64    `json:"version"`
	Serial  string    `json:"serial"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Outcome string    `json:"outcome"`
	// Failed counts how often it was not met, while it is unconfirmed.
	Failed failures `json:"failed,omitzero"`
	// Order is the request's digest, Layout that of the files that were asked
	// for, Placed those that were written.
	Order  string   `json:"order,omitempty"`
	Layout string   `json:"layout"`
	Placed []placed `json:"placed"`
	// Authority is the issuer's id, "" where it is not known.
	Authority string `json:"authority,omitempty"`
}

// candidate is a version on its way.
type candidate struct {
	Version   uint64   `json:"version"`
	Serial    string   `json:"serial"`
	Authority string   `json:"authority,omitempty"`
	Order     string   `json:"order,omitempty"`
	Failed    failures `json:"failed,omitzero"`
	// Placed is what is written of it, as far as it came.
	Placed []placed `json:"placed,omitempty"`
}

// order is a request for a certificate, repeated as it is until it is
// answered. Its key is beside it.
type order struct {
	Digest string    `json:"digest"`
	CSR    string    `json:"csr"`
	Token  string    `json:"token"`
	At     time.Time `json:"at"`
}

// failures counts attempts that failed, and says when the next one is.
type failures struct {
	Count int       `json:"count,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// wait reports whether the next attempt is still to come.
func (f *failures) wait(now time.Time) bool { return now.Before(f.Next) }

// note counts another failure: the time to the next attempt doubles, and is
// spread so that hosts that failed together do not come back together.
func (f *failures) note(r Retry, now time.Time, seed string) {
	pause := time.Duration(r.First) << min(f.Count, 20)
	if most := time.Duration(r.Most); pause > most || pause <= 0 {
		pause = most
	}
	f.Count++
	f.Next = now.Add(pause - spread(seed+strconv.Itoa(f.Count), pause/5))
}

// maxReports is how many reports wait for the server. The newest stay.
const maxReports = 16

// folder is a certificate's directory under the agent's state.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

// open reads what is known of a certificate.
func (f folder) open() (*state, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	s := &state{V: stateVersion}
	if _, err := recall(f.path("state.json"), s); err != nil {
		return nil, err
	}
	if s.V != stateVersion {
		return nil, fmt.Errorf("%s has version %d, which this program does not know", f.path("state.json"), s.V)
	}
	return s, nil
}

// keep stores what is known.
func (f folder) keep(s *state) error { return keep(f.path("state.json"), s) }

// material is the file of a version.
func (f folder) material(version uint64) string {
	return f.path(strconv.FormatUint(version, 10) + ".pem")
}

// put stores a version.
func (f folder) put(version uint64, m *material) error {
	text := m.encode()
	defer clear(text)
	return replaceFile(f.material(version), text)
}

// get reads a version.
func (f folder) get(version uint64) (*material, error) {
	text, err := os.ReadFile(f.material(version))
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return decodeMaterial(text)
}

// tidy removes the versions that the state has no more.
func (f folder) tidy(s *state) error {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	if s.Current != nil {
		wanted[f.material(s.Current.Version)] = true
	}
	if s.Candidate != nil {
		wanted[f.material(s.Candidate.Version)] = true
	}
	for _, e := range entries {
		if path := f.path(e.Name()); filepath.Ext(path) == ".pem" && !wanted[path] {
			err = errors.Join(err, remove(path))
		}
	}
	return err
}

// lock takes the state directory for this process alone.
func lock(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("another agent has the state directory %s: %w", dir, err)
	}
	return f.Close, nil
}
