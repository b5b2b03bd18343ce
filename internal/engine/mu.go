package engine

import (
	"bytes"
	"crypto/sha3"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Signatures over an external mu cannot be checked by the ML-DSA library (nor
// by Go 1.27's crypto/mldsa): both make them, and both check only signatures
// over messages. So this file has ML-DSA.Verify_internal from its line 7 on,
// where mu is known (FIPS 204 algorithm 8). It handles public values only, so
// it is written for reading, not for constant time. The Wycheproof vectors
// run through it, and a test compares it with the library.

const (
	mldsaN = 256     // coefficients of a polynomial
	mldsaQ = 8380417 // the modulus (FIPS 204 table 1)
	mldsaD = 13      // bits dropped from t
)

// poly is a polynomial, or its number theoretic transform: coefficients in
// [0, q).
type poly [mldsaN]uint32

// mldsaParams is a column of FIPS 204 table 1.
type mldsaParams struct {
	k, l   int
	gamma1 int    // log2 of γ1
	gamma2 uint32 // γ2 itself
	lambda int
	tau    int
	beta   uint32
	omega  int
}

func mldsaParamsOf(spec alg.Spec) (mldsaParams, bool) {
	switch spec { //nolint:exhaustive // only the ML-DSA specs have parameters
	case alg.MLDSA44:
		return mldsaParams{4, 4, 17, (mldsaQ - 1) / 88, 128, 39, 78, 80}, true
	case alg.MLDSA65:
		return mldsaParams{6, 5, 19, (mldsaQ - 1) / 32, 192, 49, 196, 55}, true
	case alg.MLDSA87:
		return mldsaParams{8, 7, 19, (mldsaQ - 1) / 32, 256, 60, 120, 75}, true
	}
	return mldsaParams{}, false
}

// verifyMu reports whether signature is one of mu under the encoded public
// key (FIPS 204 algorithm 8, lines 1-5 and 8-13).
func verifyMu(spec alg.Spec, key, mu, signature []byte) bool {
	p, ok := mldsaParamsOf(spec)
	if !ok || len(mu) != muSize || len(key) != 32+320*p.k {
		return false
	}
	challenge, z, hints, ok := p.decode(signature)
	if !ok {
		return false
	}
	rho, t1 := key[:32], key[32:]
	c := p.sampleInBall(challenge)
	c.transform()
	for i := range z {
		z[i].transform()
	}
	h := sha3.NewSHAKE256()
	_, _ = h.Write(mu)
	for i := range p.k {
		w := p.row(rho, i, z, &c, t1[320*i:320*(i+1)])
		_, _ = h.Write(p.encodeHigh(&w, &hints[i]))
	}
	again := make([]byte, p.lambda/4)
	_, _ = h.Read(again)
	return bytes.Equal(challenge, again)
}

// row returns row i of A∘NTT(z) − NTT(c)∘NTT(t1·2^d), transformed back.
func (p mldsaParams) row(rho []byte, i int, z []poly, c *poly, t1 []byte) poly {
	var t poly
	unpack(&t, t1, 10)
	for n := range t {
		t[n] <<= mldsaD // below q: t1 has 10 bits
	}
	t.transform()
	var w poly
	for n := range w {
		w[n] = mulQ(mldsaQ-c[n], t[n])
	}
	for j := range z {
		a := sampleNTT(rho, byte(j), byte(i)) //nolint:gosec // j and i are below 8
		for n := range w {
			w[n] = (w[n] + mulQ(a[n], z[j][n])) % mldsaQ
		}
	}
	w.restore()
	return w
}

// decode splits a signature (FIPS 204 algorithms 27 and 21) and checks the
// bound on z (algorithm 8, line 13).
func (p mldsaParams) decode(sig []byte) (challenge []byte, z []poly, hints []poly, ok bool) {
	size := 32 * (p.gamma1 + 1)
	if len(sig) != p.lambda/4+p.l*size+p.omega+p.k {
		return nil, nil, nil, false
	}
	challenge, sig = sig[:p.lambda/4], sig[p.lambda/4:]
	gamma1 := uint32(1) << p.gamma1
	z = make([]poly, p.l)
	for i := range z {
		unpack(&z[i], sig[:size], p.gamma1+1)
		sig = sig[size:]
		for n, v := range z[i] { // the coefficient is γ1 - v
			if distance(v, gamma1) >= gamma1-p.beta {
				return nil, nil, nil, false
			}
			z[i][n] = (mldsaQ + gamma1 - v) % mldsaQ
		}
	}
	hints, ok = p.decodeHints(sig)
	return challenge, z, hints, ok
}

// decodeHints reads the ω+k bytes that say which hints are 1 (FIPS 204
// algorithm 21), and refuses all but the one way to write them.
func (p mldsaParams) decodeHints(y []byte) ([]poly, bool) {
	hints := make([]poly, p.k)
	index := 0
	for i := range hints {
		end := int(y[p.omega+i])
		if end < index || end > p.omega {
			return nil, false
		}
		for first := index; index < end; index++ {
			if index > first && y[index-1] >= y[index] {
				return nil, false
			}
			hints[i][y[index]] = 1
		}
	}
	for _, b := range y[index:p.omega] {
		if b != 0 {
			return nil, false
		}
	}
	return hints, true
}

// encodeHigh returns w1Encode of UseHint of one row (FIPS 204 algorithms 28
// and 40).
func (p mldsaParams) encodeHigh(w, hint *poly) []byte {
	m := (mldsaQ - 1) / (2 * p.gamma2)
	width := 4
	if m == 44 {
		width = 6
	}
	out := make([]byte, mldsaN*width/8)
	for n, r := range w {
		high, positive := p.decompose(r)
		switch {
		case hint[n] == 1 && positive:
			high = (high + 1) % m
		case hint[n] == 1:
			high = (high + m - 1) % m
		}
		for b := range width {
			bit := n*width + b
			out[bit/8] |= byte(high>>b&1) << (bit % 8)
		}
	}
	return out
}

// decompose returns the high part of r, and whether its low part is above
// zero (FIPS 204 algorithm 36).
func (p mldsaParams) decompose(r uint32) (high uint32, positive bool) {
	low := r % (2 * p.gamma2)
	positive = low > 0 && low <= p.gamma2
	if low > p.gamma2 {
		r += 2 * p.gamma2 // the low part is low - 2γ2, so the high one rounds up
	}
	if r-low == mldsaQ-1 {
		return 0, false // r0 - 1 is never above zero here
	}
	return (r - low) / (2 * p.gamma2), positive
}

// sampleInBall returns the challenge with τ coefficients of ±1 (FIPS 204
// algorithm 29).
func (p mldsaParams) sampleInBall(seed []byte) poly {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(seed)
	var signs [8]byte
	_, _ = h.Read(signs[:])
	var c poly
	for i := mldsaN - p.tau; i < mldsaN; i++ {
		var j [1]byte
		for {
			_, _ = h.Read(j[:])
			if int(j[0]) <= i {
				break
			}
		}
		c[i] = c[j[0]]
		c[j[0]] = 1
		if n := i + p.tau - mldsaN; signs[n/8]>>(n%8)&1 == 1 {
			c[j[0]] = mldsaQ - 1
		}
	}
	return c
}

// sampleNTT returns entry [r, s] of the matrix A (FIPS 204 algorithms 30, 32).
func sampleNTT(rho []byte, s, r byte) poly {
	h := sha3.NewSHAKE128()
	_, _ = h.Write(rho)
	_, _ = h.Write([]byte{s, r})
	var a poly
	var block [168]byte // the rate of SHAKE128
	for n := 0; n < mldsaN; {
		_, _ = h.Read(block[:])
		for b := block[:]; len(b) > 0 && n < mldsaN; b = b[3:] {
			if v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2]&0x7f)<<16; v < mldsaQ {
				a[n] = v
				n++
			}
		}
	}
	return a
}

