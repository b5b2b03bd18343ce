package pki

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/status"
)

// Prefix is where the handler is mounted. The mount leaves paths as they are:
// an OCSP request in a path may have "//" in it, which is not to be cleaned.
const Prefix = "/pki/"

// Publisher is what is published. *status.Service is it.
type Publisher interface {
	PublicCRL(ctx context.Context, authority, shard string, delta bool) (*status.List, error)
	PublicCertificate(ctx context.Context, authority string) ([]byte, error)
	PublicChain(ctx context.Context, authority string) ([][]byte, error)
	PublicIssuers(ctx context.Context, authority string) ([][]byte, error)
	Respond(ctx context.Context, authority string, request []byte) *status.Answer
}

// Config says what the handler works with.
type Config struct {
	Status Publisher
	// Observe is told of every request, for metrics; nil for none. code is
	// "ok", the HTTP status, or the name of an OCSP failure.
	Observe func(ctx context.Context, api, operation, code string, elapsed time.Duration)
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// New returns the handler of everything under Prefix.
func New(c Config) http.Handler {
	if c.Observe == nil {
		c.Observe = func(context.Context, string, string, string, time.Duration) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &handler{c}
}

type handler struct{ Config }

// operation is what is done at one kind of address. get is nil for OCSP.
type operation struct {
	name string
	get  func(*handler, context.Context, string) (*document, error)
}

// operations is the table of addresses: what follows "/pki/" and an
// authority's id. Lists of shards and OCSP requests are beside it.
func operations() map[string]operation {
	return map[string]operation{
		".crl":         {"GetCRL", list("", false)},
		"/delta.crl":   {"GetDeltaCRL", list("", true)},
		".cer":         {"GetCertificate", (*handler).certificate},
		".pem":         {"GetChain", (*handler).chain},
		"/issuers.p7c": {"GetIssuers", (*handler).issuers},
	}
}

// idSize is the length of an authority's id.
const idSize = 36

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	path, _ := strings.CutPrefix(r.URL.Path, Prefix)
	id, rest := "", "/"+path
	if len(path) >= idSize && uuid.Validate(path[:idSize]) == nil {
		id, rest = path[:idSize], path[idSize:]
	}
	if query, ok := strings.CutPrefix(rest, "/ocsp"); ok && (query == "" || query[0] == '/') {
		code := h.ocsp(w, r, id, query)
		h.Observe(r.Context(), "pki", "OCSP", code, time.Since(start))
		return
	}
	name, code := h.document(w, r, id, rest)
	text := "ok"
	if code >= http.StatusBadRequest {
		text = strconv.Itoa(code)
		refuse(w, code)
	}
	h.Observe(r.Context(), "pki", name, text, time.Since(start))
}

// document answers with a file, and returns the operation and the status. One
// of an error is not written yet.
func (h *handler) document(w http.ResponseWriter, r *http.Request, id, rest string) (name string, code int) {
	op, ok := operations()[rest]
	if shard, isList := strings.CutPrefix(rest, "/"); !ok && isList {
		op, ok = shardList(shard)
	}
	if !ok || id == "" {
		return "Unknown", http.StatusNotFound
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return op.name, http.StatusMethodNotAllowed
	}
	d, err := op.get(h, r.Context(), id)
	if err != nil {
		return op.name, h.status(r.Context(), err)
	}
	d.serve(w, r)
	return op.name, http.StatusOK
}

// maxShard is the longest name of a shard, which is a number.
const maxShard = 9

// shardList returns the operation for a shard's list, named as ca.ListFile
// does.
func shardList(file string) (operation, bool) {
	name, ok := strings.CutSuffix(file, ".crl")
	shard, delta := strings.CutSuffix(name, "-delta")
	if !ok || shard == "" || len(shard) > maxShard || strings.Trim(shard, "0123456789") != "" {
		return operation{}, false
	}
	if delta {
		return operation{"GetDeltaCRL", list(shard, true)}, true
	}
	return operation{"GetCRL", list(shard, false)}, true
}

// refuse answers with a status and nothing more.
func refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Cache-Control", "no-store")
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "60")
	}
	http.Error(w, http.StatusText(code), code)
}

// status returns the HTTP status of an error. There is no more to it: who
// fetches a CRL is a program.
func (h *handler) status(ctx context.Context, err error) int {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Unavailable, fault.WrongState, fault.LimitExceeded, fault.Conflict:
		return http.StatusServiceUnavailable
	case fault.InvalidArgument, fault.Unauthenticated, fault.PermissionDenied, fault.AlreadyExists,
		fault.Unsupported, fault.BadCiphertext, fault.BadSignature, fault.Internal:
	}
	slog.ErrorContext(ctx, "publishing failed", slog.Any("cause", err))
	return http.StatusInternalServerError
}
