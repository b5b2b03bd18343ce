package secret

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Value is what a secret keeps: a text, or bytes. However it is printed,
// logged or encoded, it shows "[redacted]".
type Value struct {
	key.Secret
	// Binary says that the value is bytes and no text.
	Binary bool
}

// NewText returns a value that is a text, and takes its bytes over.
func NewText(text []byte) *Value { return &Value{Secret: key.NewSecret(text)} }

// NewBytes returns a value that is bytes, and takes them over.
func NewBytes(b []byte) *Value { return &Value{Secret: key.NewSecret(b), Binary: true} }

// check refuses values that are no such.
func (v *Value) check() error {
	b := v.Reveal()
	switch {
	case len(b) == 0 || len(b) > MaxValue:
		return fault.New(fault.InvalidArgument, "the value of a secret has 1 to %d bytes", MaxValue)
	case !v.Binary && !utf8.Valid(b):
		return fault.New(fault.InvalidArgument, "the value of a secret is no text: give it as bytes")
	}
	return nil
}

func (v *Value) equal(o *Value) bool {
	return v.Binary == o.Binary && bytes.Equal(v.Reveal(), o.Reveal())
}

// sealedVersion is the version of sealed's format.
const sealedVersion = 1

// sealed is the JSON body of a row of store.SecretVersions, whose id is
// "realm/region/secret id/version" and whose column is the part before the
// version. Text is the value under AES-256-GCM with the row's id as associated
// data (and before it "b" for bytes or "t" for a text), and the data key that it
// is encrypted under; DataKey is that key as the door encrypted it.
type sealed struct {
	V       int    `json:"v"`
	DataKey []byte `json:"dataKey"`
	Nonce   []byte `json:"nonce"`
	Text    []byte `json:"text"`
	Binary  bool   `json:"binary,omitempty"`
}

func (x *Secret) versionRow(id string) string { return x.versions() + "/" + id }

// associated returns what a sealed value is bound to.
func associated(row string, binary bool) []byte {
	if binary {
		return []byte("b" + row)
	}
	return []byte("t" + row)
}

// dataKeyBytes is the length of the keys that values are encrypted under.
const dataKeyBytes = 32

// seal seals a version of a secret under its key, in the caller's name, and
// returns the row and the name of the key, "" for the provided one.
func (s *Service) seal(ctx context.Context, call *key.Call, x *Secret, version string, value *Value) (row store.Row, name string, err error) {
	ref := x.Key
	if ref == (kms.Ref{}) {
		ref = kms.Ref{Realm: x.Realm, Region: x.Region, Alias: s.Alias}
		if err := s.provide(ctx, call, x); err != nil {
			return row, "", err
		}
	}
	data, err := s.Keys.GenerateDataKey(ctx, inner(call), &kms.DataKeyRequest{
		Key: ref, Bytes: dataKeyBytes, Context: s.Context(x.Resource(), version),
	})
	if err != nil {
		return row, "", keyRefused(err)
	}
	defer clear(data.Plaintext)
	if x.Key != (kms.Ref{}) {
		name = data.Key.Name.String()
	}
	row = store.Row{ID: x.versionRow(version), Columns: []string{x.versions()}}
	r := sealed{V: sealedVersion, DataKey: data.Ciphertext, Binary: value.Binary}
	aead, err := aeadOf(data.Plaintext)
	if err != nil {
		return row, "", err
	}
	r.Nonce = make([]byte, aead.NonceSize())
	_, _ = rand.Read(r.Nonce) // never fails (crypto/rand.Read)
	r.Text = aead.Seal(nil, r.Nonce, value.Reveal(), associated(row.ID, r.Binary))
	if row.Body, err = json.Marshal(r); err != nil {
		return row, "", fmt.Errorf("encoding a version of secret %s: %w", x.row(), err)
	}
	return row, name, nil
}

// provide sees to the provided key of the secret's realm. Callers of others
// cannot use it.
func (s *Service) provide(ctx context.Context, call *key.Call, x *Secret) error {
	if x.Realm != call.Caller.Principal.Realm {
		return nil
	}
	_, err := s.Keys.Provide(ctx, inner(call), via, &kms.Provision{
		Alias: s.Alias, Description: "Default key that protects my secrets when no other key is named", Policy: s.KeyPolicy(x.Realm, x.Region),
	})
	return err
}

// open returns the value of a version, in the caller's name.
func (s *Service) open(ctx context.Context, call *key.Call, x *Secret, version string) (*Value, error) {
	var row store.Row
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		row, err = r.Get(store.SecretVersions, x.versionRow(version))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading version %s of secret %s: %w", version, x.row(), err)
	}
	r, err := readSealed(row)
	if err != nil {
		return nil, err
	}
	data, err := s.Keys.Decrypt(ctx, inner(call), &kms.DecryptRequest{
		Algorithm: alg.AESGCM, Ciphertext: r.DataKey, Context: s.Context(x.Resource(), version),
	})
	if err != nil {
		return nil, keyRefused(err)
	}
	defer clear(data.Plaintext)
	aead, err := aeadOf(data.Plaintext)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, r.Nonce, r.Text, associated(row.ID, r.Binary))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "opening " + row.ID, Err: err}
	}
	return &Value{Secret: key.NewSecret(plain), Binary: r.Binary}, nil
}

// readSealed reads what seal wrote.
func readSealed(row store.Row) (*sealed, error) {
	var r sealed
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", row.ID, err)
	}
	const nonceSize = 12
	if r.V != sealedVersion || len(r.Nonce) != nonceSize {
		return nil, fmt.Errorf("reading %s: version %d with a nonce of %d bytes is not known to this program", row.ID, r.V, len(r.Nonce))
	}
	return &r, nil
}

func aeadOf(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "using a data key", Err: err}
	}
	return cipher.NewGCM(block)
}

// inner returns the envelope for what is asked of the door in the caller's
// name.
func inner(call *key.Call) *key.Call {
	c := *call
	c.Via, c.Recorded, c.DryRun = via, false, false
	return &c
}

// keyRefused marks a refusal by the key that seals secrets: it is no refusal
// of the secret itself.
func keyRefused(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind == fault.Internal || e.Reason == fault.ApprovalRequired || e.Reason == fault.MFARequired {
		return err // the last two say what the caller is to do
	}
	return &fault.Error{
		Kind: e.Kind, Reason: fault.SecretKey, Op: e.Op, Resource: e.Resource, Public: "the key that seals the secret: " + e.Public, Err: err,
	}
}
