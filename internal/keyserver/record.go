package keyserver

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// Files of an audit directory, beside the log's own.
const (
	logDir     = "audit"
	signerFile = "signing.key" // signs the log's checkpoints, PKCS #8 in PEM
	publicFile = "audit.pub"   // verifies them
)

// openLog opens the audit log in a directory, which it makes at first with a key
// that signs checkpoints. Whoever can read that key can write a log that
// verifies: audit.pub and checkpoints kept elsewhere tell.
func openLog(dir string) (*audit.Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the audit directory: %w", err)
	}
	signer, err := openSigner(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log's key: %w", err)
	}
	log, err := audit.Open(filepath.Join(dir, logDir), audit.Options{Signer: signer})
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return log, nil
}

// openSigner reads the key of checkpoints, or makes it.
func openSigner(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, signerFile)
	text, err := config.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSigner(dir)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	der, err := keystore.ParseKey(text)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	k, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s has a %T, not an Ed25519 key", path, parsed)
	}
	return k, nil
}

func makeSigner(dir string) (ed25519.PrivateKey, error) {
	public, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	return k, errors.Join(
		durable.WriteFile(filepath.Join(dir, publicFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), 0o644),
		durable.WriteFile(filepath.Join(dir, signerFile), text, 0o600))
}
