package catalog

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Compile turns a policy document into its canonical form.
type Compile func(key.Document) (*policy.Policy, error)

// Catalog has every key and alias. All methods may be called at the same
// time. Errors are *fault.Error, and the store's own.
type Catalog struct {
	store   store.Store
	compile Compile
	memory  memory
	cache   cache
	locks   locks
	making  making
}

// Load reads every key and alias of the store. Of the keys, at most opened
// are kept ready for use.
func Load(ctx context.Context, s store.Store, compile Compile, opened int) (*Catalog, error) {
	c := &Catalog{store: s, compile: compile, cache: cache{ring: make([]*slot, opened)}, locks: locks{hash: maphash.MakeSeed()}}
	err := s.View(ctx, func(r store.Reader) error {
		if err := c.loadKeys(r, compile); err != nil {
			return fmt.Errorf("loading keys: %w", err)
		}
		for row, err := range r.Scan(store.Aliases, store.Query{}) {
			if err != nil {
				return fmt.Errorf("loading aliases: %w", err)
			}
			a, err := aliasOf(row)
			if err != nil {
				return err
			}
			c.memory.putAlias(a)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// loadKeys loads every key. Equal policies are compiled once.
func (c *Catalog) loadKeys(r store.Reader, compile Compile) error {
	compiled, common := map[key.Document]*policy.Policy{}, texts{}
	for row, err := range r.Scan(store.Keys, store.Query{}) {
		if err != nil {
			return err
		}
		k, err := keyOf(row)
		if err != nil {
			return err
		}
		common.share(k)
		p, ok := compiled[k.Policy]
		if !ok {
			if p, err = compile(k.Policy); err != nil {
				return fmt.Errorf("compiling the policy of key %s: %w", k.Name.ID, err)
			}
			compiled[k.Policy] = p
		}
		c.memory.put(NewEntry(k, p))
	}
	return nil
}

// Len returns the number of keys.
func (c *Catalog) Len() int { return int(c.memory.count.Load()) }

// Get returns the key of an id.
func (c *Catalog) Get(id key.ID) (*Entry, bool) { return c.memory.get(id) }

// Find returns the key of a full name; a name that no key has is NotFound.
func (c *Catalog) Find(name key.Name) (*Entry, error) {
	e, ok := c.memory.get(name.ID)
	if ok && e.Key.Name == name {
		return e, nil
	}
	if _, isID := name.ID.UUID(); !isID && !name.ID.MultiRegion() {
		return nil, &fault.Error{
			Kind: fault.NotFound, Reason: fault.MalformedKeyID, Resource: name.String(),
			Public: "not a key id: " + string(name.ID),
		}
	}
	return nil, &fault.Error{
		Kind: fault.NotFound, Resource: name.String(), Public: "key " + string(name.ID) + " does not exist",
	}
}

// Alias returns the alias of a name.
func (c *Catalog) Alias(realm key.RealmID, region, name string) (*key.Alias, bool) {
	return c.memory.alias(realm, region, name)
}

// All yields every key, in no order. A key that is made or destroyed meanwhile
// may be met or not.
func (c *Catalog) All(yield func(*Entry) bool) {
	c.memory.keys.Range(func(_, v any) bool { return yield(v.(*Entry)) })
}

// Page asks for a part of a listing: at most Limit entries after After.
type Page struct {
	After string
	Limit int
}

// Keys returns the ids of the keys of a realm in a region, in their order, and
// where the next page begins ("" at the end).
func (c *Catalog) Keys(ctx context.Context, realm key.RealmID, region string, p Page) (ids []key.ID, next string, err error) {
	rows, next, err := c.page(ctx, store.Keys, "scope", scopeOf(realm, region), p)
	for _, row := range rows {
		ids = append(ids, key.ID(row.ID))
	}
	return ids, next, err
}

// Aliases returns the aliases of a realm in a region, and where the next page
// begins ("" at the end). After is an alias name.
func (c *Catalog) Aliases(ctx context.Context, realm key.RealmID, region string, p Page) ([]key.Alias, string, error) {
	return c.aliases(ctx, "scope", scopeOf(realm, region), realm, region, p)
}

// AliasesOf is Aliases for those of one key.
func (c *Catalog) AliasesOf(ctx context.Context, k key.Name, p Page) ([]key.Alias, string, error) {
	return c.aliases(ctx, "target", string(k.ID), k.Realm, k.Region, p)
}

func (c *Catalog) aliases(
	ctx context.Context, column, value string, realm key.RealmID, region string, p Page,
) (aliases []key.Alias, next string, err error) {
	if p.After != "" {
		p.After = aliasID(realm, region, p.After)
	}
	rows, next, err := c.page(ctx, store.Aliases, column, value, p)
	for _, row := range rows {
		a, err := aliasOf(row)
		if err != nil {
			return nil, "", err
		}
		aliases = append(aliases, *a)
	}
	if next != "" {
		next = aliases[len(aliases)-1].Name
	}
	return aliases, next, err
}

// page returns the rows of a table with a value in a column, and the After of
// the next page.
func (c *Catalog) page(ctx context.Context, t *store.Table, column, value string, p Page) (rows []store.Row, next string, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(t, store.Query{Column: column, Equal: value, After: p.After, Limit: p.Limit + 1}) {
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	if err == nil && len(rows) > p.Limit {
		rows = rows[:p.Limit]
		next = rows[p.Limit-1].ID
	}
	return rows, next, err
}
