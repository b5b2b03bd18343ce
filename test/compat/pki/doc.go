// Package pki has other people's verifiers judge what Holdfast issues: chains
// of every type of key, revocation lists, OCSP answers, path lengths and name
// constraints. The judges are OpenSSL, GnuTLS, Java's PKIX validator, pyca's
// cryptography (which knows ML-DSA) and zlint.
package pki
