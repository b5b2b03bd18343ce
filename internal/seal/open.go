package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Deliver hands shares that were made to people. They are cleared after it.
type Deliver func([]split.Share) error

// Create is Make for the methods that need no more than a passphrase.
func Create(dir string, method Method, phrase []byte) (*Root, error) {
	return Make(context.Background(), dir, Plan{Method: method, Passphrase: phrase}, nil)
}

// Make makes a new root key and seals it in dir by the plan; dir must not have
// a seal yet. A root key that is in dir without a seal is taken, not replaced:
// a Make that was interrupted left it, or the seal was lost and data still
// depends on it. Shares are delivered before the seal is there: when that
// fails nothing was made, and nobody needs them.
func Make(ctx context.Context, dir string, p Plan, deliver Deliver) (*Root, error) {
	key := &RootKey{installation: newInstallation(), secret: random(keySize)}
	defer key.Clear()
	return Restore(ctx, dir, key, p, deliver)
}

// Restore seals a root key that exists already, as a recovery package has it,
// in a directory without a seal.
func Restore(ctx context.Context, dir string, key *RootKey, p Plan, deliver Deliver) (*Root, error) {
	if Exists(dir) {
		return nil, fault.New(fault.AlreadyExists, "the data directory %s has a seal already", dir)
	}
	w, b, shares, err := p.make(ctx, key.installation)
	if err != nil {
		return nil, err
	}
	defer clearShares(shares)
	keys := [][]byte{slices.Clone(key.secret)}
	defer func() { clearAll(keys) }()
	if p.Method == InFile {
		if keys, err = makeRoot(filepath.Join(dir, rootFile), keys[0]); err != nil {
			return nil, err
		}
	}
	d := &description{V: descriptionVersion, Installation: key.installation, CreatedAt: w.CreatedAt}
	w.put(b, d.Installation, keys)
	d.Ways = []way{w}
	if len(shares) > 0 {
		if err := deliver(shares); err != nil {
			return nil, fmt.Errorf("handing out the shares: %w", err)
		}
	}
	if err := d.write(dir, true); err != nil {
		return nil, err
	}
	return newRoot(d.Installation, keys...)
}

func clearShares(shares []split.Share) {
	for i := range shares {
		shares[i].Clear()
	}
}

// Credentials are what Unlock may ask for. What is nil cannot be had.
type Credentials struct {
	// Passphrase returns the passphrase, which is cleared then.
	Passphrase func() ([]byte, error)
	// Share returns one share as text, which is cleared then. It is called
	// until there are enough; wrong says what is wrong with the last one, and
	// an error ends the asking.
	Share func(p Progress, wrong error) ([]byte, error)
	// Keeper returns a key of a token by their names. end, if it is not nil, is
	// called when the key is no longer needed.
	Keeper func(ctx context.Context, token, key string) (k Keeper, end func() error, err error)
}

// Opened is a seal that is open, with what it takes to change it. Close it.
type Opened struct {
	dir         string
	description *description
	by          int      // the way by which it was opened
	box         box      // what encrypts the root keys there; none with InFile
	keys        [][]byte // one, or two while the root key is being replaced
}

// Open opens the seal of a data directory that no more than a passphrase
// opens, and returns its root key. ask is called for the passphrase if the
// seal needs one.
func Open(dir string, ask func() ([]byte, error)) (*Root, error) {
	o, err := Unlock(context.Background(), dir, Credentials{Passphrase: ask})
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return o.Root()
}

