package managed

import (
	"cmp"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// Request asks for a certificate of an authority.
type Request struct {
	// Authority is the issuer's id or name.
	Authority string
	// Domain is the certificate's common name, and its first alternative name;
	// Names are further ones. All are DNS names, with a wildcard or without, or
	// addresses.
	Domain string
	Names  []string
	// Spec is the key's, RSA-2048 when it is none.
	Spec alg.Spec
	// Profile is what the certificate is issued under, "" for the profile of
	// managed certificates. The key may leave only if a profile that is named
	// lets it.
	Profile string `json:",omitempty"` // tokens compare requests by their JSON, also those of earlier releases
	// Validity is how long the certificate is valid, 0 for the profile's default:
	// without a profile, Validity.
	Validity time.Duration `json:",omitempty"`
	// Rule is when it is renewed, nil for the profile's rule, or the usual one.
	Rule *renewal.Rule `json:",omitempty"`
	// KeyStays keeps the key in Holdfast for good: Export is refused then.
	KeyStays bool
	// NotLogged is kept with the certificate, see Certificate.Logged.
	NotLogged bool
	Tags      []key.Tag
	// Token, where it is given, makes a request that is repeated within an hour
	// return what the first one made.
	Token string
}

// Limits of a request.
const (
	MaxNames  = 100 // of a certificate, Domain included
	maxDomain = 64  // characters of a common name (RFC 5280 appendix A.1, ub-common-name)
	maxName   = 253 // characters of a DNS name (RFC 1035 section 2.3.4, as text)
)

// Validity is how long a managed certificate is valid, unless its authority
// ends before: 13 months, as AWS Certificate Manager has it.
const Validity = 395 * 24 * time.Hour

// tokenLife is how long an idempotency token is remembered.
const tokenLife = time.Hour

// profileName is the profile of managed certificates: servers and clients of
// TLS alike.
const profileName = "tls-mutual"

// Request makes a managed certificate: Holdfast makes its key, and the
// authority issues it in the caller's name, who needs RequestManaged and, on
// the authority, IssueCertificate. If the authority refuses for a reason of
// its own (its state, its rules), the result is a certificate that Failed.
func (s *Service) Request(ctx context.Context, call *key.Call, req *Request) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RequestManaged, func(v *guard.Visit) (*Certificate, error) {
		v.Note("names", strings.Join(append([]string{req.Domain}, req.Names...), ", "))
		if err := s.admitCreation(v, key.RequestManaged, req.Tags); err != nil {
			return nil, err
		}
		c, err := s.draft(call, req)
		if err != nil {
			return nil, err
		}
		ticket, err := s.ticket(ctx, call, req)
		if err != nil {
			return nil, err
		}
		defer ticket.Leave()
		if made, err := s.made(ctx, call, ticket); made != nil || err != nil {
			return made, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.About(c.Resource())
		if err := s.obtain(ctx, call, v, c); err != nil {
			return nil, err
		}
		return c, s.put(ctx, v, c, func(tx store.Tx) error { return ticket.Put(tx, c.ID) })
	})
}

// admitCreation asks whether the call may make a managed certificate; tags
// need their own permission.
func (s *Service) admitCreation(v *guard.Visit, action key.Action, tags []key.Tag) error {
	attributes := &policy.Attributes{Tags: tags}
	if len(tags) > 0 {
		t := realmTarget(v.Call, key.TagManaged)
		t.Attributes = attributes
		if err := v.Authorize(t); err != nil {
			return err
		}
	}
	t := realmTarget(v.Call, action)
	t.Attributes = attributes
	return v.Authorize(t)
}

// ticket takes the turn of a request's token.
func (s *Service) ticket(ctx context.Context, call *key.Call, req *Request) (*token.Ticket, error) {
	return s.tokens.Enter(ctx, token.Request{
		Who: call.Caller.Principal, Operation: "RequestManaged", Scope: call.Region, Token: req.Token, Life: tokenLife, Of: req,
	})
}