// unpack reads 256 little-endian numbers of the width in bits (FIPS 204
// algorithm 18).
func unpack(p *poly, b []byte, width int) {
	var bits uint64
	have := 0
	for n := range p {
		for have < width {
			bits |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		p[n] = uint32(bits & (1<<width - 1)) //nolint:gosec // the width is at most 20
		bits >>= width
		have -= width
	}
}

func distance(a, b uint32) uint32 { return max(a, b) - min(a, b) }

func mulQ(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) % mldsaQ) }

// transform is the NTT (FIPS 204 algorithm 41).
func (p *poly) transform() {
	zetas := mldsaZetas()
	m := 0
	for length := mldsaN / 2; length >= 1; length /= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			m++
			for j := start; j < start+length; j++ {
				t := mulQ(zetas[m], p[j+length])
				p[j+length] = (p[j] + mldsaQ - t) % mldsaQ
				p[j] = (p[j] + t) % mldsaQ
			}
		}
	}
}

// restore is the inverse of the NTT (FIPS 204 algorithm 42).
func (p *poly) restore() {
	zetas := mldsaZetas()
	m := mldsaN
	for length := 1; length < mldsaN; length *= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			m--
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = (t + p[j+length]) % mldsaQ
				p[j+length] = mulQ(mldsaQ-zetas[m], (t+mldsaQ-p[j+length])%mldsaQ)
			}
		}
	}
	for n := range p {
		p[n] = mulQ(p[n], 8347681) // 1/256 mod q
	}
}