// Unlock opens the seal of a data directory. What is wrong about a credential,
// or a root key that belongs to another directory, is an Unauthenticated error
// that says so. While two ways lead to the root key, one of them is enough.
func Unlock(ctx context.Context, dir string, c Credentials) (*Opened, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	u := &unlocking{dir: dir, description: d, Credentials: c}
	defer u.forget()
	var failures []error
	for _, m := range []Method{InFile, UnderHSM, UnderPassphrase} { // what asks nobody comes first
		for i := range d.Ways {
			if d.Ways[i].Method != m {
				continue
			}
			o, err := u.open(ctx, i)
			if err == nil {
				return o, nil
			}
			failures = append(failures, err)
		}
	}
	if d.has(UnderShares) {
		o, err := u.collect()
		if err == nil {
			return o, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// unlocking is one Unlock.
type unlocking struct {
	Credentials
	dir         string
	description *description
	phrase      []byte // asked for once
}

func (u *unlocking) forget() { clear(u.phrase) }

// open opens the seal by a way that is not of shares.
func (u *unlocking) open(ctx context.Context, i int) (*Opened, error) {
	w := &u.description.Ways[i]
	if w.Method == InFile {
		keys, err := readRoot(filepath.Join(u.dir, rootFile))
		if err != nil {
			return nil, err
		}
		return opened(u.dir, u.description, i, box{}, keys)
	}
	secret, err := u.secret(ctx, w)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	b, err := newBox(secret)
	if err != nil {
		return nil, err
	}
	keys, err := w.get(b, u.description.Installation)
	if err != nil && w.Method == UnderPassphrase {
		err = fault.New(fault.Unauthenticated, "the passphrase is wrong")
	}
	if err != nil {
		return nil, err
	}
	return opened(u.dir, u.description, i, b, keys)
}

// secret returns the key that encrypts a way's root keys.
func (u *unlocking) secret(ctx context.Context, w *way) ([]byte, error) {
	if w.Method == UnderHSM {
		return u.unwrap(ctx, w.HSM)
	}
	if u.Passphrase == nil {
		return nil, fault.New(fault.Unauthenticated, "the data directory is sealed under a passphrase, and none was given")
	}
	if u.phrase == nil {
		phrase, err := u.Passphrase()
		if err != nil {
			return nil, fmt.Errorf("asking for the passphrase: %w", err)
		}
		u.phrase = phrase
	}
	return w.Passphrase.key(u.phrase)
}

func (u *unlocking) unwrap(ctx context.Context, h *hsmKey) (_ []byte, err error) {
	if u.Keeper == nil {
		return nil, fault.New(fault.Unauthenticated, "the data directory is sealed by the token %q, and none can be reached from here", h.Token)
	}
	keeper, end, err := u.Keeper(ctx, h.Token, h.Key)
	if err != nil {
		return nil, err
	}
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	secret, err := keeper.Unwrap(ctx, h.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("unsealing with the key %q of the token %q: %w", h.Key, h.Token, err)
	}
	return secret, nil
}

// collect asks for shares until there are enough.
func (u *unlocking) collect() (*Opened, error) {
	c := newUnsealing(u.dir, u.description)
	defer c.Reset()
	if u.Share == nil {
		return nil, fault.New(fault.Unauthenticated, "the data directory is sealed by shares, and none was given: %d are needed", c.Progress().Need)
	}
	var wrong error
	for {
		p := c.Progress()
		if p.Have >= p.Need {
			return c.Open()
		}
		text, err := u.Share(p, wrong)
		if err != nil {
			return nil, err
		}
		_, wrong = c.Add(text)
		clear(text)
	}
}

// opened returns the open seal, if the keys are the way's.
func opened(dir string, d *description, by int, b box, keys [][]byte) (*Opened, error) {
	known := d.Ways[by].known(d.Installation, keys)
	if len(known) == 0 {
		clearAll(keys)
		return nil, fault.New(fault.Unauthenticated, "the root key in %s is not that of this data directory", dir)
	}
	return &Opened{dir, d, by, b, known}, nil
}

// Close forgets the root key.
func (o *Opened) Close() { clearAll(o.keys) }

// String keeps the root key out of every log.
func (o *Opened) String() string { return "open seal of installation " + o.description.Installation }

// GoString keeps the root key out of %#v.
func (o *Opened) GoString() string { return o.String() }

// Root returns the root key, ready for use.
func (o *Opened) Root() (*Root, error) {
	var keys [][]byte
	for _, k := range o.keys {
		keys = append(keys, slices.Clone(k))
	}
	r, err := newRoot(o.description.Installation, keys...)
	if err == nil {
		r.tidy = func() error { return tidy(o.dir) }
	}
	return r, err
}

// Key returns the root key that current uses, to be kept elsewhere. Claim has
// been called for current.
func (o *Opened) Key(current *Root) (*RootKey, error) {
	for _, k := range o.keys {
		if check(k, o.description.Installation) == current.check {
			return &RootKey{o.description.Installation, slices.Clone(k)}, nil
		}
	}
	return nil, fault.New(fault.WrongState, "the seal was changed meanwhile")
}

// tidy removes what a change that was interrupted at its very end has left: a
// root key file that the seal no longer needs, or a root key in it. Whoever
// calls has the store's lock, so that no change is under way.
func tidy(dir string) error {
	path := filepath.Join(dir, rootFile)
	if _, err := os.Stat(path); err != nil {
		return nil // there is nothing to tidy, or opening has told
	}
	d, err := readDescription(dir)
	if err != nil {
		return err
	}
	if !d.has(InFile) {
		return errors.Join(os.Remove(path), durable.SyncDir(dir))
	}
	keys, err := readRoot(path)
	if err != nil {
		return err
	}
	defer clearAll(keys)
	for i := range d.Ways {
		known := d.Ways[i].known(d.Installation, keys)
		if d.Ways[i].Method == InFile && len(known) > 0 && len(known) < len(keys) {
			return writeRoot(dir, known)
		}
	}
	return nil
}
