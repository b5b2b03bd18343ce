package hierarchy

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/ledger"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// RenewAuthority gives an authority a new certificate for the same name and
// key: by itself for a root, by its parent otherwise. What it issued before
// verifies with either certificate; the former one is kept in Past. validity
// is 0 for the default. The caller needs RenewAuthority, and IssueCertificate
// on the parent. An authority whose issuer is not here is renewed by a
// request (AuthorityCSR) and ImportAuthorityCertificate.
func (s *Service) RenewAuthority(ctx context.Context, call *key.Call, idOrName string, validity time.Duration) (*authority.Authority, error) {
	action := key.RenewAuthority
	return guard.Do(ctx, s.r.Guard, call, action, func(v *guard.Visit) (*authority.Authority, error) {
		a, err := s.r.Admit(v, action, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.r.Now().UTC()
		if err := a.Permit(action, now); err != nil {
			return nil, err
		}
		parent, err := s.issuing(v, a)
		if err != nil {
			return nil, err
		}
		t := authority.Renewal(a.X509())
		if err := s.date(t, parent, validity, now); err != nil {
			return nil, err
		}
		der, err := s.signAuthority(ctx, v, t, parent, a)
		if err != nil {
			return nil, err
		}
		return s.takeRenewed(ctx, v, a, parent, der, now)
	})
}

// issuing returns who issues the authority's certificates, nil for a root, and
// authorises the call to have it issue another one.
func (s *Service) issuing(v *guard.Visit, a *authority.Entry) (*authority.Entry, error) {
	if a.Type == authority.Root {
		return nil, nil //nolint:nilnil // a root is its own issuer
	}
	parent, ok := s.r.Entries()[a.Parent]
	if !ok {
		return nil, fault.New(fault.WrongState, "the authority's issuer is not here: take its request to it, and import the certificate")
	}
	if err := authority.AdmitIssue(v, parent, profile.Authority); err != nil {
		return nil, err
	}
	v.About(a.Resource())
	v.Note("parent", parent.ID)
	if parent.Room() == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parent's path length is 0: it issues no authorities")
	}
	return parent, s.r.Usable(parent, s.r.Now())
}

// takeRenewed stores the certificate that renews an authority, unless that
// has changed too much since.
func (s *Service) takeRenewed(ctx context.Context, v *guard.Visit, seen, parent *authority.Entry, der []byte, now time.Time) (*authority.Authority, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	defer s.r.Hold()()
	a, err := s.unchanged(seen, key.RenewAuthority, now)
	if err != nil {
		return nil, err
	}
	path, issued := []*x509.Certificate{c}, []*ledger.Certificate(nil)
	if parent != nil {
		path = append(path, parent.Path...)
		issued = append(issued, s.certificateOf(v, parent, c, &a.Key, now))
	}
	next, others, err := s.renewed(a, path, parent, now)
	if err != nil {
		return nil, err
	}
	v.Note("serial", next.Serial)
	return next.At(now), s.commit(ctx, v, now, s.insertAll(issued...), append([]*authority.Entry{next}, others...)...)
}

// unchanged returns an authority as it is now, if it has the certificate that
// it had and its state still allows the action. s.mu is held.
func (s *Service) unchanged(seen *authority.Entry, action key.Action, now time.Time) (*authority.Entry, error) {
	a, ok := s.r.Entries()[seen.ID]
	if !ok {
		return nil, authority.NotFound()
	}
	if !bytes.Equal(a.Certificate, seen.Certificate) || a.Successor != seen.Successor {
		return nil, fault.New(fault.Conflict, "the authority was changed meanwhile")
	}
	return a, a.Permit(action, now)
}

// RekeyRequest says what the key of an authority's successor is: Key or
// NewKey, as in CreateAuthorityRequest, or with neither one that is made like
// the old one, for the same algorithm.
type RekeyRequest struct {
	Key       kms.Ref
	NewKey    alg.Spec
	Algorithm alg.Algorithm
	Validity  time.Duration // 0 for the default
}

