package gcpkms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// The labels of keys that are made here: for operators, and, of what Make
// made, to know it again.
const (
	labelRealm, labelKey, labelVersion = "holdfast-realm", "holdfast-key", "holdfast-version"
	labelCall                          = "holdfast-call"
)

// labels returns those of a version of a Holdfast key.
func labels(ref engine.Ref) map[string]string {
	return map[string]string{
		labelRealm: string(ref.Realm), labelKey: strings.ToLower(string(ref.ID)), labelVersion: strconv.FormatUint(uint64(ref.Version), 10),
	}
}

// newKey is a key that is to be made.
type newKey struct {
	name   gcp.CryptoKeyName
	row    gcp.Row
	labels map[string]string
	// imported keys are made without a version, and take no other.
	imported bool
}

// Generate makes a key in the key ring, or finds the one that an earlier call
// for the same version made.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	const op = "gcpkms.Generate"
	row, err := e.row(kind)
	if err != nil {
		return engine.Material{}, err
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	n := newKey{name: e.ring.Key(remote.KeyName(ref)), row: row, labels: labels(ref)}
	if _, err := e.create(ctx, op, n); err != nil {
		return engine.Material{}, err
	}
	if _, err := e.ready(ctx, op, n.name.At(1)); err != nil {
		return engine.Material{}, err
	}
	return e.material(ctx, op, ref, n.name.At(1), row)
}

// Make makes a key with a name of its caller's and returns its resource name.
// A call whose first answer was lost knows its key by a label.
func (e *Engine) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	const op = "gcpkms.Make"
	row, err := e.row(kind)
	if err != nil {
		return "", err
	}
	if !gcp.ValidID(name) || strings.HasPrefix(name, remote.NamePrefix) {
		return "", fault.New(fault.InvalidArgument, "the name of a key has 1 to 63 letters, digits, hyphens and underscores, and does not begin with %q", remote.NamePrefix)
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	call := make([]byte, 16)
	_, _ = rand.Read(call) // never fails
	n := newKey{name: e.ring.Key(name), row: row, labels: map[string]string{labelCall: hex.EncodeToString(call)}}
	found, err := e.create(ctx, op, n)
	if err != nil {
		return "", err
	}
	if found.GetLabels()[labelCall] != n.labels[labelCall] {
		return "", fault.New(fault.AlreadyExists, "the key service %s has a key of this name already", e.Name())
	}
	_, err = e.ready(ctx, op, n.name.At(1))
	return n.name.String(), err
}

// create makes a key, or returns the one of the name that is there already if
// it is of the same kind. So it can be sent again as often as need be.
func (e *Engine) create(ctx context.Context, op string, n newKey) (*kmspb.CryptoKey, error) {
	req := &kmspb.CreateCryptoKeyRequest{
		Parent: n.name.KeyRingName.String(), CryptoKeyId: n.name.CryptoKey, SkipInitialVersionCreation: n.imported,
		CryptoKey: &kmspb.CryptoKey{
			Purpose: n.row.Purpose, Labels: maps.Clone(n.labels), ImportOnly: n.imported,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{Algorithm: n.row.Algorithm, ProtectionLevel: e.level},
		},
	}
	if d := e.options.DestroyAfter; d != 0 {
		req.CryptoKey.DestroyScheduledDuration = durationpb.New(d)
	}
	made, err := about(ctx, e, op, n.name.String(), func(ctx context.Context, c *client) (*kmspb.CryptoKey, error) {
		return c.CreateCryptoKey(ctx, req)
	})
	if fault.KindOf(err) == fault.AlreadyExists {
		if made, err = e.key(ctx, op, n.name); err == nil && !e.same(made, n) {
			return nil, fault.New(fault.Conflict, "the key service %s has another key named %s", e.Name(), n.name.CryptoKey)
		}
	}
	return made, err
}

// same reports whether a key that was found is what was to be made.
func (e *Engine) same(k *kmspb.CryptoKey, n newKey) bool {
	t := k.GetVersionTemplate()
	return k.GetPurpose() == n.row.Purpose && k.GetImportOnly() == n.imported &&
		t.GetAlgorithm() == n.row.Algorithm && t.GetProtectionLevel() == e.level
}

// named returns an error for an answer that is about another key.
func named(err error, got, want string) error {
	if err == nil && got != want {
		return damaged("name")
	}
	return err
}

// about sends a request that can be repeated, whose answer is about one key.
func about[T interface{ GetName() string }](ctx context.Context, e *Engine, op, name string, send func(context.Context, *client) (T, error)) (T, error) {
	var answer T
	err := e.call(ctx, op, remote.Repeatable, func(ctx context.Context, c *client) (err error) {
		answer, err = send(ctx, c)
		return named(err, answer.GetName(), name)
	})
	return answer, err
}