// made returns what the first request with a ticket's token made, nil for the
// first one itself.
func (s *Service) made(ctx context.Context, call *key.Call, t *token.Ticket) (*Certificate, error) {
	id, done := t.Result()
	if !done {
		return nil, nil
	}
	c, err := s.find(ctx, call, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, fault.New(fault.Conflict, "the certificate that the idempotency token was used for is deleted")
	}
	return c, err
}

// draft checks a request and returns the certificate that it asks for, without
// key and content.
func (s *Service) draft(call *key.Call, req *Request) (*Certificate, error) {
	names, err := requestNames(req)
	if err != nil {
		return nil, err
	}
	tags, err := key.MergeTags(nil, req.Tags)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		Realm: call.Caller.Principal.Realm, Region: call.Region, Kind: Private, Authority: req.Authority,
		Domain: names[0], Names: names, Spec: req.Spec, Exportable: !req.KeyStays, Logged: !req.NotLogged,
		CreatedAt: s.now().UTC(), Tags: tags,
	}
	if c.Spec == alg.NoSpec {
		c.Spec = alg.RSA2048
	}
	if err := s.settings(c, req); err != nil {
		return nil, err
	}
	if !slices.Contains(cert.Specs(), c.Spec) {
		return nil, fault.New(fault.Unsupported, "no certificates are made for keys of spec %s", c.Spec)
	}
	c.ID, err = newID()
	return c, err
}

// settings takes in how a certificate is issued and renewed.
func (s *Service) settings(c *Certificate, req *Request) error {
	switch {
	case len(req.Profile) > maxProfile:
		return fault.New(fault.InvalidArgument, "a profile's name has at most %d bytes", maxProfile)
	case req.Validity < 0 || req.Validity%time.Second != 0:
		return fault.New(fault.InvalidArgument, "a validity is a number of seconds, and not negative")
	}
	c.Profile, c.Validity = req.Profile, req.Validity
	if p, ok := s.authorities.FindProfile(c.Realm, c.Profile); c.Profile != "" && (!ok || !p.Exportable) {
		c.Exportable = false
	}
	if req.Rule == nil {
		return nil
	}
	rule := *req.Rule
	c.Rule = &rule
	return rule.Check()
}

// maxProfile is the longest name of a profile in bytes.
const maxProfile = 128