// RekeyAuthority makes a successor of an authority: another authority with
// the same subject, settings, tags, policy and permissions, and with a new key.
// It takes the name over, and the old one is disabled: it goes on publishing
// what became of its certificates, which stay as they are.
//
// A root's successor signs itself; where the old root can still sign, the two
// certify each other, so that whoever trusts one of them can verify what the
// other one issued (RFC 4210 section 4.4). A subordinate's successor has its
// certificate from the same parent, which all trust already. Where the issuer
// is not here, the successor is Pending, and takes over when its certificate
// is imported. The caller needs RekeyAuthority on the old one,
// CreateAuthority, what a key takes, and IssueCertificate on the parent.
func (s *Service) RekeyAuthority(ctx context.Context, call *key.Call, idOrName string, req *RekeyRequest) (*authority.Authority, error) {
	return guard.Do(ctx, s.r.Guard, call, key.RekeyAuthority, func(v *guard.Visit) (*authority.Authority, error) {
		if err := admitCreation(v, nil); err != nil {
			return nil, err
		}
		old, err := s.r.Admit(v, key.RekeyAuthority, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.r.Now().UTC()
		if err := old.Permit(key.RekeyAuthority, now); err != nil {
			return nil, err
		}
		if old.X509() == nil || old.Successor != "" {
			return nil, fault.New(fault.WrongState, "the authority has a successor already, or never had a certificate")
		}
		f, err := s.successor(v, old, req, now)
		if err != nil {
			return nil, err
		}
		v.Note("successor", f.ID)
		return s.found(ctx, v, f, nil)
	})
}

// choice returns what the successor's key shall be.
func (r *RekeyRequest) choice(old *authority.Entry) keyChoice {
	c := keyChoice{r.Key, r.NewKey, r.Algorithm}
	if c.existing != (kms.Ref{}) || c.made != 0 {
		return c
	}
	c.made = old.Spec
	if c.algorithm == alg.NoAlgorithm {
		c.algorithm = old.Algorithm
	}
	return c
}

// successor plans the successor of an authority.
func (s *Service) successor(v *guard.Visit, old *authority.Entry, req *RekeyRequest, now time.Time) (*founding, error) {
	choice := req.choice(old)
	if err := choice.check(); err != nil {
		return nil, err
	}
	f := &founding{
		Entry: &authority.Entry{
			Authority: authority.Authority{
				Realm: old.Realm, Region: old.Region, Type: old.Type, Mode: old.Mode, State: authority.Creating, PathLen: -1,
				Revocation: old.Revocation, Tags: old.Tags, Permissions: old.Permissions, KeyStandard: old.KeyStandard,
				Predecessor: old.ID, CreatedAt: now, UpdatedAt: now, StateChangedAt: now,
			},
		},
		key: choice, now: now, predecessor: old,
	}
	f.SetPolicy(old.Policy, old.Compiled())
	var err error
	if f.ID, err = authority.NewID(); err != nil {
		return nil, err
	}
	if _, here := s.r.Entries()[old.Parent]; !here && old.Type == authority.Subordinate {
		if f.request, err = authority.NewRequest(authority.Requested{KeyUsage: old.X509().KeyUsage}, old.X509().MaxPathLen); err == nil {
			f.request.RawSubject = old.X509().RawSubject
		}
		return f, err
	}
	if f.parent, err = s.issuing(v, old); err != nil {
		return nil, err
	}
	f.template = authority.Renewal(old.X509())
	f.template.SubjectKeyId = nil
	return f, s.date(f.template, f.parent, req.Validity, now)
}

// bridge has an old root and its successor certify each other.
func (s *Service) bridge(ctx context.Context, v *guard.Visit, f *founding) error {
	old, fresh := f.predecessor, f.Entry
	if old.StateAt(f.now) != authority.Active { // what it signs is good for nobody
		return nil
	}
	for _, pair := range []struct{ by, of *authority.Entry }{{old, fresh}, {fresh, old}} {
		t := authority.Renewal(pair.of.X509())
		if err := s.date(t, pair.by, 0, f.now); err != nil {
			return err
		}
		if t.NotAfter.After(pair.of.NotAfter) {
			t.NotAfter = pair.of.NotAfter
		}
		der, err := s.signAuthority(ctx, v, t, pair.by, pair.of)
		if err != nil {
			return err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		f.certificates = append(f.certificates, s.certificateOf(v, pair.by, c, &pair.of.Key, f.now))
		if pair.of == fresh {
			fresh.Cross = append(fresh.Cross, der)
		} else {
			f.returned = der
		}
	}
	return nil
}

// takeOver lets a new authority with a certificate take over from its
// predecessor. s.mu is held.
func (s *Service) takeOver(f *founding) error {
	if f.predecessor == nil || f.State != authority.Active {
		return nil
	}
	if _, err := s.unchanged(f.predecessor, key.RekeyAuthority, f.now); err != nil {
		return err
	}
	next := s.succeed(f.Entry, f.now)
	if next == nil {
		return fault.New(fault.Conflict, "the authority was changed meanwhile")
	}
	if f.returned != nil {
		next.Cross = append(slices.Clone(next.Cross), f.returned)
	}
	f.others = append(f.others, next)
	return nil
}
