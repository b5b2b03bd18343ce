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

// streamed makes an endpoint of a handler that writes its body as it comes.
// media names the body's type, unless it is the usual one.
func streamed(
	usual string, do func(f *Front, ctx context.Context, r *request, w io.Writer, media func(string)) error,
) endpoint {
	return endpoint{
		request: reflect.TypeFor[wire.None](), response: reflect.TypeFor[[]byte](), media: usual,
		stream: func(ctx context.Context, f *Front, r *request, w *outgoing) error {
			w.media = usual
			return do(f, ctx, r, w, func(media string) { w.media = media })
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
func (f *Front) serveStream(w http.ResponseWriter, r *request, op *operation) {
	ctx := r.http.Context()
	setHeaders(w, r.call)
	out := &outgoing{to: w}
	err := f.admit(r, op)
	if err == nil {
		err = op.stream(ctx, f, r, out)
	}
	switch {
	case err == nil:
		out.begin()
		f.Observe(API, op.name, "ok", time.Since(r.call.Time))
	case out.begun:
		_ = f.failed(ctx, r.call, op, err)
		panic(http.ErrAbortHandler)
	default:
		writeProblem(w, r.call.RequestID, f.failed(ctx, r.call, op, err))
	}
}
