// Package vault is the vocabulary of HashiCorp Vault's Transit secrets engine
// and of OpenBao's, in both directions: the names of key types and algorithms,
// the names of keys, the text forms of ciphertexts, signatures and codes, and
// the shapes of requests and answers. It is a pure codec: it knows no
// transport, keeps nothing and decides nothing.
//
// Start with TypeOf and ParseType for keys, Versioned for what Transit makes,
// and Response for what it answers. Where the two products differ, the comment
// says so; what is read is read in both spellings.
package vault
