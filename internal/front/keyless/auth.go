package keyless

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Method is how a caller proved who it is by an access key, in the audit log.
const Method = "keyless"

// proofLife is how long it is believed that a client is who it was: then it is
// asked whether its certificate is revoked, its access key disabled, its user
// gone. Asking reads the store.
const proofLife = time.Second

// Credential is the payload of Authenticate, in JSON.
type Credential struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token"`
	// Region is that of the sealing key; "" for the server's.
	Region string `json:"region"`
}

// What credentials look like: what stands elsewhere may be a secret in the wrong
// box, and is not written down.
var (
	credentialID = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)
	regionName   = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// session is a client of a Store.
type session struct {
	store  *Store
	client *Client
	leaf   *x509.Certificate // nil for none
	proved atomic.Bool
	last   atomic.Pointer[proof]

	mu     sync.Mutex  // guards what follows, and lets one at a time ask
	access *Credential // that was proved, without its secret; nil for none
}

// proof is who a client is, for a while.
type proof struct {
	caller key.Caller
	region string
	until  time.Time
}

// Session implements Keys.
func (s *Store) Session(c *Client) Session {
	n := &session{store: s, client: c, leaf: firstOf(c.Chain)}
	if n.leaf != nil {
		_, err := n.caller(context.Background(), s.config.Now())
		n.proved.Store(err == nil)
	}
	return n
}

// Admit returns nil for the certificates of a TLS client that may connect, its own
// first: for none, for one that proves a user or that an authority here issued and
// has not revoked, and for one under the roots. For another it returns why.
func (s *Store) Admit(ctx context.Context, chain []*x509.Certificate, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return nil
	}
	leaf := chain[0]
	_, err := s.config.Directory.ClientCaller(ctx, leaf, s.config.Issuers)
	if err == nil || fault.ReasonOf(err) != fault.UnknownCredential {
		return err
	}
	if issuer, _, ours := s.config.Issuers.IssuerOf(ctx, leaf); ours == nil && issuer != "" {
		return nil
	}
	if roots == nil {
		return err
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.config.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// Proved implements Session.
func (s *session) Proved() bool { return s.proved.Load() }

// call returns the envelope of a request whose caller is not known yet.
func (s *session) call(r *Request) *key.Call {
	call := &key.Call{
		RequestID: r.ID, API: API, Operation: r.Route.Name(), Region: s.store.config.Region,
		Source: s.client.Source, Secure: true, Time: r.Arrived,
		Asked: key.Asked{Action: r.Route.Action, Path: "/keyless", Body: r.Payload},
	}
	if p := s.last.Load(); p != nil && p.region != "" {
		call.Region = p.region
	}
	return call
}

// shown returns what a client shows that proves nobody, for the audit log.
func (s *session) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.access != nil:
		return s.access.AccessKeyID
	case s.leaf != nil:
		return identity.CertificateHash(s.leaf)
	}
	return ""
}

// caller returns who the client is now.
func (s *session) caller(ctx context.Context, now time.Time) (key.Caller, error) {
	if p := s.last.Load(); p != nil && now.Before(p.until) {
		return p.caller, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.last.Load(); p != nil && now.Before(p.until) {
		return p.caller, nil
	}
	p := proof{until: now.Add(proofLife)}
	var err error
	switch {
	case s.access != nil:
		p.region = s.access.Region
		p.caller, err = s.store.known(s.access)
	case s.leaf != nil:
		p.caller, err = s.store.config.Directory.ClientCaller(ctx, s.leaf, s.store.config.Issuers)
	default:
		err = fault.Because(fault.Unauthenticated, fault.MissingCredential, "the client has not proved who it is")
	}
	if err != nil {
		s.last.Store(nil)
		return key.Caller{}, err
	}
	s.last.Store(&p)
	return p.caller, nil
}

// credential finds a long-lived credential, or with a token a temporary one.
func (s *Store) credential(c *Credential) (*identity.Credential, error) {
	if c.SessionToken != "" {
		return s.config.Directory.SessionCredential(c.AccessKeyID, c.SessionToken)
	}
	return s.config.Directory.Credential(c.AccessKeyID)
}

// known returns whom a credential is of that was proved before.
func (s *Store) known(c *Credential) (key.Caller, error) {
	found, err := s.credential(c)
	if err != nil {
		return key.Caller{}, err
	}
	caller := found.Caller
	caller.Method = Method
	return caller, nil
}

// Prove implements Session: it binds the connection to the access key in the
// payload, once.
func (s *session) Prove(ctx context.Context, r *Request) error {
	call := s.call(r)
	call.Asked = key.Asked{} // it has a secret
	call.Caller.Credential = s.shown()
	c, err := readCredential(r.Payload)
	if err == nil {
		if credentialID.MatchString(c.AccessKeyID) {
			call.Caller.Credential = c.AccessKeyID
		}
		err = s.bind(c)
	}
	if err != nil {
		return s.store.config.Door.Refuse(ctx, call, key.NoAction, err)
	}
	return nil
}

// readCredential reads a payload.
func readCredential(payload []byte) (*Credential, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	var c Credential
	if err := d.Decode(&c); err != nil {
		return nil, fault.New(fault.InvalidArgument, "the payload is no credential in JSON") // the cause may quote a secret
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return nil, fault.New(fault.InvalidArgument, "the payload is not one credential with an id and a secret")
	}
	if c.Region != "" && !regionName.MatchString(c.Region) {
		return nil, fault.New(fault.InvalidArgument, "the region is no region's name")
	}
	return &c, nil
}

// bind proves the credential and has the session be its user's.
func (s *session) bind(c *Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access != nil {
		return refusal(fault.WrongState, wire.ErrUnexpectedOpcode, "the connection has proved who it is by an access key already")
	}
	found, err := s.store.credential(c)
	secret := ""
	if err == nil {
		secret = found.Secret.Reveal()
	}
	if !equal(c.SecretAccessKey, secret) && err == nil {
		err = fault.Because(fault.Unauthenticated, fault.WrongProof, "the secret access key is wrong")
	}
	if err != nil {
		return err
	}
	c.SecretAccessKey = ""
	s.access = c
	s.last.Store(nil) // what the certificate proved counts no more
	s.proved.Store(true)
	return nil
}

// Refuse implements Session.
func (s *session) Refuse(ctx context.Context, r *Request, err error) error {
	if e, ok := errors.AsType[wire.Error](err); ok {
		err = refusal(fault.Unsupported, e, "%s", e.Error())
	}
	call := s.call(r)
	if p := s.last.Load(); p != nil {
		call.Caller = p.caller
	} else {
		call.Caller.Credential = s.shown()
	}
	return s.store.config.Door.Refuse(ctx, call, r.Route.Action, err)
}

// equal compares secrets in a time that does not depend on them, nor on their
// lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
