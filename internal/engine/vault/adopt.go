package vault

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Adopt finds a key that is in Transit already: by its name, by its name and a
// version ("name/3"), or by its path ("transit/keys/name"). Without a version an
// asymmetric key and one for codes stay at the one that is the latest now; keys
// that encrypt follow the key's rotation. Destroy leaves the key in Transit. A
// key that a Holdfast made is not adopted: it is somebody's already, perhaps
// another realm's.
func (e *Engine) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	at, err := wire.ParseKeyName(e.mount, name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	if remote.Made(at.Name) {
		return engine.Kind{}, engine.Material{}, fault.New(fault.WrongState, "the key %s is one of this or another Holdfast, and has a name there: it is not adopted a second time", at.Name)
	}
	k, err := e.read(ctx, at.Name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	kind, version, err := adopted(k, at.Version)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	r, err := reference(k, version, usages(kind.Spec)...)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	r.Adopted = true
	m, err := remote.Seal(e.box, ref, kind.Spec, r)
	return kind, m, err
}

// adopted returns what a key is that was found, and which version of it is
// used.
func adopted(k *wire.Key, version int) (engine.Kind, int, error) {
	kind := kindOf(k)
	switch {
	case kind.Spec == alg.NoSpec:
		return kind, 0, fault.New(fault.Unsupported, "the key %s (%s) is of no type that is supported here", k.Name, k.KeyType())
	case k.Derived:
		return kind, 0, fault.New(fault.Unsupported, "the key %s derives another key for each context, which is not supported here", k.Name)
	case version != 0 && kind.Spec == alg.AES256:
		return kind, 0, fault.New(fault.Unsupported, "a key that encrypts follows its rotation in Transit: name it without a version")
	case version > k.LatestVersion:
		return kind, 0, fault.New(fault.NotFound, "the key %s has no version %d", k.Name, version)
	}
	if version == 0 {
		version = k.LatestVersion
	}
	if c := condition(k, version); c != engine.Usable {
		reason := fault.KeyUnavailable
		if c == engine.Disabled {
			reason = fault.KeyDisabled
		}
		return kind, 0, fault.Because(fault.WrongState, reason, "version %d of the key %s is %s in the key service", version, k.Name, c)
	}
	return kind, version, nil
}

// kindOf returns what a key is; NoSpec of what the engine has no abilities for.
func kindOf(k *wire.Key) engine.Kind {
	spec := k.Spec()
	can := usages(spec)
	if len(can) == 0 {
		return engine.Kind{}
	}
	return engine.Kind{Spec: spec, Usage: can[0], Exportable: k.Exportable}
}

// Make makes a key by a name of the caller's. A name that is taken is
// AlreadyExists; also when the answer of the request that made it was lost.
func (e *Engine) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	switch {
	case !e.Supports(kind.Spec, kind.Usage):
		return "", unsupported(kind.Spec, kind.Usage)
	case !wire.ValidName(name):
		return "", invalid("%.40q is no name of a Transit key", name)
	case strings.HasPrefix(name, remote.NamePrefix):
		return "", invalid("names that begin with %q are given by Holdfast itself", remote.NamePrefix)
	}
	taken := fault.New(fault.AlreadyExists, "the key service has a key %s already", name)
	if _, err := e.read(ctx, name); err == nil {
		return "", taken
	} else if !missing(err) {
		return "", err
	}
	_, found, err := e.create(ctx, name, kind, remote.Once)
	if found {
		return "", taken
	}
	return name, err
}

// pageSize is how many keys List returns: each is a request of its own.
const pageSize = 50

// List returns some of the keys of the mount, by their names. Page is the name
// of the last one that was returned.
func (e *Engine) List(ctx context.Context, page string) ([]engine.Listed, string, error) {
	var names []string
	query := url.Values{"list": {"true"}, "limit": {strconv.Itoa(pageSize)}} // HashiCorp's Transit returns all
	if page != "" {
		query.Set("after", page)
	}
	err := e.do(ctx, "List", remote.Repeatable, func(ctx context.Context) error {
		r, err := send[wire.KeyList](ctx, e, http.MethodGet, "keys", nil, query)
		if err == nil && r != nil && r.Data != nil {
			names = r.Data.Keys
		}
		return err
	})
	if err != nil && !missing(err) { // that there is no key at all is "not found"
		return nil, "", err
	}
	full := len(names) >= pageSize
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(n string) bool { return n <= page })
	next := ""
	if full && len(names) > 0 {
		names = names[:min(len(names), pageSize)]
		next = names[len(names)-1]
	}
	keys, err := e.describe(ctx, names)
	return keys, next, err
}

// describe reads keys. Folders, and what was deleted meanwhile, are left out.
func (e *Engine) describe(ctx context.Context, names []string) ([]engine.Listed, error) {
	keys := make([]engine.Listed, 0, len(names))
	for _, name := range names {
		if !wire.ValidName(name) {
			continue
		}
		k, err := e.read(ctx, name)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		period := time.Duration(k.AutoRotatePeriod) * time.Second
		keys = append(keys, engine.Listed{
			Name: name, Kind: kindOf(k), Type: k.KeyType().String(), Condition: condition(k, 0), Made: remote.Made(name),
			Created: k.Versions["1"].CreationTime, Renewed: k.Versions[strconv.Itoa(k.LatestVersion)].CreationTime, Rotation: &period, Protection: key.Software,
		})
	}
	return keys, nil
}
