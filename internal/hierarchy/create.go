package hierarchy

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// Validity of authorities' certificates.
const (
	DefaultRootValidity    = 10 * 365 * day
	DefaultIssuingValidity = 5 * 365 * day
	MaxAuthorityValidity   = 30 * 365 * day
)

// The longest name of an authority, and of a standard for its key's storage,
// in bytes.
const (
	maxAuthorityName = 128
	maxKeyStandard   = 128
)

// TokenLife is how long an idempotency token is remembered ("IdempotencyToken"
// of CreateCertificateAuthority and IssueCertificate, AWS Private CA API
// Reference).
const TokenLife = 5 * time.Minute

// CreateAuthorityRequest asks for a new authority. Either Key or NewKey says
// what its key is.
type CreateAuthorityRequest struct {
	// Name is unique in the realm: letters, digits and ".", "_", "-". An
	// authority without a name is known by its id.
	Name string
	// Key is an existing key. NewKey is the spec of one that the authority makes
	// for itself.
	Key    kms.Ref
	NewKey alg.Spec
	// KeyStandard is Authority.KeyStandard.
	KeyStandard string
	// Algorithm is what the key signs with; NoAlgorithm is the spec's default
	// (PKCS #1 v1.5 with SHA-256 for RSA).
	Algorithm alg.Algorithm
	Subject   profile.Subject
	// Type may be "" unless Pending is set: Root without a Parent, else
	// Subordinate.
	Type authority.Type
	Mode authority.Mode // "" is GeneralPurpose
	// Parent is the id or name of the issuing authority, "" for a root.
	Parent string
	// Pending makes the authority with a request (AuthorityCSR) in place of a
	// certificate, which ImportAuthorityCertificate brings. Request says what
	// else the request asks for.
	Pending bool
	Request authority.Requested
	// Validity is 0 for the default, which ends with the parent's at the
	// latest.
	Validity time.Duration
	// PathLen is how many authorities may stand below; nil is the default: no
	// limit for a root, 0 below a parent.
	PathLen *int
	// Constraints are the names that certificates below may have; nil for all
	// that those above allow.
	Constraints *profile.NameConstraints
	// Revocation is nil for DefaultRevocation.
	Revocation *authority.RevocationConfig
	Tags       []key.Tag
	// Policy is the authority's own, nil for none.
	Policy *key.Document
	// Token makes the request idempotent: the same caller's same request with
	// the same token is the same authority for TokenLife.
	Token string `json:"-"`
}

// CreateAuthority makes an authority: a root, which signs its own
// certificate; one whose certificate a parent issues; or one that waits for
// its certificate. The caller needs CreateAuthority, TagAuthority to set tags,
// Sign and CreateGrant on an existing key, and IssueCertificate on the parent.
func (s *Service) CreateAuthority(ctx context.Context, call *key.Call, req *CreateAuthorityRequest) (*authority.Authority, error) {
	return guard.Do(ctx, s.r.Guard, call, key.CreateAuthority, func(v *guard.Visit) (*authority.Authority, error) {
		if err := admitCreation(v, req.Tags); err != nil {
			return nil, err
		}
		ticket, err := s.tokens.Enter(ctx, token.Request{
			Who: call.Caller.Principal, Operation: "CreateAuthority", Token: req.Token, Life: TokenLife, Of: req,
		})
		if err != nil {
			return nil, err
		}
		defer ticket.Leave()
		if id, done := ticket.Result(); done {
			return s.again(v, id)
		}
		f, err := s.plan(v, req)
		if err != nil {
			return nil, err
		}
		return s.found(ctx, v, f, func(tx store.Tx) error { return ticket.Put(tx, f.ID) })
	})
}

// again returns the authority that the first request with a token made.
func (s *Service) again(v *guard.Visit, id string) (*authority.Authority, error) {
	a, ok := s.r.Entry(id)
	if !ok {
		return nil, authority.NotFound()
	}
	v.About(a.Resource())
	return a.At(s.r.Now()), nil
}

