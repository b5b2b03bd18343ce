package catalog

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
)

type place struct {
	engine.Engine
	name string
}

func entryOf(versions int) *Entry {
	k := &key.Key{}
	for n := range versions {
		k.Versions = append(k.Versions, key.Version{Number: key.VersionNumber(n + 1)})
	}
	return NewEntry(k, nil)
}

func TestOpenedKeysAreOfTheirEngine(t *testing.T) {
	c := &Catalog{cache: cache{ring: make([]*slot, 4)}}
	e, first, second := entryOf(1), &place{name: "first"}, &place{name: "second"}
	if e.Opened(1, nil) != nil {
		t.Error("a key is open before it was opened")
	}
	c.Keep(e, 1, &engine.Key{}, first)
	if e.Opened(1, nil) == nil || e.Opened(1, first) == nil || e.Opened(1, second) != nil {
		t.Error("a key opened by the first engine is not one of the first engine alone")
	}
	c.Keep(e, 1, &engine.Key{}, second)
	if e.Opened(1, first) != nil || e.Opened(1, second) == nil {
		t.Error("opened by the second engine it is still the first one's")
	}
	if c.kept() != 1 {
		t.Errorf("the cache has %d keys", c.kept())
	}
}

// kept returns how many places of the cache are taken.
func (c *Catalog) kept() (n int) {
	for _, s := range c.cache.ring {
		if s != nil {
			n++
		}
	}
	return n
}

func TestOpenedKeysAreBounded(t *testing.T) {
	c := &Catalog{cache: cache{ring: make([]*slot, 4)}}
	e := entryOf(100)
	for n := range e.Key.Versions {
		c.Keep(e, e.Key.Versions[n].Number, &engine.Key{}, nil)
	}
	open := 0
	for _, s := range e.slots {
		if s.opened.Load() != nil {
			open++
		}
	}
	if open != 4 || c.kept() != 4 {
		t.Errorf("%d keys are open, %d in the cache", open, c.kept())
	}
}

// TestMaterialThatGoesWhileItIsOpened: whoever opened it before it went and
// keeps it after does not bring it back.
func TestMaterialThatGoesWhileItIsOpened(t *testing.T) {
	c := &Catalog{cache: cache{ring: make([]*slot, 4)}}
	e := entryOf(2)
	c.Keep(e, 2, &engine.Key{}, nil)
	next := newEntry(e.Key, nil, e)
	c.cache.drop(next.renew(&Change{Lost: []key.VersionNumber{1, 2}}, 2))
	c.Keep(e, 1, &engine.Key{}, nil)
	for _, at := range []*Entry{e, next} {
		if at.Opened(1, nil) != nil || at.Opened(2, nil) != nil {
			t.Error("a key is open whose material is gone")
		}
	}
	if c.kept() != 0 {
		t.Errorf("the cache has %d keys", c.kept())
	}
	c.Keep(next, 1, &engine.Key{}, nil) // imported again
	if next.Opened(1, nil) == nil {
		t.Error("material that came again does not stay open")
	}
}
