package seal

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// Rows are records, in JSON, that each hold a secret which a Root sealed with
// the row's id as associated data.
type Rows[R any] struct {
	Table *store.Table
	// Prefix begins the ids of the rows, if the table has others.
	Prefix, Purpose string
	// Version is the only one of the record that is known.
	Version int
	// Parts returns a record's version and its sealed secret.
	Parts func(*R) (version int, secret *[]byte)
}

// ResealRows re-encrypts secrets under another root key.
func ResealRows[R any](tx store.Tx, from, to *Root, of Rows[R]) error {
	var rows []store.Row
	for row, err := range tx.Scan(of.Table, store.Query{}) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(row.ID, of.Prefix) {
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		r := new(R)
		if err := json.Unmarshal(row.Body, r); err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		version, sealed := of.Parts(r)
		if version != of.Version {
			return fmt.Errorf("%s: its record has version %d, which this program does not know", row.ID, version)
		}
		secret, err := from.Unseal(of.Purpose, *sealed, []byte(row.ID))
		if err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		*sealed = to.Seal(of.Purpose, secret, []byte(row.ID))
		clear(secret)
		if row.Body, err = json.Marshal(r); err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		if err := tx.Put(of.Table, row); err != nil {
			return err
		}
	}
	return nil
}