// admitCreation asks whether the call may make an authority; tags need their
// own permission.
func admitCreation(v *guard.Visit, tags []key.Tag) error {
	t := guard.Target{
		Resource:   key.Resource{Realm: v.Call.Caller.Principal.Realm, Region: v.Call.Region},
		Attributes: &policy.Attributes{Tags: tags},
	}
	if len(tags) > 0 {
		t.Action = key.TagAuthority
		if err := v.Authorize(t); err != nil {
			return err
		}
	}
	t.Action = key.CreateAuthority
	return v.Authorize(t)
}

// plan checks a request and returns the authority it asks for, yet without
// key and certificate. It authorises the call to have the parent issue.
func (s *Service) plan(v *guard.Visit, req *CreateAuthorityRequest) (*founding, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	now, call := s.r.Now().UTC(), v.Call
	f := &founding{
		Entry: &authority.Entry{
			Authority: authority.Authority{
				Name: req.Name, Realm: call.Caller.Principal.Realm, Region: call.Region, Type: req.kind(), Mode: req.Mode, KeyStandard: req.KeyStandard,
				State: authority.Creating, Revocation: authority.DefaultRevocation(), PathLen: -1, CreatedAt: now, UpdatedAt: now, StateChangedAt: now,
			},
		},
		key: keyChoice{existing: req.Key, made: req.NewKey, algorithm: req.Algorithm}, now: now,
	}
	if f.Mode == "" {
		f.Mode = authority.GeneralPurpose
	}
	var err error
	if f.ID, err = authority.NewID(); err != nil {
		return nil, err
	}
	if err := s.settle(v, f.Entry, req); err != nil {
		return nil, err
	}
	v.Note("name", req.Name)
	v.Note("subject", req.Subject.String())
	if req.Pending {
		f.request, err = requestTemplate(req)
		return f, err
	}
	if f.parent, err = s.parent(v, req.Parent); err != nil {
		return nil, err
	}
	v.About(f.Resource())
	f.template, err = s.authorityTemplate(req, f.parent, now)
	return f, err
}

// settle gives a new authority what a request says of its record: revocation,
// tags and policy.
func (s *Service) settle(v *guard.Visit, a *authority.Entry, req *CreateAuthorityRequest) (err error) {
	if req.Revocation != nil {
		a.Revocation = *req.Revocation
	}
	if err := a.Revocation.Check(); err != nil {
		return err
	}
	if a.Tags, err = key.MergeTags(nil, req.Tags); err != nil || req.Policy == nil {
		return err
	}
	compiled, err := s.checkPolicy(v, &a.Authority, *req.Policy)
	a.SetPolicy(*req.Policy, compiled)
	return err
}

// kind returns the type that the request asks for.
func (r *CreateAuthorityRequest) kind() authority.Type {
	switch {
	case r.Type != "":
		return r.Type
	case r.Parent != "":
		return authority.Subordinate
	}
	return authority.Root
}

// check checks the request's own fields.
func (r *CreateAuthorityRequest) check() error {
	if err := r.checkKind(); err != nil {
		return err
	}
	if r.Name != "" {
		if err := checkAuthorityName(r.Name); err != nil {
			return err
		}
	}
	if err := (&keyChoice{r.Key, r.NewKey, r.Algorithm}).check(); err != nil {
		return err
	}
	if len(r.Subject.Name().ToRDNSequence()) == 0 {
		return fault.New(fault.InvalidArgument, "an authority needs a subject")
	}
	return r.Subject.Check()
}

// checkKind refuses what goes with no type of authority.
func (r *CreateAuthorityRequest) checkKind() error {
	switch {
	case r.Mode != "" && r.Mode != authority.GeneralPurpose && r.Mode != authority.ShortLived:
		return fault.New(fault.InvalidArgument, "%q is no mode of an authority: %s or %s", r.Mode, authority.GeneralPurpose, authority.ShortLived)
	case r.Type != "" && r.Type != authority.Root && r.Type != authority.Subordinate:
		return fault.New(fault.InvalidArgument, "%q is no type of an authority: %s or %s", r.Type, authority.Root, authority.Subordinate)
	case r.Pending && r.Type == "":
		return fault.New(fault.InvalidArgument, "an authority that waits for its certificate needs a type: %s or %s", authority.Root, authority.Subordinate)
	case r.Pending && r.Parent != "":
		return fault.New(fault.InvalidArgument, "an authority that waits for its certificate gets its parent with it")
	case r.Pending && r.Validity != 0:
		return fault.New(fault.InvalidArgument, "a certificate request asks for no validity")
	case r.Pending && r.Constraints != nil:
		return fault.New(fault.InvalidArgument, "a certificate request asks for no name constraints: its issuer sets them")
	case r.Type == authority.Root && r.Parent != "":
		return fault.New(fault.InvalidArgument, "a root has no parent")
	case !r.Pending && r.Type == authority.Subordinate && r.Parent == "":
		return fault.New(fault.InvalidArgument, "a subordinate authority has a parent, or waits for its certificate")
	case !r.Pending && (r.Request.KeyUsage != 0 || len(r.Request.Extensions) > 0):
		return fault.New(fault.InvalidArgument, "only an authority that waits for its certificate has a request")
	}
	return nil
}

