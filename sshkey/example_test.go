package sshkey_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/sshkey"
)

// A certificate for a user: hosts that trust the authority let alice in until
// it ends. The authority's key is any crypto.Signer, such as one of package
// holdfast, which stays in its cloud or token.
func ExampleSignCertificate() {
	authority, err := sshkey.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		log.Fatal(err)
	}
	user, err := sshkey.NewSigner(ed25519.NewKeyFromSeed([]byte("the user's own key, 32 bytes long")[:32]))
	if err != nil {
		log.Fatal(err)
	}
	begin := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	c, err := sshkey.SignCertificate(&sshkey.Template{
		Key: user.PublicKey(), Type: sshkey.User, ID: "alice@laptop", Principals: []string{"alice"},
		NotBefore: begin, NotAfter: begin.Add(8 * time.Hour),
	}, authority)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Type(), c.KeyId, c.ValidPrincipals)
	// Output: ssh-ed25519-cert-v01@openssh.com alice@laptop [alice]
}

// An agent that serves one key until ctx ends.
func ExampleAgent() {
	ctx, stop := context.WithCancel(context.Background())
	key, err := sshkey.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		log.Fatal(err)
	}
	a, err := sshkey.NewAgent(sshkey.Key{Signer: key, Comment: "awskms:///alias/ssh"})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := sshkey.Listen(ctx, filepath.Join(dir, "agent"))
	if err != nil {
		log.Fatal(err)
	}
	stop() // a program would wait for a signal
	fmt.Println(a.Serve(ctx, l))
	// Output: <nil>
}
