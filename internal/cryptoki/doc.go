// Package cryptoki is what a PKCS #11 module is (OASIS, version 2.40): slots
// and sessions, objects and their attributes, operations in one shot and in
// parts. It serves them to applications over the p11-kit protocol (package
// socket has its messages), so that the distribution's p11-kit-client.so is the
// library that an application loads. What is behind a slot is a token.Token.
//
// Start with Serve. The package is internal and may change with any release.
package cryptoki
