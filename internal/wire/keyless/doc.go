// Package keyless is the vocabulary of Keyless SSL: its packets, operations and
// errors, protocol version 1.0 as Cloudflare published it ("Keyless SSL: the
// nitty gritty technical details", 2014, and the protocol's description).
//
// A packet is a header of eight bytes (major and minor version, length of the
// body, id; big-endian) and a body of items, each a tag of one byte, a length of
// two, and data. An answer has the id of its request, and comes in whatever
// order. Both sides pad packets to PadTo bytes, so that their length tells
// nothing.
//
// Start with Operation. The package does no I/O.
package keyless
