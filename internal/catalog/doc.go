// Package catalog is the keys as they are known: as records in the store, and
// in memory, where every live key and alias is. It decides nothing: package
// kms, which is the door to the keys, asks it for a key, and has it make
// changes that hold together, in the store first and then in memory.
//
// Start with Catalog and Entry. record.go has the format of stored keys and
// aliases, opened.go the cache of keys that are ready for use.
package catalog
