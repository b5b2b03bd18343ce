package pki

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ocsp"
	"github.com/holdfast-kms/holdfast/internal/status"
)

// maxAnswerAge bounds the age of an OCSP answer in a cache. RFC 5019 section
// 6.2 lets caches keep one until its nextUpdate; then a revocation would be
// seen hours later behind a cache, and at once without one.
const maxAnswerAge = 5 * time.Minute

// ocsp answers an OCSP request to the authority with the id, or to all for "".
// query is what follows in the path: "", or "/" and the request. It returns
// the code for the metrics.
func (h *handler) ocsp(w http.ResponseWriter, r *http.Request, id, query string) (code string) {
	var request []byte
	failed := 0
	switch {
	case r.Method == http.MethodPost && query == "":
		request, failed = posted(w, r)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(query) > 1:
		request = inPath(query)
	case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPost:
		failed = http.StatusNotFound
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		failed = http.StatusMethodNotAllowed
	}
	if failed != 0 {
		refuse(w, failed)
		return strconv.Itoa(failed)
	}
	a := h.Status.Respond(r.Context(), id, request)
	h.respond(w, r, a)
	if a.Failure != 0 {
		return a.Failure.String()
	}
	return "ok"
}

// posted returns the request in a body, or the status to refuse it with.
func posted(w http.ResponseWriter, r *http.Request) (request []byte, failed int) {
	kind := r.Header.Get("Content-Type")
	if kind != ocsp.TypeRequest {
		if kind, _, _ = mime.ParseMediaType(kind); kind != ocsp.TypeRequest {
			return nil, http.StatusUnsupportedMediaType
		}
	}
	if r.ContentLength > ocsp.MaxRequest {
		return nil, http.StatusRequestEntityTooLarge
	}
	body := http.MaxBytesReader(w, r.Body, ocsp.MaxRequest)
	var err error
	if n := r.ContentLength; n >= 0 {
		request = make([]byte, n)
		_, err = io.ReadFull(body, request)
	} else {
		request, err = io.ReadAll(body)
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return request, 0
}

// inPath returns the request in a path, in base64 (RFC 5019 section 5), or
// nil. The path is decoded already, "%2F" like "/". Clients put one slash too
// many before it, and leave its padding off; a "+" comes as a space from who
// takes a path for a query.
func inPath(query string) []byte {
	text := strings.TrimRight(strings.TrimLeft(query, "/"), "=")
	if len(text) > base64.RawStdEncoding.EncodedLen(ocsp.MaxRequest) {
		return nil
	}
	request, err := base64.RawStdEncoding.DecodeString(strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		return nil // which is no request either
	}
	return request
}

// respond writes an answer. A failure is an answer as well: it has the status
// 200 (RFC 6960 appendix A.2).
func (h *handler) respond(w http.ResponseWriter, r *http.Request, a *status.Answer) {
	head := w.Header()
	head["Content-Type"] = []string{ocsp.TypeResponse}
	head["Content-Length"] = []string{strconv.Itoa(len(a.DER))}
	if r.Method == http.MethodPost || a.NextUpdate.IsZero() {
		head["Cache-Control"] = []string{"no-store"}
		_, _ = w.Write(a.DER) //nolint:gosec // DER of a media type of its own; the client is gone if this fails
		return
	}
	now := h.Now()
	age := max(0, min(maxAnswerAge, a.NextUpdate.Sub(now)))
	head.Set("ETag", `"`+a.Tag+`"`)
	head.Set("Last-Modified", a.ThisUpdate.UTC().Format(http.TimeFormat))
	head.Set("Expires", now.Add(age).UTC().Format(http.TimeFormat))
	head.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age.Seconds()))+", no-transform, must-revalidate")
	if matches(r.Header.Get("If-None-Match"), head.Get("ETag")) {
		head.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write(a.DER) //nolint:gosec // as above
	}
}

// matches reports whether one of the tags that a client has is the tag (RFC
// 9110 section 13.1.2).
func matches(have, tag string) bool {
	for one := range strings.SplitSeq(have, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}
