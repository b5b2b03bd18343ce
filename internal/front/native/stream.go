package native

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// stall is how long a caller may take for a part of a body that streams. The
// whole may take as long as it takes.
const stall = time.Minute

// Streamed makes an endpoint of a handler that writes its body as it comes.
// media names the body's type, unless it is the usual one.
func Streamed(
	usual string, do func(ctx context.Context, r *Request, w io.Writer, media func(string)) error,
) Endpoint {
	return Endpoint{
		Request: reflect.TypeFor[wire.None](), Response: reflect.TypeFor[[]byte](), Media: usual,
		stream: func(ctx context.Context, r *Request, w *outgoing) error {
			w.media = usual
			return do(ctx, r, w, func(media string) { w.media = media })
		},
	}
}

// outgoing is the body of a response that streams. Its headers go out with the
// first byte.
type outgoing struct {
	to    http.ResponseWriter
	media string
	begun bool
}

// Write writes a part of the body.
func (b *outgoing) Write(p []byte) (int, error) {
	b.begin()
	// A server's own deadline is for bodies that are ready. One that cannot be
	// moved (a test's recorder) is none.
	_ = http.NewResponseController(b.to).SetWriteDeadline(time.Now().Add(stall))
	return b.to.Write(p)
}

func (b *outgoing) begin() {
	if !b.begun {
		b.begun = true
		b.to.Header().Set("Content-Type", b.media)
	}
}

// serveStream runs an operation whose body streams. What fails after the
// first byte breaks the connection: a body that is cut off must not pass for
// a whole one.
func (f *Front) serveStream(w http.ResponseWriter, r *Request, op *Operation) {
	ctx := r.HTTP.Context()
	setHeaders(w, r.Call)
	out := &outgoing{to: w}
	err := f.admit(r, op)
	if err == nil {
		err = op.stream(ctx, r, out)
	}
	switch {
	case err == nil:
		out.begin()
		f.config.Observe(ctx, API, op.Name, "ok", time.Since(r.Call.Time))
	case out.begun:
		_ = f.failed(ctx, r.Call, op, err)
		panic(http.ErrAbortHandler)
	default:
		WriteProblem(w, r.Call.RequestID, f.failed(ctx, r.Call, op, err))
	}
}
