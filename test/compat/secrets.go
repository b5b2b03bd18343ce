package compat

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Secret is a piece of a key that must not be where a test looks for it.
type Secret struct {
	// Name says whose and what it is, for the finding.
	Name  string
	Bytes []byte
}

// shortestSecret is the least that is looked for: less is found by chance.
const shortestSecret = 12

// Secrets returns what is secret in the plain form of a key: the bytes of a
// symmetric key, and of a PKCS #8 PrivateKeyInfo (RFC 5958) the private
// exponent and primes, the scalar of a curve (RFC 5915), or the seed (RFC 8410).
func Secrets(name string, plain []byte) []Secret {
	var info struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
		Rest      []asn1.RawValue `asn1:"optional,omitempty,set,tag:0"`
	}
	if _, err := asn1.Unmarshal(plain, &info); err != nil {
		return []Secret{{name, plain}}
	}
	if k, err := x509.ParsePKCS1PrivateKey(info.Key); err == nil {
		return rsaSecrets(name, k)
	}
	var curve struct {
		Version int
		Scalar  []byte
		Params  asn1.RawValue  `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
	}
	if _, err := asn1.Unmarshal(info.Key, &curve); err == nil {
		return []Secret{{name + ": scalar", curve.Scalar}}
	}
	var seed []byte
	if _, err := asn1.Unmarshal(info.Key, &seed); err == nil {
		return []Secret{{name + ": seed", seed}}
	}
	return []Secret{{name, plain}}
}

func rsaSecrets(name string, k *rsa.PrivateKey) []Secret {
	list := []Secret{{name + ": private exponent", k.D.Bytes()}}
	for i, p := range k.Primes {
		list = append(list, Secret{fmt.Sprintf("%s: prime %d", name, i+1), p.Bytes()})
	}
	return list
}

// needle is one form of a secret to look for.
type needle struct {
	what string
	text []byte
}

// needles returns the forms in which a secret may lie about: as it is, turned
// round (as libraries keep large numbers on this machine), in hex, and in
// base64 wherever in a longer text it begins.
func needles(secrets []Secret) ([]needle, error) {
	var list []needle
	for _, s := range secrets {
		if len(s.Bytes) < shortestSecret {
			return nil, fmt.Errorf("%s has only %d bytes: finding it would mean nothing", s.Name, len(s.Bytes))
		}
		turned := slices.Clone(s.Bytes)
		slices.Reverse(turned)
		text := hex.EncodeToString(s.Bytes)
		list = append(list,
			needle{s.Name + ", raw", s.Bytes}, needle{s.Name + ", turned round", turned},
			needle{s.Name + ", hex", []byte(text)}, needle{s.Name + ", hex", []byte(strings.ToUpper(text))})
		for shift := range 3 {
			// The first and last characters depend on what is around.
			padded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s.Bytes...))
			inner := strings.TrimRight(padded, "=")
			inner = inner[4 : len(inner)-4]
			url := strings.NewReplacer("+", "-", "/", "_").Replace(inner)
			list = append(list, needle{s.Name + ", base64", []byte(inner)})
			if url != inner {
				list = append(list, needle{s.Name + ", base64url", []byte(url)})
			}
		}
	}
	return list, nil
}

// findIn returns what of the needles is in a stream, in which each may span
// two of the reader's pieces.
func findIn(r io.Reader, list []needle) []string {
	longest := 0
	for _, n := range list {
		longest = max(longest, len(n.text))
	}
	var found []string
	buffer := make([]byte, 4<<20)
	kept := 0
	for {
		n, err := io.ReadAtLeast(r, buffer[kept:], 1)
		window := buffer[:kept+n]
		for _, want := range list {
			if bytes.Contains(window, want.text) && !slices.Contains(found, want.what) {
				found = append(found, want.what)
			}
		}
		if err != nil {
			return found // a page that cannot be read, or the end: what is before it was searched
		}
		kept = copy(buffer, window[max(0, len(window)-longest):])
	}
}

// FindInMemory returns which of the secrets are in the memory of a process,
// and where. It reads every mapping that the process can write to.
func FindInMemory(pid int, secrets ...Secret) ([]string, error) {
	list, err := needles(secrets)
	if err != nil {
		return nil, err
	}
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = maps.Close() }() // only read
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = memory.Close() }() // only read
	var found []string
	searched := int64(0)
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		from, to, ok := writable(lines.Text())
		if !ok {
			continue
		}
		searched += to - from
		for _, what := range findIn(io.NewSectionReader(memory, from, to-from), list) {
			found = append(found, fmt.Sprintf("%s, in the memory of process %d at %s", what, pid, lines.Text()))
		}
	}
	if searched == 0 {
		return nil, fmt.Errorf("nothing of the memory of process %d can be read", pid)
	}
	return found, nil
}

// writable reads a line of /proc/PID/maps (proc_pid_maps(5)).
func writable(line string) (from, to int64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasPrefix(fields[1], "rw") || strings.Contains(line, "/dev/") {
		return 0, 0, false
	}
	low, high, _ := strings.Cut(fields[0], "-")
	from, err := strconv.ParseInt(low, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	to, err = strconv.ParseInt(high, 16, 64)
	return from, to, err == nil
}

// FindInFiles returns which of the secrets are in the files of the roots, each
// a folder or a file.
func FindInFiles(secrets []Secret, roots ...string) ([]string, error) {
	list, err := needles(secrets)
	if err != nil {
		return nil, err
	}
	var found []string
	files := 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			files++
			f, err := os.Open(path) //nolint:gosec // a file of the server under test
			if err != nil {
				return err
			}
			for _, what := range findIn(f, list) {
				found = append(found, what+", in "+path)
			}
			return f.Close()
		})
		if err != nil {
			return nil, err
		}
	}
	if files == 0 {
		return nil, fmt.Errorf("no files in %s", strings.Join(roots, ", "))
	}
	return found, nil
}
