package managed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// change runs an alteration of a certificate's record as a call of its own and
// returns the certificate after it.
func (s *Service) change(
	ctx context.Context, call *key.Call, action key.Action, id string, tags []key.Tag, edit func(c *Certificate) error,
) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Certificate, error) {
		defer s.locks.lock(id)()
		c, err := s.find(ctx, call, id)
		if err != nil {
			v.About(resource(call.Caller.Principal.Realm, call.Region, id))
			return nil, err
		}
		err = v.Authorize(guard.Target{Action: action, Resource: c.Resource(), Attributes: &policy.Attributes{Tags: tags}})
		if err != nil {
			return nil, err
		}
		next := c.clone()
		if err := edit(next); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return next, s.put(ctx, v, next, nil)
	})
}

// Tag gives a certificate tags, or new values to those it has.
func (s *Service) Tag(ctx context.Context, call *key.Call, id string, tags []key.Tag) (*Certificate, error) {
	return s.change(ctx, call, key.TagManaged, id, tags, func(c *Certificate) (err error) {
		c.Tags, err = key.MergeTags(c.Tags, tags)
		return err
	})
}

// Untag is a tag to take away. With a Value, it goes only if it has that one.
type Untag struct {
	Key   string
	Value *string
}

// Untag takes tags from a certificate; those that it does not have are left
// alone.
func (s *Service) Untag(ctx context.Context, call *key.Call, id string, tags []Untag) (*Certificate, error) {
	names := make([]key.Tag, len(tags))
	for i, t := range tags {
		names[i].Key = t.Key
	}
	return s.change(ctx, call, key.UntagManaged, id, names, func(c *Certificate) error {
		c.Tags = slices.DeleteFunc(c.Tags, func(have key.Tag) bool {
			return slices.ContainsFunc(tags, func(t Untag) bool {
				return t.Key == have.Key && (t.Value == nil || *t.Value == have.Value)
			})
		})
		return nil
	})
}

// SetLogged sets Certificate.Logged, of a private certificate.
func (s *Service) SetLogged(ctx context.Context, call *key.Call, id string, logged bool) (*Certificate, error) {
	return s.change(ctx, call, key.UpdateManaged, id, nil, func(c *Certificate) error {
		if c.Kind != Private {
			return fault.New(fault.WrongState, "an imported certificate has no options")
		}
		c.Logged = logged
		return nil
	})
}

// maxUsers is how many users of a certificate are kept.
const maxUsers = 100

// SetUse notes that something uses a certificate, or does so no more. A
// certificate in use is renewed, and not deleted.
func (s *Service) SetUse(ctx context.Context, call *key.Call, id, user string, uses bool) (*Certificate, error) {
	return s.change(ctx, call, key.UpdateManaged, id, nil, func(c *Certificate) error {
		if user == "" || len(user) > maxName {
			return fault.New(fault.InvalidArgument, "a user of a certificate has a name of 1 to %d bytes", maxName)
		}
		at, found := slices.BinarySearch(c.UsedBy, user)
		switch {
		case found && !uses:
			c.UsedBy = slices.Delete(c.UsedBy, at, at+1)
		case !found && uses && len(c.UsedBy) >= maxUsers:
			return fault.New(fault.LimitExceeded, "a certificate has at most %d users", maxUsers)
		case !found && uses:
			c.UsedBy = slices.Insert(c.UsedBy, at, user)
		}
		return nil
	})
}

// Delete removes a certificate that nothing uses. Its key is destroyed after
// the shortest waiting period. What its authority issued stays valid: who
// fears for the key revokes it first.
func (s *Service) Delete(ctx context.Context, call *key.Call, id string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteManaged, func(v *guard.Visit) (none struct{}, err error) {
		defer s.locks.lock(id)()
		c, err := s.visit(ctx, v, key.DeleteManaged, id)
		if err != nil {
			return none, err
		}
		if len(c.UsedBy) > 0 {
			return none, &fault.Error{
				Kind: fault.Conflict, Reason: fault.InUse, Resource: c.Resource().String(), Public: "the certificate is in use",
			}
		}
		if err := dry(call); err != nil {
			return none, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Managed, c.ID) })
		})
		if err != nil {
			return none, err
		}
		return none, errors.Join(
			s.keys.EndEntrusted(ctx, call, grantee(c.ID), c.Key), s.keys.EndEntrusted(ctx, call, grantee(c.ID), c.Next))
	})
	return err
}

