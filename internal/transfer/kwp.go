package transfer

import (
	"github.com/tink-crypto/tink-go/v2/kwp/subtle"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The least and the most bytes that WrapKWP takes. RFC 5649 has no such
// limits; a key below 128 bits is none, and SP 800-38F (appendix A.4) prefers
// short messages. An RSA-4096 key has some 2,400 bytes.
const (
	MinKWP = subtle.MinWrapSize
	MaxKWP = subtle.MaxWrapSize
)

// kwpSize returns how many bytes WrapKWP makes of n: the next multiple of 8,
// and 8 more.
func kwpSize(n int) int { return (n+7)/8*8 + 8 }

// WrapKWP encrypts a key by AES Key Wrap with Padding (RFC 5649, SP 800-38F
// section 6.3: KWP-AE) under an AES key of 128 or 256 bits. A key of another
// length is InvalidArgument; so is an AES key of 192 bits, which the library
// does not have.
func WrapKWP(under, plain []byte) ([]byte, error) {
	if len(plain) < MinKWP || len(plain) > MaxKWP {
		return nil, fault.New(fault.InvalidArgument, "AES-KWP takes keys of %d to %d bytes, not %d", MinKWP, MaxKWP, len(plain))
	}
	c, err := subtle.NewKWP(under)
	if err != nil {
		return nil, fault.New(fault.InvalidArgument, "AES-KWP takes an AES key of 16 or 32 bytes, not %d", len(under))
	}
	wrapped, err := c.Wrap(plain)
	return wrapped, internal("transfer.WrapKWP", err)
}

// UnwrapKWP decrypts what WrapKWP made (KWP-AD). Whatever is wrong, also with
// the AES key's length, the error is that of Refused.
func UnwrapKWP(under, wrapped []byte) ([]byte, error) {
	c, err := subtle.NewKWP(under)
	if err != nil {
		return nil, Refused()
	}
	plain, err := c.Unwrap(wrapped)
	if err != nil || len(plain) < MinKWP { // of 9 to 15 bytes, the library does not mind
		return nil, Refused()
	}
	return plain, nil
}
