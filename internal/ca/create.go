package ca

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// day is the unit of certificates' lives.
const day = 24 * time.Hour

// Validity of authorities' certificates.
const (
	DefaultRootValidity    = 10 * 365 * day
	DefaultIssuingValidity = 5 * 365 * day
	MaxAuthorityValidity   = 30 * 365 * day
	authorityBackdate      = 5 * time.Minute
)

// maxAuthorityName is the longest name of an authority in bytes.
const maxAuthorityName = 128

// CreateAuthorityRequest asks for a new authority on an existing key.
type CreateAuthorityRequest struct {
	// Name is unique in the realm: letters, digits and ".", "_", "-".
	Name string
	Key  kms.Ref
	// Algorithm is what the key signs with; NoAlgorithm is the spec's default
	// (PKCS #1 v1.5 with SHA-256 for RSA).
	Algorithm alg.Algorithm
	Subject   profile.Subject
	// Parent is the id or name of the issuing authority, "" for a root.
	Parent string
	// Validity is 0 for the default, which ends with the parent's at the
	// latest.
	Validity time.Duration
	// PathLen is how many authorities may stand below; nil is the default: no
	// limit for a root, 0 below a parent.
	PathLen *int
}

// CreateAuthority makes an authority: a root, which signs its own
// certificate, or one whose certificate a parent issues. The caller needs
// CreateAuthority, Sign and CreateGrant on the key, and IssueCertificate on
// the parent.
func (s *Service) CreateAuthority(ctx context.Context, call *key.Call, req *CreateAuthorityRequest) (*Authority, error) {
	return guard.Do(ctx, s.guard, call, key.CreateAuthority, func(v *guard.Visit) (*Authority, error) {
		realm := call.Caller.Principal.Realm
		if err := v.Authorize(guard.Target{Action: key.CreateAuthority, Resource: key.Resource{Realm: realm, Region: call.Region}}); err != nil {
			return nil, err
		}
		parent, err := s.parent(call, v, req)
		if err != nil {
			return nil, err
		}
		a := &authority{
			Authority: Authority{
				Name: req.Name, Realm: realm, Region: call.Region, State: Active, Mode: GeneralPurpose, Type: Root,
				Revocation: DefaultRevocation(), CreatedAt: s.now().UTC(),
			},
			due: s.now(),
		}
		if a.ID, err = newID(); err != nil {
			return nil, err
		}
		v.About(a.Resource())
		v.Note("name", req.Name)
		v.Note("subject", req.Subject.String())
		template, err := s.authorityTemplate(req, parent, a.CreatedAt)
		if err != nil {
			return nil, err
		}
		issued, err := s.signAuthority(ctx, call, v, req, signing{a, parent, template})
		if err != nil {
			return nil, err
		}
		if err := s.addAuthority(ctx, v, a, issued); err != nil {
			return nil, err
		}
		return a.at(a.CreatedAt), nil
	})
}

// parent checks the request's own fields and returns its parent, nil for a
// root. It authorises the call to have the parent issue.
func (s *Service) parent(call *key.Call, v *guard.Visit, req *CreateAuthorityRequest) (*authority, error) {
	if err := checkAuthorityName(req.Name); err != nil {
		return nil, err
	}
	if _, taken := s.live.Load().byName[nameKey(call.Caller.Principal.Realm, req.Name)]; taken {
		return nil, fault.New(fault.AlreadyExists, "an authority with the name %s exists", req.Name)
	}
	if req.Subject.CommonName == "" {
		return nil, fault.New(fault.InvalidArgument, "an authority's subject needs a common name")
	}
	if err := req.Subject.Check(); err != nil {
		return nil, err
	}
	if req.Parent == "" {
		return nil, nil //nolint:nilnil // a root has no parent
	}
	parent, err := s.find(call, req.Parent)
	if err != nil {
		return nil, err
	}
	if err := s.admitIssue(v, parent, profile.Authority); err != nil {
		return nil, err
	}
	v.Note("parent", parent.ID)
	return parent, s.usable(parent, s.now())
}

func checkAuthorityName(name string) error {
	if name == "" || len(name) > maxAuthorityName ||
		strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return fault.New(fault.InvalidArgument,
			"an authority's name has 1 to %d letters, digits and \".\", \"_\", \"-\"", maxAuthorityName)
	}
	if uuid.Validate(name) == nil {
		return fault.New(fault.InvalidArgument, "an authority's name does not look like an id")
	}
	return nil
}

