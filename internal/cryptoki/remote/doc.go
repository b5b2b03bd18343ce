// Package remote is the token.Token over a Holdfast server: its keys and
// certificates as an application's credential may see and use them.
//
// Start with Config and New. account.go is what one credential has of the
// token, listing.go asks the server for keys and certificates.go for
// certificates; make.go and keep.go are the calls that change something, use.go
// those that use keys. An application's signatures go over Keyless SSL where
// the token has the address of a key server, everything else over the client of
// the native API.
//
// A key's CKA_LABEL and CKA_ID are its tags TagLabel and TagID. Keys without
// them have the first of their aliases as label, or their id, and as CKA_ID the
// key identifier of their public key (RFC 5280 section 4.2.1.2, method 1).
//
// The package is internal and may change with any release. The names of the
// tags, and what places of certificates look like, stay as they are within v1.
package remote
