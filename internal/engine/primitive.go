package engine

import (
	"bytes"
	"crypto/rsa"

	"filippo.io/bigmod"
)

// Inverts reports whether m is what the private operation of an RSA key makes of
// c, both as long as the modulus: whether m to the public exponent is c (RFC 8017
// section 5.1.1). How long it takes does not depend on m. Whoever does RSARaw asks
// it before the result leaves: one that was computed wrongly can give the key away
// (Boneh, DeMillo and Lipton 1997), and with no padding all of it leaves.
func Inverts(key *rsa.PublicKey, m, c []byte) bool {
	n, err := bigmod.NewModulus(key.N.Bytes())
	if err != nil || len(m) != n.Size() {
		return false
	}
	x, err := bigmod.NewNat().SetBytes(m, n)
	if err != nil {
		return false
	}
	return bytes.Equal(bigmod.NewNat().ExpShortVarTime(x, uint(key.E), n).Bytes(n), c)
}
