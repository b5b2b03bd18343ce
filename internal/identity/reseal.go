package identity

import (
	"encoding/json"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Reseal re-encrypts every access key's secret under another root key: a part
// of replacing it, in the transaction of seal.Reseal. Sessions are not stored:
// their tokens are of the old root key and end with it.
func Reseal(tx store.Tx, from, to *seal.Root) error {
	var rows []store.Row
	for row, err := range tx.Scan(store.AccessKeys, store.Query{}) {
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		var r accessKeyRecord
		if err := json.Unmarshal(row.Body, &r); err != nil {
			return fmt.Errorf("access key %s: %w", row.ID, err)
		}
		if r.V != recordVersion {
			return fmt.Errorf("access key %s: its record has version %d, which this program does not know", row.ID, r.V)
		}
		secret, err := from.Unseal(secretPurpose, r.Secret, []byte(row.ID))
		if err != nil {
			return fmt.Errorf("access key %s: %w", row.ID, err)
		}
		r.Secret = to.Seal(secretPurpose, secret, []byte(row.ID))
		clear(secret)
		if row.Body, err = json.Marshal(r); err != nil { //nolint:gosec // the secret is encrypted
			return fmt.Errorf("access key %s: %w", row.ID, err)
		}
		if err := tx.Put(store.AccessKeys, row); err != nil {
			return err
		}
	}
	return nil
}
