package main

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hunt looks for private keys where there should be none. It needs to know only
// the public halves: of an RSA key it looks for a prime, a number that divides
// the modulus; of a P-256 key for the number that makes the public point.
type hunt struct {
	rsa []*big.Int // moduli
	ec  [][]byte   // points
	// bytes is how many have been searched.
	bytes int64
}

// newHunt returns a hunt for the private halves of RSA and P-256 keys.
func newHunt(keys ...crypto.PublicKey) (*hunt, error) {
	h := &hunt{}
	for _, k := range keys {
		switch k := k.(type) {
		case *rsa.PublicKey:
			h.rsa = append(h.rsa, k.N)
		case *ecdsa.PublicKey:
			point, err := k.ECDH()
			if err != nil || point.Curve() != ecdh.P256() {
				return nil, errors.Join(errors.New("the hunt knows no curve but P-256"), err)
			}
			h.ec = append(h.ec, point.Bytes())
		default:
			return nil, fmt.Errorf("the hunt knows no keys of type %T", k)
		}
	}
	return h, nil
}

// process searches all that a process can write to, by its id (proc_pid_mem(5)).
// It returns where private keys are.
func (h *hunt) process(pid int) ([]string, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer memory.Close() //nolint:errcheck // it was only read
	var found []string
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			return nil, fmt.Errorf("reading the memory map of process %d: %w", pid, err)
		}
		if !strings.HasPrefix(rights, "rw") {
			continue
		}
		for _, offset := range h.region(io.NewSectionReader(memory, int64(from), int64(to-from))) {
			found = append(found, fmt.Sprintf("process %d, address %x", pid, from+uint64(offset))) //nolint:gosec // no offset is below 0
		}
	}
	return found, nil
}

// files searches every file under a folder.
func (h *hunt) files(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // what the folder holds
		if err != nil {
			return err
		}
		for _, offset := range h.region(bytes.NewReader(text)) {
			found = append(found, fmt.Sprintf("%s, byte %d", path, offset))
		}
		return nil
	})
	return found, err
}

// piece is how much of a region is looked at in one go, overlap how much of it
// once more with the next one: the longest thing that is looked for.
const (
	piece   = 1 << 20
	overlap = 512
)

// region returns at which offsets private keys begin. A part that cannot be read
// (guard pages, the kernel's own) ends a region.
func (h *hunt) region(r io.Reader) []int64 {
	var found []int64
	buffer := make([]byte, 0, piece+overlap)
	for base := int64(0); ; {
		n, err := io.ReadFull(r, buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		h.bytes += int64(n)
		for _, at := range h.look(buffer) {
			found = append(found, base+int64(at))
		}
		if err != nil { // the end, or no more that can be read
			slices.Sort(found)
			return slices.Compact(found)
		}
		keep := buffer[len(buffer)-overlap:]
		base += int64(len(buffer) - overlap)
		buffer = append(buffer[:0], keep...)
	}
}

// look returns at which offsets of b private keys begin: of one in PEM, where
// its text begins.
func (h *hunt) look(b []byte) []int {
	found := h.numbers(b)
	for at := bytes.Index(b, pemStart); at >= 0 && at < len(b); {
		if block, _ := pem.Decode(b[at:]); block != nil && len(h.numbers(block.Bytes)) > 0 {
			found = append(found, at)
		}
		next := bytes.Index(b[at+1:], pemStart)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return found
}

var pemStart = []byte("-----BEGIN ")

// numbers returns at which offsets of b the numbers of private keys begin.
func (h *hunt) numbers(b []byte) []int {
	var found []int
	for _, n := range h.rsa {
		found = append(found, windows(b, (n.BitLen()+15)/16, func(number []byte) bool {
			// A prime is odd, and as long as half of the modulus: its top bit
			// is set.
			if number[0] < 0x80 || number[len(number)-1]&1 == 0 {
				return false
			}
			return new(big.Int).Rem(n, new(big.Int).SetBytes(number)).Sign() == 0
		})...)
	}
	for _, point := range h.ec {
		found = append(found, windows(b, 32, func(number []byte) bool {
			k, err := ecdh.P256().NewPrivateKey(number)
			return err == nil && bytes.Equal(k.PublicKey().Bytes(), point)
		})...)
	}
	return found
}

// What stands before the numbers of private keys in DER: the head of the octet
// string of a P-256 key's (RFC 5915 section 3), and the zero that keeps an
// integer from being negative (RFC 8017 appendix A.1.2: of the primes, too).
var octets, integer = []byte{4, 32}, []byte{0}

// windows returns the offsets at which size bytes are what is asked for, as they
// are or in the opposite order, as processors have numbers: where programs put
// numbers, which is at multiples of eight, or in DER. It is not asked of what is
// no random number: 32 random bytes have 24 or more different values in all but
// one of a hundred thousand cases.
func windows(b []byte, size int, is func(bigEndian []byte) bool) []int {
	const sample, different = 32, 24
	var found []int
	var count [256]int
	distinct := 0
	add := func(c byte) {
		if count[c]++; count[c] == 1 {
			distinct++
		}
	}
	turned := make([]byte, size)
	for at := range b {
		add(b[at])
		if at >= sample {
			if count[b[at-sample]]--; count[b[at-sample]] == 0 {
				distinct--
			}
		}
		from := at - sample + 1
		if from < 0 || distinct < different || from+size > len(b) {
			continue
		}
		aligned, number := from%8 == 0, b[from:from+size]
		if !aligned && !bytes.HasSuffix(b[:from], octets) && !bytes.HasSuffix(b[:from], integer) {
			continue
		}
		copy(turned, number)
		slices.Reverse(turned)
		if is(number) || aligned && is(turned) {
			found = append(found, from)
		}
	}
	return found
}
