package weakkey

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // the lists are of SHA-1 by their format, and nothing is proved by it
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"slices"
	"strings"
)

// entrySize is the length of what a list keeps of a key: the last 80 bits of
// the SHA-1.
const entrySize = 10

// Blocklist is a set of RSA moduli whose private keys are published. A nil
// Blocklist is empty.
//
// Its files are those of Debian's package openssl-blacklist, and whatever is
// in that format: "blacklist.RSA-2048" and so on, one key a line, the last 20
// of the 40 hexadecimal digits of the SHA-1 of what "openssl rsa -noout
// -modulus" prints ("Modulus=", the modulus in upper-case hexadecimal, a line
// feed); lines that begin with "#" are comments. Debian's flaw left 32,767
// keys for each size, kind of machine and state of the random file: 2.9 MB a
// size in this form, which is why the program brings none along.
type Blocklist struct{ entries [][entrySize]byte }

// ReadBlocklist reads every file of the directory whose name begins with
// "blacklist.RSA-". A directory without any is an error: a check that was
// asked for must not be empty in silence.
func ReadBlocklist(dir fs.FS) (*Blocklist, error) {
	names, err := fs.Glob(dir, "blacklist.RSA-*")
	if err != nil {
		return nil, fmt.Errorf("looking for lists of weak keys: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no blacklist.RSA-* in the directory for lists of weak keys: %w", fs.ErrNotExist)
	}
	l := &Blocklist{}
	for _, name := range names {
		if err := l.readFile(dir, name); err != nil {
			return nil, fmt.Errorf("list of weak keys %s: %w", name, err)
		}
	}
	slices.SortFunc(l.entries, func(a, b [entrySize]byte) int { return bytes.Compare(a[:], b[:]) })
	l.entries = slices.Clip(slices.Compact(l.entries))
	return l, nil
}

func (l *Blocklist) readFile(dir fs.FS, name string) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return l.read(f)
}

func (l *Blocklist) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var e [entrySize]byte
		if len(line) != 2*entrySize {
			return fmt.Errorf("line %d has %d characters, not %d", n, len(line), 2*entrySize)
		}
		if _, err := hex.Decode(e[:], []byte(line)); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		l.entries = append(l.entries, e)
	}
	return lines.Err()
}

// Len returns how many keys the list has.
func (l *Blocklist) Len() int {
	if l == nil {
		return 0
	}
	return len(l.entries)
}

// Has reports whether the modulus is on the list.
func (l *Blocklist) Has(modulus *big.Int) bool {
	if l.Len() == 0 {
		return false
	}
	e := entry(modulus)
	_, found := slices.BinarySearchFunc(l.entries, e, func(a, b [entrySize]byte) int { return bytes.Compare(a[:], b[:]) })
	return found
}

// entry returns what a list keeps of a modulus.
func entry(modulus *big.Int) [entrySize]byte {
	sum := sha1.Sum(fmt.Appendf(nil, "Modulus=%X\n", modulus)) //nolint:gosec // see the import
	return [entrySize]byte(sum[len(sum)-entrySize:])
}