// key asks for a key.
func (e *Engine) key(ctx context.Context, op string, name gcp.CryptoKeyName) (*kmspb.CryptoKey, error) {
	return about(ctx, e, op, name.String(), func(ctx context.Context, c *client) (*kmspb.CryptoKey, error) {
		return c.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: name.String()})
	})
}

// version asks for a version of a key.
func (e *Engine) version(ctx context.Context, op string, name gcp.CryptoKeyVersionName) (*kmspb.CryptoKeyVersion, error) {
	return about(ctx, e, op, name.String(), func(ctx context.Context, c *client) (*kmspb.CryptoKeyVersion, error) {
		return c.GetCryptoKeyVersion(ctx, &kmspb.GetCryptoKeyVersionRequest{Name: name.String()})
	})
}

// The waits for a key that the service is still making.
const firstPoll, lastPoll = 50 * time.Millisecond, 2 * time.Second

// poll asks until a condition holds: get reports whether it does.
func poll(ctx context.Context, get func() (bool, error)) error {
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		done, err := get()
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return &fault.Error{Kind: fault.Unavailable, Reason: fault.KeyCreating, Op: "gcpkms.poll", Public: "the key is still being made where it lives", Err: ctx.Err()}
		case <-timer.C:
		}
	}
}

// ready waits for a version to be made. One that can no longer be used is a
// Conflict: a name is given to one key for ever.
func (e *Engine) ready(ctx context.Context, op string, name gcp.CryptoKeyVersionName) (*kmspb.CryptoKeyVersion, error) {
	var v *kmspb.CryptoKeyVersion
	err := poll(ctx, func() (done bool, err error) {
		if v, err = e.version(ctx, op, name); err != nil {
			return false, err
		}
		switch v.GetState() { //nolint:exhaustive // all others are no longer usable
		case kmspb.CryptoKeyVersion_PENDING_GENERATION, kmspb.CryptoKeyVersion_PENDING_IMPORT:
			return false, nil
		case kmspb.CryptoKeyVersion_ENABLED:
			return true, nil
		}
		return false, &fault.Error{
			Kind: fault.Conflict, Op: op, Public: "the key service " + e.Name() + " has a key named " + name.CryptoKey + " that is no longer usable, or never was",
			Err: &stateError{v},
		}
	})
	return v, err
}

// stateError is a state of a version in the service's words.
type stateError struct{ v *kmspb.CryptoKeyVersion }

func (s *stateError) Error() string {
	var text strings.Builder
	text.WriteString(s.v.GetName() + " is " + s.v.GetState().String())
	for _, reason := range []string{s.v.GetImportFailureReason(), s.v.GetGenerationFailureReason()} {
		if reason != "" {
			text.WriteString(": " + reason)
		}
	}
	return text.String()
}

// material returns the sealed reference to a version of a key.
func (e *Engine) material(ctx context.Context, op string, ref engine.Ref, name gcp.CryptoKeyVersionName, row gcp.Row) (engine.Material, error) {
	r := reference(name.CryptoKeyName, name.Version, row)
	if !row.Spec.Symmetric() {
		var err error
		if r.Public, err = e.public(ctx, op, name, row); err != nil {
			return engine.Material{}, err
		}
	}
	return remote.Seal(e.box, ref, row.Spec, r)
}

// reference returns one to a version of a key; to the version that the service
// chooses if version is 0.
func reference(name gcp.CryptoKeyName, version uint64, row gcp.Row) *remote.Reference {
	r := &remote.Reference{Name: name.String(), Type: row.Algorithm.String()}
	if version != 0 {
		r.Version = strconv.FormatUint(version, 10)
	}
	r.Does([]alg.Usage{row.Usage()}, row.Does)
	return r
}

// Destroy has the service destroy the version of a key that was made here. Its
// waiting period is the service's own.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	const op = "gcpkms.Destroy"
	spec, err := e.box.Spec(ref, wrapped)
	if err != nil {
		return err
	}
	at, err := e.owned(ref, spec, wrapped)
	if err != nil || at.adopted {
		return err
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	name := at.version().String()
	_, err = about(ctx, e, op, name, func(ctx context.Context, c *client) (*kmspb.CryptoKeyVersion, error) {
		return c.DestroyCryptoKeyVersion(ctx, &kmspb.DestroyCryptoKeyVersionRequest{Name: name})
	})
	switch fault.KindOf(err) { //nolint:exhaustive // all others are failures
	case fault.NotFound:
		return nil
	case fault.WrongState: // destroyed already, or not to be destroyed
		if v, errState := e.version(ctx, op, at.version()); errState == nil && conditionOf(v.GetState()) >= engine.Deleted {
			return nil
		}
	}
	return err
}
