package seal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Change is a change of the seal under way: to another method, to new shares,
// a new passphrase or wrapping, and where it is wanted to a new root key.
//
//  1. Begin writes a seal that opens by the old way and by the new one. Where
//     the root key is replaced, each way gives both root keys.
//  2. Whoever changes the root key re-encrypts the store in one transaction
//     (Reseal): the store says which root key it is under, and Claim goes by it.
//  3. The new shares are handed out.
//  4. Finish writes a seal that opens by the new way alone, and only with the
//     new root key.
//
// A crash before the end leaves a directory that opens by the old way, and by
// the new one for whoever has what it needs; another change, begun and
// finished, ends that. At no instant is there a seal that nobody can open.
type Change struct {
	// From is the root key before the change, To the one after it: the same
	// unless the root key is replaced.
	From, To *Root
	// Shares are to be handed out before Finish, which clears them.
	Shares []split.Share

	dir         string
	description *description
	was         Method
	way         way
	box         box
	next        []byte
}

// Begin begins a change of the seal by a plan. current is the root key that
// the store is under: Claim has been called for it, and holds the store's lock
// until Finish. With replace the root key itself is replaced by a new one.
func (o *Opened) Begin(ctx context.Context, current *Root, p Plan, replace bool) (*Change, error) {
	key, err := o.Key(current)
	if err != nil {
		return nil, err
	}
	keys := [][]byte{key.secret}
	if replace {
		keys = append(keys, random(keySize))
	}
	defer clearAll(keys)
	old := o.description.Ways[o.by]
	if old.Method == InFile && p.Method == InFile && !replace {
		return nil, fault.New(fault.InvalidArgument, "nothing would change: the root key stays in its file, and is not to be replaced")
	}
	installation := o.description.Installation
	c := &Change{dir: o.dir, was: old.Method}
	if c.way, c.box, c.Shares, err = p.make(ctx, installation); err != nil {
		return nil, err
	}
	old.put(o.box, installation, keys)
	c.way.put(c.box, installation, keys)
	between := *o.description
	between.V, between.Ways = descriptionVersion, []way{old, c.way}
	if old.Method == InFile && p.Method == InFile {
		between.Ways = []way{c.way}
	}
	if between.has(InFile) { // first: keys in the file that no way knows are passed over
		if err := writeRoot(o.dir, keys); err != nil {
			return nil, err
		}
	}
	if err := between.write(o.dir, false); err != nil {
		return nil, err
	}
	if err := c.roots(installation, keys); err != nil {
		return nil, err
	}
	c.description = &between
	return c, nil
}

// roots sets From and To.
func (c *Change) roots(installation string, keys [][]byte) (err error) {
	last := keys[len(keys)-1]
	c.next = slices.Clone(last)
	if c.From, err = newRoot(installation, slices.Clone(keys[0])); err != nil {
		return err
	}
	c.To, err = newRoot(installation, slices.Clone(last))
	return err
}

// Finish ends the change: from now on only the new way opens the seal, and the
// root key that was replaced is gone from it.
func (c *Change) Finish() error {
	defer clear(c.next)
	defer clearShares(c.Shares)
	keys := [][]byte{c.next}
	c.way.put(c.box, c.description.Installation, keys)
	final := *c.description
	final.Ways = []way{c.way}
	if err := final.write(c.dir, false); err != nil {
		return err
	}
	switch {
	case c.way.Method == InFile:
		return writeRoot(c.dir, keys)
	case c.was == InFile:
		return errors.Join(os.Remove(filepath.Join(c.dir, rootFile)), durable.SyncDir(c.dir))
	}
	return nil
}
