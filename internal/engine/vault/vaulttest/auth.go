package vaulttest

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// token is what somebody logged in with.
type token struct {
	namespace string
	policies  []string
	// ends is when the lease does, and last when it does at the latest; zero for
	// never.
	ends, last time.Time
	ttl        time.Duration
	renewable  bool
}

// live returns the token of a request, or nil.
func (s *Server) live(r *request) *token {
	t := s.tokens[r.header]
	switch {
	case t == nil:
		return nil
	case !t.ends.IsZero() && !time.Now().Before(t.ends):
		delete(s.tokens, r.header)
		return nil
	case r.namespace != t.namespace && t.namespace != "" && !strings.HasPrefix(r.namespace, t.namespace+"/"):
		return nil
	}
	return t
}

// allowed refuses what the token of a request may not do.
func (s *Server) allowed(r *request) *wire.Error {
	t := s.live(r)
	switch {
	case t == nil && s.flavour.silent: // before 1.10 the second text was not there
		return wire.Framed(http.StatusForbidden, wire.TextDenied)
	case t == nil:
		return wire.Framed(http.StatusForbidden, wire.TextDenied, wire.TextInvalidToken)
	case !slices.Contains(t.policies, "root") && !slices.Contains(t.policies, "transit"):
		return wire.Framed(http.StatusForbidden, wire.TextDenied)
	}
	return nil
}

// Token makes a token with a lease, 0 for none, and policies: "transit" for all
// of Transit.
func (s *Server) Token(namespace string, ttl time.Duration, policies ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.login(namespace, ttl, policies).ClientToken)
}

// Revoke ends all tokens but Root.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.tokens {
		if name != s.Root {
			delete(s.tokens, name)
		}
	}
}

// Logins returns how many logins there were, and Tokens how many tokens are
// live, without Root.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Tokens returns how many tokens have not ended, without Root.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for name, t := range s.tokens {
		if name != s.Root && (t.ends.IsZero() || time.Now().Before(t.ends)) {
			n++
		}
	}
	return n
}

// login makes a token.
func (s *Server) login(namespace string, ttl time.Duration, policies []string) *wire.Auth {
	name := "hvs." + random()
	t := &token{namespace: namespace, policies: policies, ttl: ttl}
	if ttl > 0 {
		now := time.Now()
		t.ends, t.last, t.renewable = now.Add(min(ttl, s.flavour.max)), now.Add(s.flavour.max), true
	}
	s.tokens[name] = t
	return t.auth(name)
}

func (t *token) auth(name string) *wire.Auth {
	return &wire.Auth{
		ClientToken: wire.Token(name), Policies: append([]string{"default"}, t.policies...), Accessor: random(), LeaseDuration: t.left(), Renewable: t.renewable,
		TokenType: "service",
	}
}

// left returns how many seconds the lease lasts, rounded up.
func (t *token) left() int {
	if t.ends.IsZero() {
		return 0
	}
	return int((time.Until(t.ends) + time.Second - 1) / time.Second)
}

// auth answers what is about tokens.
func (s *Server) auth(r *request, path []string) (*result, *wire.Error) {
	switch strings.Join(path, "/") {
	case "approle/login":
		return s.approle(r)
	case "kubernetes/login":
		return s.kubernetes(r)
	case "token/lookup-self", "token/renew-self", "token/revoke-self":
	default:
		return nil, noRoute(r)
	}
	t := s.live(r)
	if t == nil {
		return nil, wire.Framed(http.StatusForbidden, wire.TextDenied)
	}
	switch path[1] {
	case "lookup-self":
		return &result{data: map[string]any{
			"id": r.header, "policies": t.policies, "ttl": t.left(), "renewable": t.renewable, "creation_ttl": int(t.ttl / time.Second),
		}}, nil
	case "renew-self":
		if !t.renewable {
			return nil, bad("lease is not renewable")
		}
		if t.ends = time.Now().Add(t.ttl); t.ends.After(t.last) {
			t.ends = t.last
		}
		return &result{auth: t.auth(r.header)}, nil
	}
	delete(s.tokens, r.header)
	return nil, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *Server) approle(r *request) (*result, *wire.Error) {
	var in struct {
		RoleID   string `json:"role_id"`
		SecretID string `json:"secret_id"`
	}
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	if !same(in.RoleID, s.RoleID) || !same(in.SecretID, s.SecretID) {
		return nil, bad("invalid role or secret ID")
	}
	s.logins++
	return &result{auth: s.login(r.namespace, s.flavour.ttl, []string{"transit"})}, nil
}

func (s *Server) kubernetes(r *request) (*result, *wire.Error) {
	var in struct {
		Role string `json:"role"`
		JWT  string `json:"jwt"`
	}
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	if !same(in.Role, s.Role) {
		return nil, bad("invalid role name %q", in.Role)
	}
	if !same(in.JWT, s.JWT) {
		return nil, wire.Framed(http.StatusForbidden, wire.TextDenied)
	}
	s.logins++
	return &result{auth: s.login(r.namespace, s.flavour.ttl, []string{"transit"})}, nil
}
