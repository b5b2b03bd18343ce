package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Succeed stores, in one transaction, a changed key in place of e, its
// successor, and the aliases that leave the one for the other, and makes all
// of it visible. The caller has locked the key and the aliases since it read
// them. A successor that is there already is AlreadyExists, a key or an alias
// that another server has changed is Conflict.
func (c *Catalog) Succeed(ctx context.Context, e *Entry, old, successor *Change, aliases []*key.Alias) error {
	row, err := keyRow(old.Key)
	if err != nil {
		return err
	}
	next, err := keyRow(successor.Key)
	if err != nil {
		return err
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		if err := old.replace(tx, e, row); err != nil {
			return err
		}
		if err := tx.Insert(store.Keys, next); err != nil {
			return err
		}
		if err := successor.write(tx); err != nil {
			return err
		}
		return retarget(tx, e.Key.Name.ID, aliases)
	})
	if err != nil {
		return err
	}
	c.memory.put(NewEntry(successor.Key, successor.Policy))
	for _, a := range aliases {
		c.memory.putAlias(a)
	}
	c.show(e, old)
	return nil
}

// retarget stores aliases that were of a key until now.
func retarget(tx store.Tx, from key.ID, aliases []*key.Alias) error {
	for _, a := range aliases {
		row, err := aliasRow(a)
		if err != nil {
			return err
		}
		was, err := tx.Get(store.Aliases, row.ID)
		if err != nil {
			return err
		}
		old, err := aliasOf(was)
		if err != nil {
			return err
		}
		if old.Target != from {
			return elsewhere(a.Name)
		}
		if err := tx.Put(store.Aliases, row); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere is the error for what another server has changed.
func elsewhere(resource string) error {
	return &fault.Error{Kind: fault.Conflict, Resource: resource, Public: "somebody else has changed it meanwhile"}
}

// unchanged returns a Conflict error if the store has another revision of a
// key.
func unchanged(r store.Reader, k *key.Key) error {
	row, err := r.Get(store.Keys, string(k.Name.ID))
	if err != nil {
		return err
	}
	revision, err := revisionOf(row)
	if err != nil {
		return err
	}
	if revision != k.Revision {
		return elsewhere(k.Name.String())
	}
	return nil
}

// revisionOf returns the revision of a stored key.
func revisionOf(row store.Row) (uint64, error) {
	line, _, _ := bytes.Cut(row.Body, []byte{'\n'})
	var r struct {
		Revision uint64 `json:"revision"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, fmt.Errorf("reading key %s: %w", row.ID, err)
	}
	return r.Revision, nil
}

// Refresh returns a key as the store has it, if another server has changed it
// since it was loaded, and makes that visible. The caller has locked the key.
func (c *Catalog) Refresh(ctx context.Context, e *Entry) (*Entry, error) {
	var row store.Row
	err := c.store.View(ctx, func(r store.Reader) (err error) {
		row, err = r.Get(store.Keys, string(e.Key.Name.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	revision, err := revisionOf(row)
	if err != nil || revision == e.Key.Revision {
		return e, err
	}
	k, err := keyOf(row)
	if err != nil {
		return nil, err
	}
	p := e.Policy
	if k.Policy != e.Key.Policy {
		if p, err = c.compile(k.Policy); err != nil {
			return nil, fmt.Errorf("compiling the policy of key %s: %w", k.Name.ID, err)
		}
	}
	next := NewEntry(k, p)
	c.memory.put(next)
	c.cache.drop(e.slots)
	return next, nil
}

// AliasNames returns the names of the aliases in a realm by their keys, sorted.
func (c *Catalog) AliasNames(realm key.RealmID) map[key.ID][]string {
	names := map[key.ID][]string{}
	c.memory.aliases.Range(func(_, v any) bool {
		if a := v.(*key.Alias); a.Realm == realm {
			names[a.Target] = append(names[a.Target], a.Name)
		}
		return true
	})
	for _, list := range names {
		slices.Sort(list)
	}
	return names
}

// LockAliases is LockAlias for several names of a realm and region.
func (c *Catalog) LockAliases(realm key.RealmID, region string, names []string) (unlock func()) {
	var picked [len(c.locks.aliases)]bool
	for _, name := range names {
		picked[c.locks.index(aliasID(realm, region, name))] = true
	}
	for i, is := range picked {
		if is {
			c.locks.aliases[i].Lock()
		}
	}
	return func() {
		for i, is := range picked {
			if is {
				c.locks.aliases[i].Unlock()
			}
		}
	}
}
