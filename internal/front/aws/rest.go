package aws

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Route is where a REST API has an operation. The parts of the path that stand
// in braces are names of its parameters. It is an alias: go vet wants the names
// of an imported type's fields in every row.
type Route = struct{ Method, Path, Operation string }

// REST is what a request to a REST API, and its answer, have beside bodies.
type REST struct {
	Query  url.Values
	Header http.Header
	// Status is the answer's, 0 for 200, Answer are headers of it, and Body is
	// the answer where it is not the exchange's Out.
	Status int
	Answer http.Header
	Body   []byte

	service *service
	named   string
	path    map[string]string
}

// Path returns a parameter of the path, unescaped.
func (r *REST) Path(name string) string { return r.path[name] }

// restOf returns the REST operation that a request's method and path name, nil
// for the requests of the other protocols.
func (h *Handler) restOf(r *http.Request) *REST {
	if len(r.URL.Path) < 2 { // the others have no path
		return nil
	}
	parts := strings.Split(r.URL.EscapedPath(), "/")
	for i := range h.services {
		s := &h.services[i]
		for _, route := range s.REST {
			if route.Method != r.Method {
				continue
			}
			if path, ok := matchPath(strings.Split(route.Path, "/"), parts); ok {
				return &REST{
					Query: r.URL.Query(), Header: r.Header, Answer: http.Header{}, service: s, named: route.Operation, path: path,
				}
			}
		}
	}
	return nil
}

// matchPath returns the parameters of a path in parts that is of a pattern.
func matchPath(pattern, parts []string) (map[string]string, bool) {
	if len(pattern) != len(parts) && (len(parts) != len(pattern)+1 || parts[len(pattern)] != "") {
		return nil, false
	}
	path := map[string]string{}
	for i, want := range pattern {
		if !strings.HasPrefix(want, "{") {
			if want != parts[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(parts[i])
		if err != nil || value == "" {
			return nil, false
		}
		path[strings.Trim(want, "{}")] = value
	}
	return path, true
}

// restTypes is the value of Content-Type of a REST API's answers.
var restTypes = []string{"application/json"}

// answer writes what a REST API answers; f is nil for a success.
func (r *REST) answer(w http.ResponseWriter, x *Exchange, f *Failure) {
	head, status, body := w.Header(), cmp.Or(r.Status, http.StatusOK), r.Body
	switch {
	case f != nil:
		head["X-Amzn-Errortype"] = []string{f.Code}
		status, body = f.Status, f.encodeREST(x)
		x.buffers.out = body
	case body == nil && !x.Out.Empty():
		body = x.Out.Bytes()
		x.buffers.out = body
	}
	head["X-Amzn-Requestid"] = []string{x.Call.RequestID}
	if f == nil {
		maps.Copy(head, r.Answer)
	}
	if status != http.StatusNoContent {
		head["Content-Type"] = restTypes
		head["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away misses its answer
}

// encodeREST returns the body of a failure.
func (f *Failure) encodeREST(x *Exchange) []byte {
	side := "User"
	if f.Status >= http.StatusInternalServerError {
		side = "Service"
	}
	x.Out.Reset(x.buffers.out)
	x.Out.Text("Type", side)
	if f.Message != "" {
		x.Out.Text("Message", f.Message)
	}
	return x.Out.Bytes()
}
