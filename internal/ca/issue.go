package ca

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// IssueRequest asks for a certificate. Exactly one of CSR, NewKey and Key
// says whose public key it is for.
type IssueRequest struct {
	// Authority is the issuer's id or name.
	Authority string
	Profile   string
	// CSR is a PKCS #10 request in DER.
	CSR []byte
	// NewKey is the spec of a key that Holdfast makes and keeps, as the
	// caller's; KeyAlias, "alias/" and a name, is one for it.
	NewKey   alg.Spec
	KeyAlias string
	// Key is an existing key of the realm.
	Key *kms.Ref
	// Subject and Names, where they are given, take the place of the CSR's.
	Subject profile.Subject
	Names   profile.Names
	// Validity is 0 for the profile's default.
	Validity time.Duration
}

// Issued is a new certificate. Chain is what to present beside it: its
// issuers without the root, which whoever verifies has already.
type Issued struct {
	*Certificate
	Chain [][]byte
}

// order is an IssueRequest that was read and found to be in order.
type order struct {
	issuer   *authority
	profile  *profile.Profile
	template *x509.Certificate
	names    profile.Names
	pub      *engine.PublicKey // nil until there is a key
	spki     []byte
	key      *key.ID // the managed key
}

// Issue issues a certificate. The caller needs IssueCertificate on the
// authority; CreateKey and CreateAlias for a new key, GetPublicKey on an
// existing one.
func (s *Service) Issue(ctx context.Context, call *key.Call, req *IssueRequest) (*Issued, error) {
	return guard.Do(ctx, s.guard, call, key.IssueCertificate, func(v *guard.Visit) (*Issued, error) {
		issuer, err := s.find(call, req.Authority)
		if err != nil {
			v.About(resource(call.Caller.Principal.Realm, call.Region, key.KindAuthority, req.Authority))
			return nil, err
		}
		if err := s.admitIssue(v, issuer, req.Profile); err != nil {
			return nil, err
		}
		v.Note("profile", req.Profile)
		now := s.now().UTC()
		o, err := s.take(v, req, issuer, now)
		if err != nil {
			return nil, err
		}
		if err := s.obtainKey(ctx, call, v, req, o); err != nil {
			return nil, err
		}
		return s.complete(ctx, call, v, o, now)
	})
}

// admitIssue asks whether the call may have the issuer sign a certificate of
// the profile.
func (s *Service) admitIssue(v *guard.Visit, issuer *authority, profileName string) error {
	t := issuer.Target(key.IssueCertificate)
	t.Attributes = &policy.Attributes{Profile: profileName}
	return s.authorize(v, t)
}

// take reads the request and returns it as an order.
func (s *Service) take(v *guard.Visit, req *IssueRequest, issuer *authority, now time.Time) (*order, error) {
	if err := s.usable(issuer, now); err != nil {
		return nil, err
	}
	kind, ok := s.profiles[req.Profile]
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "there is no profile %q", req.Profile)
	}
	if err := req.checkSource(); err != nil {
		return nil, err
	}
	o := &order{issuer: issuer, profile: kind, names: req.Names}
	subject := req.Subject
	if req.CSR != nil {
		in, err := profile.ReadCSR(req.CSR, req.Subject)
		if err != nil {
			return nil, err
		}
		if len(in.Ignored) > 0 {
			v.Note("ignored extensions", strings.Join(in.Ignored, ", "))
		}
		if err := kind.CheckRequest(in); err != nil {
			return nil, err
		}
		if o.pub, err = cert.ParsePublic(in.SPKI); err != nil {
			return nil, err
		}
		subject, o.spki = in.Subject, in.SPKI
		if o.names.Len() == 0 {
			o.names = in.Names
		}
	}
	return o, s.draft(v, o, subject, kind.Life(req.Validity), now)
}

// checkSource refuses a request with no key, or with more than one.
func (r *IssueRequest) checkSource() error {
	sources := 0
	for _, given := range []bool{r.CSR != nil, r.NewKey != alg.NoSpec, r.Key != nil} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return fault.New(fault.InvalidArgument, "a certificate is for the key of a CSR, for a new key or for an existing key: give one of the three")
	case r.KeyAlias != "" && r.NewKey == alg.NoSpec:
		return fault.New(fault.InvalidArgument, "an alias is given to a new key only")
	case r.NewKey != alg.NoSpec:
		return cert.CheckSpec(r.NewKey)
	}
	return nil
}

