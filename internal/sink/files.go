package sink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/holdfast-kms/holdfast/internal/auditformat"
)

// Bucket is where files are put. *bucket.Dir and *bucket.S3 are it.
type Bucket interface {
	Put(ctx context.Context, bucket, name, contentType string, content io.Reader) error
	io.Closer
}

// FilesOptions say which bucket files go to. All but Prefix are needed.
type FilesOptions struct {
	To Bucket
	// Target is what is shown of the bucket.
	Target       string
	Name, Prefix string
	Format       auditformat.Format
	Encoder      *auditformat.Encoder
	// Log is the log's id.
	Log string
}

// Files puts batches into a bucket, each as a file in gzip:
//
//	PREFIX/LOG/YYYY/MM/DD/FIRST-LAST.jsonl.gz
//
// with the day of the first entry and the positions in 20 digits, so that names
// sort as the log does. A batch that comes again is the same file again.
type Files struct{ o FilesOptions }

// NewFiles returns a receiver, which closes its bucket.
func NewFiles(o FilesOptions) *Files { return &Files{o} }

// About implements Receiver.
func (f *Files) About() About {
	return About{Kind: "bucket", Target: f.o.Target, Format: f.o.Format.String(), Exact: true}
}

// Close implements Receiver.
func (f *Files) Close() error { return f.o.To.Close() }

// Deliver implements Receiver.
func (f *Files) Deliver(ctx context.Context, b *Batch) error {
	var body bytes.Buffer
	if err := encode(&body, b, f.o.Format, f.o.Encoder, true); err != nil {
		return err
	}
	return f.o.To.Put(ctx, f.o.Name, f.name(b), "application/gzip", &body)
}

func (f *Files) name(b *Batch) string {
	day := b.Records[0].Entry.Time.UTC().Format("2006/01/02")
	return path.Join(f.o.Prefix, f.o.Log, day, fmt.Sprintf("%020d-%020d.%s.gz", b.First(), b.Last(), extension(f.o.Format)))
}

// extension is the end of the name of a file in a format.
func extension(f auditformat.Format) string {
	switch f {
	case auditformat.CloudTrail:
		return "json"
	case auditformat.CEF:
		return "cef"
	case auditformat.JSONL, auditformat.OCSF:
	}
	return "jsonl"
}
