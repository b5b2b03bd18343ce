package providers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/trial"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Reader tells callers who may of the server's providers
// (front/native/providers).
type Reader struct {
	Of    *Providers
	Guard *guard.Guard
	// Residents returns the keys of an engine by their names in the service.
	Residents func(context.Context, engine.Engine) map[string]key.ID
}

// resource is what a caller needs provider:List, provider:ListKeys and
// provider:Test on.
func resource(call *key.Call, name string) key.Resource {
	id := "provider"
	if name != "" {
		id += "/" + name
	}
	return key.Resource{Kind: key.KindServer, Realm: call.Caller.Principal.Realm, ID: id}
}

// Providers returns all providers.
func (r *Reader) Providers(ctx context.Context, call *key.Call) (*native.ProviderList, error) {
	return guard.Do(ctx, r.Guard, call, key.ListProviders, func(v *guard.Visit) (*native.ProviderList, error) {
		if err := v.Authorize(guard.Target{Action: key.ListProviders, Resource: resource(call, "")}); err != nil {
			return nil, err
		}
		out := &native.ProviderList{Providers: []native.Provider{}}
		for _, p := range r.Of.all {
			out.Providers = append(out.Providers, providerOut(p, call.Caller.Principal.Realm))
		}
		return out, nil
	})
}

// Provider returns one of them, with the kinds of keys that it makes.
func (r *Reader) Provider(ctx context.Context, call *key.Call, name string) (*native.Provider, error) {
	return guard.Do(ctx, r.Guard, call, key.ListProviders, func(v *guard.Visit) (*native.Provider, error) {
		if err := v.Authorize(guard.Target{Action: key.ListProviders, Resource: resource(call, name)}); err != nil {
			return nil, err
		}
		p, err := r.Of.named(name)
		if err != nil {
			return nil, err
		}
		out := providerOut(p, call.Caller.Principal.Realm)
		out.Makes = makes(p.Engine)
		return &out, nil
	})
}

// Keys returns a page of what is in a provider. Providers are the server's, and
// what is in them may be of any realm: only callers of those that the
// configuration names see it, which are those that adopt keys from there
// (kms.Config.Adopting).
func (r *Reader) Keys(ctx context.Context, call *key.Call, name, page string) (*native.ProviderKeyList, error) {
	return guard.Do(ctx, r.Guard, call, key.ListProviderKeys, func(v *guard.Visit) (*native.ProviderKeyList, error) {
		target := guard.Target{Action: key.ListProviderKeys, Resource: resource(call, name)}
		if err := v.Authorize(target); err != nil {
			return nil, err
		}
		p, err := r.Of.named(name)
		if err != nil {
			return nil, err
		}
		if !p.shows(call.Caller.Principal.Realm) {
			return nil, v.Deny(target, fault.NoIdentityPolicyAllows, "the realm does not look into "+name)
		}
		lister, ok := p.Engine.(engine.Lister)
		if !ok {
			return nil, fault.New(fault.Unsupported, "the provider %s does not tell what is in it", name)
		}
		found, next, err := lister.List(ctx, page)
		if err != nil {
			return nil, err
		}
		here := r.Residents(ctx, p.Engine)
		out := &native.ProviderKeyList{Keys: make([]native.ProviderKey, len(found)), Next: next}
		for i := range found {
			out.Keys[i] = keyOut(&found[i], here)
		}
		return out, nil
	})
}

// Test tries a provider. A key that it makes for that is destroyed at once, as
// far as the service does so at once.
func (r *Reader) Test(ctx context.Context, call *key.Call, name string, req *native.TestProviderRequest) (*native.ProviderTrial, error) {
	return guard.Do(ctx, r.Guard, call, key.TestProvider, func(v *guard.Visit) (*native.ProviderTrial, error) {
		if err := v.Authorize(guard.Target{Action: key.TestProvider, Resource: resource(call, name)}); err != nil {
			return nil, err
		}
		v.Note("spec", req.Spec)
		v.Note("usage", req.Usage)
		out, err := r.Of.try(ctx, name, call.Caller.Principal.Realm, req)
		if err != nil {
			return nil, err
		}
		if p, err := r.Of.named(name); err != nil || !p.shows(call.Caller.Principal.Realm) {
			out.Cause = ""
		}
		return out, nil
	})
}

// Test tries a provider, as the default realm.
func (p *Providers) Test(ctx context.Context, name string, req *native.TestProviderRequest) (*native.ProviderTrial, error) {
	return p.try(ctx, name, key.DefaultRealm, req)
}

// Makes returns the kinds of keys that a provider makes.
func (p *Providers) Makes(name string) ([]native.ProviderKind, error) {
	one, err := p.named(name)
	if err != nil {
		return nil, err
	}
	return makes(one.Engine), nil
}

