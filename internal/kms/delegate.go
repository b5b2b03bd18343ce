package kms

import (
	"context"
	"crypto"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
)

// delegated is what a part of Holdfast that works with a key may do with it.
var delegated = []key.Action{key.Sign, key.GetPublicKey}

// entrusted is what a part of Holdfast may do with a key that is its own.
var entrusted = []key.Action{key.Sign, key.GetPublicKey, key.ExportKey, key.ScheduleKeyDeletion}

// delegate returns the principal of a part of Holdfast, such as an authority.
func delegate(realm key.RealmID, grantee string) key.Principal {
	return key.Principal{Realm: realm, Kind: key.Service, Name: grantee}
}

// Delegate lets a part of Holdfast (an authority, "ca/<id>") sign with a key.
// The caller needs Sign and CreateGrant on the key. The grant is stored with
// the key, and is there once however often it is asked for.
func (s *Service) Delegate(ctx context.Context, call *key.Call, ref Ref, grantee string) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.CreateGrant, func(v *guard.Visit) (*key.Key, error) {
		e, err := s.admission.Admit(v, &operation.Use{Ref: ref, Action: key.Sign, Usage: alg.SignVerify})
		if err != nil {
			return nil, err
		}
		v.Note("grantee", grantee)
		to := delegate(e.Key.Name.Realm, grantee)
		return s.alter(ctx, v, e.Key.Name, &change{
			ref: ref, action: key.CreateGrant, inUse: true,
			edit: func(_ *guard.Visit, k *key.Key) error {
				if slices.ContainsFunc(k.Grants, func(g key.Grant) bool { return g.Grantee == to }) {
					return nil
				}
				if len(k.Grants) >= MaxGrants {
					return fault.New(fault.LimitExceeded, "a key has at most %d grants", MaxGrants)
				}
				k.Grants = append(k.Grants, key.Grant{
					ID: string(randomID()), Grantee: to, Actions: delegated, CreatedAt: s.now().UTC(),
				})
				return nil
			},
		})
	})
}

// Entrust makes a key that is a part of Holdfast's own (a managed certificate,
// "managed/<id>"), in the call's realm and region: of new material, or of the
// request's. It asks for no permission, since what the caller may do was decided on what
// the key is for; the entry in the audit log is the grantee's. The grant that
// the key is made with lets the grantee sign, export and end it.
func (s *Service) Entrust(ctx context.Context, call *key.Call, grantee string, req *ImportKeyRequest) (*key.Key, error) {
	c := &creation{CreateKeyRequest: &req.CreateKeyRequest, Supply: material.Supply{From: material.Generate}, action: key.CreateKey, origin: key.Generated}
	if req.Material != nil {
		c = s.bringing(req)
	}
	c.id = req.ID
	who := delegate(call.Caller.Principal.Realm, grantee)
	return s.foster(ctx, onBehalf(call, who, c.action), c, nil, func(k *key.Key) {
		k.Grants = []key.Grant{{ID: string(randomID()), Grantee: who, Actions: entrusted, CreatedAt: k.CreatedAt}}
	})
}

// foster makes a key for a part of Holdfast, whose call it is; settle completes
// its metadata, and alias, which may be nil, names it.
func (s *Service) foster(ctx context.Context, call *key.Call, c *creation, alias *key.Alias, settle func(*key.Key)) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (*key.Key, error) {
		k, err := s.newKey(v, c)
		if err != nil {
			return nil, err
		}
		settle(k)
		compiled, err := s.compile(k.Policy)
		if err != nil {
			return nil, err
		}
		if alias != nil {
			alias.Target = k.Name.ID
			v.Note("alias", alias.Name)
		}
		v.Permit(k.Resource(), "the key is "+call.Caller.Principal.Name+"'s own")
		return k, s.make(ctx, v, catalog.NewEntry(k, compiled), alias, c)
	})
}

// Provision is a key that a part of Holdfast has for the callers whom it
// serves: one in each realm and region, under a reserved alias.
type Provision struct {
	Alias, Description string
	// Policy says who may use the key. It should let nobody manage it.
	Policy key.Document
}

// Provide returns the key of a provision in the call's realm and region. The
// first time it makes the key, a symmetric one that the clock rotates every
// year; grantee is the part of Holdfast that does so.
func (s *Service) Provide(ctx context.Context, call *key.Call, grantee string, p *Provision) (*key.Key, error) {
	realm, region := call.Caller.Principal.Realm, call.Region
	if a, ok := s.keys.Alias(realm, region, p.Alias); ok {
		return s.provided(key.Name{Realm: realm, Region: region, ID: a.Target})
	}
	defer s.keys.LockAlias(realm, region, p.Alias)()
	if a, ok := s.keys.Alias(realm, region, p.Alias); ok {
		return s.provided(key.Name{Realm: realm, Region: region, ID: a.Target})
	}
	c := &creation{
		CreateKeyRequest: &CreateKeyRequest{Spec: alg.AES256, Description: p.Description, Policy: &p.Policy},
		Supply:           material.Supply{From: material.Generate}, action: key.CreateKey, origin: key.Generated,
	}
	now := s.now().UTC()
	named := &key.Alias{Realm: realm, Region: region, Name: p.Alias, CreatedAt: now, UpdatedAt: now}
	return s.foster(ctx, onBehalf(call, delegate(realm, grantee), c.action), c, named, func(k *key.Key) {
		k.Provided = true
		k.Rotation = key.Rotation{Enabled: true, PeriodDays: DefaultRotate, Next: daysFrom(now, DefaultRotate)}
	})
}

