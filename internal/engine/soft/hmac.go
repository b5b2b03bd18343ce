package soft

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"hash"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// keyedHash is an HMAC key (FIPS 198-1) in the form in which it is used:
// states that have taken the key in, lent to one call at a time, so that no
// call takes it in again.
type keyedHash struct{ states *sync.Pool }

// keyedState is one of them, with room for what a key derivation needs.
type keyedState struct {
	hash.Hash
	fixed   [64]byte
	block   [64]byte
	derived [64]byte
}

func newKeyedHash(h func() hash.Hash, secret []byte) keyedHash {
	return keyedHash{&sync.Pool{New: newState(h, secret)}}
}

// newState returns what makes a fresh state. It copies one that has the key
// and keeps no bytes of it, unless the hash cannot be copied: that is so in
// Go's FIPS 140 module v1.0.0.
func newState(h func() hash.Hash, secret []byte) func() any {
	first := hmac.New(h, secret)
	first.Reset() // has it remember the keyed state (FIPS 198-1 section 6)
	if c, ok := first.(hash.Cloner); ok {
		if _, err := c.Clone(); err == nil {
			return func() any {
				again, _ := c.Clone() // worked above
				return &keyedState{Hash: again}
			}
		}
	}
	secret = append([]byte(nil), secret...)
	return func() any { return &keyedState{Hash: hmac.New(h, secret)} }
}

// get lends a fresh state, to be given back by put.
func (k keyedHash) get() *keyedState {
	s, ok := k.states.Get().(*keyedState)
	if !ok {
		panic("soft: the pool of HMAC states holds something else")
	}
	return s
}

// put takes a state back and overwrites what it derived.
func (k keyedHash) put(s *keyedState) {
	s.Reset()
	clear(s.block[:])
	clear(s.derived[:])
	k.states.Put(s)
}

// counterKDF fills out by the SP 800-108r1 KDF in counter mode (section 4.1):
// a 32-bit counter before the fixed input. The state is fresh afterwards.
func (s *keyedState) counterKDF(out, fixed []byte) {
	for i := uint32(1); len(out) > 0; i++ {
		_, _ = s.Write(binary.BigEndian.AppendUint32(s.block[:0], i)) // a hash never fails
		_, _ = s.Write(fixed)
		out = out[copy(out, s.Sum(s.block[:0])):]
		s.Reset()
	}
}

// mac computes HMAC under a key of the table.
type mac struct {
	redacted
	prf keyedHash
}

var _ engine.MAC = (*mac)(nil)

func newMAC(spec alg.Spec, secret []byte) (*mac, error) {
	algorithms := spec.For(alg.GenerateVerifyMAC)
	if len(algorithms) != 1 || len(secret) != spec.Info().Bits/8 {
		return nil, errors.New("not an HMAC secret of the key's type")
	}
	return &mac{prf: newKeyedHash(algorithms[0].Info().Hash.New, secret)}, nil
}

// Sum appends the code of message to dst.
func (m *mac) Sum(dst, message []byte) ([]byte, error) {
	s := m.prf.get()
	defer m.prf.put(s)
	_, _ = s.Write(message) // a hash never fails
	return s.Sum(dst), nil
}
