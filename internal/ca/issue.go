package ca

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// IssueRequest asks for a certificate. Exactly one of CSR, NewKey and Key
// says whose public key it is for.
type IssueRequest struct {
	// Authority is the issuer's id or name.
	Authority string
	// Profile is the name of a profile of the authority's realm. Inline, which
	// stands in its place, is one of a front end's own; its name is what
	// policies see of it.
	Profile string
	Inline  *profile.Profile
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
	// Extensions are for profiles that let them pass through.
	Extensions profile.Extensions
	// Validity is zero for the profile's default.
	Validity profile.Validity
	// Algorithm is what the authority signs with, NoAlgorithm for its usual one.
	Algorithm alg.Algorithm
	// Token, if it is not empty, makes a repetition of the request give the
	// certificate that the first one gave.
	Token string
}

// Issue issues a certificate. The caller needs IssueCertificate on the
// authority; CreateKey and CreateAlias for a new key, GetPublicKey on an
// existing one; and, for an authority's certificate under a profile by name,
// CreateAuthority, because whoever may have servers' certificates is not
// therefore to found authorities.
func (s *Service) Issue(ctx context.Context, call *key.Call, req *IssueRequest) (*Issued, error) {
	return guard.Do(ctx, s.r.Guard, call, key.IssueCertificate, func(v *guard.Visit) (*Issued, error) {
		issuer, err := s.r.Find(call, req.Authority)
		if err != nil {
			v.About(authority.Resource(call.Caller.Principal.Realm, call.Region, req.Authority))
			return nil, err
		}
		kind, err := s.admit(v, issuer, req)
		if err != nil {
			return nil, err
		}
		v.Note("profile", kind.Name)
		ticket, err := s.tokens.Enter(ctx, token.Request{
			Who: call.Caller.Principal, Operation: "Issue", Scope: issuer.ID, Token: req.Token, Life: TokenLife, Of: req,
		})
		if err != nil {
			return nil, err
		}
		defer ticket.Leave()
		if serial, done := ticket.Result(); done {
			v.Note("serial", serial)
			c, err := s.Lookup(ctx, issuer.ID, serial)
			return issued(issuer, kind, c), err
		}
		o := &order{IssueRequest: req, issuer: issuer, profile: kind, now: s.r.Now().UTC(), ticket: ticket}
		if err := s.prepare(ctx, call, v, o); err != nil {
			return nil, err
		}
		return s.complete(ctx, call, v, o)
	})
}

// admit returns the request's profile if the call may have the issuer sign a
// certificate of it. Of a profile that does not exist, only those learn who
// could use it if it did.
func (s *Service) admit(v *guard.Visit, issuer *authority.Entry, req *IssueRequest) (*profile.Profile, error) {
	kind, err := s.chosen(issuer, req)
	name := req.Profile
	if kind != nil {
		name = kind.Name
	}
	if kind != nil && kind.CA && req.Inline == nil {
		t := guard.Target{
			Action: key.CreateAuthority, Resource: key.Resource{Realm: issuer.Realm, Region: v.Call.Region},
			Attributes: &policy.Attributes{Profile: name},
		}
		if denied := authority.Authorize(v, t); denied != nil {
			return nil, denied
		}
	}
	if denied := authority.AdmitIssue(v, issuer, name); denied != nil {
		return nil, denied
	}
	if err == nil {
		err = kind.Admit(&v.Call.Caller)
	}
	return kind, err
}

// chosen returns the profile that a request names or brings.
func (s *Service) chosen(issuer *authority.Entry, req *IssueRequest) (*profile.Profile, error) {
	if req.Inline != nil {
		return req.Inline.Compile()
	}
	p, ok := s.profiles.Load().find(issuer.Realm, req.Profile)
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "there is no profile %q", req.Profile)
	}
	return p.Profile, nil
}

// complete lints, signs, records and stores the certificate.
func (s *Service) complete(ctx context.Context, call *key.Call, v *guard.Visit, o *order) (*Issued, error) {
	passed, err := s.lint(o)
	if err != nil {
		return nil, err
	}
	if warnings := passed.Warnings(); len(warnings) > 0 {
		v.Note("lint warnings", strings.Join(warnings, ", "))
	}
	if call.DryRun {
		return nil, authority.DryRun()
	}
	der, err := s.r.Sign(ctx, call, o.issuer, passed)
	if err != nil {
		return nil, err
	}
	t := o.draft.Template
	c := &Certificate{
		Authority: o.issuer.ID, Serial: cert.SerialText(t.SerialNumber), DER: der,
		Subject: o.draft.Subject.String(), Names: o.draft.Names.Texts(), Profile: o.profile.Name, Key: o.key,
		Requester: call.Caller.Principal.String(), Shard: s.r.Shard(&o.issuer.Authority, t.SerialNumber),
		IssuedAt: o.now, NotBefore: t.NotBefore, NotAfter: t.NotAfter,
	}
	err = v.Commit(ctx, func() error {
		return s.r.Store.Update(ctx, func(tx store.Tx) error {
			if err := s.ledger.Insert(tx, c); err != nil {
				return err
			}
			return o.ticket.Put(tx, c.Serial)
		})
	})
	return issued(o.issuer, o.profile, c), err
}

// issued returns a certificate of the profile with what is presented beside it.
func issued(issuer *authority.Entry, kind *profile.Profile, c *Certificate) *Issued {
	if kind.SelfSigned {
		return &Issued{Certificate: c}
	}
	return &Issued{Certificate: c, Chain: issuer.Presented()}
}

// mayIssue returns nil when the issuer may make a certificate of the profile
// at a time, else a WrongState error. A certificate that signs itself is how
// an authority that has none yet gets one.
func (s *Service) mayIssue(issuer *authority.Entry, kind *profile.Profile, now time.Time) error {
	if !kind.SelfSigned {
		return s.r.Usable(issuer, now)
	}
	if issuer.Type != Root {
		return fault.New(fault.InvalidArgument, "a certificate that signs itself is a root's")
	}
	switch state := issuer.StateAt(now); state {
	case Pending, Active, Expired:
		return nil
	default:
		return state.Refusal()
	}
}