// try reaches a provider, or makes a key in it, uses it and destroys it.
func (p *Providers) try(ctx context.Context, name string, realm key.RealmID, req *native.TestProviderRequest) (*native.ProviderTrial, error) {
	one, err := p.named(name)
	if err != nil {
		return nil, err
	}
	if req.Spec == "" && req.Usage == "" {
		return reach(ctx, one.Engine), nil
	}
	kind, err := kindOf(req)
	if err != nil {
		return nil, err
	}
	return use(ctx, one.Engine, realm, kind), nil
}

func kindOf(req *native.TestProviderRequest) (engine.Kind, error) {
	spec, known := aws.ParseSpec(req.Spec)
	usage, knows := aws.ParseUsage(req.Usage)
	kind := engine.Kind{Spec: spec, Usage: usage}
	if !known || !knows || !slices.Contains(trial.Kinds(), kind) {
		return kind, fault.New(fault.InvalidArgument, "no key of spec %q for %q can be tried", req.Spec, req.Usage)
	}
	return kind, nil
}

// reach asks a service for something that costs little.
func reach(ctx context.Context, e Engine) *native.ProviderTrial {
	start := time.Now()
	var err error
	if lister, ok := e.(engine.Lister); ok {
		_, _, err = lister.List(ctx, "")
	} else {
		err = e.Random(ctx, make([]byte, 16))
	}
	return verdict(err, &native.ProviderTrial{Micros: time.Since(start).Microseconds()})
}

// use makes a key of a kind in a service, uses it and destroys it.
func use(ctx context.Context, e Engine, realm key.RealmID, kind engine.Kind) *native.ProviderTrial {
	if !e.Supports(kind.Spec, kind.Usage) {
		return verdict(fault.New(fault.Unsupported, "not supported"), &native.ProviderTrial{})
	}
	out := &native.ProviderTrial{}
	result, err := trial.Use(ctx, e, realm, kind)
	if result != nil {
		out.MadeMicros, out.Micros = result.Made.Microseconds(), result.Used.Microseconds()
		for _, a := range result.Lacks {
			out.Lacks = append(out.Lacks, aws.AlgorithmName(a))
		}
	}
	return verdict(err, out)
}

// verdict says what an error is.
func verdict(err error, out *native.ProviderTrial) *native.ProviderTrial {
	if out.OK = err == nil; out.OK {
		return out
	}
	out.Failure = err.Error()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return out
	}
	if _, told := errors.AsType[*trial.Failure](err); !told && f.Public != "" {
		out.Failure = f.Public
	}
	if f.Err != nil {
		out.Cause = f.Err.Error()
	}
	return out
}

// shows reports whether a realm sees what is in a provider. What a service says
// of a failure is for those alone: it names keys, which may be another realm's,
// and the server's own identity there.
func (p *Provider) shows(realm key.RealmID) bool { return slices.Contains(p.Config.RealmIDs(), realm) }

// providerOut puts a provider into the API's shape, as a realm sees it.
func providerOut(p Provider, to key.RealmID) native.Provider {
	h := p.Engine.Health()
	out := native.Provider{
		Name: p.Config.Name, Kind: p.Config.Kind(), Place: p.Config.Place(), Realms: []string{},
		Protection: string(material.Protection(p.Engine)), State: string(h.State),
		Requests: h.Calls, Failures: h.Failures, Throttled: h.Throttled, Retries: h.Retries,
	}
	for _, r := range p.Config.RealmIDs() {
		out.Realms = append(out.Realms, string(r))
	}
	if h.State != remote.StateOK {
		out.Since = h.Since
		if h.Err != nil && p.shows(to) {
			out.Cause = h.Err.Error()
		}
	}
	return out
}

// makes returns the kinds of keys that an engine makes.
func makes(e engine.Engine) (kinds []native.ProviderKind) {
	for _, spec := range alg.Specs() {
		for _, usage := range spec.Info().Usages {
			if e.Supports(spec, usage) {
				kinds = append(kinds, native.ProviderKind{Spec: aws.SpecName(spec), Usage: aws.UsageName(usage)})
			}
		}
	}
	return kinds
}

// keyOut puts a key of a service into the API's shape. Here has the keys that
// are known by their names there.
func keyOut(l *engine.Listed, here map[string]key.ID) native.ProviderKey {
	out := native.ProviderKey{Name: l.Name, Type: l.Type, Condition: l.Condition.String(), Made: l.Made, KeyID: string(known(l.Name, here))}
	if l.Kind.Spec != alg.NoSpec {
		out.Spec, out.Usage = aws.SpecName(l.Kind.Spec), aws.UsageName(l.Kind.Usage)
	}
	return out
}

// known returns the key here that a service calls by a name, or by a version
// of it (".../cryptoKeyVersions/1", ":2").
func known(name string, here map[string]key.ID) key.ID {
	if id, ok := here[name]; ok {
		return id
	}
	for full, id := range here {
		if rest, ok := strings.CutPrefix(full, name); ok && strings.ContainsAny(rest[:1], "/:") {
			return id
		}
	}
	return ""
}
