// Package keyless uses private keys that stay on a key server, over the Keyless
// SSL protocol: for TLS servers that hold certificates and no keys, and for
// whatever else takes a crypto.Signer or crypto.Decrypter.
//
// Start with New, then Client.Certificate for a tls.Config, or Client.Key for a
// public key:
//
//	c, err := keyless.New(keyless.Config{
//		Servers: []string{"keys-1.example.com:2407", "keys-2.example.com:2407"},
//		TLS:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}},
//	})
//	…
//	certificate, err := c.Certificate(chainPEM)
//	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
//
// A Client keeps a few connections to each server and has many operations in
// flight on each; answers come in any order. An operation that one server
// cannot do, because it is away, slow, failing, or does not have the key, is
// tried on the others: none of them changes anything. Servers that are away are
// left alone for a while and tried again by themselves.
//
// What is signed: RSA by PKCS #1 v1.5 (SHA-1, -224, -256, -384, -512 and the
// MD5SHA1 of TLS 1.1) and PSS (SHA-256, -384, -512, the salt as long as the hash),
// ECDSA over digests of the same hashes, Ed25519 (pure). What is decrypted: RSA
// PKCS #1 v1.5 and OAEP; the server does the arithmetic and the padding is undone
// here in constant time.
//
// Failures that a server answers are *Error. The package follows semantic
// versioning; fields may be added to structs.
package keyless
