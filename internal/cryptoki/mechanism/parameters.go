package mechanism

// CipherParameters are what the raw AES algorithms take from the caller.
type CipherParameters struct {
	// IV is the initialisation vector, the nonce or the counter block; empty of
	// the key wrapping algorithms.
	IV []byte
	// AssociatedData is authenticated and not encrypted; only with AESGCMRaw.
	AssociatedData []byte
	// TagBits is the length of the tag of AESGCMRaw, at the ciphertext's end; 0 is
	// 128.
	TagBits int
}
