package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

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

// founding is an authority on its way: itself, what its key shall be, and
// either its certificate to be, with who issues it, or its request.
type founding struct {
	*authority
	key      keyChoice
	parent   *authority        // nil for one that signs for itself
	template *x509.Certificate // nil for a pending one
	request  *x509.CertificateRequest
	now      time.Time
	// predecessor is whom the authority takes over from, or nil.
	predecessor *authority
	// returned is the certificate for the predecessor's key by the new one.
	returned []byte
	// certificates and others, the new states of further authorities, are
	// stored with it.
	certificates []*Certificate
	others       []*authority
}

// keyChoice says what an authority's key shall be: an existing one, or a new
// one of the spec made.
type keyChoice struct {
	existing  kms.Ref
	made      alg.Spec
	algorithm alg.Algorithm // NoAlgorithm for the spec's default
}

// check refuses what is no key, or two.
func (k *keyChoice) check() error {
	if (k.existing == kms.Ref{}) == (k.made == alg.NoSpec) {
		return fault.New(fault.InvalidArgument, "an authority has an existing key or a new one: give one of the two")
	}
	if k.made != alg.NoSpec {
		return cert.CheckSpec(k.made)
	}
	return nil
}

// found makes the authority: its key, and its certificate or request. also,
// which may be nil, writes in the transaction that stores it. While the call lasts the authority is Creating and
// has its name, so that nobody else takes it.
func (s *Service) found(ctx context.Context, v *guard.Visit, f *founding, also func(store.Tx) error) (*Authority, error) {
	if err := s.rehearse(f); err != nil {
		return nil, err
	}
	if err := s.reserve(v.Call, f); err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done {
			s.abandon(ctx, v.Call, f)
		}
	}()
	if err := s.takeKey(ctx, v, f); err != nil {
		return nil, err
	}
	if err := s.certify(ctx, v, f); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.takeOver(f); err != nil {
		return nil, err
	}
	err := s.commit(ctx, v, f.now, func(tx store.Tx) error {
		if err := s.insertAll(f.certificates...)(tx); err != nil || also == nil {
			return err
		}
		return also(tx)
	}, append([]*authority{f.authority}, f.others...)...)
	if err != nil {
		return nil, err
	}
	done = true
	return f.at(f.now), nil
}

// rehearse lints the authority's certificate for a throw-away key, so that a
// refused request makes no key.
func (s *Service) rehearse(f *founding) error {
	if f.key.made == alg.NoSpec {
		return nil
	}
	algorithm, err := caAlgorithm(f.key.made, f.key.algorithm)
	if err != nil || f.template == nil {
		return err
	}
	stand, err := s.lints.StandIn(f.key.made)
	if err != nil {
		return err
	}
	_, err = s.lintAuthority(f.template, f.parent, stand, algorithm)
	return err
}

// reserve shows the authority as one that is being made, under its name.
func (s *Service) reserve(call *key.Call, f *founding) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.live.Load().byName[nameKey(f.Realm, f.Name)]; taken && f.Name != "" {
		return fault.New(fault.AlreadyExists, "an authority with the name %s exists", f.Name)
	}
	if !call.DryRun {
		shown := *f.authority
		s.publish(&shown)
	}
	return nil
}

// abandon takes back what a failed call began. A grant on an existing key
// stays: it is one to an authority that does not exist, and nobody can use it.
func (s *Service) abandon(ctx context.Context, call *key.Call, f *founding) {
	s.mu.Lock()
	s.withdraw(f.ID)
	s.mu.Unlock()
	if !f.KeyOwned {
		return
	}
	if err := s.keys.EndEntrusted(context.WithoutCancel(ctx), call, grantee(f.ID), f.Key); err != nil {
		slog.WarnContext(ctx, "the key of an authority that could not be made is left over",
			slog.String("key", string(f.Key)), slog.Any("cause", err))
	}
}

// takeKey binds the authority to its key.
func (s *Service) takeKey(ctx context.Context, v *guard.Visit, f *founding) error {
	var k *key.Key
	var err error
	switch {
	case f.key.made == alg.NoSpec:
		k, err = s.keys.Delegate(ctx, v.Call, f.key.existing, grantee(f.ID))
	case v.Call.DryRun:
		return dryRun()
	default:
		k, err = s.keys.Entrust(ctx, v.Call, grantee(f.ID), &kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{
			Spec: f.key.made, Usage: alg.SignVerify, Description: "authority " + f.ID,
		}})
		f.KeyOwned = err == nil
	}
	if err != nil {
		return err
	}
	f.Key, f.Spec = k.Name.ID, k.Spec
	v.Note("key", k.Name.String())
	if k.Usage != alg.SignVerify {
		return fault.Because(fault.InvalidArgument, fault.WrongUsage, "an authority's key is a signing key")
	}
	if f.Algorithm, err = caAlgorithm(k.Spec, f.key.algorithm); err != nil {
		return err
	}
	v.Note("algorithm", f.Algorithm.String())
	if f.public, err = engine.ParsePublic(k.Spec, k.Current().Public); err != nil {
		return fmt.Errorf("reading the public key of %s: %w", k.Name, err)
	}
	return nil
}

// caAlgorithm returns the algorithm with which a key signs certificates.
func caAlgorithm(spec alg.Spec, asked alg.Algorithm) (alg.Algorithm, error) {
	if err := cert.CheckSpec(spec); err != nil {
		return 0, err
	}
	if asked == alg.NoAlgorithm {
		asked = spec.For(alg.SignVerify)[0]
	}
	return asked, cert.CheckAlgorithm(spec, asked)
}

// certify has the authority's certificate signed, or its request.
func (s *Service) certify(ctx context.Context, v *guard.Visit, f *founding) error {
	if f.request != nil {
		return s.signFirstRequest(ctx, v, f)
	}
	by := f.authority
	if f.parent != nil {
		by = f.parent
	}
	der, err := s.signAuthority(ctx, v, f.template, f.parent, f.authority)
	if err != nil {
		return err
	}
	f.Certificate = der
	if f.parent != nil {
		f.Parent, f.Chain = by.ID, append([][]byte{by.Certificate}, by.Chain...)
	}
	if err := f.open(nil); err != nil {
		return fmt.Errorf("reading the new certificate: %w", err)
	}
	f.enter(Active, f.now)
	v.Note("serial", f.Serial)
	if f.parent != nil { // a root is in nobody's inventory
		f.certificates = append(f.certificates, s.certificateOf(v, by, f.cert, &f.Key, f.now))
	}
	if f.predecessor != nil && f.parent == nil {
		return s.bridge(ctx, v, f)
	}
	return nil
}

// certificateOf returns the record of an authority's certificate in its
// issuer's inventory. id is that of the key when Holdfast has it, else nil.
func (s *Service) certificateOf(v *guard.Visit, by *authority, c *x509.Certificate, id *key.ID, now time.Time) *Certificate {
	return &Certificate{
		Authority: by.ID, Serial: cert.SerialText(c.SerialNumber), DER: c.Raw, Subject: c.Subject.String(), Profile: profile.Authority,
		Key: id, Requester: v.Call.Caller.Principal.String(), IssuedAt: now, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Shard: s.shard(by, c.SerialNumber),
	}
}
