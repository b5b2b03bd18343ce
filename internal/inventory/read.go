package inventory

import (
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Read returns the entry of a row of store.Certificates or store.Found, for
// what looks after all certificates by the clock.
func Read(t *store.Table, row store.Row) (*Entry, error) {
	switch t {
	case store.Certificates:
		return issuedEntry(row)
	case store.Found:
		return readFound(row)
	}
	return nil, fault.New(fault.Internal, "table %s has no certificates", t.Name)
}
