package discovery

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/bundle"
)

// maxFile is the largest file that is read, in bytes: bundles of roots have
// some 200 KB.
const maxFile = 4 << 20

// extensions are those of files that may have certificates in DER. PEM is
// found in files of every name.
var extensions = []string{".der", ".cer", ".crt", ".p7b", ".p7c", ".p7s", ".spc"}

// Files looks for certificates in files, and in all files below directories,
// and calls found with each chain. Links to directories are not followed. A
// file that has none is passed over, unless it was named itself; what cannot
// be read is a finding with an error. It returns when it has seen all, or ctx
// ends.
func Files(ctx context.Context, paths []string, found func(Finding)) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			found(Finding{Address: path, Err: err})
			continue
		}
		if !info.IsDir() {
			if !info.Mode().IsRegular() || readFile(path, found) == 0 {
				found(Finding{Address: path, Err: errors.New("no certificate in DER, PEM or PKCS #7")})
			}
			continue
		}
		if err := walk(ctx, path, found); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// walk looks into the files below a directory.
func walk(ctx context.Context, root string, found func(Finding)) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			found(Finding{Address: path, Err: err})
			return nil //nolint:nilerr // the finding has it
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() { // or a link to one
			readFile(path, found)
		}
		return nil
	})
}

// readFile reports what a regular file has and returns how often it has
// called found.
func readFile(path string, found func(Finding)) int {
	data, err := read(path)
	if err != nil {
		found(Finding{Address: path, Err: err})
		return 1
	}
	binary := slices.Contains(extensions, strings.ToLower(filepath.Ext(path)))
	if !binary && !bytes.Contains(data, []byte("-----BEGIN ")) {
		return 0
	}
	ders, err := bundle.Read(data)
	if err != nil {
		return 0 // some other file
	}
	all := chains(ders)
	for _, chain := range all {
		found(Finding{Address: path, Chain: chain})
	}
	return len(all)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names the files
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	return data, nil
}

// chains divides the certificates of a file: what is followed by its issuer is
// a chain with it, and a bundle of roots is as many chains.
func chains(ders [][]byte) (list [][][]byte) {
	var last *x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		follows := err == nil && last != nil && bytes.Equal(last.RawIssuer, c.RawSubject) && !bytes.Equal(last.RawIssuer, last.RawSubject)
		if follows {
			list[len(list)-1] = append(list[len(list)-1], der)
		} else {
			list = append(list, [][]byte{der})
		}
		last = c
	}
	return list
}
