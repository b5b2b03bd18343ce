package place

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// PassphraseVariable has the passphrase of encrypted key files.
const PassphraseVariable = "HOLDFAST_PASSPHRASE" //nolint:gosec // its name, not what it holds

// maxFile is the longest key file that is read, in bytes.
const maxFile = 64 << 10

// files is the place of keys in files: PKCS #8, PKCS #1 or RFC 5915 keys in PEM,
// PKCS #8 keys encrypted by PBES2, public keys and certificates (which verify
// and encrypt), and the bytes of AES and HMAC keys as they are, in hexadecimal
// or in base64. Private ones must be readable by nobody but their owner.
type files struct {
	engine *soft.Engine
	set    *Settings
}

func newFiles(set *Settings) (*files, error) {
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	e, err := soft.New(w, soft.Options{PureGo: !set.Native, Log: set.Log})
	return &files{e, set}, err
}

// Close gives up the engine.
func (f *files) Close() error { return f.engine.Close() }

// Random asks the operating system.
func (*files) Random(_ context.Context, b []byte) error {
	_, err := rand.Read(b) // never fails
	return err
}

// Open reads a file.
func (f *files) Open(ctx context.Context, u *URI) (*Opened, error) {
	text, mode, err := readFile(u.Key)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	if public, err := publicFile(text); public != nil || err != nil {
		return publicOnly(public), err
	}
	if err := private(u.Key, mode); err != nil {
		return nil, err
	}
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		return f.secret(ctx, u, text)
	}
	if len(u.Query) > 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter spec is for keys that are bytes alone")
	}
	der, err := f.decrypt(text)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return f.openPrivate(ctx, der)
}

// readFile reads a regular file that is not too long.
func readFile(name string) ([]byte, fs.FileMode, error) {
	in, err := os.Open(name) //nolint:gosec // the caller names it
	if err != nil {
		return nil, 0, fileError(err)
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return nil, 0, fileError(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, 0, fault.New(fault.InvalidArgument, "it is no file, or longer than %d bytes", maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFile))
	return text, info.Mode(), fileError(err)
}

// private refuses a file that others can read or change, where modes say so.
func private(name string, mode fs.FileMode) error {
	if mode.Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return fault.New(fault.PermissionDenied, "others can read or change %s (mode %04o): chmod 600 it", name, mode.Perm())
}

func fileError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &fault.Error{Kind: fault.NotFound, Public: "there is no such file", Err: err}
	case errors.Is(err, fs.ErrExist):
		return &fault.Error{Kind: fault.AlreadyExists, Public: "there is a file already", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &fault.Error{Kind: fault.PermissionDenied, Public: "the file cannot be opened", Err: err}
	}
	return &fault.Error{Kind: fault.Internal, Err: err}
}

// publicFile returns the public key of a file that has no private one.
func publicFile(text []byte) (*engine.PublicKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, nil
	case block.Type == "PUBLIC KEY":
		return engine.ParseForeign(block.Bytes)
	case block.Type == "CERTIFICATE" && !bytes.Contains(text, []byte("PRIVATE KEY-----")):
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the certificate cannot be read", Err: err}
		}
		return engine.ParseForeign(c.RawSubjectPublicKeyInfo)
	}
	return nil, nil
}

// publicOnly returns a key that only verifies and encrypts.
func publicOnly(p *engine.PublicKey) *Opened {
	if p == nil {
		return nil
	}
	return &Opened{Spec: p.Spec(), Public: p, Key: &engine.Key{Algorithms: p.Spec().Info().Algorithms}}
}

// passphrase asks for the passphrase, nil if there is none.
func (f *files) passphrase() ([]byte, error) {
	if f.set.Passphrase != nil {
		return f.set.Passphrase()
	}
	if text := os.Getenv(PassphraseVariable); text != "" {
		return []byte(text), nil
	}
	return nil, nil
}

// decrypt returns the PKCS #8 key of a PEM text.
func (f *files) decrypt(text []byte) ([]byte, error) {
	if !keystore.Encrypted(text) {
		return keystore.ParseKey(text)
	}
	passphrase, err := f.passphrase()
	if err != nil {
		return nil, fmt.Errorf("asking for the passphrase: %w", err)
	}
	defer clear(passphrase)
	if len(passphrase) == 0 {
		return nil, fault.New(fault.Unauthenticated, "the key is encrypted: set %s, or give WithPassphrase", PassphraseVariable)
	}
	return keystore.DecryptKey(text, passphrase)
}

