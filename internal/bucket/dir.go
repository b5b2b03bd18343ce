package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Dir is a directory with a directory for each bucket, which is made when a
// first file is put into it. Everything in it is the server's alone (modes
// 0700 and 0600). Whatever links somebody puts there, nothing is written
// outside.
type Dir struct{ root *os.Root }

// OpenDir opens a directory of buckets, and makes it when it is missing.
func OpenDir(name string) (*Dir, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of buckets: %w", err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of buckets: %w", err)
	}
	return &Dir{root}, nil
}

// Close ends the use of the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Put implements inventory.Sink. The content type is not kept: the name's end
// tells it.
func (d *Dir) Put(ctx context.Context, bucket, name, _ string, content io.Reader) (err error) {
	if err := check(bucket, name); err != nil {
		return err
	}
	target := path.Join(bucket, name)
	folder := path.Dir(target)
	if err := d.makeFolders(folder); err != nil {
		return d.failed("making a folder", err)
	}
	partial := path.Join(folder, ".partial-"+rand.Text())
	f, err := d.root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return d.failed("making a file", err)
	}
	defer func() {
		if err != nil {
			_ = d.root.Remove(partial) // err is the one to tell
		}
	}()
	if _, err := io.Copy(f, &reader{ctx, content}); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return d.failed("writing a file", err)
	}
	if err := d.root.Rename(partial, target); err != nil {
		return d.failed("naming a file", err)
	}
	return d.sync(folder)
}

// makeFolders makes a folder and those above it, durably.
func (d *Dir) makeFolders(folder string) error {
	if info, err := d.root.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	above := path.Dir(folder)
	if above != "." {
		if err := d.makeFolders(above); err != nil {
			return err
		}
	}
	if err := d.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(above)
}

// sync makes the names in a folder durable.
func (d *Dir) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// failed is the error of what the disk does not do. Whoever asked for a file
// learns that it is not there, and the log why.
func (d *Dir) failed(doing string, err error) error {
	return &fault.Error{
		Kind: fault.Unavailable, Op: "bucket.Put", Public: "the bucket cannot be written at the moment",
		Err: fmt.Errorf("%s in %s: %w", doing, d.root.Name(), err),
	}
}

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call
	io.Reader
}

// Read reads unless the context has ended.
func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
