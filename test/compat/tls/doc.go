// Package tls has TLS clients of several makers use certificates that
// Holdfast issued, on both sides of the connection, for every type of key,
// and refuse one that was revoked.
package tls
