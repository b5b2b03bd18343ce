// Package p11kit is the protocol in which a PKCS #11 module is used from
// another process, as p11-kit-client.so speaks it over a Unix socket: a pure
// codec, for both sides. It is written from the facts of p11-kit's own
// implementation (rpc-message.h, rpc-message.c and rpc-transport.c of versions
// 0.24.1 and 0.26.4), which is the only description that there is, and from the
// recorded bytes in testdata.
//
// A connection begins with one byte each way: the client's newest version of
// the protocol, then the version that the server chooses, which is no newer.
// From then on there are messages, each a frame (Header) around a body. A
// request's body is
//
//	call       4 bytes, a Call
//	signature  4 bytes of length and as many letters: the arguments' types
//	arguments  as the signature says
//
// and so is a response's, where the call CallError with the signature "u"
// stands for a refusal. All numbers are big-endian. The types are:
//
//	y   a byte (CK_BYTE, CK_BBOOL)
//	u   a number (CK_ULONG), 8 bytes
//	v   a version, 2 bytes
//	s   a text padded with spaces: 4 bytes of length and the text
//	z   a text that ended with a zero byte, which is left out, in the same form
//	ay  bytes: a byte 1, 4 bytes of length, the bytes; or a byte 0 and the
//	    length alone, for "so many bytes would be there"
//	au  numbers, in the same way
//	fy  room for bytes: 4 bytes; 0 is "no room, tell me the length", and
//	    0xffffffff "room for none", which only later clients tell apart
//	fu  room for numbers: 4 bytes
//	aA  attributes (see attribute.go)
//	fA  room for attributes: 4 bytes of count, then of each its type and the
//	    room for its value, 4 bytes each
//	M   a mechanism (see mechanism.go)
//
// Start with Header, ParseRequest and Writer. The package is internal and may
// change with any release.
package p11kit

import "errors"

// MaxVersion is the newest version of the protocol here. Version 1 has
// CallInitToken2 instead of CallInitToken, version 2 CallDeriveKey2 instead of
// CallDeriveKey.
const MaxVersion = 2

// The limits on what is read.
const (
	// MaxMessage is the longest body of a message in bytes.
	MaxMessage = 4 << 20
	// MaxOptions is the longest options part of a message in bytes: clients send
	// their name, which nobody reads.
	MaxOptions = 4 << 10
	// MaxAttributes is how many attributes a message has at most.
	MaxAttributes = 256
	// maxDepth is how deep attributes that are templates may be in one another.
	maxDepth = 4
)

// ErrMalformed says that a message is not one of the protocol.
var ErrMalformed = errors.New("a malformed message of the p11-kit protocol")
