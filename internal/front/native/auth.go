package native

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Method is how a caller of this API proved who it is, in the audit log.
const Method = "basic"

// credentialID is what an access key id looks like. What else stands in its
// place may be a secret in the wrong box, and is not written down.
var credentialID = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)

// regionName is what a region looks like.
var regionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// authenticate proves who asks (RFC 7617) and completes the call. Secrets are
// taken only over TLS or from this machine.
func (f *Front) authenticate(r *http.Request, call *key.Call) error {
	if !call.Secure && !call.Source.IsLoopback() {
		return fault.Because(fault.Unauthenticated, fault.UnsupportedProof, "credentials are taken only over https")
	}
	if f.byCertificate(r) {
		return f.authenticateClient(r, call)
	}
	id, secret, err := basic(r)
	if err != nil {
		return err
	}
	if credentialID.MatchString(id) {
		call.Caller.Credential = id
	}
	c, err := f.credential(id, r.Header.Get(wire.HeaderSessionToken))
	if err != nil {
		return err
	}
	if !equal(secret, c.Secret.Reveal()) {
		return fault.Because(fault.Unauthenticated, fault.WrongProof, "the secret access key is wrong")
	}
	call.Caller = c.Caller
	call.Caller.Method = Method
	return checkRegion(call)
}

func checkRegion(call *key.Call) error {
	if !regionName.MatchString(call.Region) {
		return fault.New(fault.InvalidArgument, "the header %s has no region's name", wire.HeaderRegion)
	}
	return nil
}

// byCertificate reports whether a request has no other credential than the
// certificate of its TLS connection.
func (f *Front) byCertificate(r *http.Request) bool {
	return f.config.Issuers != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 &&
		r.Header.Get("Authorization") == "" && r.Header.Get(wire.HeaderSessionToken) == ""
}

// authenticateClient proves who asks by the client's certificate, whose key the
// handshake showed it to have (RFC 8446 section 4.4.3). Whether it is good is
// asked for each request: a connection outlives a revocation.
func (f *Front) authenticateClient(r *http.Request, call *key.Call) error {
	c := r.TLS.PeerCertificates[0]
	call.Caller.Credential = identity.CertificateHash(c)
	caller, err := f.config.Directory.ClientCaller(r.Context(), c, f.config.Issuers)
	if err != nil {
		return err
	}
	call.Caller = caller
	return checkRegion(call)
}

// credential finds a long-lived credential, or with a token a temporary one.
func (f *Front) credential(id, token string) (*identity.Credential, error) {
	if token != "" {
		return f.config.Directory.SessionCredential(id, token)
	}
	return f.config.Directory.Credential(id)
}

// basic reads the Authorization header.
func basic(r *http.Request) (id, secret string, err error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", "", fault.Because(fault.Unauthenticated, fault.MissingCredential,
			"the request has no credential: send an access key id and its secret by HTTP Basic, or a client's certificate")
	}
	if scheme, _, _ := strings.Cut(header, " "); !strings.EqualFold(scheme, "Basic") {
		return "", "", fault.Because(fault.Unauthenticated, fault.UnsupportedProof,
			"the Authorization header's scheme is not Basic")
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id == "" || secret == "" {
		return "", "", fault.Because(fault.Unauthenticated, fault.MalformedProof,
			"the Authorization header is no access key id and secret")
	}
	return id, secret, nil
}

// equal compares secrets in a time that does not depend on them, nor on
// their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
