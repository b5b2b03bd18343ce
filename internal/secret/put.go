package secret

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// PutRequest gives a secret a new version.
type PutRequest struct {
	Secret  Ref
	Value   *Value
	Version string // "" for one of Holdfast's making
	// Stages are those that the version gets, from others that have them; none
	// means Current. The first version of a secret has Current in any case.
	Stages []Stage
}

// Put gives a secret a new version. A version that is there with the same
// value is left as it is. The caller needs PutSecretValue on the secret, and
// GenerateDataKey on its key (and Decrypt, for a version that is there).
func (s *Service) Put(ctx context.Context, call *key.Call, req *PutRequest) (*Result, error) {
	a := &policy.Attributes{Secret: &policy.Secret{Version: req.Version}}
	return guard.Do(ctx, s.Guard, call, key.PutSecretValue, func(v *guard.Visit) (*Result, error) {
		x, unlock, err := s.visitLocked(ctx, v, key.PutSecretValue, req.Secret, a)
		defer unlock()
		if err != nil {
			return nil, err
		}
		if err := req.check(); err != nil {
			return nil, err
		}
		return s.alter(ctx, v, x, &alteration{value: req.Value, version: req.Version, stages: req.Stages})
	})
}

func (r *PutRequest) check() error {
	if len(r.Stages) > MaxStages {
		return fault.New(fault.LimitExceeded, "a version has at most %d stages", MaxStages)
	}
	for _, stage := range r.Stages {
		if err := stage.check(); err != nil {
			return err
		}
	}
	if r.Value == nil {
		return fault.New(fault.InvalidArgument, "a version needs a value")
	}
	return r.Value.check()
}

func (g Stage) check() error {
	if n := utf8.RuneCountInString(string(g)); n < 1 || n > MaxStage {
		return fault.New(fault.InvalidArgument, "a stage has 1 to %d characters", MaxStage)
	}
	return nil
}

// UpdateRequest changes a secret. What is nil stays as it is.
type UpdateRequest struct {
	Secret      Ref
	Description *string
	// Key seals the versions that have a stage anew, and those to come.
	Key *KeyChoice
	// Value makes a new version, which is current.
	Value   *Value
	Version string
}

// Update changes a secret. The caller needs UpdateSecret on it, GenerateDataKey
// on its key for a value, and, for another key, Decrypt on the old one and
// GenerateDataKey on the new.
func (s *Service) Update(ctx context.Context, call *key.Call, req *UpdateRequest) (*Result, error) {
	facts := &policy.Secret{Version: req.Version, Key: req.Key.text()}
	if req.Description != nil {
		facts.Description = *req.Description
	}
	return guard.Do(ctx, s.Guard, call, key.UpdateSecret, func(v *guard.Visit) (*Result, error) {
		x, unlock, err := s.visitLocked(ctx, v, key.UpdateSecret, req.Secret, &policy.Attributes{Secret: facts})
		defer unlock()
		if err != nil {
			return nil, err
		}
		if req.Description != nil {
			if err := checkDescription(*req.Description); err != nil {
				return nil, err
			}
		}
		if req.Value != nil {
			if err := req.Value.check(); err != nil {
				return nil, err
			}
		}
		return s.alter(ctx, v, x, &alteration{description: req.Description, key: req.Key, value: req.Value, version: req.Version})
	})
}

// alteration is what is to become of a secret.
type alteration struct {
	description *string
	key         *KeyChoice
	value       *Value
	version     string
	stages      []Stage
}