// Revoke has a certificate's authority revoke it, in the caller's name, who
// needs RevokeManaged on the certificate and RevokeCertificate at the
// authority.
func (s *Service) Revoke(ctx context.Context, call *key.Call, id string, reason ca.Reason) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RevokeManaged, func(v *guard.Visit) (*Certificate, error) {
		defer s.locks.lock(id)()
		c, err := s.visit(ctx, v, key.RevokeManaged, id)
		if err != nil {
			return nil, err
		}
		switch state := c.State(s.now()); {
		case c.Kind != Private || c.DER == nil:
			return nil, fault.New(fault.WrongState, "no authority here issued the certificate")
		case state == Revoked && c.Reason == reason:
			return c, nil
		}
		revoked, err := s.authorities.Revoke(ctx, call, c.Authority, c.Serial, reason)
		if err != nil {
			return nil, err
		}
		v.Note("serial", c.Serial)
		next := c.clone()
		next.RevokedAt, next.Reason = s.now().UTC(), reason
		if revoked.RevokedAt != nil {
			next.RevokedAt = *revoked.RevokedAt
		}
		return next, s.put(ctx, v, next, nil)
	})
}

// Settings are what a realm has set for its managed certificates in a region.
type Settings struct {
	// NoticeDays is how many days before the end of a certificate notices of it
	// begin.
	NoticeDays int `json:"noticeDays"`
}

// Limits and default of Settings.NoticeDays.
const (
	MinNotice     = 1
	MaxNotice     = 45
	DefaultNotice = 45
)

// settingsRecord is the JSON body of the row that a realm's settings are.
type settingsRecord struct {
	V int `json:"v"`
	Settings
}

// settingsID is that row's id. It is no UUID, and its scope is no realm's.
func settingsID(call *key.Call) string {
	return "settings/" + scopeOf(call.Caller.Principal.Realm, call.Region)
}

// Settings returns the settings of the call's realm and region.
func (s *Service) Settings(ctx context.Context, call *key.Call) (*Settings, error) {
	return guard.Do(ctx, s.guard, call, key.GetManagedSettings, func(v *guard.Visit) (*Settings, error) {
		if err := v.Authorize(realmTarget(call, key.GetManagedSettings)); err != nil {
			return nil, err
		}
		r := settingsRecord{V: 1, Settings: Settings{NoticeDays: DefaultNotice}}
		err := s.store.View(ctx, func(reader store.Reader) error {
			row, err := reader.Get(store.Managed, settingsID(call))
			if err != nil && fault.KindOf(err) == fault.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			return json.Unmarshal(row.Body, &r)
		})
		if err == nil && r.V != 1 {
			err = fmt.Errorf("settings of version %d are not known to this program", r.V)
		}
		return &r.Settings, err
	})
}

// PutSettings replaces the settings of the call's realm and region.
func (s *Service) PutSettings(ctx context.Context, call *key.Call, settings Settings) error {
	_, err := guard.Do(ctx, s.guard, call, key.PutManagedSettings, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realmTarget(call, key.PutManagedSettings)); err != nil {
			return none, err
		}
		if settings.NoticeDays < MinNotice || settings.NoticeDays > MaxNotice {
			return none, fault.New(fault.InvalidArgument, "notices begin %d to %d days before the end", MinNotice, MaxNotice)
		}
		if err := dry(call); err != nil {
			return none, err
		}
		v.NoteInt("days", settings.NoticeDays)
		body, err := json.Marshal(settingsRecord{1, settings})
		if err != nil {
			return none, fmt.Errorf("encoding settings: %w", err)
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				return tx.Put(store.Managed, store.Row{ID: settingsID(call), Columns: []string{"", ""}, Body: body})
			})
		})
	})
	return err
}
