package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Files of a data directory.
const (
	describes = "seal.json" // how the root key is kept, see description
	rootFile  = "root.key"  // the root key, with the file seal only
)

// Method says how the root key is kept.
type Method string

// The methods.
const (
	// InFile keeps the root key in a file of mode 0600 in the data directory:
	// whoever can read the directory has every key.
	InFile Method = "file"
	// UnderPassphrase keeps it encrypted under a passphrase, which is asked
	// for at every start.
	UnderPassphrase Method = "passphrase"
	// UnderShares keeps it encrypted under a key of which people have shares:
	// a server starts sealed, and enough of them unseal it.
	UnderShares Method = "shares"
	// UnderHSM keeps it encrypted under a key in a PKCS #11 token.
	UnderHSM Method = "hsm"
)

// Methods returns every method.
func Methods() []Method { return []Method{InFile, UnderPassphrase, UnderShares, UnderHSM} }

// description is the content of seal.json, version 2. Version 1 had one way,
// and its members beside those of the description.
type description struct {
	V            int       `json:"v"`
	Installation string    `json:"installation"`
	CreatedAt    time.Time `json:"created"`
	// Ways are how the root key can be had: one, or two while a change of the
	// seal is under way or was interrupted.
	Ways []way `json:"ways"`
}

// way is one way to the root key.
type way struct {
	Method    Method    `json:"method"`
	CreatedAt time.Time `json:"created"`
	// Checks has for each root key that the way gives HMAC-SHA-256 under it of
	// the installation's id: it tells a wrong root key from a right one before
	// anything is read. They are two while the root key itself is being replaced.
	Checks []string `json:"checks"`
	// Root is the root keys, one after the other, as box encrypts them for
	// rootPurpose, bound to the installation's id. With InFile there is none.
	Root []byte `json:"root,omitempty"`

	// One of them is there, by the method; with InFile none.
	Passphrase *passphrase `json:"passphrase,omitempty"`
	Shares     *split.Set  `json:"shares,omitempty"`
	HSM        *hsmKey     `json:"hsm,omitempty"`
}

// passphrase is Argon2id's input beside the passphrase (RFC 9106).
type passphrase struct {
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"`
}

// hsmKey is a key in a token, and a key of 32 random bytes that it has
// wrapped: that one encrypts Root.
type hsmKey struct {
	Token   string `json:"token"` // the configured name
	Key     string `json:"key"`   // its label
	Wrapped []byte `json:"wrapped"`
}

// descriptionV1 is version 1, which is still read: one way, of the method file
// or passphrase.
type descriptionV1 struct {
	Method     Method `json:"method"`
	Check      string `json:"check"`
	Passphrase *struct {
		passphrase
		Root []byte `json:"root"`
	} `json:"passphrase"`
}

const descriptionVersion = 2

// rootPurpose is what a way encrypts the root key for.
func (w *way) rootPurpose() string {
	if w.Method == UnderPassphrase {
		return "root key under a passphrase" // as in version 1
	}
	return "root key under " + string(w.Method)
}

// readDescription reads seal.json.
func readDescription(dir string) (*description, error) {
	path := filepath.Join(dir, describes)
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s is not a data directory: it has no %s (holdfast init makes one)", dir, describes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the seal: %w", err)
	}
	d, err := parseDescription(text)
	if err != nil {
		return nil, fmt.Errorf("reading the seal %s: %w", path, err)
	}
	return d, nil
}

func parseDescription(text []byte) (*description, error) {
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	switch d.V {
	case 1:
		if err := d.convert(text); err != nil {
			return nil, err
		}
	case descriptionVersion:
	default:
		return nil, fault.New(fault.Unsupported, "the seal has version %d, which this program does not know", d.V)
	}
	return &d, d.validate()
}

// convert makes of a text of version 1 what it is in version 2.
func (d *description) convert(text []byte) error {
	var old descriptionV1
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	w := way{Method: old.Method, CreatedAt: d.CreatedAt, Checks: []string{old.Check}}
	if old.Passphrase != nil {
		w.Passphrase, w.Root = &old.Passphrase.passphrase, old.Passphrase.Root
	}
	d.V, d.Ways = descriptionVersion, []way{w}
	return nil
}

