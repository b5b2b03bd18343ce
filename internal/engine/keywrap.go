package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// The AES key wrap of RFC 3394, and of RFC 5649 with padding (NIST SP 800-38F
// sections 6.2 and 6.3), over crypto/aes: the standard library has neither, and
// Tink's, which package transfer had before, takes no AES-192 and no short keys.

// semiblock is half a block of AES in bytes.
const semiblock = aes.BlockSize / 2

// paddedPrefix is the constant half of the alternative initial value (RFC 5649
// section 3); the length of the plaintext is the other.
const paddedPrefix = 0xa65959a6

// integrity returns the initial value of RFC 3394 section 2.2.3.
func (p CipherParameters) integrity() (iv [semiblock]byte) {
	if len(p.IV) == 0 {
		binary.BigEndian.PutUint64(iv[:], 0xa6a6a6a6a6a6a6a6)
	}
	copy(iv[:], p.IV)
	return iv
}

// wrapBlocks is the key wrap process (RFC 3394 section 2.2.1) of two semiblocks
// or more.
func wrapBlocks(block cipher.Block, iv [semiblock]byte, plain []byte) []byte {
	out := make([]byte, semiblock+len(plain))
	copy(out[semiblock:], plain)
	var b [aes.BlockSize]byte // A, and the semiblock in hand
	copy(b[:], iv[:])
	step := uint64(0)
	for range 6 {
		for at := semiblock; at < len(out); at += semiblock {
			copy(b[semiblock:], out[at:at+semiblock])
			block.Encrypt(b[:], b[:])
			step++
			count(&b, step)
			copy(out[at:], b[semiblock:])
		}
	}
	copy(out, b[:semiblock])
	return out
}

// unwind is the inverse of wrapBlocks (RFC 3394 section 2.2.2, steps 1 and 2):
// the initial value is in front.
func unwind(block cipher.Block, wrapped []byte) []byte {
	out := append([]byte{}, wrapped...)
	var b [aes.BlockSize]byte
	copy(b[:], out[:semiblock])
	step := uint64(6 * (len(out)/semiblock - 1)) //nolint:gosec // a length is not negative
	for range 6 {
		for at := len(out) - semiblock; at >= semiblock; at -= semiblock {
			count(&b, step)
			step--
			copy(b[semiblock:], out[at:at+semiblock])
			block.Decrypt(b[:], b[:])
			copy(out[at:], b[semiblock:])
		}
	}
	copy(out, b[:semiblock])
	return out
}

// count adds the number of a step to A.
func count(b *[aes.BlockSize]byte, step uint64) {
	binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^step)
}

func unwrapBlocks(block cipher.Block, iv [semiblock]byte, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 3*semiblock || len(wrapped)%semiblock != 0 {
		return nil, badCiphertext()
	}
	out := unwind(block, wrapped)
	if subtle.ConstantTimeCompare(out[:semiblock], iv[:]) != 1 {
		clear(out)
		return nil, badCiphertext()
	}
	return out[semiblock:], nil
}

// wrapPadded is the extended key wrapping process (RFC 5649 section 4.1) of one
// byte or more.
func wrapPadded(block cipher.Block, plain []byte) []byte {
	var iv [semiblock]byte
	binary.BigEndian.PutUint32(iv[:], paddedPrefix)
	binary.BigEndian.PutUint32(iv[4:], uint32(len(plain))) //nolint:gosec // no caller has 4 GiB
	padded := make([]byte, (len(plain)+semiblock-1)/semiblock*semiblock)
	copy(padded, plain)
	defer clear(padded)
	if len(padded) > semiblock {
		return wrapBlocks(block, iv, padded)
	}
	out := append(iv[:], padded...)
	block.Encrypt(out, out)
	return out
}

// unwrapPadded undoes wrapPadded (RFC 5649 section 4.2). All checks are made
// before one is judged.
func unwrapPadded(block cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 {
		return nil, badCiphertext()
	}
	var out []byte
	if len(wrapped) == aes.BlockSize {
		out = make([]byte, aes.BlockSize)
		block.Decrypt(out, wrapped)
	} else {
		out = unwind(block, wrapped)
	}
	plain := out[semiblock:]
	var prefix [4]byte
	binary.BigEndian.PutUint32(prefix[:], paddedPrefix)
	good := subtle.ConstantTimeCompare(out[:4], prefix[:])
	size := int64(binary.BigEndian.Uint32(out[4:]))
	zeros := int64(len(plain)) - size // of the padding, 0 to 7
	if zeros < 0 || zeros >= semiblock {
		good, zeros = 0, 0
	}
	for _, b := range plain[int64(len(plain))-zeros:] {
		good &= subtle.ConstantTimeByteEq(b, 0)
	}
	if good != 1 {
		clear(out)
		return nil, badCiphertext()
	}
	return plain[:size], nil
}
