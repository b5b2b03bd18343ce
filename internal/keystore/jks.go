package keystore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the format has no other hash
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The numbers of the format (sun.security.provider.JavaKeyStore of OpenJDK,
// the one description that there is).
const (
	jksMagic      = 0xfeedfeed
	jksVersion    = 2
	jksPrivateKey = 1 // the tag of an entry with a key
	// jksSalt is hashed between the password and the content.
	jksSalt = "Mighty Aphrodite"
)

// idJKSKey is the algorithm by which Sun's provider protects a key.
func idJKSKey() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}
}

// JKS returns the bundle with its key and its whole chain as a Java key store
// of one entry, whose name and password are given, in the format that was
// Java's own before PKCS #12. Its key is protected by no more than one SHA-1
// for each guess of the password: whoever does not need the format takes PKCS12.
func (b *Bundle) JKS(name, password string) ([]byte, error) {
	if len(password) < 6 || len(password) > maxPassword { // keytool takes none that is shorter
		return nil, fault.New(fault.InvalidArgument, "a Java key store needs a password of 6 to %d bytes", maxPassword)
	}
	if name == "" || len(name) > 1024 {
		return nil, fault.New(fault.InvalidArgument, "the entry of a Java key store needs a name of 1 to 1024 bytes")
	}
	for _, der := range append([][]byte{b.Leaf}, b.Chain...) {
		if _, err := parse("chain", der); err != nil {
			return nil, err
		}
	}
	if _, err := x509.ParsePKCS8PrivateKey(b.Key); err != nil {
		return nil, &fault.Error{Kind: fault.Unsupported, Public: "a key of this type cannot go into a Java key store: take it as PEM", Err: err}
	}
	secret := jksPassword(password)
	defer clear(secret)
	protected, err := asn1.Marshal(encryptedPrivateKeyInfo{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: idJKSKey(), Parameters: asn1.NullRawValue}, Data: jksProtect(b.Key, secret),
	})
	if err != nil {
		return nil, fmt.Errorf("writing a Java key store: %w", err)
	}
	var w jksWriter
	w.number(jksMagic)
	w.number(jksVersion)
	w.number(1)
	w.number(jksPrivateKey)
	w.text(strings.ToLower(name)) // the provider looks names up in lower case
	w.raw(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())))
	w.bytes(protected)
	w.number(uint32(1 + len(b.Chain))) //nolint:gosec // at most some dozens
	for _, der := range append([][]byte{b.Leaf}, b.Chain...) {
		w.text("X.509")
		w.bytes(der)
	}
	sum := sha1.New() //nolint:gosec // as above
	sum.Write(secret)
	sum.Write([]byte(jksSalt))
	sum.Write(w.out)
	return sum.Sum(w.out), nil
}

// jksWriter writes as java.io.DataOutputStream does.
type jksWriter struct{ out []byte }

func (w *jksWriter) raw(b []byte) { w.out = append(w.out, b...) }

func (w *jksWriter) number(n uint32) { w.raw(binary.BigEndian.AppendUint32(nil, n)) }

func (w *jksWriter) bytes(b []byte) {
	w.number(uint32(len(b))) //nolint:gosec // certificates and keys are short
	w.raw(b)
}

// text writes a text of up to 64 KiB in UTF-8, as Java does within the Basic
// Multilingual Plane.
func (w *jksWriter) text(s string) {
	w.raw(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) //nolint:gosec // names were bounded
	w.raw([]byte(s))
}

// jksPassword returns the characters of a password in UTF-16.
func jksPassword(password string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(password)) {
		out = binary.BigEndian.AppendUint16(out, unit)
	}
	return out
}

// jksProtect encrypts a key as sun.security.provider.KeyProtector does: by a
// stream of hashes of the password and the block before, with a hash of the
// password and the key behind it.
func jksProtect(key, secret []byte) []byte {
	salt := make([]byte, sha1.Size)
	_, _ = rand.Read(salt) // never fails
	out := append(bytes.Clone(salt), key...)
	for block := out[sha1.Size:]; len(block) > 0; block = block[min(len(block), sha1.Size):] {
		sum := sha1.Sum(append(bytes.Clone(secret), salt...)) //nolint:gosec // as above
		salt = sum[:]
		for i := range min(len(block), sha1.Size) {
			block[i] ^= salt[i]
		}
	}
	check := sha1.Sum(append(bytes.Clone(secret), key...)) //nolint:gosec // as above
	return append(out, check[:]...)
}
