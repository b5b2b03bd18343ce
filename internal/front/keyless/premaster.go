package keyless

import (
	"crypto/rand"
	"crypto/subtle"
)

// premasterSize is the length of a TLS premaster secret (RFC 5246 section 7.4.7.1).
const premasterSize = 48

// premaster takes a premaster secret out of what RSADP made of its encryption by
// RSAES-PKCS1-v1_5 (RFC 8017 section 7.2.2): 00 02, at least eight bytes that
// are not zero, 00, and the secret. What is anything else gives 48 random bytes,
// in the same time: nobody learns from the answer whether the padding was right
// (RFC 5246 section 7.4.7.1; Bleichenbacher 1998).
func premaster(encoded []byte) []byte {
	secret := make([]byte, premasterSize)
	_, _ = rand.Read(secret) // never fails; in both cases
	zero := len(encoded) - premasterSize - 1
	if zero < 2+8 {
		return secret // the modulus is too short for anybody's, which is public
	}
	right := subtle.ConstantTimeByteEq(encoded[0], 0) & subtle.ConstantTimeByteEq(encoded[1], 2) &
		subtle.ConstantTimeByteEq(encoded[zero], 0)
	for _, b := range encoded[2:zero] {
		right &= 1 ^ subtle.ConstantTimeByteEq(b, 0)
	}
	subtle.ConstantTimeCopy(right, secret, encoded[zero+1:])
	clear(encoded)
	return secret
}