// requestNames returns a request's names in lower case, each once, the domain
// first.
func requestNames(req *Request) ([]string, error) {
	if req.Domain == "" || len(req.Domain) > maxDomain {
		return nil, fault.New(fault.InvalidArgument, "the domain name must have 1 to %d characters", maxDomain)
	}
	var names []string
	for _, name := range append([]string{req.Domain}, req.Names...) {
		if name == "" || len(name) > maxName {
			return nil, fault.New(fault.InvalidArgument, "a name must have 1 to %d characters", maxName)
		}
		if name = strings.ToLower(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
		if len(names) > MaxNames {
			return nil, fault.New(fault.LimitExceeded, "a certificate has at most %d names", MaxNames)
		}
	}
	return names, nil
}

// obtain has a key made and the authority issue for it. A refusal that is the
// authority's own ends in a failed certificate; any other is returned. The key
// of a certificate that was not issued is ended.
func (s *Service) obtain(ctx context.Context, call *key.Call, v *guard.Visit, c *Certificate) error {
	k, err := s.makeKey(ctx, call, c, "")
	if err != nil {
		return err
	}
	csr, err := s.csr(ctx, call, c, k.Name.ID)
	if err == nil {
		err = s.issue(ctx, call, c, k.Name.ID, csr)
	}
	if err == nil {
		v.Note("serial", c.Serial)
		return nil
	}
	if ended := s.keys.EndEntrusted(ctx, call, grantee(c.ID), k.Name.ID); ended != nil {
		return ended
	}
	if _, ok := s.authorities.FindProfile(c.Realm, c.Profile); c.Profile != "" && !ok {
		return err // a misspelt name is best told at once
	}
	switch failure := failureOf(err); failure {
	case AuthorityState, NotAllowed, LimitReached:
		v.Note("failure", string(failure))
		v.Note("cause", publicOf(err))
		c.Failure, c.Exportable = failure, false
		return nil
	case NoFailure, AccessDenied, NoAuthority, Other:
	}
	return err
}

// makeKey makes a key for the certificate, as the certificate's own.
func (s *Service) makeKey(ctx context.Context, call *key.Call, c *Certificate, id key.ID) (*key.Key, error) {
	return s.keys.Entrust(ctx, call, grantee(c.ID), &kms.ImportKeyRequest{ID: id, CreateKeyRequest: kms.CreateKeyRequest{
		Spec: c.Spec, Usage: alg.SignVerify, Exportable: c.Exportable, Description: "managed certificate of " + c.Domain,
	}})
}

// issue has the certificate's authority issue for a key by its request, and
// takes the result in.
func (s *Service) issue(ctx context.Context, call *key.Call, c *Certificate, id key.ID, csr []byte) error {
	names := profile.Names{}
	for _, name := range c.Names {
		if ip, err := netip.ParseAddr(name); err == nil {
			names.IPs = append(names.IPs, ip)
		} else {
			names.DNS = append(names.DNS, name)
		}
	}
	issued, err := s.authorities.Issue(ctx, call, &ca.IssueRequest{
		Authority: c.Authority, Profile: cmp.Or(c.Profile, profileName), CSR: csr,
		Subject: profile.Subject{CommonName: c.Domain}, Names: names, Validity: profile.Validity{For: s.validity(c)},
	})
	if err != nil {
		return err
	}
	parsed, err := x509.ParseCertificate(issued.DER)
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Op: "reading an issued certificate", Err: err}
	}
	c.Authority, c.Key, c.IssuedAt = issued.Authority, id, issued.IssuedAt
	c.take(parsed, issued.Serial, issued.Chain)
	return nil
}

// validity returns how long the certificate may be valid, 0 for the default of
// its profile: its authority's end and mode bound it.
func (s *Service) validity(c *Certificate) time.Duration {
	want := c.Validity
	if want == 0 && c.Profile != "" {
		return 0
	}
	want = cmp.Or(want, Validity)
	a, ok := s.authorities.ByID(c.Authority)
	if !ok {
		return want // by name; the authority has the last word
	}
	if a.Mode == ca.ShortLived {
		want = min(want, ca.MaxShortLife)
	}
	return min(want, a.NotAfter.Sub(s.now()).Truncate(time.Second))
}

// csr returns a certificate request for a key of the certificate's, signed
// with it.
func (s *Service) csr(ctx context.Context, call *key.Call, c *Certificate, id key.ID) ([]byte, error) {
	a := signature(c.Spec)
	signer, err := s.keys.DelegatedSigner(ctx, call, grantee(c.ID), id, a)
	if err != nil {
		return nil, err
	}
	spki, err := engine.MarshalPublic(c.Spec, signer.Public())
	if err != nil {
		return nil, err
	}
	public, err := engine.ParsePublic(c.Spec, spki)
	if err != nil {
		return nil, err
	}
	info, err := cert.EncodeRequest(&x509.CertificateRequest{Subject: pkix.Name{CommonName: c.Domain}}, public, a)
	if err != nil {
		return nil, err
	}
	identifier, err := cert.Identifier(c.Spec, a)
	if err != nil {
		return nil, err
	}
	signed, err := cert.SignMessage(signer, a, info)
	if err != nil {
		return nil, err
	}
	return cert.Assemble(info, identifier, signed)
}

// signature returns the algorithm with which a key of the spec signs its own
// request.
func signature(spec alg.Spec) alg.Algorithm {
	for _, a := range spec.For(alg.SignVerify) {
		if cert.CheckAlgorithm(spec, a) == nil {
			return a
		}
	}
	return alg.NoAlgorithm
}
