package soft

import (
	"crypto/rsa"
	"errors"
	"math/big"

	"filippo.io/bigmod"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// raw is RSADP (RFC 8017 section 5.1.2). The result is checked before it leaves.
func (k *rsaKey) raw(c []byte) ([]byte, error) {
	pub := &k.private.PublicKey
	if new(big.Int).SetBytes(c).Cmp(pub.N) >= 0 { // both are public
		return nil, badCiphertext()
	}
	if k.usesNative() {
		m, err := k.native.decrypt(alg.RSARaw, c)
		switch {
		case err != nil:
			k.unit.failed("decrypting", err)
		case engine.Inverts(pub, m, c):
			return m, nil
		default:
			k.unit.wrong("decrypting")
		}
	}
	m, err := rawPrivate(k.private, c)
	if err == nil && !engine.Inverts(pub, m, c) {
		err = errors.New("the result of RSA is not the inverse")
	}
	if err != nil {
		return nil, internal("engine/soft.Decrypt", err)
	}
	return m, nil
}

// rawPrivate computes c^d mod n by the Chinese remainder theorem (RFC 8017
// section 5.1.2, step 2.b), in constant time. crypto/rsa does not offer it.
func rawPrivate(k *rsa.PrivateKey, c []byte) ([]byte, error) {
	if len(k.Primes) != 2 || k.Precomputed.Dp == nil || k.Precomputed.Qinv == nil {
		return nil, errors.New("the key has not two primes")
	}
	p, errP := bigmod.NewModulus(k.Primes[0].Bytes())
	q, errQ := bigmod.NewModulus(k.Primes[1].Bytes())
	n, errN := bigmod.NewModulus(k.N.Bytes())
	if err := errors.Join(errP, errQ, errN); err != nil {
		return nil, err
	}
	in, err := bigmod.NewNat().SetBytes(c, n)
	if err != nil {
		return nil, err
	}
	inverse, err := bigmod.NewNat().SetBytes(k.Precomputed.Qinv.FillBytes(make([]byte, p.Size())), p)
	if err != nil {
		return nil, err
	}
	t := bigmod.NewNat()
	m1 := bigmod.NewNat().Exp(t.Mod(in, p), k.Precomputed.Dp.FillBytes(make([]byte, p.Size())), p)
	m2 := bigmod.NewNat().Exp(t.Mod(in, q), k.Precomputed.Dq.FillBytes(make([]byte, q.Size())), q)
	m1.Sub(t.Mod(m2, p), p).Mul(inverse, p) // h
	m := m1.ExpandFor(n).Mul(t.Mod(q.Nat(), n), n)
	return m.Add(m2.ExpandFor(n), n).Bytes(n), nil
}