// draft checks the names and writes the template, all but the key.
func (s *Service) draft(v *guard.Visit, o *order, subject profile.Subject, life profile.Life, now time.Time) error {
	if err := subject.Check(); err != nil {
		return err
	}
	names, err := o.names.Normal()
	if err != nil {
		return err
	}
	o.names = names
	if err := o.profile.CheckNames(subject, &names); err != nil {
		return err
	}
	serial, err := cert.NewSerial(now, rand.Reader)
	if err != nil {
		return err
	}
	o.template = &x509.Certificate{
		SerialNumber: serial, Subject: subject.Name(), BasicConstraintsValid: true,
		ExtKeyUsage: o.profile.Extended,
	}
	names.Put(o.template)
	s.pointTo(o.template, o.issuer)
	v.Note("serial", cert.SerialText(serial))
	v.Note("subject", o.template.Subject.String())
	v.Note("names", strings.Join(names.Texts(), ", "))
	o.issuer.limit(&life)
	return life.Put(o.template, o.issuer.cert, now)
}

// obtainKey sees to the order's public key. A new key is made only when the
// same certificate for a throw-away key of its kind has passed the lint, so
// that a refused request leaves no key behind.
func (s *Service) obtainKey(ctx context.Context, call *key.Call, v *guard.Visit, req *IssueRequest, o *order) error {
	var k *key.Key
	switch {
	case req.NewKey != alg.NoSpec:
		made, err := s.makeKey(ctx, call, req, o)
		if err != nil {
			return err
		}
		k = made
	case req.Key != nil:
		result, err := s.keys.PublicKey(ctx, call, *req.Key)
		if err != nil {
			return err
		}
		if k = result.Key; k.Usage != alg.SignVerify {
			return fault.Because(fault.InvalidArgument, fault.WrongUsage, "a certificate is for a signing key")
		}
	default:
		return nil
	}
	if err := cert.CheckSpec(k.Spec); err != nil {
		return err
	}
	o.key, o.spki = &k.Name.ID, k.Current().Public
	v.Note("key", k.Name.String())
	pub, err := engine.ParsePublic(k.Spec, o.spki)
	if err != nil {
		return fmt.Errorf("reading the public key of %s: %w", k.Name, err)
	}
	o.pub = pub
	return nil
}

// makeKey rehearses the order and makes its key.
func (s *Service) makeKey(ctx context.Context, call *key.Call, req *IssueRequest, o *order) (*key.Key, error) {
	stand, err := s.lints.StandIn(req.NewKey)
	if err != nil {
		return nil, err
	}
	spki, err := engine.MarshalPublic(stand.Spec(), stand.Key())
	if err != nil {
		return nil, err
	}
	rehearsal := *o
	rehearsal.pub, rehearsal.spki = stand, spki
	if _, err := s.lint(&rehearsal); err != nil {
		return nil, err
	}
	k, err := s.keys.CreateKey(ctx, call, &kms.CreateKeyRequest{
		Spec: req.NewKey, Usage: alg.SignVerify, Description: "certificate of " + o.template.Subject.String(),
	})
	if err != nil || req.KeyAlias == "" {
		return k, err
	}
	return k, s.keys.CreateAlias(ctx, call, req.KeyAlias, kms.Ref{ID: k.Name.ID})
}

// lint has the order's certificate encoded and linted.
func (s *Service) lint(o *order) (*lint.Token, error) {
	if err := o.profile.Keys.Check(o.pub.Key()); err != nil {
		return nil, err
	}
	if bytes.Equal(o.spki, o.issuer.cert.RawSubjectPublicKeyInfo) {
		return nil, fault.Because(fault.InvalidArgument, fault.ProfileViolation, "the key is the authority's own")
	}
	id, err := cert.SubjectKeyID(o.spki)
	if err != nil {
		return nil, err
	}
	o.template.SubjectKeyId, o.template.KeyUsage = id, o.profile.KeyUsage(o.pub.Key())
	return s.lints.Certificate(o.template, o.issuer.cert, o.issuer.public, o.pub, o.issuer.Algorithm)
}

// complete lints, signs, records and stores the certificate.
func (s *Service) complete(ctx context.Context, call *key.Call, v *guard.Visit, o *order, now time.Time) (*Issued, error) {
	token, err := s.lint(o)
	if err != nil {
		return nil, err
	}
	if len(token.Warnings()) > 0 {
		v.Note("lint warnings", strings.Join(token.Warnings(), ", "))
	}
	if call.DryRun {
		return nil, dryRun()
	}
	der, err := s.sign(ctx, call, o.issuer, token)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		Authority: o.issuer.ID, Serial: cert.SerialText(o.template.SerialNumber), DER: der,
		Subject: o.template.Subject.String(), Names: o.names.Texts(), Profile: o.profile.Name, Key: o.key,
		Requester: call.Caller.Principal.String(), Shard: s.shard(o.issuer, o.template.SerialNumber),
		IssuedAt: now, NotBefore: o.template.NotBefore, NotAfter: o.template.NotAfter,
	}
	err = v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error { return insertCertificate(tx, c) })
	})
	if err != nil {
		return nil, err
	}
	return &Issued{Certificate: c, Chain: o.issuer.Presented()}, nil
}
