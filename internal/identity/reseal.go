package identity

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Reseal re-encrypts every secret under another root key: those of access keys
// and of second factors. It is a part of replacing that key, in the transaction
// of seal.Reseal. Sessions are not stored: their tokens are of the old root key
// and end with it.
func Reseal(tx store.Tx, from, to *seal.Root) error {
	if err := resealAll(tx, from, to, store.AccessKeys, "", secretPurpose, func(r *accessKeyRecord) (*int, *[]byte) {
		return &r.V, &r.Secret
	}); err != nil {
		return fmt.Errorf("access key %w", err)
	}
	if err := resealAll(tx, from, to, store.Factors, factorRows, factorPurpose, func(r *factorRecord) (*int, *[]byte) {
		return &r.V, &r.Secret
	}); err != nil {
		return fmt.Errorf("second factor %w", err)
	}
	return nil
}

// resealAll re-encrypts the secrets of those rows of a table whose ids begin
// with a prefix. Parts returns a record's version and its sealed secret.
func resealAll[R any](
	tx store.Tx, from, to *seal.Root, t *store.Table, prefix, purpose string, parts func(*R) (version *int, secret *[]byte),
) error {
	var rows []store.Row
	for row, err := range tx.Scan(t, store.Query{}) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(row.ID, prefix) {
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		r := new(R)
		if err := json.Unmarshal(row.Body, r); err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		version, sealed := parts(r)
		if *version != recordVersion {
			return fmt.Errorf("%s: its record has version %d, which this program does not know", row.ID, *version)
		}
		secret, err := from.Unseal(purpose, *sealed, []byte(row.ID))
		if err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		*sealed = to.Seal(purpose, secret, []byte(row.ID))
		clear(secret)
		if row.Body, err = json.Marshal(r); err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		if err := tx.Put(t, row); err != nil {
			return err
		}
	}
	return nil
}
