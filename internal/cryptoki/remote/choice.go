package remote

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/client"
)

// Choice says which keys a token shows: of the zero value all that the
// credential may see.
type Choice struct {
	// Keys are ids and aliases with "alias/" before them, of which one is the
	// key's. "*" in an alias stands for any characters but "/".
	Keys []string
	// Tags are all on the key. Keys made on the token get them.
	Tags []client.Tag
}

// check refuses patterns that cannot match.
func (c *Choice) check() error {
	for _, k := range c.Keys {
		if _, err := path.Match(k, ""); err != nil || k == "" {
			return fmt.Errorf("%q is no key's id or alias", k)
		}
	}
	return nil
}

// wantsName reports whether a key is chosen by its id or aliases. Where it is
// not, nothing else has to be asked of it.
func (c *Choice) wantsName(id string, aliases []string) bool {
	if len(c.Keys) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Keys, func(k string) bool {
		if !strings.HasPrefix(k, "alias/") {
			return k == id
		}
		return slices.ContainsFunc(aliases, func(a string) bool {
			ok, _ := path.Match(k, a) // check has found the pattern well-formed
			return ok
		})
	})
}

// wantsTags reports whether a key is chosen by its tags.
func (c *Choice) wantsTags(tags []client.Tag) bool {
	for _, t := range c.Tags {
		if !slices.Contains(tags, t) {
			return false
		}
	}
	return true
}
