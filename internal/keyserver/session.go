package keyserver

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// session is one client's use of the keys. Who it is, TLS has verified.
type session struct {
	server     *Server
	until      time.Time // the end of the client's certificate
	names      []string
	principal  string
	credential string
	source     string
}

var _ keyless.Session = (*session)(nil)

// Session implements keyless.Keys.
func (s *Server) Session(c *keyless.Client) keyless.Session {
	n := &session{server: s}
	if c.Source.IsValid() {
		n.source = c.Source.String()
	}
	if len(c.Chain) == 0 { // TLS lets nobody in without one
		return n
	}
	leaf := c.Chain[0]
	n.until, n.names, n.credential = leaf.NotAfter, namesOf(leaf), identity.CertificateHash(leaf)
	name := leaf.Subject.CommonName
	if name == "" && len(n.names) > 0 {
		name = n.names[0]
	}
	n.principal = key.Principal{Kind: key.Federated, Name: name}.String()
	return n
}

// namesOf returns the names of a client, in lower case.
func namesOf(c *x509.Certificate) []string {
	names := slices.Concat(c.DNSNames, c.EmailAddresses)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	return names
}

// Proved reports that TLS has shown who the client is.
func (s *session) Proved() bool { return s.credential != "" }

// Prove refuses: there are no access keys here.
func (s *session) Prove(ctx context.Context, r *keyless.Request) error {
	return s.Refuse(ctx, r, wire.ErrBadOpcode)
}

// Refuse implements keyless.Session.
func (s *session) Refuse(_ context.Context, r *keyless.Request, err error) error {
	return s.record(r, s.entry(r), err)
}

// Do implements keyless.Session: the entry of the audit log is durable before the
// result leaves.
func (s *session) Do(_ context.Context, r *keyless.Request) ([]byte, error) {
	e := s.entry(r)
	payload, err := s.do(r, e)
	if err = s.record(r, e, err); err != nil {
		return nil, err
	}
	return payload, nil
}

// entry begins the record of a request.
func (s *session) entry(r *keyless.Request) *audit.Entry {
	return &audit.Entry{
		Time: r.Arrived, RequestID: r.ID, API: keyless.API, Operation: r.Route.Name(), Action: r.Route.Action,
		Principal: s.principal, Credential: s.credential, Method: identity.MethodMTLS, Source: s.source,
	}
}

// record writes the entry with the outcome and returns what the client gets.
func (s *session) record(r *keyless.Request, e *audit.Entry, err error) error {
	e.Result = "ok"
	if err != nil {
		e.Result = fault.KindOf(err).String()
		if f, ok := errors.AsType[*fault.Error](err); ok {
			e.Error = f.Public
		} else if w, ok := errors.AsType[wire.Error](err); ok {
			e.Result, e.Error = fault.Unsupported.String(), w.Error()
		}
	}
	if s.server.log == nil {
		return err
	}
	position, failed := s.server.log.Enqueue(e)
	if failed == nil {
		failed = s.server.log.Wait(context.Background(), position)
	}
	if failed != nil {
		return &fault.Error{Kind: fault.Unavailable, Op: r.Route.Name(), Public: "the audit log cannot be written", Err: failed}
	}
	return err
}

// do does an operation and notes in the entry what it was about.
func (s *session) do(r *keyless.Request, e *audit.Entry) ([]byte, error) {
	if r.Arrived.After(s.until) {
		return nil, fault.Because(fault.Unauthenticated, fault.ExpiredCredential, "the client's certificate has expired")
	}
	now := s.server.serving.Load()
	if r.Route.Family == 0 {
		return s.seal(r, now)
	}
	k := now.set.find(&r.Operation, func(k *Key) bool { return k.Spec.Info().Family == r.Route.Family })
	if k == nil {
		return nil, &fault.Error{Kind: fault.NotFound, Public: "there is no key of that name", Err: missing(&r.Operation)}
	}
	e.Resource = k.Name
	e.Details = append(e.Details, audit.Detail{Name: "ski", Value: hex.EncodeToString(k.SKI[:])}, audit.Detail{Name: "algorithm", Value: r.Route.Algorithm.String()})
	if !now.allows(s.names, k) {
		e.Decision, e.Why = audit.Denied, "no rule of allow lets the client use the key"
		return nil, fault.New(fault.PermissionDenied, "not authorized to use the key")
	}
	e.Decision = audit.Allowed
	if r.Route.Algorithm == alg.RSARaw {
		return k.decrypt(r.Route.Algorithm, r.Payload)
	}
	return k.sign(r.Route.Algorithm, r.Route.Form, r.Payload)
}

// missing says which of the protocol's errors it is that a key is not found.
func missing(o *wire.Operation) wire.Error {
	if len(o.SKI) == 0 && len(o.Digest) == 0 && len(o.CertID)+len(o.SNI) > 0 {
		return wire.ErrCertificateNotFound
	}
	return wire.ErrKeyNotFound
}

// sealedFor tells what is sealed here from all else that the key encrypts.
const sealedFor = "holdfast keyless seal"

// seal seals or unseals.
func (s *session) seal(r *keyless.Request, now *serving) ([]byte, error) {
	switch {
	case now.set.sealing == nil:
		return nil, &fault.Error{Kind: fault.Unsupported, Public: "no key that seals is configured", Err: wire.ErrRemoteConfiguration}
	case r.Opcode == wire.OpSeal:
		return now.set.sealing.Seal(nil, r.Payload, []byte(sealedFor))
	}
	return now.set.sealing.Open(nil, r.Payload, []byte(sealedFor))
}

// allows reports whether a rule lets a client use a key.
func (s *serving) allows(names []string, k *Key) bool {
	if len(s.allow) == 0 {
		return true
	}
	ski := hex.EncodeToString(k.SKI[:])
	return slices.ContainsFunc(s.allow, func(r Rule) bool {
		return slices.ContainsFunc(r.Clients, func(c string) bool { return c == "*" || slices.Contains(names, strings.ToLower(c)) }) &&
			slices.ContainsFunc(r.Keys, func(pattern string) bool {
				matches, err := path.Match(pattern, k.Name)
				return pattern == "*" || strings.EqualFold(pattern, ski) || err == nil && matches
			})
	})
}
