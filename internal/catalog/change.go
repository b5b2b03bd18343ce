package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Material is the wrapped material of one version of a key.
type Material struct {
	Version key.VersionNumber
	Wrapped []byte
}

// Change is what is stored of a key together, in one transaction.
type Change struct {
	// Key is the key after the change.
	Key *key.Key
	// Policy is Key.Policy, compiled; nil where a key keeps the one it has.
	Policy *policy.Policy
	// Put is new material: of new versions, or in place of what they had.
	Put []Material
	// Lost names versions whose material goes.
	Lost []key.VersionNumber
	// Alias is a first name for a new key; it may be nil.
	Alias *key.Alias
	// Import, if it is not nil, names what is brought and must not be brought
	// once more. If it was, the change is AlreadyExists with ReplayedBlob.
	Import *Import
	// Events are what people are to be told of the change, Withdrawn the ids of
	// those that they are not to be told of any more.
	Events    []*event.Event
	Withdrawn []string
	// Check, if it is not nil, is asked in the transaction: its error ends the
	// change.
	Check func(store.Reader) error
}

// Import names something that was imported under a key exchange key.
type Import struct {
	Under  key.ID
	Digest string // SHA-256 of what came, in hex
}

func (i *Import) id() string { return string(i.Under) + "/" + i.Digest }

func (i *Import) replayed() error {
	return fault.Because(fault.AlreadyExists, fault.ReplayedBlob, "this was imported before")
}

// Insert stores a new key and makes it visible.
func (c *Catalog) Insert(ctx context.Context, n *Change) error {
	row, err := keyRow(n.Key)
	if err != nil {
		return err
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Insert(store.Keys, row); err != nil {
			return err
		}
		if err := n.write(tx); err != nil || n.Alias == nil {
			return err
		}
		alias, err := aliasRow(n.Alias)
		if err != nil {
			return err
		}
		return tx.Insert(store.Aliases, alias)
	})
	if err != nil {
		return err
	}
	c.memory.put(NewEntry(n.Key, n.Policy))
	if n.Alias != nil {
		c.memory.putAlias(n.Alias)
	}
	return nil
}

// Update stores a changed key in place of e and makes it visible. The caller
// has locked the key since it read e. That another server has changed the key
// since is a Conflict error.
func (c *Catalog) Update(ctx context.Context, e *Entry, n *Change) error {
	row, err := keyRow(n.Key)
	if err != nil {
		return err
	}
	err = c.store.Update(ctx, func(tx store.Tx) error { return n.replace(tx, e, row) })
	if err != nil {
		return err
	}
	c.show(e, n)
	return nil
}

// replace stores what Update does.
func (n *Change) replace(tx store.Tx, e *Entry, row store.Row) error {
	if err := unchanged(tx, e.Key); err != nil {
		return err
	}
	if err := tx.Put(store.Keys, row); err != nil {
		return err
	}
	return n.write(tx)
}

// show makes a changed key visible in place of e.
func (c *Catalog) show(e *Entry, n *Change) {
	p := n.Policy
	if p == nil {
		p = e.Policy
	}
	next := newEntry(n.Key, p, e)
	stale := next.renew(n, len(e.slots))
	c.memory.put(next)
	c.cache.drop(stale)
}

// renew gives a new slot to each of the first known versions whose material
// has changed, and returns the slots that they had.
func (e *Entry) renew(n *Change, known int) (stale []*slot) {
	numbers := slices.Clone(n.Lost)
	for _, m := range n.Put {
		numbers = append(numbers, m.Version)
	}
	for _, number := range numbers {
		if i := int(number) - 1; i < known {
			stale = append(stale, e.slots[i])
			e.slots[i] = &slot{}
		}
	}
	return stale
}

// write stores what belongs to a change beside the key's own row.
func (n *Change) write(tx store.Tx) error {
	if n.Check != nil {
		if err := n.Check(tx); err != nil {
			return err
		}
	}
	id := n.Key.Name.ID
	for _, m := range n.Put {
		row := store.Row{ID: materialID(id, m.Version), Columns: []string{string(id)}, Body: m.Wrapped}
		if err := tx.Put(store.Materials, row); err != nil {
			return err
		}
	}
	for _, number := range n.Lost {
		if err := tx.Delete(store.Materials, materialID(id, number)); err != nil {
			return err
		}
	}
	for _, e := range n.Events {
		if err := event.Emit(tx, e); err != nil {
			return err
		}
	}
	for _, id := range n.Withdrawn {
		if err := event.Withdraw(tx, id); err != nil {
			return err
		}
	}
	if n.Import == nil {
		return nil
	}
	err := tx.Insert(store.Imports, store.Row{ID: n.Import.id(), Columns: []string{string(n.Import.Under)}})
	if fault.KindOf(err) == fault.AlreadyExists && err != nil {
		return n.Import.replayed()
	}
	return err
}

