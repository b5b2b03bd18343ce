package awskms

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// A key that the engine makes has the alias "alias/" and remote.KeyName, the
// same name as its description, and tags with the key's id and version here.
// The alias says whether a key was made already. CreateKey cannot be told to
// make it: where the answer to CreateKey is lost, the key is looked for by its
// description, at once or when the same key is asked for again. A key whose
// making fails later on is scheduled for deletion.

// The prefix of aliases, and the tags of keys that are made here.
const (
	aliasPrefix = "alias/"
	keyTag      = "holdfast:key"
	versionTag  = "holdfast:version"
)

// order is a key that is to be there.
type order struct {
	name   string
	kind   engine.Kind
	origin types.OriginType
	tags   []types.Tag
}

// orderOf returns the order of a version of a key here.
func orderOf(ref engine.Ref, kind engine.Kind, origin types.OriginType) *order {
	return &order{name: remote.KeyName(ref), kind: kind, origin: origin, tags: []types.Tag{
		{TagKey: aws.String(keyTag), TagValue: aws.String(string(ref.ID))},
		{TagKey: aws.String(versionTag), TagValue: aws.String(strconv.FormatUint(uint64(ref.Version), 10))},
	}}
}

// is reports whether a key is what was ordered.
func (o *order) is(m *types.KeyMetadata) bool {
	return string(m.KeySpec) == wire.SpecName(o.kind.Spec) && string(m.KeyUsage) == wire.UsageName(o.kind.Usage) && m.Origin == o.origin &&
		(m.KeyState == types.KeyStateEnabled || m.KeyState == types.KeyStatePendingImport || m.KeyState == types.KeyStateCreating)
}

// made is a key that is there, and whether it is by this call.
type made struct {
	*types.KeyMetadata
	now bool
}

// Generate makes a key in the service. A key of the same name that is there
// already is the one that an earlier call made.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, e.unsupported(kind)
	}
	return e.fill(ctx, orderOf(ref, kind, types.OriginTypeAwsKms), func(k made) (engine.Material, error) { return e.material(ctx, ref, kind, k) })
}

// fill makes the key of an order, or finds the one that an earlier call made,
// and makes material of it. A key that this fails of is abandoned.
func (e *Engine) fill(ctx context.Context, o *order, material func(made) (engine.Material, error)) (engine.Material, error) {
	done, err := e.turns.take(ctx, o.name)
	if err != nil {
		return engine.Material{}, err
	}
	defer done()
	k, err := e.ensure(ctx, o)
	if err != nil {
		return engine.Material{}, err
	}
	m, err := material(k)
	if err != nil {
		e.abandon(ctx, o, k)
	}
	return m, err
}

// material returns the sealed reference of a key.
func (e *Engine) material(ctx context.Context, ref engine.Ref, kind engine.Kind, k made) (engine.Material, error) {
	r := referenceOf(kind, k.KeyMetadata)
	if !kind.Spec.Symmetric() {
		var err error
		if r.Public, err = e.public(ctx, kind.Spec, *k.Arn, k.now); err != nil {
			return engine.Material{}, err
		}
	}
	return remote.Seal(e.box, ref, kind.Spec, r)
}

// ensure returns the key of an order: the one that is there already, or a new
// one. The name's turn is the caller's.
func (e *Engine) ensure(ctx context.Context, o *order) (made, error) {
	m, err := e.describe(ctx, aliasPrefix+o.name)
	switch {
	case err == nil && !o.is(m):
		return made{}, fault.New(fault.Conflict, "the key service %s has another key under the name %s", e.Name(), o.name)
	case err == nil:
		return made{KeyMetadata: m}, nil
	case fault.KindOf(err) != fault.NotFound:
		return made{}, err
	}
	if since, ok := e.doubts.of(o.name); ok {
		m, err := e.sweep(ctx, o, since)
		if err != nil {
			return made{}, err
		}
		if m != nil {
			return e.name(ctx, o, made{m, true})
		}
	}
	return e.create(ctx, o)
}

// create makes a key and gives it its name.
func (e *Engine) create(ctx context.Context, o *order) (made, error) {
	in := &kms.CreateKeyInput{
		KeySpec: types.KeySpec(wire.SpecName(o.kind.Spec)), KeyUsage: types.KeyUsageType(wire.UsageName(o.kind.Usage)),
		Origin: o.origin, Description: &o.name, Tags: o.tags,
	}
	began := time.Now()
	e.doubts.note(o.name, began)
	out, err := ask(ctx, e, call{op: "CreateKey", how: remote.Once}, e.client.CreateKey, in, func(out *kms.CreateKeyOutput) error {
		if out.KeyMetadata == nil || out.KeyMetadata.Arn == nil {
			return &wrongAnswer{"no key"}
		}
		return nil
	})
	if err == nil {
		return e.name(ctx, o, made{out.KeyMetadata, true})
	}
	if !ambiguous(err) {
		e.doubts.end(o.name)
		return made{}, err
	}
	if ctx.Err() != nil {
		return made{}, err // the next call for the key looks for it
	}
	if m, lost := e.sweep(ctx, o, began); lost == nil && m != nil {
		return e.name(ctx, o, made{m, true})
	}
	return made{}, err
}

