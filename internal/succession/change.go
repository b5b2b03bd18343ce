package succession

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
)

// renew gives a key a new version.
func (s *Line) renew(ctx context.Context, v *guard.Visit, e *catalog.Entry, o *Order) error {
	in, err := s.engines.Of(e.Key)
	if err != nil {
		return err
	}
	k := e.Key.Clone()
	put, undo, err := s.engines.AddVersion(ctx, k, &material.Supply{From: material.Generate, In: in, Cause: key.Automatic})
	if err != nil {
		return err
	}
	k.Revision++
	v.NoteInt("version", len(k.Versions))
	told, err := Rotated(ctx, s.keys, k, o.Rule)
	if err == nil {
		c := &catalog.Change{Key: k, Put: put, Events: told, Withdrawn: o.Withdrawn, Check: o.Check}
		err = v.Commit(ctx, func() error { return s.keys.Update(ctx, e, c) })
	}
	if err != nil {
		undo()
	}
	return err
}

// Rotated returns the event of a key's having a new current version.
func Rotated(ctx context.Context, keys *catalog.Catalog, k *key.Key, rule string) ([]*event.Event, error) {
	name, err := alias.Called(ctx, keys, k)
	if err != nil {
		return nil, err
	}
	now := k.Current()
	e := &event.Event{
		ID: fmt.Sprintf("%s/%s/%d", event.KeyRotated, k.Name.ID, now.Number), Kind: event.KeyRotated,
		Realm: k.Name.Realm, Region: k.Name.Region, Time: now.CreatedAt, Subject: k.Resource().String(), Name: name,
		Summary: fmt.Sprintf("The key %s has new material, version %d; what it encrypted before still decrypts.", name, now.Number),
		Details: []event.Detail{{Name: "key", Value: string(k.Name.ID)}, {Name: "version", Value: fmt.Sprint(now.Number)}},
	}
	if rule != "" {
		e.Details = append(e.Details, event.Detail{Name: "rule", Value: rule})
	}
	return []*event.Event{e}, nil
}

// succeed makes the successor of a key.
func (s *Line) succeed(ctx context.Context, v *guard.Visit, e *catalog.Entry, names []key.Alias, o *Order) error {
	if len(names) == 0 {
		return e.At(fault.New(fault.Unsupported, "the key has no alias by which its users would find a successor"))
	}
	in, err := s.engines.Of(e.Key)
	if err != nil {
		return err
	}
	if !in.Supports(e.Key.Spec, e.Key.Usage) {
		return e.At(fault.New(fault.Unsupported, "engine %s makes no more keys of spec %s", in.Name(), e.Key.Spec))
	}
	now := s.now().UTC()
	old, next := e.Key.Clone(), heir(e.Key, now)
	old.Succession.To, old.Succession.At, old.Succession.Until = next.Name.ID, now, o.Until
	old.Revision++
	put, undo, err := s.engines.AddVersion(ctx, next, &material.Supply{From: material.Generate, In: in})
	if err != nil {
		return err
	}
	aliases := make([]*key.Alias, len(names))
	for i := range names {
		a := names[i]
		a.Target, a.UpdatedAt = next.Name.ID, now
		aliases[i] = &a
	}
	v.Note("successor", string(next.Name.ID))
	v.Note("aliases", strings.Join(texts(names), " "))
	before := &catalog.Change{Key: old, Events: []*event.Event{succeeded(old, next, texts(names), o.Rule)}, Withdrawn: o.Withdrawn, Check: o.Check}
	after := &catalog.Change{Key: next, Policy: e.Policy, Put: put}
	if err = v.Commit(ctx, func() error { return s.keys.Succeed(ctx, e, before, after, aliases) }); err != nil {
		undo()
	}
	return err
}

// heir returns a key's successor, without material. It has all that the key
// has, but its id.
func heir(k *key.Key, now time.Time) *key.Key {
	next := k.Clone()
	next.Name.ID = SuccessorOf(k.Name.ID)
	next.CreatedAt, next.DeleteAt, next.Revision = now, time.Time{}, 1
	next.Versions, next.Pending, next.Grants, next.Rotation = nil, nil, nil, key.Rotation{}
	next.Succession = key.Succession{From: k.Name.ID}
	return next
}

func texts(names []key.Alias) []string {
	list := make([]string, len(names))
	for i := range names {
		list[i] = names[i].Name
	}
	return list
}

// succeeded is the event of a key's having a successor.
func succeeded(old, next *key.Key, names []string, rule string) *event.Event {
	does := "verifies"
	if old.Usage == alg.EncryptDecrypt {
		does = "decrypts"
	}
	public := ""
	if !old.Spec.Symmetric() {
		public = ", whose public half others may need"
	}
	until := "until somebody disables it"
	if end := old.Succession.Until; !end.IsZero() {
		until = "until " + end.UTC().Format(time.RFC3339)
	}
	return &event.Event{
		ID: fmt.Sprintf("%s/%s/%s", event.KeyRotated, old.Name.ID, next.Name.ID), Kind: event.KeyRotated,
		Realm: old.Name.Realm, Region: old.Name.Region, Time: old.Succession.At, Subject: old.Resource().String(), Name: names[0],
		Summary: fmt.Sprintf("%s leads to a new key%s; the old key only %s, %s.", names[0], public, does, until),
		Details: []event.Detail{
			{Name: "key", Value: string(old.Name.ID)},
			{Name: "successor", Value: string(next.Name.ID)},
			{Name: "aliases", Value: strings.Join(names, " ")},
			{Name: "rule", Value: rule},
		},
	}
}

// Retire disables a key whose successor has been there long enough. The caller
// has locked the key.
func (s *Line) Retire(ctx context.Context, e *catalog.Entry) error {
	return s.byClock(ctx, e.Key, key.DisableKey, "Disable", "", func(v *guard.Visit) (err error) {
		k := e.Key.Clone()
		if k.State, err = k.State.Next(key.Disable); err != nil {
			return err
		}
		k.Succession.Until = time.Time{} // whoever enables it again has the last word
		k.Revision++
		v.Note("successor", string(k.Succession.To))
		undo := func() {}
		err = v.Commit(ctx, func() error {
			if undo, err = s.engines.SetEnabled(ctx, e, false); err != nil {
				return err
			}
			return s.keys.Update(ctx, e, &catalog.Change{Key: k})
		})
		if err != nil {
			undo()
		}
		return err
	})
}
