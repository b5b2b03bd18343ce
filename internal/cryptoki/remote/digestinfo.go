package remote

import (
	"bytes"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// digestInfos are what stands before a digest in PKCS #1 v1.5 (RFC 8017
// section 9.2, note 1).
var digestInfos = [...]struct {
	algorithm alg.Algorithm
	prefix    string
}{
	{alg.PKCS1SHA1, "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"},
	{alg.PKCS1SHA224, "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c"},
	{alg.PKCS1SHA256, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"},
	{alg.PKCS1SHA384, "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"},
	{alg.PKCS1SHA512, "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"},
}

// digestInfo returns the algorithm and the digest of a DigestInfo in the one
// encoding that is signed, or NoAlgorithm of what is none.
func digestInfo(input []byte) (alg.Algorithm, []byte) {
	for _, d := range digestInfos {
		digest, ok := bytes.CutPrefix(input, []byte(d.prefix))
		if ok && len(digest) == d.algorithm.Info().Hash.Size() {
			return d.algorithm, digest
		}
	}
	return alg.NoAlgorithm, nil
}
