package sink

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/courier"
)

// tooLarge is the answer after which a batch comes in parts.
const tooLarge = http.StatusRequestEntityTooLarge

// Header fields of a request, beside those of its signature: the log's id, and
// the first and the last position of the batch.
const (
	HeaderLog   = "Holdfast-Log"
	HeaderFirst = "Holdfast-First"
	HeaderLast  = "Holdfast-Last"
)

// HTTPOptions say where batches are posted, and how. All but Authorization are
// needed.
type HTTPOptions struct {
	Poster *courier.HTTP
	// Host is what may be shown of the address, URL the address itself, which
	// may be a secret.
	Host string
	URL  func() (string, error)
	// Signer signs the requests.
	Signer func() (*courier.Signer, error)
	// Authorization is the value of that header field, nil for none.
	Authorization func() (string, error)
	Format        auditformat.Format
	Encoder       *auditformat.Encoder
	// Log is the log's id.
	Log string
	// Plain leaves the body as it is. Default: gzip.
	Plain bool
	// Now is the clock of the signatures, time.Now when nil.
	Now func() time.Time
}

// HTTP posts batches, signed as webhooks are (package courier). A batch has the
// same id whenever it comes. Any answer of 2xx says that the receiver has it.
type HTTP struct{ o HTTPOptions }

// NewHTTP returns a receiver.
func NewHTTP(o HTTPOptions) *HTTP {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &HTTP{o}
}

// About implements Receiver.
func (h *HTTP) About() About {
	return About{Kind: "http", Target: h.o.Host, Format: h.o.Format.String(), Exact: true}
}

// Close implements Receiver.
func (h *HTTP) Close() error { return h.o.Poster.Close() }

// Deliver implements Receiver.
func (h *HTTP) Deliver(ctx context.Context, b *Batch) error {
	var body bytes.Buffer
	if err := encode(&body, b, h.o.Format, h.o.Encoder, !h.o.Plain); err != nil {
		return err
	}
	if body.Len() > courier.MaxBody {
		return &courier.Failure{Status: tooLarge, Permanent: true, Err: fmt.Errorf("a body of %d bytes", body.Len())}
	}
	address, err := h.o.URL()
	if err != nil {
		return err
	}
	signer, err := h.o.Signer()
	if err != nil {
		return err
	}
	first, last := fmt.Sprint(b.First()), fmt.Sprint(b.Last())
	header := signer.Sign(h.o.Log+"-"+first+"-"+last, h.o.Now(), body.Bytes())
	header.Set("Content-Type", h.o.Format.ContentType())
	if !h.o.Plain {
		header.Set("Content-Encoding", "gzip")
	}
	header.Set(HeaderLog, h.o.Log)
	header.Set(HeaderFirst, first)
	header.Set(HeaderLast, last)
	if h.o.Authorization != nil {
		value, err := h.o.Authorization()
		if err != nil {
			return err
		}
		header.Set("Authorization", value)
	}
	return h.o.Poster.Post(ctx, address, header, body.Bytes())
}

// encode writes a batch as a file, the same each time.
func encode(to *bytes.Buffer, b *Batch, f auditformat.Format, x *auditformat.Encoder, compressed bool) error {
	w := auditformat.NewWriter(to, f, x, compressed)
	for _, r := range b.Records {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	return w.Close()
}
