package identity

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// MaxIssuers is how many issuers a realm has at most (IAM and AWS STS quotas,
// IAM User Guide).
const MaxIssuers = 100

// Issuer is somebody whose tokens prove who web identities are.
type Issuer struct {
	Realm key.RealmID
	*webidentity.Issuer
	CreatedAt time.Time
}

// Resource returns the issuer as policies see it.
func (i *Issuer) Resource() key.Resource { return issuerResource(i.Realm, i.Name()) }

func issuerResource(realm key.RealmID, name string) key.Resource {
	return key.Resource{Kind: key.KindIssuer, Realm: realm, ID: name}
}

// unreachable is the fetcher of a directory that has none.
type unreachable struct{}

func (unreachable) Fetch(context.Context, *webidentity.Registration, string) ([]byte, error) {
	return nil, errors.New("this server asks no issuers for their keys")
}

// newIssuer returns a verifier of what is registered. Plain is as in package
// webidentity: of what is stored nobody asks whether it would be taken today.
func (d *Directory) newIssuer(realm key.RealmID, r webidentity.Registration, created time.Time, plain bool) (*Issuer, error) {
	i, err := webidentity.New(r, d.config.Fetch, plain)
	if err != nil {
		return nil, err
	}
	return &Issuer{realm, i, created}, nil
}

// CreateIssuer registers an issuer, whose tokens may then assume the roles
// that trust it.
func (a *Admin) CreateIssuer(ctx context.Context, call *key.Call, r webidentity.Registration) (*Issuer, error) {
	return guard.Do(ctx, a.guard, call, key.CreateIssuer, func(v *guard.Visit) (*Issuer, error) {
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		realm := call.Caller.Principal.Realm
		t := guard.Target{Action: key.CreateIssuer, Resource: issuerResource(realm, webidentity.Name(r.URL))}
		if err := v.Authorize(t); err != nil {
			return nil, err
		}
		i, err := a.directory.newIssuer(realm, r, a.directory.now().UTC(), a.directory.config.PlainIssuers)
		if err != nil {
			return nil, err
		}
		s, count := a.directory.current.Load(), 0
		if _, taken := s.issuers[userRow(realm, i.Name())]; taken {
			return nil, fault.New(fault.AlreadyExists, "issuer %s exists", i.Name())
		}
		for _, other := range s.issuers {
			if other.Realm == realm {
				count++
			}
		}
		if count >= MaxIssuers {
			return nil, fault.New(fault.LimitExceeded, "a realm has at most %d issuers", MaxIssuers)
		}
		return i, a.storeIssuer(ctx, v, i)
	})
}

// UpdateIssuer has change change what is registered of an issuer, but for its
// URL.
func (a *Admin) UpdateIssuer(ctx context.Context, call *key.Call, name string, change func(*webidentity.Registration)) (*Issuer, error) {
	return a.onIssuer(ctx, call, key.UpdateIssuer, name, func(v *guard.Visit, old *Issuer) (*Issuer, error) {
		r := old.Registration
		change(&r)
		r.URL = old.URL
		i, err := a.directory.newIssuer(old.Realm, r, old.CreatedAt, a.directory.config.PlainIssuers)
		if err != nil {
			return nil, err
		}
		return i, a.storeIssuer(ctx, v, i)
	})
}

// storeIssuer records and stores an issuer and makes it visible. The lock is
// held.
func (a *Admin) storeIssuer(ctx context.Context, v *guard.Visit, i *Issuer) error {
	row, err := rowOfIssuer(i)
	if err != nil {
		return err
	}
	next := a.directory.current.Load().clone()
	next.issuers[userRow(i.Realm, i.Name())] = i
	return a.put(ctx, v, store.Issuers, row, next)
}

// Issuer returns an issuer of the caller's realm, by its URL without the scheme.
func (a *Admin) Issuer(ctx context.Context, call *key.Call, name string) (*Issuer, error) {
	return a.onIssuer(ctx, call, key.GetIssuer, name, func(_ *guard.Visit, i *Issuer) (*Issuer, error) { return i, nil })
}

// ListIssuers returns a page of the caller's realm's issuers by name, and the
// After of the next one.
func (a *Admin) ListIssuers(ctx context.Context, call *key.Call, page Page) ([]*Issuer, string, error) {
	return list(ctx, a, call, key.ListIssuers, key.Resource{Realm: call.Caller.Principal.Realm}, page, func(s *state) []*Issuer {
		return slices.Collect(maps.Values(s.issuers))
	}, func(i *Issuer) (key.RealmID, string) { return i.Realm, i.Name() })
}

// DeleteIssuer ends an issuer's registration. Sessions that its tokens made
// stay until their roles are deleted or they expire.
func (a *Admin) DeleteIssuer(ctx context.Context, call *key.Call, name string) error {
	_, err := a.onIssuer(ctx, call, key.DeleteIssuer, name, func(v *guard.Visit, i *Issuer) (*Issuer, error) {
		return nil, a.remove(ctx, v, store.Issuers, userRow(i.Realm, i.URL), func(s *state) { delete(s.issuers, userRow(i.Realm, i.Name())) })
	})
	return err
}

// onIssuer authorises an action on an issuer and runs act under the lock.
func (a *Admin) onIssuer(
	ctx context.Context, call *key.Call, action key.Action, name string, act func(*guard.Visit, *Issuer) (*Issuer, error),
) (*Issuer, error) {
	return guard.Do(ctx, a.guard, call, action, func(v *guard.Visit) (*Issuer, error) {
		a.directory.mu.Lock() // before judging, as changeUser says
		defer a.directory.mu.Unlock()
		resource := issuerResource(call.Caller.Principal.Realm, name)
		if err := v.Authorize(guard.Target{Action: action, Resource: resource}); err != nil {
			return nil, err
		}
		i, ok := a.directory.current.Load().issuers[userRow(resource.Realm, name)]
		if !ok {
			return nil, &fault.Error{Kind: fault.NotFound, Resource: resource.String(), Public: "issuer " + name + " does not exist"}
		}
		return act(v, i)
	})
}
