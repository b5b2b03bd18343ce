// Package gcp is the vocabulary of Google Cloud KMS, both ways: the names of its
// resources (name.go), its algorithms, purposes, protection levels and import
// methods in the words of package alg (algorithm.go), and the checksums that
// its requests and answers carry (crc32c.go). It knows Google's generated
// messages and no transport.
//
// Start with ParseCryptoKeyVersion and OfAlgorithm.
//
// The package is internal and may change with any release.
package gcp
