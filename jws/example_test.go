package jws_test

import (
	"crypto/ed25519"
	"fmt"
	"log"
	"strings"

	"github.com/holdfast-kms/holdfast/jws"
)

// A token is signed and verified. The key is any crypto.Signer: one of package
// holdfast stays in its cloud or token.
func Example() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signed, err := jws.Sign([]byte(`{"sub":"somebody"}`), &jws.Signer{Key: key, KeyID: "2026", Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := signed.Compact()
	if err != nil {
		log.Fatal(err)
	}

	m, err := jws.Parse([]byte(token))
	if err != nil {
		log.Fatal(err)
	}
	payload, by, err := m.Verify(jws.Key{Public: key.Public(), ID: "2026"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, signed with %s by %s\n", payload, by[0].Header.Algorithm, by[0].Header.KeyID)
	// Output: {"sub":"somebody"}, signed with EdDSA by 2026
}

// The data stays where it is: only the signature is kept.
func ExampleSignDetached() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signed, err := jws.SignDetached(strings.NewReader("a long file"), &jws.Signer{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	text, err := signed.Compact()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text[:22])

	m, err := jws.Parse([]byte(text))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.VerifyDetached(strings.NewReader("a long file"), jws.Key{Public: key.Public()}); err != nil {
		log.Fatal(err)
	}
	// Output: eyJhbGciOiJFZERTQSJ9..
}
