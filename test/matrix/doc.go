// Package matrix holds the test of every API over every engine: one server with
// keys in software, in a token and in each kind of key service, used by the
// APIs' own clients. Its table is in docs/engines.md.
//
// The server is the real binary; the token is SoftHSM's; the service of AWS KMS
// is a second Holdfast, and the others are the loopback ones of the engines'
// tests.
package matrix
