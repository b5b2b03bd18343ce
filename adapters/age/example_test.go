package age_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"

	"github.com/holdfast-kms/holdfast"
	holdfastage "github.com/holdfast-kms/holdfast/adapters/age"
)

// Example encrypts for a key in a file, and decrypts. The key could be in any
// place that package holdfast knows.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	key, err := holdfast.Create(ctx, "file:"+filepath.Join(dir, "backup.key"), "aes-256", holdfast.WithUsage("encrypt-decrypt"))
	if err != nil {
		panic(err)
	}
	identity, err := holdfastage.NewIdentity(key.URI())
	if err != nil {
		panic(err)
	}
	recipient, err := identity.Recipient(ctx)
	if err != nil {
		panic(err)
	}

	var file bytes.Buffer
	w, err := age.Encrypt(&file, recipient)
	if err != nil {
		panic(err)
	}
	if _, err := io.WriteString(w, "the backup"); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	r, err := age.Decrypt(&file, identity)
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)
	// Output: the backup <nil>
}