// openPrivate opens a PKCS #8 key.
func (f *files) openPrivate(ctx context.Context, der []byte) (*Opened, error) {
	for _, spec := range alg.Specs() {
		if spec.Symmetric() {
			continue
		}
		if _, err := engine.ParsePlain(spec, der); err != nil {
			if fault.ReasonOf(err) == fault.WeakKey {
				return nil, err
			}
			continue
		}
		o, err := f.adopt(ctx, engine.Kind{Spec: spec, Usage: alg.SignVerify}, der)
		if err != nil {
			return nil, err
		}
		o.Key.Algorithms = spec.Info().Algorithms // a file says nothing of what its key is for
		return o, nil
	}
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := k.(*ecdh.PrivateKey); ok {
			return &Opened{Name: "x25519", Exchange: k, Key: &engine.Key{}}, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "the file's private key cannot be read, or is of a type that is not known here")
}

// secret opens the bytes of a symmetric key.
func (f *files) secret(ctx context.Context, u *URI, text []byte) (*Opened, error) {
	name := cmp.Or(u.Query["spec"], alg.AES256.String())
	spec := alg.ParseSpec(name)
	if !spec.Symmetric() {
		return nil, fault.New(fault.InvalidArgument, "a file of bytes is a key of a spec such as aes-256 or hmac-256, not %q", name)
	}
	plain, err := secretBytes(text, spec.Info().Bits/8)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return f.adopt(ctx, engine.Kind{Spec: spec, Usage: spec.Info().Usages[0]}, plain)
}

// secretBytes returns the size bytes that a text is, or has in hexadecimal or in
// base64.
func secretBytes(text []byte, size int) ([]byte, error) {
	if len(text) == size {
		return bytes.Clone(text), nil
	}
	line := bytes.TrimSpace(text)
	out := make([]byte, size)
	switch len(line) {
	case hex.EncodedLen(size):
		if _, err := hex.Decode(out, line); err == nil {
			return out, nil
		}
	case base64.StdEncoding.EncodedLen(size):
		out = make([]byte, base64.StdEncoding.DecodedLen(len(line)))
		if n, err := base64.StdEncoding.Decode(out, line); err == nil && n == size {
			return out[:n], nil
		}
	}
	return nil, fault.New(fault.InvalidArgument, "the file is no key in PEM, and not %d bytes as they are, in hexadecimal or in base64; the parameter spec says how long a key is", size)
}

// adopt gives plain material to the engine and opens it.
func (f *files) adopt(ctx context.Context, kind engine.Kind, plain []byte) (*Opened, error) {
	ref := refOf("file")
	m, err := f.engine.Import(ctx, ref, kind, plain)
	if err != nil {
		return nil, err
	}
	return openMaterial(ctx, f.engine, ref, kind, m)
}

// openMaterial opens what an engine returned.
func openMaterial(ctx context.Context, e engine.Engine, ref engine.Ref, kind engine.Kind, m engine.Material) (*Opened, error) {
	o := &Opened{Spec: kind.Spec, Usage: kind.Usage}
	var err error
	if o.Key, err = e.Open(ctx, ref, kind.Spec, m.Wrapped); err != nil {
		return nil, err
	}
	if !kind.Spec.Symmetric() {
		o.Public, err = engine.ParsePublic(kind.Spec, m.Public)
	}
	return o, err
}

// List returns the files of a directory that are keys in PEM, as far as they
// can be told without a passphrase.
func (f *files) List(ctx context.Context, u *URI) ([]Listed, error) {
	entries, err := os.ReadDir(u.Key)
	if err != nil {
		return nil, fileError(err)
	}
	var keys []Listed
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at := u.with(filepath.Join(u.Key, e.Name()))
		at.Query = map[string]string{}
		text, _, err := readFile(at.Key)
		if err != nil || !bytes.Contains(text, []byte("-----BEGIN")) {
			continue
		}
		if keystore.Encrypted(text) {
			keys = append(keys, Listed{URI: at.String(), Type: "encrypted private key"})
		} else if o, err := f.Open(ctx, at); err == nil {
			keys = append(keys, Listed{URI: at.String(), Spec: o.TypeName(), State: engine.Usable.String()})
		}
		clear(text)
	}
	return keys, nil
}
