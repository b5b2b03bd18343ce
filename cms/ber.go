package cms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// maxDepth bounds how deep BER is nested.
const maxDepth = 64

// Classes and tags of BER, as they are in its first byte (X.690 section 8.1).
const (
	constructed = 0x20
	octets      = 0x04
	longTag     = 0x1f
	indefinite  = 0x80
)

// normalize returns BER with definite lengths in their shortest form, and with
// octet strings in one piece: what is DER comes back as it is. Java's and
// OpenSSL's streaming signers write BER.
func normalize(ber []byte) ([]byte, error) {
	der, rest, err := element(ber, 0)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("something follows the message")
	}
	return der, nil
}

// element normalizes the first element, and returns what follows it.
func element(b []byte, depth int) (der, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	if len(b) < 2 || b[0]&longTag == longTag { // CMS has no tag above 30
		return nil, nil, errors.New("an element is cut, or has a tag that CMS does not have")
	}
	tag := b[0]
	if b[1] == indefinite {
		if tag&constructed == 0 {
			return nil, nil, errors.New("an element without end")
		}
		return elements(b[2:], depth+1, tag)
	}
	length, size, err := definite(b[1:])
	if err != nil {
		return nil, nil, err
	}
	b = b[1+size:]
	if length > len(b) {
		return nil, nil, errors.New("an element is longer than what is there")
	}
	content, rest := b[:length], b[length:]
	if tag&constructed == 0 {
		return wrap(tag, content), rest, nil
	}
	der, err = children(content, depth+1, tag)
	return der, rest, err
}

// definite reads a length of a known end, and how many bytes it has.
func definite(b []byte) (length, size int, err error) {
	if b[0] < indefinite {
		return int(b[0]), 1, nil
	}
	n := int(b[0] & 0x7f)
	if n > 4 || n >= len(b) {
		return 0, 0, errors.New("the length of an element is cut, or too large")
	}
	for _, c := range b[1 : 1+n] {
		length = length<<8 | int(c)
	}
	return length, 1 + n, nil
}

// children normalizes all elements of a content.
func children(content []byte, depth int, tag byte) ([]byte, error) {
	var out []byte
	for len(content) > 0 {
		child, rest, err := element(content, depth)
		if err != nil {
			return nil, err
		}
		if out, err = join(out, child, tag); err != nil {
			return nil, err
		}
		content = rest
	}
	return wrap(tag, out), nil
}

// elements normalizes elements up to the two zeros that end them.
func elements(b []byte, depth int, tag byte) (der, rest []byte, err error) {
	var out []byte
	for {
		if len(b) >= 2 && b[0] == 0 && b[1] == 0 {
			return wrap(tag, out), b[2:], nil
		}
		child, rest, err := element(b, depth)
		if err != nil {
			return nil, nil, err
		}
		if out, err = join(out, child, tag); err != nil {
			return nil, nil, err
		}
		b = rest
	}
}

// join appends a child to its parent's content: to an octet string its own
// content.
func join(out, child []byte, parent byte) ([]byte, error) {
	if parent != octets|constructed {
		return append(out, child...), nil
	}
	if child[0] != octets {
		return nil, errors.New("an octet string has something else in it")
	}
	_, size, err := definite(child[1:])
	if err != nil {
		return nil, err
	}
	return append(out, child[1+size:]...), nil
}

// wrap returns an element in DER.
func wrap(tag byte, content []byte) []byte {
	if tag == octets|constructed {
		tag = octets
	}
	out := []byte{tag}
	if n := len(content); n < indefinite {
		out = append(out, byte(n))
	} else {
		length := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, uint64(n)), "\x00")
		out = append(append(out, indefinite|byte(len(length))), length...) //nolint:gosec // at most 8
	}
	return append(out, content...)
}
