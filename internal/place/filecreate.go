package place

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// Create makes a key and writes it: PKCS #8 in PEM, encrypted if there is a
// passphrase; of symmetric keys the bytes in base64.
func (f *files) Create(ctx context.Context, u *URI, kind engine.Kind) (*URI, error) {
	ref := refOf("file")
	kind.Exportable = true
	m, err := f.engine.Generate(ctx, ref, kind)
	if err != nil {
		return nil, err
	}
	plain, err := f.engine.Export(ctx, ref, kind.Spec, m.Wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	text, err := f.encode(kind.Spec, plain)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	made := u.with(u.Key)
	made.Query = map[string]string{}
	if kind.Spec.Symmetric() && kind.Spec != alg.AES256 {
		made.Query["spec"] = kind.Spec.String()
	}
	if want := u.Query["spec"]; want != "" && want != kind.Spec.String() {
		return nil, fault.New(fault.InvalidArgument, "the URI says that the key is %s", want)
	}
	return made, writeFile(u.Key, text)
}

// encode returns the text of a key file.
func (f *files) encode(spec alg.Spec, plain []byte) ([]byte, error) {
	if spec.Symmetric() {
		return append(base64.StdEncoding.AppendEncode(nil, plain), '\n'), nil
	}
	passphrase, err := f.passphrase()
	if err != nil {
		return nil, fmt.Errorf("asking for the passphrase: %w", err)
	}
	defer clear(passphrase)
	if len(passphrase) == 0 {
		return keystore.KeyPEM(plain), nil
	}
	return keystore.EncryptKey(plain, passphrase, keystore.PBKDF2)
}

// writeFile writes a file that was not there, for its owner alone, and has it on
// the disk when it returns.
func writeFile(name string, text []byte) (err error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return fileError(err)
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fileError(errors.Join(err, os.Remove(name)))
	}
	return fileError(durable.SyncDir(filepath.Dir(name)))
}
