// Package jws signs and verifies JSON Web Signatures (RFC 7515) with keys that
// stay where they are: a Signer needs no more than a crypto.Signer, and the
// data of a detached signature is hashed as it streams.
//
// Sign and SignDetached make a Message, which Message.Compact and
// Message.MarshalJSON write; Parse reads both, and Message.Verify gives the
// payload only when a signature verified. The algorithms are RS256 to PS512,
// ES256 to ES512 and EdDSA (RFC 7518, RFC 8037): of each the public key
// decides which are acceptable, and "none" and those with a shared secret are
// not among them. RFC 7797 (payloads without base64url) is supported for
// detached signatures.
//
// What is read strictly: the algorithm has to be in the protected header, a
// field has to be there once only, base64url has one spelling, and unknown
// critical fields are refused.
package jws
