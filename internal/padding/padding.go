// Package padding undoes the paddings of RSA's encryption (RFC 8017 section 7),
// and makes that of RSASSA-PSS, for keys whose place only does the arithmetic: a
// token without the hash, a key server. crypto/rsa does it too, and does not offer
// it.
//
// Start with OAEP, PKCS1v15 and SessionKey. What is wrong with a padding must
// not show, by the error or by the time: who can tell one wrong byte from
// another decrypts any ciphertext by some thousand questions (Bleichenbacher,
// CRYPTO 1998; Manger, CRYPTO 2001). So all checks are always made, without a
// branch on what they find, and judged once.
//
// The package is internal and may change with any release.
package padding

import (
	"crypto"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrPadding says that a ciphertext cannot be decrypted with the key, and
// nothing of why.
var ErrPadding = errors.New("the ciphertext cannot be decrypted with this key")

// minRandom is how many random bytes PKCS #1 v1.5 has at least.
const minRandom = 8

// Scheme is a form of OAEP.
type Scheme struct {
	// Hash is of the label, MGF of the mask.
	Hash, MGF crypto.Hash
	Label     []byte
}

// Mask adds MGF1 of a seed to out (RFC 8017 appendix B.2.1).
func Mask(h crypto.Hash, out, seed []byte) {
	sum := h.New()
	block := make([]byte, 0, h.Size())
	var counter [4]byte
	for i := uint32(0); len(out) > 0; i++ {
		sum.Reset()
		sum.Write(seed)
		binary.BigEndian.PutUint32(counter[:], i)
		sum.Write(counter[:])
		out = out[subtle.XORBytes(out, out, sum.Sum(block[:0])):]
	}
	clear(block[:cap(block)])
}

// OAEP undoes the padding of RSAES-OAEP (RFC 8017 section 7.1.2, step 3) of a
// message as long as the modulus, which is overwritten.
func OAEP(s Scheme, em []byte) ([]byte, error) {
	size := s.Hash.Size()
	if len(em) < 2*size+2 {
		return nil, ErrPadding
	}
	seed, db := em[1:size+1], em[size+1:]
	Mask(s.MGF, seed, db)
	Mask(s.MGF, db, seed)
	label := s.Hash.New()
	label.Write(s.Label)
	good := subtle.ConstantTimeByteEq(em[0], 0)
	good &= subtle.ConstantTimeCompare(label.Sum(nil), db[:size])
	rest := db[size:]
	looking, index := 1, 0 // for the byte 1 after the zeros
	for i, b := range rest {
		one, zero := subtle.ConstantTimeByteEq(b, 1), subtle.ConstantTimeByteEq(b, 0)
		index = subtle.ConstantTimeSelect(looking&one, i, index)
		good &= 1 ^ looking&(1^one)&(1^zero)
		looking &= 1 ^ one
	}
	if good&(1^looking) != 1 {
		return nil, ErrPadding
	}
	return append([]byte{}, rest[index+1:]...), nil
}

// PKCS1v15 undoes the padding of RSAES-PKCS1-v1_5 (RFC 8017 section 7.2.2, step
// 3) of a message as long as the modulus. That it fails does show: where an
// attacker chooses ciphertexts and sees that, SessionKey is what is safe.
func PKCS1v15(em []byte) ([]byte, error) {
	if len(em) < minRandom+3 {
		return nil, ErrPadding
	}
	good := subtle.ConstantTimeByteEq(em[0], 0) & subtle.ConstantTimeByteEq(em[1], 2)
	looking, index := 1, 0 // for the zero after the random bytes
	for i, b := range em[2:] {
		zero := subtle.ConstantTimeByteEq(b, 0)
		index = subtle.ConstantTimeSelect(looking&zero, i, index)
		looking &= 1 ^ zero
	}
	good &= (1 ^ looking) & subtle.ConstantTimeLessOrEq(minRandom, index)
	if good != 1 {
		return nil, ErrPadding
	}
	return append([]byte{}, em[2+index+1:]...), nil
}

// SessionKey undoes the padding of RSAES-PKCS1-v1_5 of a message of which it
// is known how long it is: it is written over key where the padding is right,
// and key, which has to be random, stays where not (RFC 8446 appendix D and RFC
// 5246 section 7.4.7.1: the handshake then fails later, as with any wrong key).
func SessionKey(em, key []byte) {
	at := len(em) - len(key) // where the key begins, were the padding right
	if at < minRandom+3 {
		return
	}
	good := subtle.ConstantTimeByteEq(em[0], 0) & subtle.ConstantTimeByteEq(em[1], 2)
	for _, b := range em[2 : at-1] {
		good &= 1 ^ subtle.ConstantTimeByteEq(b, 0)
	}
	good &= subtle.ConstantTimeByteEq(em[at-1], 0)
	subtle.ConstantTimeCopy(good, key, em[at:])
}

// PSS is EMSA-PSS-ENCODE (RFC 8017 section 9.1.1) for a modulus of so many
// bits, a multiple of 8, with a random salt as long as the hash. A digest of
// another length than the hash's, or a modulus too short for it, is an error.
func PSS(h crypto.Hash, digest []byte, bits int) ([]byte, error) {
	size := h.Size()
	em := make([]byte, bits/8)
	db, tail := em[:len(em)-size-1], em[len(em)-size-1:]
	if len(digest) != size || len(db) < size+2 {
		return nil, fmt.Errorf("no PSS of %d bytes in %d bits", len(digest), bits)
	}
	salt := db[len(db)-size:]
	_, _ = rand.Read(salt) // never fails
	db[len(db)-size-1] = 1
	sum := h.New()
	sum.Write(make([]byte, 8))
	sum.Write(digest)
	sum.Write(salt)
	sum.Sum(tail[:0])
	Mask(h, db, tail[:size])
	db[0] &= 0x7f // emBits is the modulus's length less one
	tail[size] = 0xbc
	return em, nil
}