// ambiguous reports whether the service may have acted on a request that
// failed.
func ambiguous(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return !ok || f.Err == nil || !classify(f.Err).Refused
}

// name gives a key its alias. Where another call was first, its key is the one.
func (e *Engine) name(ctx context.Context, o *order, k made) (made, error) {
	alias := aliasPrefix + o.name
	in := &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: k.KeyId}
	_, err := ask(ctx, e, call{op: "CreateAlias", how: remote.Repeatable, fresh: true}, e.client.CreateAlias, in, nil)
	if fault.KindOf(err) == fault.AlreadyExists {
		var first *types.KeyMetadata
		if first, err = e.describe(ctx, alias); err == nil && *first.Arn != *k.Arn {
			e.surplus(ctx, o, k.KeyMetadata)
			if err = fault.New(fault.Conflict, "the key service %s has another key under the name %s", e.Name(), o.name); o.is(first) {
				err = nil
			}
			k = made{KeyMetadata: first}
		}
	}
	if err != nil {
		e.abandon(ctx, o, k)
		return made{}, err
	}
	e.doubts.end(o.name)
	return k, nil
}

// The bounds of a search for a key whose making may have failed.
const (
	maxSwept  = 1000            // keys that are looked at
	clockSkew = 5 * time.Minute // by which the service's clock may be behind
)

// sweep looks for keys with the name of an order that were made since then. Of
// several the oldest is the one, and the others are scheduled for deletion. nil
// is none.
func (e *Engine) sweep(ctx context.Context, o *order, since time.Time) (*types.KeyMetadata, error) {
	var found []*types.KeyMetadata
	seen, page := 0, ""
	for {
		keys, next, err := e.page(ctx, page, maxSwept)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			m, err := e.describe(ctx, *k.KeyArn)
			if kind := fault.KindOf(err); err != nil && kind != fault.NotFound && !refused(err) {
				return nil, err
			}
			if err == nil && aws.ToString(m.Description) == o.name && o.is(m) && !aws.ToTime(m.CreationDate).Before(since.Add(-clockSkew)) {
				found = append(found, m)
			}
		}
		if seen, page = seen+len(keys), next; page == "" {
			break
		}
		if seen >= maxSwept {
			e.warn(ctx, "a key may have been made whose answer was lost, and there are too many keys to look at each: look for its description", o.name, nil)
			break
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	slices.SortFunc(found, func(a, b *types.KeyMetadata) int {
		return cmp.Or(aws.ToTime(a.CreationDate).Compare(aws.ToTime(b.CreationDate)), strings.Compare(*a.Arn, *b.Arn))
	})
	for _, m := range found[1:] {
		e.surplus(ctx, o, m)
	}
	return found[0], nil
}

// refused reports whether the service does not let the server do something.
func refused(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Err != nil && classify(f.Err).Kind == fault.PermissionDenied
}

// page lists some of the keys.
func (e *Engine) page(ctx context.Context, marker string, most int32) ([]types.KeyListEntry, string, error) {
	in := &kms.ListKeysInput{Limit: &most}
	if marker != "" {
		in.Marker = &marker
	}
	out, err := ask(ctx, e, call{op: "ListKeys", how: remote.Repeatable}, e.client.ListKeys, in, func(out *kms.ListKeysOutput) error {
		if slices.ContainsFunc(out.Keys, func(k types.KeyListEntry) bool { return k.KeyArn == nil }) || out.Truncated && aws.ToString(out.NextMarker) == "" {
			return &wrongAnswer{"a list that cannot be read"}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if !out.Truncated {
		return out.Keys, "", nil
	}
	return out.Keys, *out.NextMarker, nil
}

// surplus schedules the deletion of a key that nobody has a name for.
func (e *Engine) surplus(ctx context.Context, o *order, m *types.KeyMetadata) {
	ctx = context.WithoutCancel(ctx)
	if err := e.schedule(ctx, *m.Arn); err != nil {
		e.warn(ctx, "a key that nobody uses stays in the key service", o.name, err, slog.String("arn", *m.Arn))
	}
}

// abandon ends what a call made that failed later on. The call's own error is
// the one that counts. While the remains may be there, the next call for the
// key looks for them.
func (e *Engine) abandon(ctx context.Context, o *order, k made) {
	if !k.now {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := e.schedule(ctx, *k.Arn)
	if err == nil {
		err = e.unname(ctx, o.name)
	}
	if err != nil {
		e.doubts.note(o.name, aws.ToTime(k.CreationDate))
		e.warn(ctx, "the remains of a key stay in the key service", o.name, err, slog.String("arn", *k.Arn))
		return
	}
	e.doubts.end(o.name)
}

// warn tells the operator of a key that costs money and is of no use.
func (e *Engine) warn(ctx context.Context, text, name string, err error, more ...slog.Attr) {
	more = append(more, slog.String("engine", e.Name()), slog.String("description", name))
	if err != nil {
		more = append(more, slog.Any("cause", err))
	}
	e.options.Log.LogAttrs(ctx, slog.LevelWarn, text, more...)
}
