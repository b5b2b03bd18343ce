package engine

import (
	"math/bits"
	"sync"
)

// mldsaZetas returns the powers of the 512th root of unity ζ = 1753 in
// bit-reversed order (FIPS 204 section 7.5).
var mldsaZetas = sync.OnceValue(func() *poly {
	var powers, zetas poly
	powers[0] = 1
	for n := 1; n < mldsaN; n++ {
		powers[n] = mulQ(powers[n-1], 1753)
	}
	for n := range zetas {
		zetas[n] = powers[bits.Reverse8(uint8(n))]
	}
	return &zetas
})