// alter changes a secret that was visited.
func (s *Service) alter(ctx context.Context, v *guard.Visit, x *Secret, a *alteration) (*Result, error) {
	if x.deleted() {
		return nil, x.refuseDeleted()
	}
	result := &Result{Secret: x.clone()}
	fresh := a.value != nil
	if fresh {
		var err error
		if result.Given, fresh, err = s.fresh(ctx, v.Call, x, a); err != nil {
			return nil, err
		}
		if !fresh && a.description == nil && a.key == nil {
			return result, nil
		}
	}
	if err := dry(v.Call); err != nil {
		return nil, err
	}
	next := result.Secret
	if a.description != nil {
		next.Description = *a.description
	}
	also, err := s.rekey(ctx, v, next, a.key)
	if err != nil {
		return nil, err
	}
	if fresh {
		given, err := s.give(ctx, v, next, result.Given, a.value, a.stages)
		if err != nil {
			return nil, err
		}
		also = append(also, given)
	}
	next.ChangedAt = s.Now().UTC()
	return result, s.put(ctx, v, next, all(also))
}

// all returns what runs several writes.
func all(list []func(store.Tx) error) func(store.Tx) error {
	return func(tx store.Tx) error {
		for _, write := range list {
			if err := write(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// fresh returns the id of a value's version, and whether it is not there yet.
func (s *Service) fresh(ctx context.Context, call *key.Call, x *Secret, a *alteration) (id string, fresh bool, err error) {
	if _, ok := x.Version(a.version); !ok {
		id, err := newVersion(a.version)
		return id, true, err
	}
	same, err := s.same(ctx, call, x, a.version, a.value)
	if err == nil && !same {
		err = &fault.Error{
			Kind: fault.AlreadyExists, Reason: fault.VersionTaken, Resource: x.Resource().String(),
			Public: "the secret has a version " + a.version + " with another value",
		}
	}
	return a.version, false, err
}

// settling is how long a version without a stage is kept at least.
const settling = 24 * time.Hour

// give seals a value as a version of the secret, in memory, and returns what
// stores it.
func (s *Service) give(ctx context.Context, v *guard.Visit, x *Secret, id string, value *Value, stages []Stage) (func(store.Tx) error, error) {
	now := s.Now().UTC()
	var dropped []string
	for len(x.Versions) >= MaxVersions {
		at := slices.IndexFunc(x.Versions, func(o Version) bool {
			return len(o.Stages) == 0 && now.Sub(o.CreatedAt) >= settling
		})
		if at < 0 {
			return nil, fault.New(fault.LimitExceeded, "a secret has at most %d versions that have a stage or are younger than a day", MaxVersions)
		}
		dropped = append(dropped, x.versionRow(x.Versions[at].ID))
		x.Versions = slices.Delete(x.Versions, at, at+1)
	}
	v.Note("version", id)
	row, name, err := s.seal(ctx, v.Call, x, id, value)
	if err != nil {
		return nil, err
	}
	first := len(x.Versions) == 0
	x.Versions = append(x.Versions, Version{ID: id, CreatedAt: now, Key: name})
	if len(stages) == 0 {
		stages = []Stage{Current}
	}
	for _, stage := range stages {
		x.move(stage, id)
	}
	if first {
		x.move(Current, id)
	}
	return func(tx store.Tx) error {
		for _, gone := range dropped {
			if err := tx.Delete(store.SecretVersions, gone); err != nil {
				return err
			}
		}
		return tx.Insert(store.SecretVersions, row)
	}, nil
}

// rekey makes a key the secret's, in memory, and returns what stores the
// versions with a stage, sealed under it.
func (s *Service) rekey(ctx context.Context, v *guard.Visit, x *Secret, choice *KeyChoice) (writes []func(store.Tx) error, err error) {
	if choice == nil {
		return nil, nil
	}
	old := x.Key
	x.Key, x.KeyText = s.settle(choice, x)
	if x.Key == old {
		return nil, nil
	}
	for i := range x.Versions {
		version := &x.Versions[i]
		if len(version.Stages) == 0 {
			continue
		}
		value, err := s.open(ctx, v.Call, x, version.ID)
		if err != nil {
			return nil, err
		}
		row, name, err := s.seal(ctx, v.Call, x, version.ID, value)
		value.Wipe()
		if err != nil {
			return nil, err
		}
		version.Key = name
		writes = append(writes, func(tx store.Tx) error { return tx.Put(store.SecretVersions, row) })
	}
	return writes, nil
}
