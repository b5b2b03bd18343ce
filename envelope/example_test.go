package envelope_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/holdfast-kms/holdfast/envelope"
)

// A file for two keys: either of them decrypts it.
func Example() {
	ctx := context.Background()
	// Whatever has tink's methods is a key: those of package holdfast, in a
	// cloud or a token, and here one in memory.
	symmetric, err := subtle.NewAESGCMSIV(make([]byte, 32))
	if err != nil {
		log.Fatal(err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	first := envelope.NewAEAD("awskms:///alias/backups", symmetric)
	second, err := envelope.NewRSA("azurekms://offsite.vault.azure.net/backups", &private.PublicKey, crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer
	w, err := envelope.Encrypt(ctx, &file, first, second)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "any number of bytes"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	r, err := envelope.Decrypt(ctx, &file, envelope.NewRSAIdentity(second.URI(), private))
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", text)
	// Output: any number of bytes
}

// A recipient leaves and another comes. The data is not touched.
func ExampleEnvelope_Rewrap() {
	ctx := context.Background()
	leaving, err := subtle.NewAESGCMSIV(make([]byte, 32))
	if err != nil {
		log.Fatal(err)
	}
	old := envelope.NewAEAD("hashivault://backups", leaving)
	var file, rewrapped bytes.Buffer
	w, err := envelope.Encrypt(ctx, &file, old)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	e, err := envelope.Open(&file)
	if err != nil {
		log.Fatal(err)
	}
	next := envelope.NewAEAD("awskms:///alias/backups", leaving)
	err = e.Rewrap(ctx, &rewrapped, envelope.Change{Add: []envelope.Recipient{next}, Remove: []string{old.URI()}}, old)
	if err != nil {
		log.Fatal(err)
	}
	e, err = envelope.Open(&rewrapped)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range e.Recipients() {
		fmt.Println(s.Method, s.URI)
	}
	// Output: AEAD awskms:///alias/backups
}
