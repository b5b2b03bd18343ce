package tokens

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// hsmResource is what a caller needs hsm:List and hsm:ListObjects on.
func hsmResource(call *key.Call, name string) key.Resource {
	id := "hsm"
	if name != "" {
		id += "/" + name
	}
	return key.Resource{Kind: key.KindServer, Realm: call.Caller.Principal.Realm, ID: id}
}

// Reader tells callers who may of the server's tokens (front/native/tokens).
type Reader struct {
	Tokens *Tokens
	Guard  *guard.Guard
	// Engine returns the engine over a token or group, nil for none.
	Engine func(name string) engine.Engine
	// Has tells which versions of keys there are.
	Has func(key.ID, key.VersionNumber) bool
}

// HSMs returns the server's tokens and groups.
func (r *Reader) HSMs(ctx context.Context, call *key.Call) (*native.HSMList, error) {
	return guard.Do(ctx, r.Guard, call, key.ListTokens, func(v *guard.Visit) (*native.HSMList, error) {
		if err := v.Authorize(guard.Target{Action: key.ListTokens, Resource: hsmResource(call, "")}); err != nil {
			return nil, err
		}
		return &native.HSMList{HSMs: r.Tokens.list()}, nil
	})
}

// HSM returns one of them with what the token says of itself.
func (r *Reader) HSM(ctx context.Context, call *key.Call, name string) (*native.HSM, error) {
	return guard.Do(ctx, r.Guard, call, key.ListTokens, func(v *guard.Visit) (*native.HSM, error) {
		if err := v.Authorize(guard.Target{Action: key.ListTokens, Resource: hsmResource(call, name)}); err != nil {
			return nil, err
		}
		all := r.Tokens.list()
		n := slices.IndexFunc(all, func(h native.HSM) bool { return h.Name == name })
		if n < 0 {
			return nil, noHSM(name)
		}
		out := all[n]
		place := r.Tokens.place(name)
		can, err := place.Capabilities(ctx)
		if err != nil {
			return &out, nil //nolint:nilerr // the state says that the token cannot be reached
		}
		out.Info = infoOf(can, r.Engine(name))
		return &out, nil
	})
}

// Objects returns what is on a token. Tokens are the server's, and what is on
// them may be of any realm: only callers of those that the configuration names
// see it, which are those that adopt keys from there (kms.Config.Adopting).
func (r *Reader) Objects(ctx context.Context, call *key.Call, name string) (*native.HSMObjectList, error) {
	return guard.Do(ctx, r.Guard, call, key.ListTokenObjects, func(v *guard.Visit) (*native.HSMObjectList, error) {
		target := guard.Target{Action: key.ListTokenObjects, Resource: hsmResource(call, name)}
		if err := v.Authorize(target); err != nil {
			return nil, err
		}
		place := r.Tokens.place(name)
		switch {
		case place == nil:
			return nil, noHSM(name)
		case !slices.Contains(r.Tokens.Realms()[name], call.Caller.Principal.Realm):
			return nil, v.Deny(target, fault.NoIdentityPolicyAllows, "the realm does not look into "+name)
		}
		found, err := place.Find(ctx, hsm.Query{})
		if err != nil {
			return nil, err
		}
		out := &native.HSMObjectList{Objects: make([]native.HSMObject, len(found))}
		for n := range found {
			out.Objects[n] = objectOut(&found[n], r.Has)
		}
		return out, nil
	})
}

func noHSM(name string) error {
	return &fault.Error{Kind: fault.NotFound, Resource: "hsm/" + name, Public: "no token or group of this server has the name " + name}
}

// place returns the token or group of a name, nil for none.
func (t *Tokens) place(name string) hsm.Place {
	for _, g := range t.groups {
		if g.Name() == name {
			return g
		}
	}
	if one := t.Token(name); one != nil {
		return one
	}
	return nil
}

