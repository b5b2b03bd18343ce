package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/holdfast-kms/holdfast/internal/fault"
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
)

// description is the content of seal.json.
type description struct {
	V            int       `json:"v"`
	Method       Method    `json:"method"`
	Installation string    `json:"installation"`
	CreatedAt    time.Time `json:"created"`
	// Check is HMAC-SHA-256 under the root key of the installation's id: it
	// tells a wrong root key from a right one before anything is read.
	Check string `json:"check"`
	// Passphrase is there with UnderPassphrase only.
	Passphrase *passphrase `json:"passphrase,omitempty"`
}

// passphrase is Argon2id's input beside the passphrase (RFC 9106), and the
// root key as box encrypts it under Argon2id's output.
type passphrase struct {
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"`
	Root      []byte `json:"root"`
}

// Argon2id's cost: RFC 9106 section 4, the second recommended option.
const (
	argonTime      = 3
	argonMemoryKiB = 64 << 10
	argonThreads   = 4
	argonSalt      = 16
)

// MinPassphrase is the shortest passphrase that Create takes, in bytes.
const MinPassphrase = 12

const passphrasePurpose = "root key under a passphrase" //nolint:gosec // what it is for, not the passphrase

// Create makes a new root key and seals it in dir, which must not have a seal
// yet. The passphrase is used only with UnderPassphrase. A root key that is in
// dir without a seal is taken, not replaced: a Create that was interrupted
// left it, or the seal was lost and data still depends on it.
func Create(dir string, method Method, phrase []byte) (*Root, error) {
	if Exists(dir) {
		return nil, fault.New(fault.AlreadyExists, "the data directory %s has a seal already", dir)
	}
	secret := random(keySize)
	if method == InFile {
		var err error
		if secret, err = makeRoot(filepath.Join(dir, rootFile), secret); err != nil {
			return nil, err
		}
	}
	d := description{V: 1, Method: method, Installation: newInstallation(), CreatedAt: time.Now().UTC()}
	d.Check = check(secret, d.Installation)
	switch method {
	case InFile:
	case UnderPassphrase:
		if len(phrase) < MinPassphrase {
			return nil, fault.New(fault.InvalidArgument, "the passphrase must have at least %d characters", MinPassphrase)
		}
		d.Passphrase = &passphrase{Time: argonTime, MemoryKiB: argonMemoryKiB, Threads: argonThreads, Salt: random(argonSalt)}
		b, err := d.Passphrase.box(phrase)
		if err != nil {
			return nil, err
		}
		d.Passphrase.Root = b.seal(passphrasePurpose, secret, []byte(d.Installation))
	default:
		return nil, fault.New(fault.InvalidArgument, "unknown seal %q: use %q or %q", method, InFile, UnderPassphrase)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(dir, describes), append(text, '\n')); err != nil {
		return nil, fmt.Errorf("writing the seal: %w", err)
	}
	return newRoot(secret, d.Installation)
}

// Exists reports whether dir has a seal.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, describes))
	return err == nil
}

// Open opens the seal of a data directory. ask is called for the passphrase
// if the seal needs one. A wrong passphrase, or a root key that belongs to
// another directory, is an Unauthenticated error that says so.
func Open(dir string, ask func() ([]byte, error)) (*Root, error) {
	text, err := os.ReadFile(filepath.Join(dir, describes)) //nolint:gosec // the operator's own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s is not a data directory: it has no %s (holdfast init makes one)", dir, describes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the seal: %w", err)
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("reading the seal %s: %w", filepath.Join(dir, describes), err)
	}
	if d.V != 1 {
		return nil, fault.New(fault.Unsupported, "the seal has version %d, which this program does not know", d.V)
	}
	secret, err := d.secret(dir, ask)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(check(secret, d.Installation)), []byte(d.Check)) != 1 {
		return nil, fault.New(fault.Unauthenticated, "the root key in %s is not that of this data directory", dir)
	}
	return newRoot(secret, d.Installation)
}

// secret returns the root key.
func (d *description) secret(dir string, ask func() ([]byte, error)) ([]byte, error) {
	switch {
	case d.Method == InFile:
		return readRoot(filepath.Join(dir, rootFile))
	case d.Method == UnderPassphrase && d.Passphrase != nil:
		if ask == nil {
			return nil, fault.New(fault.Unauthenticated, "the data directory is sealed under a passphrase, and none was given")
		}
		phrase, err := ask()
		if err != nil {
			return nil, fmt.Errorf("asking for the passphrase: %w", err)
		}
		defer clear(phrase)
		b, err := d.Passphrase.box(phrase)
		if err != nil {
			return nil, err
		}
		secret, err := b.open(passphrasePurpose, d.Passphrase.Root, []byte(d.Installation))
		if err != nil {
			return nil, fault.New(fault.Unauthenticated, "the passphrase is wrong")
		}
		return secret, nil
	default:
		return nil, fault.New(fault.Unsupported, "this program does not know the seal %q", d.Method)
	}
}

// makeRoot writes the root key to a file, unless there is one: it returns the
// key that the file has then.
func makeRoot(path string, secret []byte) ([]byte, error) {
	err := writeNew(path, []byte(hex.EncodeToString(secret)+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return readRoot(path)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the root key: %w", err)
	}
	return secret, nil
}

// readRoot reads a root key file, and refuses one that others can read.
func readRoot(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.PermissionDenied,
			"others may read the root key: %s has mode %04o, it must be 0600", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own data directory
	if err != nil {
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	clear(text)
	if err != nil || len(secret) != keySize {
		return nil, fault.New(fault.InvalidArgument, "%s does not hold a root key of %d bytes in hex", path, keySize)
	}
	return secret, nil
}

// box returns what encrypts under the passphrase.
func (p *passphrase) box(phrase []byte) (box, error) {
	if p.Time < 1 || p.Time > 64 || p.MemoryKiB < 8<<10 || p.MemoryKiB > 4<<20 || p.Threads < 1 || len(p.Salt) < 8 {
		return box{}, fault.New(fault.InvalidArgument, "the seal's Argon2id parameters are out of bounds")
	}
	secret := argon2.IDKey(phrase, p.Salt, p.Time, p.MemoryKiB, p.Threads, keySize)
	defer clear(secret)
	return newBox(secret)
}

func check(secret []byte, installation string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("holdfast root key of installation " + installation))
	return hex.EncodeToString(m.Sum(nil))
}

// writeNew writes a file of mode 0600 that must not exist, durably. The name
// appears with all of the content or, when the process is killed, not at all:
// a seal that is half written could be neither opened nor made again.
func writeNew(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new") // has mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, it replaces nothing
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
