package native

import (
	"net/url"
	"strings"
)

// ImportWrappedRequest brings a key encrypted under a key exchange key: as a
// transfer blob, or as what is encrypted with all that a blob would say. The
// new key lives where the key exchange key does.
type ImportWrappedRequest struct {
	CreateKeyRequest
	// Blob is a transfer blob, the whole file. Its header.kid names the key
	// exchange key.
	Blob []byte `json:"blob,omitempty"`
	// KEK is an id, an alias or an ARN of the key exchange key. With a blob it
	// may be left out; given, it has to be the one that the blob names.
	KEK string `json:"kek,omitempty"`
	// Wrapping is how the key is encrypted, such as "rsa-aes-key-wrap-sha1". A
	// blob says it itself.
	Wrapping string `json:"wrapping,omitempty"`
	// Wrapped is the encrypted key, in the place of a blob.
	Wrapped []byte `json:"wrapped,omitempty"`
}

// ExportWrappedRequest asks for an exportable key encrypted under an RSA key.
type ExportWrappedRequest struct {
	// Under is the SubjectPublicKeyInfo in DER of the RSA key.
	Under []byte `json:"under"`
	// Wrapping is how to encrypt, such as "rsa-aes-key-wrap-sha256".
	Wrapping string `json:"wrapping"`
}

// WrappedKey is the material of a key's current version, encrypted.
type WrappedKey struct {
	// Key is the key as the request names it.
	Key      string `json:"key"`
	Wrapping string `json:"wrapping"`
	Wrapped  []byte `json:"wrapped"`
}

// keysPath is what the path of a key's URL begins with.
const keysPath = Prefix + "/keys/"

// KeyURL returns the URL of a key: what the header.kid of a transfer blob has
// for a key exchange key of this API. Base is the server's own URL.
func KeyURL(base, id string) string {
	return strings.TrimSuffix(base, "/") + keysPath + url.PathEscape(id)
}

// ParseKeyURL returns the name of a key in its URL. A key's id is the same for
// whoever asks, by whatever name the server is reached: the host says nothing.
func ParseKeyURL(text string) (name string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	escaped, ok := strings.CutPrefix(u.EscapedPath(), keysPath)
	if !ok || strings.Contains(escaped, "/") {
		return "", false
	}
	name, err = url.PathUnescape(escaped)
	return name, err == nil && name != ""
}
