package transfer

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The least and the most bytes that WrapKWP takes. RFC 5649 has no such
// limits; a key below 128 bits is none, and SP 800-38F (appendix A.4) prefers
// short messages. An RSA-4096 key has some 2,400 bytes.
const (
	MinKWP = 16
	MaxKWP = 8192
)

// kwpSize returns how many bytes WrapKWP makes of n: the next multiple of 8,
// and 8 more.
func kwpSize(n int) int { return (n+7)/8*8 + 8 }

// WrapKWP encrypts a key by AES Key Wrap with Padding (RFC 5649, SP 800-38F
// section 6.3: KWP-AE) under an AES key. A key of another length is
// InvalidArgument.
func WrapKWP(under, plain []byte) ([]byte, error) {
	if len(plain) < MinKWP || len(plain) > MaxKWP {
		return nil, fault.New(fault.InvalidArgument, "AES-KWP takes keys of %d to %d bytes, not %d", MinKWP, MaxKWP, len(plain))
	}
	c, err := engine.NewCipher(under)
	if err != nil {
		return nil, err
	}
	return c.Encrypt(alg.AESKWP, engine.CipherParameters{}, plain)
}

// UnwrapKWP decrypts what WrapKWP made (KWP-AD). Whatever is wrong, also with
// the AES key's length, the error is that of Refused.
func UnwrapKWP(under, wrapped []byte) ([]byte, error) {
	c, err := engine.NewCipher(under)
	if err != nil || len(wrapped) > kwpSize(MaxKWP) {
		return nil, Refused()
	}
	plain, err := c.Decrypt(alg.AESKWP, engine.CipherParameters{}, wrapped)
	if err != nil || len(plain) < MinKWP {
		return nil, Refused()
	}
	return plain, nil
}
