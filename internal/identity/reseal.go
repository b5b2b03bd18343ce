package identity

import (
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/factor"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Reseal re-encrypts every secret under another root key: those of access keys
// and of second factors. It is a part of replacing that key, in the transaction
// of seal.Reseal. Sessions are not stored: their tokens are of the old root key
// and end with it.
func Reseal(tx store.Tx, from, to *seal.Root) error {
	err := seal.ResealRows(tx, from, to, seal.Rows[accessKeyRecord]{
		Table: store.AccessKeys, Purpose: secretPurpose, Version: recordVersion,
		Parts: func(r *accessKeyRecord) (int, *[]byte) { return r.V, &r.Secret },
	})
	if err != nil {
		return fmt.Errorf("access key %w", err)
	}
	return factor.Reseal(tx, from, to)
}
