// Package cms signs and verifies in the Cryptographic Message Syntax (RFC
// 5652), also known as PKCS #7, with keys that stay where they are: a Signer
// needs no more than a crypto.Signer and its certificate, and the content of a
// detached signature is hashed as it streams.
//
// Sign and SignDetached make a SignedData in DER, Parse reads one, also in BER
// or PEM, and SignedData.Verify gives the content when all of its signatures
// verify and their certificates lead to a root that is trusted.
//
// Signatures are RSA (PKCS #1 v1.5 and PSS), ECDSA over P-256 to P-521 and
// Ed25519, with SHA-256, -384 or -512. They always cover signed attributes:
// the content's type and digest, the signing certificate (RFC 5035, as CAdES
// wants it) and, where it is asked for, the signer's own idea of the time.
// What has no signed attributes is refused also when it is verified: its
// content could be taken for the attributes of another message.
package cms