// list returns all tokens and groups in the API's shape.
func (t *Tokens) list() []native.HSM {
	out := []native.HSM{}
	for n, h := range t.Health() {
		c := &t.config.Tokens[n]
		one := native.HSM{
			Name: h.Name, Kind: "token", Use: "keys", State: string(h.State), Module: c.Module, Preset: c.Preset,
			Workers: h.Workers, Sessions: h.Sessions, Busy: h.Busy, Waiting: h.Waiting,
			Calls: h.Calls, Failures: h.Failures, Restarts: h.Restarts,
		}
		if slices.Contains(t.config.Pool, h.Name) {
			one.Use = "clusters"
		}
		if h.State != hsm.StateOK {
			one.Since = h.Since
			if h.Err != nil {
				one.Cause = h.Err.Error()
			}
		}
		out = append(out, one)
	}
	for _, g := range t.groups {
		out = append(out, groupOut(g, out))
	}
	return out
}

// groupOut sums up a group's tokens.
func groupOut(g *hsm.Group, tokens []native.HSM) native.HSM {
	out := native.HSM{Name: g.Name(), Kind: "group", Use: "keys"}
	for _, member := range g.Tokens() {
		h := tokens[slices.IndexFunc(tokens, func(t native.HSM) bool { return t.Name == member.Name() })]
		out.Tokens = append(out.Tokens, h.Name)
		if out.State != string(hsm.StateOK) {
			out.State, out.Since, out.Cause = h.State, h.Since, h.Cause
		}
		out.Workers += h.Workers
		out.Sessions += h.Sessions
		out.Busy += h.Busy
		out.Waiting += h.Waiting
		out.Calls += h.Calls
		out.Failures += h.Failures
		out.Restarts += h.Restarts
	}
	return out
}

// infoOf puts what a token says of itself into the API's shape. In is nil for
// a token that has no keys of its own.
func infoOf(c *hsm.Capabilities, in engine.Engine) *native.HSMInfo {
	out := &native.HSMInfo{
		Label: c.Token.Label, Serial: c.Token.Serial, Manufacturer: c.Token.Manufacturer, Model: c.Token.Model,
		Firmware: version(c.Token.FirmwareVersion), Library: c.Library.Manufacturer + " " + version(c.Library.LibraryVersion),
		Mechanisms: make([]native.HSMMechanism, len(c.Mechanisms)), Specs: []string{},
	}
	for n, m := range c.Mechanisms {
		out.Mechanisms[n] = native.HSMMechanism{Name: m.Type.Name(), MinKey: m.Min, MaxKey: m.Max, Uses: m.Flags.Words()}
	}
	for _, s := range alg.Specs() {
		if in != nil && slices.ContainsFunc(s.Info().Usages, func(u alg.Usage) bool { return in.Supports(s, u) }) {
			out.Specs = append(out.Specs, aws.SpecName(s))
		}
	}
	return out
}

// objectOut puts an object into the API's shape. Has tells which versions of
// keys there are.
func objectOut(f *hsm.Found, has func(key.ID, key.VersionNumber) bool) native.HSMObject {
	out := native.HSMObject{
		URI: objectURI(f), Token: f.Token, Class: pkcs11.ClassName(f.Class), Label: f.Label, ID: hex.EncodeToString(f.ID),
		Bits: f.Bits, Uses: f.Uses, Extractable: f.Extractable,
	}
	if id, n, ok := ownKey(f.Label); ok && has(id, n) {
		out.KeyID = string(id)
	} else {
		out.Orphan = ok
	}
	switch f.Class {
	case pkcs11.ClassPrivateKey, pkcs11.ClassPublicKey, pkcs11.ClassSecretKey:
		out.Type = pkcs11.TypeName(f.Type)
	case pkcs11.ClassData, pkcs11.ClassCertificate:
	}
	return out
}

// objectURI names an object (RFC 7512).
func objectURI(f *hsm.Found) string {
	uri := pkcs11uri.URI{Object: f.Label, ID: f.ID, Class: &f.Class}
	return uri.String()
}

// ownKey returns the version of a key whose object has a label that an engine
// gave it: "holdfast/<key id>/<version>".
func ownKey(label string) (key.ID, key.VersionNumber, bool) {
	parts := strings.Split(label, "/")
	if len(parts) != 3 || parts[0] != "holdfast" {
		return "", 0, false
	}
	_, is := key.ID(parts[1]).UUID()
	n, err := strconv.ParseUint(parts[2], 10, 32)
	return key.ID(parts[1]), key.VersionNumber(n), is && err == nil
}

// version writes a CK_VERSION as makers write theirs.
func version(v [2]byte) string { return fmt.Sprintf("%d.%d", v[0], v[1]) }