func (s *Service) provided(name key.Name) (*key.Key, error) {
	e, err := s.keys.Find(name)
	if err != nil {
		return nil, err
	}
	return e.Key, nil
}

// ExportEntrusted is ExportKey by the part of Holdfast whose own the key is.
func (s *Service) ExportEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) (*ExportedKey, error) {
	e, inner, err := s.entrusted(call, grantee, id, key.ExportKey)
	if err != nil {
		return nil, err
	}
	return guard.Do(ctx, s.guard, inner, key.ExportKey, func(v *guard.Visit) (*ExportedKey, error) {
		return s.export(ctx, v, e, "")
	})
}

// EndEntrusted schedules the deletion of such a key, in MinDeletion days. One
// that is gone or going is left alone.
func (s *Service) EndEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) error {
	if e, ok := s.keys.Get(id); !ok || e.Key.State == key.PendingDeletion {
		return nil
	}
	_, inner, err := s.entrusted(call, grantee, id, key.ScheduleKeyDeletion)
	if err != nil {
		return err
	}
	_, err = s.ScheduleDeletion(ctx, inner, Ref{ID: id}, MinDeletion)
	return err
}

// entrusted returns a key and the envelope for what its grantee does with it.
func (s *Service) entrusted(call *key.Call, grantee string, id key.ID, action key.Action) (*catalog.Entry, *key.Call, error) {
	e, ok := s.keys.Get(id)
	if !ok {
		return nil, nil, fault.New(fault.NotFound, "key %s does not exist", id)
	}
	inner := onBehalf(call, delegate(e.Key.Name.Realm, grantee), action)
	inner.Region = e.Key.Name.Region
	return e, inner, nil
}

// onBehalf returns the envelope of a step that a part of Holdfast does within
// a call.
func onBehalf(call *key.Call, who key.Principal, action key.Action) *key.Call {
	inner := *call
	inner.Caller = key.Caller{Principal: who, Method: "internal"}
	_, operation, _ := strings.Cut(action.String(), ":")
	inner.API, inner.Operation, inner.Recorded = "holdfast", operation, false
	return &inner
}

// DelegatedSigner returns a signer for a key that was delegated to the
// grantee. Each signature is authorised by the grant, needs an enabled key,
// and has an audit entry of its own within the call that it serves: the
// call's own entry follows it in the log, and no signature may leave before
// that one is durable. The signer belongs to the call.
func (s *Service) DelegatedSigner(
	ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm,
) (crypto.Signer, error) {
	e, ok := s.keys.Get(id)
	if !ok {
		return nil, fault.New(fault.NotFound, "key %s does not exist", id)
	}
	name := e.Key.Name
	if e.Key.Current().Public == nil { // its material is still to come
		return nil, e.At(fault.Because(fault.WrongState, fault.KeyPendingImport, "the key is %s", s.state(e)))
	}
	public, err := e.Public(e.Key.Current())
	if err != nil {
		return nil, err
	}
	inner := onBehalf(call, delegate(name.Realm, grantee), key.Sign)
	inner.Region = name.Region
	return &delegatedSigner{ctx: ctx, service: s, call: inner, name: name, algorithm: a, public: public.Key()}, nil
}

// delegatedSigner is a crypto.Signer, whose Sign has no context: it keeps
// that of the call it belongs to.
type delegatedSigner struct {
	ctx       context.Context //nolint:containedctx // crypto.Signer has no place for it
	service   *Service
	call      *key.Call
	name      key.Name
	algorithm alg.Algorithm
	public    crypto.PublicKey
}

// Public returns the public half of the key's current version.
func (d *delegatedSigner) Public() crypto.PublicKey { return d.public }

// Sign signs a digest, an external mu, or the message itself where opts names
// no hash. The algorithm is the signer's own.
func (d *delegatedSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	m := engine.Message{Form: engine.FormOf(opts), Bytes: digest}
	return guard.DoWithin(d.ctx, d.service.guard, d.call, key.Sign, func(v *guard.Visit) ([]byte, error) {
		e, err := d.service.keys.Find(d.name)
		if err != nil {
			return nil, err
		}
		u := &operation.Use{Action: key.Sign, Usage: alg.SignVerify, Algorithm: d.algorithm}
		if err := d.service.admission.AdmitEntry(v, e, u); err != nil {
			return nil, err
		}
		operation.NoteUse(v, e, d.algorithm, e.Key.Current().Number)
		k, err := d.service.admission.Current(d.ctx, e)
		if err != nil {
			return nil, err
		}
		step := operation.Step(d.ctx, e, "engine.Sign")
		signature, err := engine.Sign(k.Signer, d.algorithm, m)
		step.End(err)
		return signature, err
	})
}
