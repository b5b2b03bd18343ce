package auditformat

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"iter"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// Writer writes a file of entries: of CloudTrail's records the form of its
// files, {"Records":[…]}; of all other formats one entry a line.
type Writer struct {
	format  Format
	encoder *Encoder
	to      io.Writer
	zip     *gzip.Writer // nil for plain text
	room    []byte
	count   int
}

// NewWriter returns a writer that has yet to write anything. With compressed,
// the file is in gzip.
func NewWriter(w io.Writer, f Format, x *Encoder, compressed bool) *Writer {
	out := &Writer{format: f, encoder: x, to: w}
	if compressed {
		out.zip = gzip.NewWriter(w)
		out.to = out.zip
	}
	return out
}

// Count is how many entries were written.
func (w *Writer) Count() int { return w.count }

// Write adds an entry.
func (w *Writer) Write(r *audit.Record) error {
	b := w.room[:0]
	switch {
	case w.format == CloudTrail && w.count == 0:
		b = append(b, `{"Records":[`...)
	case w.format == CloudTrail:
		b = append(b, ',')
	}
	b = w.encoder.Append(w.format, b, r)
	if w.format != CloudTrail {
		b = append(b, '\n')
	}
	w.room = b
	w.count++
	_, err := w.to.Write(b)
	return err
}

// Close ends the file. It does not close what it was written to.
func (w *Writer) Close() error {
	var err error
	switch {
	case w.format == CloudTrail && w.count == 0:
		_, err = io.WriteString(w.to, `{"Records":[]}`)
	case w.format == CloudTrail:
		_, err = io.WriteString(w.to, "]}")
	}
	if w.zip != nil {
		err = errors.Join(err, w.zip.Close())
	}
	return err
}

// ContentType returns the media type of a file in the format.
func (f Format) ContentType() string {
	switch f {
	case CloudTrail:
		return "application/json"
	case CEF:
		return "text/plain; charset=utf-8"
	case JSONL, OCSF:
	}
	return "application/x-ndjson"
}

// Export writes a file of entries, as they come.
func Export(w io.Writer, all iter.Seq2[*audit.Record, error], f Format, x *Encoder) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	out := NewWriter(buffered, f, x, false)
	for r, err := range all {
		if err == nil {
			err = out.Write(r)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), buffered.Flush())
}
