// Holdfast is a key management service and private certificate authority in
// one binary: the server, and the command line of its own API.
//
//	holdfast dev --dir DIR        a whole server on a laptop
//	source DIR/env                points every client at it
//	holdfast key create --spec ECC_NIST_P256 --alias a
//	holdfast key sign --key a --algorithm ECDSA_SHA_256 --in m --out s
//
// "holdfast help" lists the commands, docs/cli.md describes them. A command
// is a noun, a verb and flags; each flag can also be set by an environment
// variable. Data goes to standard output, everything else to standard error.
// The exit status is 0 for success, 1 for failure and 2 for wrong usage. All
// of this, and the shapes that --json prints, stay as they are within v1.
//
// main.go has the list of commands. Those about the server itself are here;
// each other noun has its package under internal; package terminal has what
// they share.
package main