func checkAuthorityName(name string) error {
	if len(name) > maxAuthorityName ||
		strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return fault.New(fault.InvalidArgument,
			"an authority's name has 1 to %d letters, digits and \".\", \"_\", \"-\"", maxAuthorityName)
	}
	if uuid.Validate(name) == nil {
		return fault.New(fault.InvalidArgument, "an authority's name does not look like an id")
	}
	return nil
}

// parent returns the issuing authority that the call names, nil for none, and
// authorises the call to have it issue.
func (s *Service) parent(v *guard.Visit, idOrName string) (*authority.Entry, error) {
	if idOrName == "" {
		return nil, nil //nolint:nilnil // a root has no parent
	}
	parent, err := s.r.Find(v.Call, idOrName)
	if err != nil {
		return nil, err
	}
	if err := authority.AdmitIssue(v, parent, profile.Authority); err != nil {
		return nil, err
	}
	v.Note("parent", parent.ID)
	return parent, s.r.Usable(parent, s.r.Now())
}

// authorityTemplate returns what the new authority's certificate shall hold,
// without its key.
func (s *Service) authorityTemplate(req *CreateAuthorityRequest, parent *authority.Entry, now time.Time) (*x509.Certificate, error) {
	pathLen, err := pathLenBelow(req.PathLen, parent)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		Subject: req.Subject.Name(), BasicConstraintsValid: true, IsCA: true, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if req.Constraints != nil {
		value, err := req.Constraints.Encode()
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = []pkix.Extension{{Id: extension.Constraints, Critical: req.Constraints.Critical, Value: value}}
	}
	return t, s.date(t, parent, req.Validity, now)
}

// date gives the certificate of an authority a serial number, a time, and
// where its issuer (nil for itself) publishes.
func (s *Service) date(t *x509.Certificate, parent *authority.Entry, asked time.Duration, now time.Time) (err error) {
	if t.SerialNumber, err = cert.NewSerial(now, rand.Reader); err != nil {
		return err
	}
	life := profile.Life{
		Asked: profile.Validity{For: asked}, Standard: profile.Validity{For: DefaultRootValidity},
		Maximum: profile.Validity{For: MaxAuthorityValidity}, Backdate: authority.Backdate,
	}
	t.CRLDistributionPoints, t.IssuingCertificateURL, t.OCSPServer = nil, nil, nil
	if parent == nil {
		return life.Put(t, nil, now)
	}
	life.Standard = profile.Validity{For: DefaultIssuingValidity}
	life.Short = parent.Short()
	s.r.PointTo(t, &parent.Authority)
	return life.Put(t, parent.X509(), now)
}

// pathLenBelow returns the path length constraint of an authority below
// parent (RFC 5280 section 4.2.1.9), -1 for none.
func pathLenBelow(asked *int, parent *authority.Entry) (int, error) {
	limit, standard := -1, -1
	if parent != nil {
		limit, standard = parent.Room(), 0
	}
	if limit == 0 {
		return 0, fault.New(fault.InvalidArgument, "the parent's path length is 0: it issues no authorities")
	}
	if asked == nil {
		return standard, nil
	}
	if *asked < 0 || *asked > 16 {
		return 0, fault.New(fault.InvalidArgument, "a path length is 0 to 16")
	}
	if limit > 0 && *asked >= limit {
		return 0, fault.New(fault.InvalidArgument, "the path length %d is not below the parent's, which is %d", *asked, limit)
	}
	return *asked, nil
}
