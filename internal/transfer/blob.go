package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// A transfer blob is one JSON object, as key vaults and the tools of HSM
// makers exchange it:
//
//	{"schema_version": "1.0.0",
//	 "header": {"kid": "the key exchange key", "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
//	 "ciphertext": "base64url of the wrapped key",
//	 "generator": "what made it"}
//
// The ciphertext is what Wrap makes by BlobWrapping: a key of 32 bytes under
// an RSA-4096 key has 552 bytes, an RSA-2048 key (PKCS #8, 1,216 bytes) 1,736.
const (
	schemaVersion = "1.0.0"
	blobAlgorithm = "dir"
	blobEncoding  = "CKM_RSA_AES_KEY_WRAP"
)

// BlobWrapping is how the key in a transfer blob is wrapped.
const BlobWrapping = alg.WrapAESKeyWrapSHA1

// MaxBlob is the largest transfer blob in bytes that ParseBlob reads.
const MaxBlob = 64 << 10

// Blob is a transfer blob.
type Blob struct {
	// KID names the key exchange key, in the words of whoever made the blob.
	KID string
	// Ciphertext is the wrapped key.
	Ciphertext []byte
	// Generator is free text.
	Generator string
}

// document is the JSON that Marshal writes.
type document struct {
	Schema     string `json:"schema_version"`
	Header     header `json:"header"`
	Ciphertext string `json:"ciphertext"`
	Generator  string `json:"generator,omitempty"`
}

type header struct {
	KID        string `json:"kid"`
	Algorithm  string `json:"alg"`
	Encryption string `json:"enc"`
}

// Marshal returns the blob as a file, with the ciphertext in base64url without
// padding.
func (b *Blob) Marshal() ([]byte, error) {
	text, err := json.Marshal(document{
		schemaVersion, header{b.KID, blobAlgorithm, blobEncoding}, base64.RawURLEncoding.EncodeToString(b.Ciphertext), b.Generator,
	})
	return text, internal("transfer.Marshal", err)
}

// ParseBlob reads a transfer blob. It takes the ciphertext in base64 of either
// alphabet, with and without padding. Members of other names, a member twice,
// and another schema, algorithm or encryption are refused by name. Errors are
// InvalidArgument with the reason MalformedBlob.
func ParseBlob(text []byte) (*Blob, error) {
	if len(text) > MaxBlob {
		return nil, malformed("has more than %d bytes", MaxBlob)
	}
	var doc document
	in := json.NewDecoder(bytes.NewReader(text))
	err := readObject(in, "", map[string]func(string) error{
		"schema_version": member(in, &doc.Schema), "ciphertext": member(in, &doc.Ciphertext), "generator": member(in, &doc.Generator),
		"header": func(name string) error {
			return readObject(in, name+".", map[string]func(string) error{
				"kid": member(in, &doc.Header.KID), "alg": member(in, &doc.Header.Algorithm), "enc": member(in, &doc.Header.Encryption),
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("has something after its end")
	}
	return doc.blob()
}

// blob checks what was read.
func (d *document) blob() (*Blob, error) {
	for _, must := range []struct{ name, got, want string }{
		{"schema_version", d.Schema, schemaVersion},
		{"header.alg", d.Header.Algorithm, blobAlgorithm},
		{"header.enc", d.Header.Encryption, blobEncoding},
	} {
		if must.got != must.want {
			return nil, malformed("has the %s %q, and only %q is supported", must.name, short(must.got), must.want)
		}
	}
	if d.Header.KID == "" {
		return nil, malformed("names no key exchange key in header.kid")
	}
	ciphertext, err := decodeBase64(d.Ciphertext)
	if err != nil || len(ciphertext) == 0 {
		return nil, malformed("has a ciphertext that is not base64url")
	}
	return &Blob{d.Header.KID, ciphertext, d.Generator}, nil
}

// decodeBase64 decodes base64 of either alphabet, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

// readObject reads a JSON object by a reader for each member, whose names have
// the prefix. encoding/json itself would take names in any case, members that
// nobody knows, and the last one of several.
func readObject(in *json.Decoder, prefix string, members map[string]func(name string) error) error {
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return malformed("is not the JSON object that it should be%s", where(prefix))
	}
	seen := map[string]bool{}
	for in.More() {
		t, err := in.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return malformed("is not JSON%s", where(prefix))
		}
		read, known := members[name]
		switch {
		case !known:
			return malformed("has a member %q, which is not known here", prefix+short(name))
		case seen[name]:
			return malformed("has the member %q twice", prefix+name)
		}
		seen[name] = true
		if err := read(prefix + name); err != nil {
			return err
		}
	}
	if _, err := in.Token(); err != nil {
		return malformed("is not JSON%s", where(prefix))
	}
	return nil
}

func where(prefix string) string {
	if prefix == "" {
		return ""
	}
	return " at " + strings.TrimSuffix(prefix, ".")
}

// member reads one member that is a text.
func member(in *json.Decoder, into *string) func(string) error {
	return func(name string) error {
		t, err := in.Token()
		text, ok := t.(string)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return malformed("is cut off in the member %q", name)
		case err != nil, !ok:
			return malformed("has a member %q that is not a text", name)
		}
		*into = text
		return nil
	}
}

// short returns at most 40 bytes of a text from elsewhere, for an error.
func short(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

func malformed(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedBlob, "the transfer blob %s", fmt.Sprintf(format, args...))
}
