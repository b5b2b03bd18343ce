// Package kms is the door: the only way to a key. Every operation on keys
// goes through one Service, which authorises it, checks the key's state, acts
// and records it, in that order and in one place, whatever API it came by.
//
// Service's methods are the operations, one file for each group; request.go
// has what they take and give; package alias how keys are named, ciphertext the
// format of symmetric ciphertexts, catalog that of stored keys.
package kms
