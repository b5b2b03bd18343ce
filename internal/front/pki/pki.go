package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Prefix is where the handler is mounted.
const Prefix = "/pki/"

// How long caches may keep answers.
const (
	// maxCRLAge bounds the age of a CRL in a cache, so that a revocation is
	// seen within the hour however far its nextUpdate is.
	maxCRLAge = time.Hour
	// certificateAge is for certificates of authorities, which never change.
	certificateAge = 24 * time.Hour
)

// Publisher is what is published. *ca.Service is it.
type Publisher interface {
	PublicCRL(ctx context.Context, authority string) (*ca.CRL, error)
	PublicCertificate(ctx context.Context, authority string) ([]byte, error)
}

// Config says what the handler works with.
type Config struct {
	Authorities Publisher
	// Observe is told of every request, for metrics; nil for none. code is
	// "ok" or the HTTP status.
	Observe func(api, operation, code string, elapsed time.Duration)
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// New returns the handler of everything under Prefix.
func New(c Config) http.Handler {
	if c.Observe == nil {
		c.Observe = func(string, string, string, time.Duration) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &handler{c}
}

type handler struct{ Config }

// document is what an address stands for.
type document struct {
	der         []byte
	contentType string
	tag         string
	age         time.Duration
	modified    time.Time
}

// operation is what is done at one kind of address.
type operation struct {
	suffix, name string
	get          func(*handler, context.Context, string) (*document, error)
}

// operations is the table of addresses.
func operations() []operation {
	return []operation{
		{".crl", "GetCRL", (*handler).crl},
		{".cer", "GetCertificate", (*handler).certificate},
	}
}

// ServeHTTP answers GET and HEAD.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name, code := "Unknown", http.StatusNotFound
	defer func() {
		text := "ok"
		if code >= http.StatusBadRequest {
			text = strconv.Itoa(code)
		}
		h.Observe("pki", name, text, time.Since(start))
	}()
	file, _ := strings.CutPrefix(r.URL.Path, Prefix)
	for _, op := range operations() {
		id, ok := strings.CutSuffix(file, op.suffix)
		if !ok || uuid.Validate(id) != nil || len(id) != 36 {
			continue
		}
		name = op.name
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			code = http.StatusMethodNotAllowed
			w.Header().Set("Allow", "GET, HEAD")
			break
		}
		d, err := op.get(h, r.Context(), id)
		if err != nil {
			code = h.status(r.Context(), err)
			break
		}
		code = http.StatusOK
		d.serve(w, r)
		return
	}
	refuse(w, code)
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

// crl returns an authority's current CRL.
func (h *handler) crl(ctx context.Context, id string) (*document, error) {
	list, err := h.Authorities.PublicCRL(ctx, id)
	if err != nil {
		return nil, err
	}
	return &document{
		der: list.DER, contentType: "application/pkix-crl", tag: fmt.Sprintf("crl-%d", list.Number),
		age: max(0, min(maxCRLAge, list.NextUpdate.Sub(h.Now()))), modified: list.ThisUpdate,
	}, nil
}

// certificate returns an authority's own certificate.
func (h *handler) certificate(ctx context.Context, id string) (*document, error) {
	der, err := h.Authorities.PublicCertificate(ctx, id)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &document{
		der: der, contentType: "application/pkix-cert", tag: hex.EncodeToString(sum[:16]), age: certificateAge,
	}, nil
}

// serve writes the document; ServeContent sees to HEAD, to conditions (RFC
// 9110 section 13) and to ranges.
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", d.contentType)
	head.Set("ETag", `"`+d.tag+`"`)
	head.Set("Cache-Control", fmt.Sprintf("public, max-age=%d, must-revalidate", int(d.age.Seconds())))
	head.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", d.modified, bytes.NewReader(d.der))
}
