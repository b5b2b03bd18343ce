// Package azurekvtest has a server of the documented API of Azure Key Vault and
// Managed HSM, with real cryptography and keys in memory: for the tests of the
// engine, and of what is built on it.
//
// Start with Start or StartManagedHSM. Requests need a token of the server's own
// authority, which it names in the documented challenge; it serves client
// secrets, client certificates, federated tokens and managed identity.
//
// What the real service does later (deleting, recovering) happens here after a
// look or two, so that clients have to wait. RSA keys that were purged are given
// out again, for making them takes long: keys are different from one another as
// long as they are there.
package azurekvtest

import (
	"crypto/rsa"
	"crypto/x509"
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
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// What the server knows of its clients.
const (
	Tenant       = "8f6f2c5e-0000-4000-8000-00000000a0a0"
	Client       = "2b1d7c44-0000-4000-8000-00000000c11e"
	ClientSecret = "the client's secret, known to the test server"
	// FederatedToken is what a workload identity shows.
	FederatedToken = "the.federated.token"
	// IdentityHeader is what a managed identity's requests must have.
	IdentityHeader = "the identity header"
)

// Server is a vault or a Managed HSM, and the authority that gives tokens for
// it.
type Server struct {
	remotetest.Faulty
	http    *httptest.Server
	managed bool

	mu      sync.Mutex
	objects map[string]*object      // guarded by mu: by the name in lower case
	tokens  map[string]time.Time    // guarded by mu: until when each is good
	life    time.Duration           // guarded by mu: of the tokens
	client  *x509.Certificate       // guarded by mu: the client's
	certs   map[string]*certificate // guarded by mu: by the name in lower case
	purged  []*rsa.PrivateKey       // guarded by mu: what newRSA gives out again
	confuse int                     // guarded by mu: how many answers are to name another key
	grants  int                     // guarded by mu: how many tokens were given
}

var _ remotetest.Service = (*Server)(nil)

// Start starts a vault of the Premium tier, until the test ends.
func Start(tb testing.TB) *Server { return start(tb, false) }

// StartManagedHSM starts a Managed HSM, until the test ends.
func StartManagedHSM(tb testing.TB) *Server { return start(tb, true) }

func start(tb testing.TB, managed bool) *Server {
	tb.Helper()
	s := &Server{managed: managed, objects: map[string]*object{}, tokens: map[string]time.Time{}, certs: map[string]*certificate{}, life: time.Hour}
	s.Next = http.HandlerFunc(s.vault)
	s.Answer = s.misbehave
	s.Count = s.count
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discover)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	mux.HandleFunc("GET /msi/token", s.managedIdentity)
	mux.Handle("/", &s.Faulty)
	s.http = httptest.NewUnstartedServer(mux)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.StartTLS()
	tb.Cleanup(s.http.Close)
	return s
}

// URL returns the vault's, such as https://127.0.0.1:41234.
func (s *Server) URL() string { return s.http.URL }

// Authority returns the URL of the authority.
func (s *Server) Authority() string { return s.http.URL }

// IdentityEndpoint returns the URL where managed identities get tokens, for
// the environment's IDENTITY_ENDPOINT.
func (s *Server) IdentityEndpoint() string { return s.http.URL + "/msi/token" }

// ManagedHSM reports whether the server is a Managed HSM.
func (s *Server) ManagedHSM() bool { return s.managed }

// CA returns what the server's certificate chains to.
func (s *Server) CA() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.http.Certificate())
	return pool
}

// CAPEM returns the same as PEM.
func (s *Server) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Confuse has the next n answers about a key name another key.
func (s *Server) Confuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confuse = n
}

// count returns how many keys there are that are not deleted.
func (s *Server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.objects {
		if o.deleted.IsZero() {
			n += len(o.versions)
		}
	}
	return n
}

// misbehave answers as the service does when it cannot, or will not.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, f remotetest.Fault) {
	switch f {
	case remotetest.Throttle:
		fail(w, http.StatusTooManyRequests, azure.Throttled, "", "Request was not processed because too many requests were received.")
	case remotetest.Expire:
		s.challenge(w, r, "invalid_token", "AKV10022: Invalid audience or expired token.")
	default:
		fail(w, http.StatusInternalServerError, azure.InternalServerError, "", "An unexpected error occurred.")
	}
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, code, inner azure.ErrorCode, message string) {
	answer(w, status, azure.Error{Code: code, Inner: inner, Message: message})
}

// answer answers with JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Ms-Request-Id", "00000000-0000-4000-8000-000000000001")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// read reads a request's JSON into v, or answers that it is none.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(v); err != nil {
		fail(w, http.StatusBadRequest, azure.BadParameter, "", "The request body is not valid JSON: "+err.Error())
		return false
	}
	return true
}

// vault answers requests to the vault.
func (s *Server) vault(w http.ResponseWriter, r *http.Request) {
	if !s.authenticate(w, r) {
		return
	}
	if r.URL.Query().Get("api-version") == "" {
		fail(w, http.StatusBadRequest, azure.BadParameter, "", "api-version must be specified")
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case path[0] == "rng" && s.managed && r.Method == http.MethodPost && len(path) == 1:
		s.random(w, r)
	case path[0] == "keys":
		s.keys(w, r, path[1:])
	case path[0] == "deletedkeys" && len(path) >= 2:
		s.deletedKeys(w, r, path[1], path[2:])
	case path[0] == "certificates" && !s.managed && len(path) >= 2 && r.Method == http.MethodGet:
		s.getCertificate(w, r, path[1])
	default:
		notAllowed(w)
	}
}

func notAllowed(w http.ResponseWriter) {
	fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "", "The method or path is not one of this server's.")
}