func (d *description) validate() error {
	if d.Installation == "" || len(d.Ways) < 1 || len(d.Ways) > 2 {
		return fault.New(fault.InvalidArgument, "the seal contradicts itself: it has %d ways to the root key", len(d.Ways))
	}
	for i := range d.Ways {
		if err := d.Ways[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

func (w *way) validate() error {
	complete := len(w.Checks) == 1 || len(w.Checks) == 2
	switch w.Method {
	case InFile:
	case UnderPassphrase:
		complete = complete && w.Passphrase != nil
	case UnderShares:
		complete = complete && w.Shares != nil
	case UnderHSM:
		complete = complete && w.HSM != nil
	default:
		return fault.New(fault.Unsupported, "this program does not know the seal %q", w.Method)
	}
	if !complete {
		return fault.New(fault.InvalidArgument, "the seal contradicts itself: the method %s lacks what it needs", w.Method)
	}
	if w.Shares != nil {
		return w.Shares.Validate()
	}
	return nil
}

// has reports whether one of the ways is of the method.
func (d *description) has(m Method) bool {
	return slices.ContainsFunc(d.Ways, func(w way) bool { return w.Method == m })
}

// same reports whether two descriptions say the same.
func (d *description) same(other *description) bool {
	a, errA := json.Marshal(d)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// write puts the description in place of the one in dir at once and durably,
// or as the first one there.
func (d *description) write(dir string, first bool) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, describes)
	text = append(text, '\n')
	if first {
		err = writeNew(path, text)
	} else {
		err = durable.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the seal: %w", err)
	}
	return nil
}

// Status is what everybody may know of a data directory's seal.
type Status struct {
	Installation string    `json:"installation"`
	CreatedAt    time.Time `json:"created"`
	// Ways are how it opens: more than one while a change is under way, or
	// since one was interrupted.
	Ways []WayStatus `json:"ways"`
}

// WayStatus is one way to the root key.
type WayStatus struct {
	Method    Method    `json:"method"`
	CreatedAt time.Time `json:"created"`
	// RootKeys are the ids of the root keys that the way gives.
	RootKeys []string `json:"root_keys"`
	// Threshold of the Shares of the Set unseal, with the method shares.
	Threshold int    `json:"threshold,omitempty"`
	Shares    int    `json:"shares,omitempty"`
	Set       string `json:"set,omitempty"`
	// Token and Key are the key's place with the method hsm.
	Token string `json:"token,omitempty"`
	Key   string `json:"key,omitempty"`
}

// Inspect returns what everybody may know of the seal in dir. A directory
// without one is a NotFound error.
func Inspect(dir string) (*Status, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	s := &Status{Installation: d.Installation, CreatedAt: d.CreatedAt}
	for i := range d.Ways {
		w := &d.Ways[i]
		ws := WayStatus{Method: w.Method, CreatedAt: w.CreatedAt}
		for _, c := range w.Checks {
			ws.RootKeys = append(ws.RootKeys, rootID(c))
		}
		if w.Shares != nil {
			ws.Threshold, ws.Shares, ws.Set = w.Shares.Threshold, w.Shares.Shares, w.Shares.ID
		}
		if w.HSM != nil {
			ws.Token, ws.Key = w.HSM.Token, w.HSM.Key
		}
		s.Ways = append(s.Ways, ws)
	}
	return s, nil
}

// OnlyShares reports whether nothing but shares opens the seal.
func (s *Status) OnlyShares() bool {
	return !slices.ContainsFunc(s.Ways, func(w WayStatus) bool { return w.Method != UnderShares })
}

// Exists reports whether dir has a seal.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, describes))
	return err == nil
}

func check(secret []byte, installation string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("holdfast root key of installation " + installation))
	return hex.EncodeToString(m.Sum(nil))
}

// rootID is what people call a root key: the start of its check.
func rootID(check string) string { return check[:min(len(check), 16)] }
