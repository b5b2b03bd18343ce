package azurekvtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// TrustCertificate has the authority take a client's assertions that verify by
// the certificate.
func (s *Server) TrustCertificate(c *x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = c
}

// SetTokenLife sets for how long the tokens are good that are given from now on.
// Default: an hour.
func (s *Server) SetTokenLife(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// ExpireTokens ends every token that was given.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Grants returns how many tokens were given.
func (s *Server) Grants() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants
}

// authenticate checks a request's token, or asks for one.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		s.challenge(w, r, "", "AKV10000: Request is missing a Bearer or PoP token.")
		return false
	}
	s.mu.Lock()
	until, known := s.tokens[token]
	s.mu.Unlock()
	if !known || time.Now().After(until) {
		s.challenge(w, r, "invalid_token", "AKV10022: Invalid audience or expired token.")
		return false
	}
	return true
}

// challenge says where tokens come from.
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, code, message string) {
	c := azure.Challenge{Authorization: s.Authority() + "/" + Tenant, Resource: azure.ResourceOf(r.Host), Error: code}
	w.Header().Set("WWW-Authenticate", c.String())
	fail(w, http.StatusUnauthorized, azure.Unauthorized, "", message)
}

// discover answers with the authority's metadata (OpenID Connect Discovery 1.0
// section 4).
func (s *Server) discover(w http.ResponseWriter, r *http.Request) {
	base := s.http.URL + "/" + r.PathValue("tenant")
	answer(w, http.StatusOK, map[string]string{
		"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
	})
}

// token gives a token for a client's credential (RFC 6749 section 4.4).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(code, text string) {
		answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": text})
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		refuse("unsupported_grant_type", "AADSTS70003: the grant type is not supported")
		return
	}
	if r.PathValue("tenant") != Tenant || r.PostForm.Get("client_id") != Client || !s.proves(r) {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client credential provided."})
		return
	}
	if r.PostForm.Get("scope") != azure.ResourceOf(r.Host)+"/.default" && !strings.Contains(r.PostForm.Get("scope"), azure.ResourceOf(r.Host)+"/.default ") {
		refuse("invalid_scope", "AADSTS70011: the scope is not of a vault here")
		return
	}
	token, life := s.grant()
	answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": token, "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds())})
}

// proves checks a client's secret or assertion.
func (s *Server) proves(r *http.Request) bool {
	if secret := r.PostForm.Get("client_secret"); secret != "" {
		return subtle.ConstantTimeCompare([]byte(secret), []byte(ClientSecret)) == 1
	}
	assertion := r.PostForm.Get("client_assertion")
	if r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return false
	}
	if assertion == FederatedToken {
		return true
	}
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	return c != nil && asserts(c, assertion, s.http.URL+"/"+Tenant+"/oauth2/v2.0/token")
}

// asserts checks an assertion (RFC 7523 section 3) by a certificate.
func asserts(c *x509.Certificate, assertion, audience string) bool {
	parts := strings.Split(assertion, ".")
	public, ok := c.PublicKey.(*rsa.PublicKey)
	if len(parts) != 3 || !ok {
		return false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Audience string `json:"aud"`
		Issuer   string `json:"iss"`
		Expires  int64  `json:"exp"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !part(parts[0], &header) || !part(parts[1], &claims) {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch header.Alg {
	case "PS256":
		err = rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, nil)
	case "RS256":
		err = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
	default:
		return false
	}
	return err == nil && claims.Audience == audience && claims.Issuer == Client && time.Now().Unix() < claims.Expires
}

func part(text string, v any) bool {
	data, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(data, v) == nil
}

// managedIdentity gives a token as App Service does: to whoever is on the
// machine and has the header.
func (s *Server) managedIdentity(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Header.Get("X-Identity-Header") != IdentityHeader || q.Get("resource") != azure.ResourceOf(r.Host) {
		answer(w, http.StatusBadRequest, map[string]any{"statusCode": 400, "message": "the request is not one of a managed identity"})
		return
	}
	token, life := s.grant()
	answer(w, http.StatusOK, map[string]string{
		"access_token": token, "expires_on": strconv.FormatInt(time.Now().Add(life).Unix(), 10), "resource": q.Get("resource"), "token_type": "Bearer",
	})
}

func (s *Server) grant() (string, time.Duration) {
	token := "token-" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = time.Now().Add(s.life)
	s.grants++
	return token, s.life
}
