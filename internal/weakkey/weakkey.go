// Package weakkey knows public keys whose private halves others can compute
// or have: RSA keys that are too small, have a bad exponent, a small factor or
// close primes, that the broken library of Infineon made (ROCA,
// CVE-2017-15361), or that Debian's broken OpenSSL made (CVE-2008-0166).
//
// Start with Check. The lists of Debian's weak keys are not part of the
// program, for their size: see Blocklist.
package weakkey

import (
	"crypto/rsa"
	"math/big"
	"sync"

	"github.com/titanous/rocacheck"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// minRSA is the smallest RSA modulus taken, in bits (SP 800-57 part 1, table
// 2: 112 bits of security).
const minRSA = 2048

// fermatRounds is how many steps of Fermat's factorisation are tried. Primes
// at a distance at which they succeed come only from generators that take the
// next prime after the first; independent ones are apart by a factor of 2^500.
const fermatRounds = 100

// Check refuses a public key that is known to be weak: InvalidArgument with
// the reason WeakKey and what is wrong. blocked may be nil. Points that are
// not on their curve were refused when the key was read (engine.ParsePublic).
func Check(k *engine.PublicKey, blocked *Blocklist) error {
	if key, ok := k.Key().(*rsa.PublicKey); ok {
		return checkRSA(key, blocked)
	}
	return nil
}

func weak(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.WeakKey, "the public key is weak: "+format, args...)
}

func checkRSA(k *rsa.PublicKey, blocked *Blocklist) error {
	switch bits := k.N.BitLen(); {
	case bits < minRSA:
		return weak("an RSA modulus of %d bits, where %d are the least", bits, minRSA)
	case k.E < 65537 || k.E%2 == 0:
		return weak("the public exponent %d, which has to be odd and at least 65537 (SP 800-56B section 6.2)", k.E)
	case hasSmallFactor(k.N):
		return weak("its modulus has a small factor")
	case rocacheck.IsWeak(k):
		return weak("it was made by the library with the flaw CVE-2017-15361 (ROCA)")
	case hasCloseFactors(k.N):
		return weak("the primes of its modulus are close to each other")
	case blocked.Has(k.N):
		return weak("its private half is published (CVE-2008-0166)")
	}
	return nil
}

// primorial is the product of the primes below 752, as many as Boulder takes
// (SP 800-89 section 5.3.3 wants the modulus to have no small factor).
var primorial = sync.OnceValue(func() *big.Int {
	product := big.NewInt(1)
	for p := int64(2); p < 752; p++ {
		if n := big.NewInt(p); n.ProbablyPrime(0) {
			product.Mul(product, n)
		}
	}
	return product
})

func hasSmallFactor(n *big.Int) bool {
	return new(big.Int).GCD(nil, nil, n, primorial()).Cmp(big.NewInt(1)) != 0
}

// hasCloseFactors tries Fermat's factorisation: n = a² − b² for an a just
// above the root of n.
func hasCloseFactors(n *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Sqrt(n)
	rest := new(big.Int).Mul(a, a)
	if rest.Cmp(n) == 0 {
		return true // the square of a prime
	}
	a.Add(a, one)
	rest.Sub(rest.Mul(a, a), n)
	step := new(big.Int).Add(new(big.Int).Lsh(a, 1), one) // (a+1)² − a²
	b := new(big.Int)
	for range fermatRounds {
		if square(rest, b) {
			return true
		}
		rest.Add(rest, step)
		step.Add(step, big.NewInt(2))
	}
	return false
}

// square reports whether n is a square. All but one of a hundred numbers are
// none by their rests modulo small numbers, which spares the root (Cohen, A
// Course in Computational Algebraic Number Theory, algorithm 1.7.3).
func square(n, scratch *big.Int) bool {
	if !residues()[64][n.Uint64()&63] {
		return false
	}
	rest := scratch.Mod(n, big.NewInt(63*65*11)).Uint64()
	for _, m := range []uint64{63, 65, 11} {
		if !residues()[m][rest%m] {
			return false
		}
	}
	scratch.Sqrt(n)
	return scratch.Mul(scratch, scratch).Cmp(n) == 0
}

// residues tells the squares modulo 64, 63, 65 and 11.
var residues = sync.OnceValue(func() map[uint64][]bool {
	all := map[uint64][]bool{}
	for _, m := range []uint64{64, 63, 65, 11} {
		all[m] = make([]bool, m)
		for i := range m {
			all[m][i*i%m] = true
		}
	}
	return all
})
