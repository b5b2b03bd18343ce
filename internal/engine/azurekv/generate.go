package azurekv

import (
	"bytes"
	"context"
	"crypto"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// request sends what makes a key.
type request func(context.Context) (azkeys.KeyBundle, error)

// Generate makes a key in the vault, or finds the one that an earlier call made
// for the same version. A key of the name that is another one is a Conflict.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, e.unsupported(kind)
	}
	id, tags := e.named(remote.KeyName(ref)), tagsOf(ref, kind.Spec)
	return e.made(ref, kind, nil, func() (*found, error) {
		return e.make(ctx, "Generate", id, e.create(id.Name, kind, tags))
	})
}

// Import takes a key into the vault. It goes there by TLS, in the clear inside:
// the service's own way of wrapping keys needs an HSM of the sender's.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, e.unsupported(kind)
	}
	p, err := engine.ParsePlain(kind.Spec, plain)
	if err != nil {
		return engine.Material{}, err
	}
	defer clear(p.Secret)
	id, tags := e.named(remote.KeyName(ref)), tagsOf(ref, kind.Spec)
	send, wipe, err := e.load(id.Name, kind, p, tags)
	if err != nil {
		return engine.Material{}, err
	}
	defer wipe()
	return e.made(ref, kind, p.Public, func() (*found, error) { return e.make(ctx, "Import", id, send) })
}

// made seals what is kept of a key that was made for a version, once it is known
// to be that.
func (e *Engine) made(ref engine.Ref, kind engine.Kind, public crypto.PublicKey, by func() (*found, error)) (engine.Material, error) {
	k, err := by()
	if err != nil {
		return engine.Material{}, err
	}
	if !k.is(kind, e.hsm, tagsOf(ref, kind.Spec)) {
		return engine.Material{}, fault.New(fault.Conflict, "the vault of %s has another key named %s", e.name, k.id.Name)
	}
	r, err := k.reference([]alg.Usage{kind.Usage})
	if err != nil {
		return engine.Material{}, err
	}
	if public != nil {
		if spki, err := engine.MarshalPublic(kind.Spec, public); err != nil || !bytes.Equal(spki, r.Public) {
			return engine.Material{}, fault.New(fault.Conflict, "the vault of %s has another key named %s", e.name, k.id.Name)
		}
	}
	return remote.Seal(e.box, ref, kind.Spec, r)
}

// make makes a key of a name, unless it is there: another request with the name
// would not be refused, but add a version. Where it is not known whether a
// request made the key, it is looked for.
func (e *Engine) make(ctx context.Context, op string, id azure.Identifier, send request) (*found, error) {
	k, err := e.get(ctx, op, id)
	if err == nil || fault.KindOf(err) != fault.NotFound {
		return k, err
	}
	err = e.do(ctx, op, remote.Once, func(ctx context.Context) error {
		answer, err := send(ctx)
		if err == nil {
			k, err = read(id, answer)
		}
		return err
	})
	if fault.KindOf(err) == fault.Unavailable {
		if there, again := e.get(ctx, op, id); again == nil {
			return there, nil
		}
	}
	return k, err
}

// Make makes a key of a name that its caller chooses, and returns its URL.
func (e *Engine) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	switch {
	case !e.Supports(kind.Spec, kind.Usage):
		return "", e.unsupported(kind)
	case !azure.ValidName(name):
		return "", fault.New(fault.InvalidArgument, "a key in a vault has a name of 1 to 127 letters, digits and hyphens")
	case reserved(name):
		return "", fault.New(fault.InvalidArgument, "%s is a name of the kind that Holdfast gives itself", name)
	}
	id, nonce := e.named(name), uuid.NewString()
	k, err := e.make(ctx, "Make", id, e.create(name, kind, map[string]string{tagSpec: kind.Spec.String(), tagRequest: nonce}))
	if err != nil {
		return "", err
	}
	if k.tags[tagRequest] != nonce {
		return "", fault.New(fault.AlreadyExists, "the vault of %s has a key named %s already", e.name, name)
	}
	return id.String(), nil
}

// named returns the name of a key of the vault.
func (e *Engine) named(name string) azure.Identifier {
	id := e.vault
	id.Name = name
	return id
}

// reserved reports whether a name is one that engines give. Names do not differ
// by case.
func reserved(name string) bool { return remote.Made(strings.ToLower(name)) }

func (e *Engine) unsupported(kind engine.Kind) error {
	return fault.New(fault.Unsupported, "the vault of %s has no keys of type %q for %q", e.name, kind.Spec, kind.Usage)
}

// create returns the request that has a key made.
func (e *Engine) create(name string, kind engine.Kind, tags map[string]string) request {
	p := azkeys.CreateKeyParameters{
		Kty: new(azkeys.KeyType(azure.KeyTypeOf(kind.Spec, e.hsm))), KeyOps: operations(kind.Usage), Tags: pointers(tags),
	}
	switch curve := azure.CurveOf(kind.Spec); {
	case curve != "":
		p.Curve = new(azkeys.CurveName(curve))
	default:
		p.KeySize = new(int32(kind.Spec.Info().Bits)) //nolint:gosec // of the table
	}
	return func(ctx context.Context) (azkeys.KeyBundle, error) {
		answer, err := e.keys.CreateKey(ctx, name, p, nil)
		return answer.KeyBundle, err
	}
}

// load returns the request that has the vault take a key, and what overwrites
// its copy of the key.
func (e *Engine) load(name string, kind engine.Kind, p *engine.Plain, tags map[string]string) (request, func(), error) {
	var from any = p.Secret
	if p.Private != nil {
		from = p.Private
	}
	k, err := azure.NewJSONWebKey(from, e.hsm)
	if err != nil {
		return nil, nil, engine.Unsound(kind.Spec, err)
	}
	key := &azkeys.JSONWebKey{
		Kty: new(azkeys.KeyType(k.Type)), KeyOps: operations(kind.Usage), N: k.N, E: k.E, X: k.X, Y: k.Y,
		D: k.D, P: k.P, Q: k.Q, DP: k.DP, DQ: k.DQ, QI: k.QI, K: k.K,
	}
	if k.Curve != "" {
		key.Crv = new(azkeys.CurveName(k.Curve))
	}
	parameters := azkeys.ImportKeyParameters{Key: key, HSM: new(e.hsm), Tags: pointers(tags)}
	return func(ctx context.Context) (azkeys.KeyBundle, error) {
		answer, err := e.keys.ImportKey(ctx, name, parameters, nil)
		return answer.KeyBundle, err
	}, k.Clear, nil
}

func operations(u alg.Usage) []*azkeys.KeyOperation {
	var list []*azkeys.KeyOperation
	for _, o := range azure.OperationsFor(u) {
		list = append(list, new(azkeys.KeyOperation(o)))
	}
	return list
}

func pointers(tags map[string]string) map[string]*string {
	out := map[string]*string{}
	for name, value := range tags {
		out[name] = new(value)
	}
	return out
}

// Open makes a key ready for use. It asks the vault nothing.
func (e *Engine) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "engine/azurekv.Open", Public: "the caller has gone", Err: err}
	}
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	if r.Version == "" {
		return remote.Open(e.line, &e.follows, spec, r)
	}
	return remote.Open(e.line, &e.does, spec, r)
}