// authorityTemplate returns what the new authority's certificate shall hold,
// without its key.
func (s *Service) authorityTemplate(req *CreateAuthorityRequest, parent *authority, now time.Time) (*x509.Certificate, error) {
	pathLen, err := pathLenBelow(req.PathLen, parent)
	if err != nil {
		return nil, err
	}
	serial, err := cert.NewSerial(now, rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: req.Subject.Name(),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	life := profile.Life{Asked: req.Validity, Standard: DefaultRootValidity, Maximum: MaxAuthorityValidity, Backdate: authorityBackdate}
	if parent == nil {
		return t, life.Put(t, nil, now)
	}
	life.Standard = DefaultIssuingValidity
	s.pointTo(t, parent)
	return t, life.Put(t, parent.cert, now)
}

// pathLenBelow returns the path length constraint of an authority below
// parent (RFC 5280 section 4.2.1.9), -1 for none.
func pathLenBelow(asked *int, parent *authority) (int, error) {
	limit, standard := -1, -1
	if parent != nil {
		limit, standard = parent.cert.MaxPathLen, 0
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

// pointTo names where the issuer's CRL and certificate are published (RFC
// 5280 sections 4.2.1.13 and 4.2.2.1).
func (s *Service) pointTo(t *x509.Certificate, issuer *authority) {
	if s.publicURL == "" {
		return
	}
	t.CRLDistributionPoints = []string{s.publicURL + "/pki/" + issuer.ID + ".crl"}
	t.IssuingCertificateURL = []string{s.publicURL + "/pki/" + issuer.ID + ".cer"}
}

// signing is an authority on its way: itself, who issues it, and what it
// shall be.
type signing struct {
	*authority
	parent   *authority // nil for a root
	template *x509.Certificate
}

// signAuthority binds the key to the authority and has its certificate
// signed. It returns the certificate's record in the parent's inventory, nil
// for a root. What it leaves behind when it fails is a grant to an authority
// that does not exist, which nobody can use.
func (s *Service) signAuthority(ctx context.Context, call *key.Call, v *guard.Visit, req *CreateAuthorityRequest, a signing) (*Certificate, error) {
	k, err := s.keys.Delegate(ctx, call, req.Key, grantee(a.ID))
	if err != nil {
		return nil, err
	}
	a.Key, a.Spec = k.Name.ID, k.Spec
	v.Note("key", k.Name.String())
	if a.Algorithm, err = caAlgorithm(k, req.Algorithm); err != nil {
		return nil, err
	}
	v.Note("algorithm", a.Algorithm.String())
	pub, err := engine.ParsePublic(k.Spec, k.Current().Public)
	if err != nil {
		return nil, fmt.Errorf("reading the public key of %s: %w", k.Name, err)
	}
	if a.template.SubjectKeyId, err = cert.SubjectKeyID(k.Current().Public); err != nil {
		return nil, err
	}
	a.public = pub
	signer, issuer := a.authority, a.template
	if a.parent != nil {
		signer, issuer = a.parent, a.parent.cert
		a.Parent, a.Type = signer.ID, Subordinate
		a.Chain = append([][]byte{signer.Certificate}, signer.Chain...)
	}
	token, err := s.lints.Certificate(a.template, issuer, signer.public, pub, signer.Algorithm)
	if err != nil {
		return nil, err
	}
	if call.DryRun {
		return nil, dryRun()
	}
	if a.Certificate, err = s.sign(ctx, call, signer, token); err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(a.Certificate); err != nil {
		return nil, fmt.Errorf("reading the new certificate: %w", err)
	}
	a.describe()
	v.Note("serial", a.Serial)
	if a.parent == nil {
		return nil, nil //nolint:nilnil // a root is in nobody's inventory
	}
	return &Certificate{
		Authority: a.Parent, Serial: a.Serial, DER: a.Certificate, Subject: a.Subject, Profile: profile.Authority,
		Key: &a.Key, Requester: call.Caller.Principal.String(),
		IssuedAt: a.CreatedAt, NotBefore: a.NotBefore, NotAfter: a.NotAfter,
	}, nil
}

// caAlgorithm returns the algorithm with which a key signs certificates.
func caAlgorithm(k *key.Key, asked alg.Algorithm) (alg.Algorithm, error) {
	if err := cert.CheckSpec(k.Spec); err != nil {
		return 0, err
	}
	if k.Usage != alg.SignVerify {
		return 0, fault.Because(fault.InvalidArgument, fault.WrongUsage, "an authority's key is a signing key")
	}
	if asked == alg.NoAlgorithm {
		asked = k.Spec.For(alg.SignVerify)[0]
	}
	return asked, cert.CheckAlgorithm(k.Spec, asked)
}

// addAuthority records the creation and stores and publishes the authority.
func (s *Service) addAuthority(ctx context.Context, v *guard.Visit, a *authority, issued *Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.live.Load().byName[nameKey(a.Realm, a.Name)]; taken {
		return fault.New(fault.AlreadyExists, "an authority with the name %s exists", a.Name)
	}
	row, err := a.row()
	if err != nil {
		return err
	}
	err = v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if issued != nil {
				if err := insertCertificate(tx, issued); err != nil {
					return err
				}
			}
			return tx.Insert(store.Authorities, row)
		})
	})
	if err == nil {
		s.publish(a)
	}
	return err
}