// Fresh returns an AlreadyExists error with the reason ReplayedBlob if i was
// imported before. It saves work: what decides is the change with Import.
func (c *Catalog) Fresh(ctx context.Context, i *Import) error {
	return c.store.View(ctx, func(r store.Reader) error {
		_, err := r.Get(store.Imports, i.id())
		if err == nil {
			return i.replayed()
		}
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return err
	})
}

// Remove takes a key out of the store and out of memory, with all that is its
// own. The caller has locked the key.
func (c *Catalog) Remove(ctx context.Context, e *Entry) error {
	var aliases []*key.Alias
	err := c.store.Update(ctx, func(tx store.Tx) (err error) {
		aliases, err = deleteKey(tx, e.Key)
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range aliases {
		c.memory.dropAlias(a)
	}
	c.memory.remove(e.Key.Name.ID)
	c.cache.drop(e.slots)
	return nil
}

// deleteKey removes all rows of a key and returns the aliases it had.
func deleteKey(tx store.Tx, k *key.Key) ([]*key.Alias, error) {
	rows, err := rowsOf(tx, store.Aliases, "target", k.Name.ID)
	if err != nil {
		return nil, err
	}
	var aliases []*key.Alias
	for _, row := range rows {
		a, err := aliasOf(row)
		if err != nil {
			return nil, err
		}
		aliases = append(aliases, a)
	}
	for _, t := range []*store.Table{store.Materials, store.Imports} {
		more, err := rowsOf(tx, t, "key", k.Name.ID)
		if err != nil {
			return nil, err
		}
		for _, row := range more {
			if err := tx.Delete(t, row.ID); err != nil {
				return nil, err
			}
		}
	}
	for _, row := range rows {
		if err := tx.Delete(store.Aliases, row.ID); err != nil {
			return nil, err
		}
	}
	return aliases, tx.Delete(store.Keys, string(k.Name.ID))
}

// rowsOf returns the rows of a table that are a key's.
func rowsOf(tx store.Tx, t *store.Table, column string, id key.ID) (rows []store.Row, err error) {
	for row, err := range tx.Scan(t, store.Query{Column: column, Equal: string(id)}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// PutAlias stores an alias of a key that is there, in place of the one with
// its name. The caller has locked the alias.
func (c *Catalog) PutAlias(ctx context.Context, a *key.Alias) error {
	row, err := aliasRow(a)
	if err != nil {
		return err
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Get(store.Keys, string(a.Target)); err != nil {
			return err
		}
		return tx.Put(store.Aliases, row)
	})
	if err == nil {
		c.memory.putAlias(a)
	}
	return err
}

// RemoveAlias removes an alias. The caller has locked it.
func (c *Catalog) RemoveAlias(ctx context.Context, a *key.Alias) error {
	err := c.store.Update(ctx, func(tx store.Tx) error {
		return tx.Delete(store.Aliases, aliasID(a.Realm, a.Region, a.Name))
	})
	if err == nil {
		c.memory.dropAlias(a)
	}
	return err
}

// Material reads a version's wrapped material.
func (c *Catalog) Material(ctx context.Context, id key.ID, n key.VersionNumber) ([]byte, error) {
	var wrapped []byte
	err := c.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Materials, materialID(id, n))
		wrapped = row.Body
		return err
	})
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "reading key material", Resource: string(id), Err: err}
	}
	return wrapped, nil
}

// Once returns the secret of an id, which is not a key's, wrapped by its
// engine. Where there is none yet, it stores what made returns; of two who do so
// at the same time, both get the one that is stored.
func (c *Catalog) Once(ctx context.Context, id key.ID, made func() ([]byte, error)) (wrapped []byte, err error) {
	place := materialID(id, 1)
	get := func(r store.Reader) error {
		row, err := r.Get(store.Materials, place)
		wrapped = row.Body
		return err
	}
	if err = c.store.View(ctx, get); err == nil || fault.KindOf(err) != fault.NotFound {
		return wrapped, err
	}
	fresh, err := made()
	if err != nil {
		return nil, err
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		if err := get(tx); err == nil || fault.KindOf(err) != fault.NotFound {
			return err
		}
		wrapped = fresh
		return tx.Insert(store.Materials, store.Row{ID: place, Columns: []string{string(id)}, Body: fresh})
	})
	return wrapped, err
}

// Due returns the names of at most limit keys with which the clock has
// something to do at a time.
func (c *Catalog) Due(ctx context.Context, now time.Time, limit int) (due []key.Name, err error) {
	// From "0" leaves out the empty value, which means never.
	q := store.Query{Column: "due", From: "0", To: now.UTC().Format(store.TimeFormat), Limit: limit}
	err = c.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Keys, q) {
			if err != nil {
				return err
			}
			k, err := keyOf(row)
			if err != nil {
				return err
			}
			due = append(due, k.Name)
		}
		return nil
	})
	return due, err
}
