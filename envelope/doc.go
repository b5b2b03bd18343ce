// Package envelope encrypts files and streams of any size for keys that stay
// where they are: in a cloud, a token, a server. The data is encrypted here
// with a key of its own; only that key, 32 bytes, is sent to be wrapped. A
// file may be for several recipients, in several places, and any one of them
// that can be reached decrypts it.
//
// Encrypt writes, Open and Decrypt read, and Envelope.Rewrap changes for whom
// a file is without touching its data. A Recipient wraps file keys and an
// Identity unwraps them: NewAEAD, NewRSA, NewRSAIdentity, NewHPKE and
// NewHPKEIdentity make them from the standard library's and tink's interfaces,
// which the keys of package holdfast have.
//
// # Format
//
// Version 1, integers big-endian. docs/encrypt.md has an example, byte by byte.
//
//	20  magic: "holdfast envelope 1" and a line feed
//	 4  length of the body in bytes
//	    body:
//	16      the file's id, random
//	 2      number of recipients, 1 to 256
//	        for each recipient:
//	 1+n        method, after its length: how the file key is wrapped
//	 2+n        URI, after its length: where the key is that unwraps it
//	 2+n        the wrapped file key, after its length
//	32  HMAC-SHA256 of all the above
//	    payload: chunks of 65,536 bytes, the last one of 0 to 65,536, each
//	    encrypted with AES-256-GCM and followed by its tag of 16 bytes
//
// Both keys come from the file key by HKDF-SHA256 (RFC 5869) with the file's
// id as the salt: with the info "holdfast envelope 1 header" that of the HMAC,
// with "holdfast envelope 1 payload" that of the payload. A chunk's nonce is
// its number in 11 bytes, from 0, and a byte that is 1 for the last chunk and
// else 0 (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár,
// 2015): chunks that were moved, dropped or added do not decrypt. The last
// chunk is empty only where all of the data is.
//
// The HMAC also commits a file to one key: who makes a file cannot make it
// decrypt to one text for one recipient and to another for the next.
//
// Files of a version are read by all later releases. The Go API follows the
// module's version.
package envelope
