// Package vaulttest is a key service for tests: a server with the HTTP API of
// OpenBao's and HashiCorp Vault's Transit secrets engine, tokens whose leases
// end, the auth methods approle and kubernetes, and namespaces, built from the
// documented requests, answers and error texts, with real cryptography. Keys
// are in memory. It misbehaves to order, as remotetest says.
//
// Start with Start. What neither product's clients need here (batches, derived
// and convergent keys, policies beyond "all" and "nothing") is not there and is
// refused.
package vaulttest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Mount is where the Transit engine is, in every namespace.
const Mount = "transit"

// Server is a key service. Its fields may be read only.
type Server struct {
	// Address is the URL, and CA the certificates in PEM that its own is checked
	// against; nil without TLS.
	Address string
	CA      []byte
	// Root is a token that may do all and does not end.
	Root string
	// RoleID and SecretID log in by approle.
	RoleID, SecretID string
	// Role and JWT log in by kubernetes.
	Role, JWT string

	remotetest.Faulty
	flavour flavour

	mu     sync.Mutex
	tokens map[string]*token          // guarded by mu
	keys   map[string]map[string]*key // guarded by mu: by namespace and name
	wrap   map[string]*key            // guarded by mu: each namespace's wrapping key
	logins int                        // guarded by mu
}

// flavour is what a server is told to be.
type flavour struct {
	hashicorp  bool
	plain      bool
	silent     bool
	ttl, max   time.Duration
	namespaces []string
	rsa        RSA
}

// Option changes a server.
type Option func(*flavour)

// HashiCorp has the server be Vault, which has no soft deletion.
func HashiCorp() Option { return func(f *flavour) { f.hashicorp = true } }

// Plain has the server speak HTTP without TLS.
func Plain() Option { return func(f *flavour) { f.plain = true } }

// Silent has making a key answer nothing, as Vault before 1.14 did.
func Silent() Option { return func(f *flavour) { f.silent = true } }

// Leases sets how long a token of a login lasts, and how long when it is
// renewed. Default: an hour, and a day.
func Leases(ttl, longest time.Duration) Option {
	return func(f *flavour) { f.ttl, f.max = ttl, longest }
}

// Namespaces makes namespaces, such as "team-a".
func Namespaces(names ...string) Option { return func(f *flavour) { f.namespaces = names } }

// Start returns a server that serves until the test ends.
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	s := New(options...)
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not like the certificate
	if s.flavour.plain {
		srv.Start()
	} else {
		srv.StartTLS()
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	}
	tb.Cleanup(srv.Close)
	s.Address = srv.URL
	return s
}

// New returns a server that listens nowhere: it is an http.Handler.
func New(options ...Option) *Server {
	s := &Server{
		Address: "http://vault.test", Root: "hvs." + random(), RoleID: random(), SecretID: random(), Role: "holdfast", JWT: random(),
		flavour: flavour{ttl: time.Hour, max: 24 * time.Hour, rsa: makeRSA}, tokens: map[string]*token{}, keys: map[string]map[string]*key{}, wrap: map[string]*key{},
	}
	for _, o := range options {
		o(&s.flavour)
	}
	for _, ns := range append([]string{""}, s.flavour.namespaces...) {
		s.keys[ns] = map[string]*key{}
	}
	s.tokens[s.Root] = &token{policies: []string{"root"}}
	s.Faulty = remotetest.Faulty{Next: http.HandlerFunc(s.serve), Answer: s.misbehave, Spares: spared, Count: s.count}
	return s
}

func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// spared reports which requests suffer nothing: those for tokens.
func spared(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/auth/") }

// count returns how many keys there are.
func (s *Server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, keys := range s.keys {
		n += len(keys)
	}
	return n
}

// misbehave answers as documented for a fault. A credential that expires does
// so for good.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, f remotetest.Fault) {
	switch f {
	case remotetest.Throttle:
		answer(w, wire.Framed(http.StatusTooManyRequests, `request path "`+strings.TrimPrefix(r.URL.Path, "/v1/")+`": `+wire.TextQuota))
	case remotetest.Expire:
		s.mu.Lock()
		delete(s.tokens, r.Header.Get("X-Vault-Token"))
		s.mu.Unlock()
		answer(w, wire.Framed(http.StatusForbidden, wire.TextDenied, wire.TextInvalidToken))
	default:
		answer(w, wire.Framed(http.StatusInternalServerError, "internal error"))
	}
}

func answer(w http.ResponseWriter, e *wire.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Marshal()) //nolint:gosec // JSON, and said to be
}

// request is one that is being answered.
type request struct {
	method    string
	namespace string
	header    string // the token
	path      []string
	list      bool
	after     string
	limit     int
	body      []byte
}

// decode reads the body, which may be empty.
func (r *request) decode(v any) *wire.Error {
	if len(r.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return wire.Errorf(http.StatusBadRequest, "error parsing JSON")
	}
	return nil
}

// result is what a request answers.
type result struct {
	data     any
	auth     *wire.Auth
	warnings []string
}

// maxBody is Vault's default bound of a request.
const maxBody = 32 << 20

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || !ok {
		answer(w, &wire.Error{Status: http.StatusNotFound})
		return
	}
	q := r.URL.Query()
	req := &request{
		method: r.Method, namespace: strings.Trim(r.Header.Get("X-Vault-Namespace"), "/"), header: r.Header.Get("X-Vault-Token"),
		path: strings.Split(strings.Trim(path, "/"), "/"), list: r.Method == "LIST" || r.Method == http.MethodGet && q.Get("list") == "true",
		after: q.Get("after"), limit: number(q.Get("limit")), body: body,
	}
	if req.method == http.MethodPut { // the same as POST
		req.method = http.MethodPost
	}
	s.mu.Lock()
	out, refusal := s.route(req)
	s.mu.Unlock()
	switch {
	case refusal != nil:
		answer(w, refusal)
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(wire.Response[any]{RequestID: random(), Data: &out.data, Auth: out.auth, Warnings: out.warnings})
	}
}

func number(text string) int {
	n, err := wire.ParseVersion(text)
	if err != nil {
		return 0
	}
	return n
}

// route finds what answers. It is called with mu held.
func (s *Server) route(r *request) (*result, *wire.Error) {
	if _, ok := s.keys[r.namespace]; !ok {
		return nil, noRoute(r)
	}
	head, rest := r.path[0], r.path[1:]
	switch head {
	case "auth":
		return s.auth(r, rest)
	case "sys":
		if len(rest) == 1 && rest[0] == "health" {
			return &result{data: map[string]any{"initialized": true, "sealed": false, "standby": false}}, nil
		}
	case Mount:
		if refusal := s.allowed(r); refusal != nil {
			return nil, refusal
		}
		return s.transit(r, rest)
	}
	return nil, noRoute(r)
}

func noRoute(r *request) *wire.Error {
	return wire.Errorf(http.StatusNotFound, "%s %q. route entry not found.", wire.TextNoRoute, strings.Join(r.path, "/"))
}

func noPath() *wire.Error { return wire.Framed(http.StatusNotFound, wire.TextNoPath) }

func noOperation() *wire.Error { return wire.Framed(http.StatusMethodNotAllowed, wire.TextNoOperation) }

func bad(format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, format, args...)
}
