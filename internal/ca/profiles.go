package ca

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/hierarchy"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/profile/document"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// StoredProfile is a profile as a realm knows it. It is never changed once
// handed out.
type StoredProfile struct {
	*profile.Profile
	// Document is the profile as it was written, or as Format writes a built-in
	// one.
	Document []byte
	// Builtin profiles are the same in every realm and cannot be changed.
	Builtin bool
	// CreatedAt and UpdatedAt are zero for built-in ones.
	CreatedAt, UpdatedAt time.Time
}

// profiles are all profiles at one time. It is never changed.
type profiles struct {
	builtin map[string]*StoredProfile
	order   []string                  // the built-in ones' names
	stored  map[string]*StoredProfile // by profileID
}

// MaxProfiles is how many profiles a realm may store.
const MaxProfiles = 1000

// profileVersion is the version of profileRecord.
const profileVersion = 1

// profileRecord is the body of a row in store.Profiles, whose id is
// "realm/name". The document is kept as it was written, comments and all.
type profileRecord struct {
	V         int       `json:"v"`
	Document  []byte    `json:"document"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// profileID returns the id of a profile's row.
func profileID(realm key.RealmID, name string) string { return string(realm) + "/" + name }

// loadProfiles makes the built-in profiles and reads the stored ones.
func loadProfiles(ctx context.Context, s store.Store) (*profiles, error) {
	all := &profiles{builtin: map[string]*StoredProfile{}, stored: map[string]*StoredProfile{}}
	for _, p := range profile.Builtin() {
		text, err := document.Format(&p)
		if err != nil {
			return nil, err
		}
		all.order = append(all.order, p.Name)
		all.builtin[p.Name] = &StoredProfile{Profile: &p, Document: text, Builtin: true}
	}
	return all, s.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Profiles, store.Query{}) {
			if err != nil {
				return err
			}
			if all.stored[row.ID], err = readProfile(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func readProfile(row store.Row) (*StoredProfile, error) {
	var r profileRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	if r.V != profileVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows version %d", row.ID, r.V, profileVersion)
	}
	p, err := document.Parse(r.Document)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", row.ID, err)
	}
	return &StoredProfile{Profile: p, Document: r.Document, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}, nil
}

// row returns the profile's row.
func (p *StoredProfile) row(realm key.RealmID) (store.Row, error) {
	body, err := json.Marshal(profileRecord{V: profileVersion, Document: p.Document, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt})
	return store.Row{ID: profileID(realm, p.Name), Body: body}, err
}

// find returns a realm's profile.
func (all *profiles) find(realm key.RealmID, name string) (*StoredProfile, bool) {
	if p, ok := all.builtin[name]; ok {
		return p, true
	}
	p, ok := all.stored[profileID(realm, name)]
	return p, ok
}

// with returns the profiles with one stored, or, where p is nil, removed.
func (all *profiles) with(id string, p *StoredProfile) *profiles {
	next := &profiles{builtin: all.builtin, order: all.order, stored: maps.Clone(all.stored)}
	if next.stored[id] = p; p == nil {
		delete(next.stored, id)
	}
	return next
}

// profileResource returns a profile of the call's realm as the object of a
// decision.
func profileResource(call *key.Call, name string) key.Resource {
	return key.Resource{Kind: key.KindProfile, Realm: call.Caller.Principal.Realm, Region: call.Region, ID: name}
}

// visitProfile authorises an action on a profile of the call's realm, which
// need not exist.
func visitProfile(call *key.Call, v *guard.Visit, action key.Action, name string) error {
	return v.Authorize(guard.Target{
		Action: action, Resource: profileResource(call, name),
		Attributes: &policy.Attributes{Profile: name},
	})
}

// PutProfile stores a profile of the realm, new or in the place of the one
// with its name, from its document (document.Parse). What was issued under the
// old one stays as it is.
func (s *Service) PutProfile(ctx context.Context, call *key.Call, text []byte) (*StoredProfile, error) {
	return guard.Do(ctx, s.r.Guard, call, key.PutProfile, func(v *guard.Visit) (*StoredProfile, error) {
		p, err := document.Parse(text)
		if err != nil {
			v.About(profileResource(call, ""))
			return nil, err
		}
		if err := visitProfile(call, v, key.PutProfile, p.Name); err != nil {
			return nil, err
		}
		if err := s.checkProfileName(p.Name); err != nil {
			return nil, err
		}
		now := s.r.Now().UTC()
		stored := &StoredProfile{Profile: p, Document: slices.Clone(text), CreatedAt: now, UpdatedAt: now}
		return stored, s.storeProfile(ctx, v, call, stored)
	})
}

// checkProfileName refuses the names that are taken for good.
func (s *Service) checkProfileName(name string) error {
	if _, taken := s.profiles.Load().builtin[name]; taken || name == profile.Authority {
		return fault.New(fault.AlreadyExists, "the profile %s is a built-in one and cannot be changed", name)
	}
	if strings.Contains(name, "/") {
		return fault.New(fault.InvalidArgument, "a stored profile's name has no \"/\"")
	}
	return nil
}

func (s *Service) storeProfile(ctx context.Context, v *guard.Visit, call *key.Call, p *StoredProfile) error {
	defer s.r.Hold()()
	realm, all := call.Caller.Principal.Realm, s.profiles.Load()
	if before, ok := all.stored[profileID(realm, p.Name)]; ok {
		p.CreatedAt = before.CreatedAt
	} else if len(all.names(realm)) >= MaxProfiles {
		return fault.New(fault.LimitExceeded, "a realm stores at most %d profiles", MaxProfiles)
	}
	if call.DryRun {
		return authority.DryRun()
	}
	row, err := p.row(realm)
	if err != nil {
		return err
	}
	err = v.Commit(ctx, func() error {
		return s.r.Store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Profiles, row) })
	})
	if err == nil {
		s.profiles.Store(all.with(row.ID, p))
	}
	return err
}

// names returns the names of a realm's stored profiles, sorted.
func (all *profiles) names(realm key.RealmID) []string {
	var list []string
	for id := range all.stored {
		if name, ok := strings.CutPrefix(id, string(realm)+"/"); ok {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Profile returns a profile of the realm.
func (s *Service) Profile(ctx context.Context, call *key.Call, name string) (*StoredProfile, error) {
	return guard.Do(ctx, s.r.Guard, call, key.GetProfile, func(v *guard.Visit) (*StoredProfile, error) {
		if err := visitProfile(call, v, key.GetProfile, name); err != nil {
			return nil, err
		}
		p, ok := s.profiles.Load().find(call.Caller.Principal.Realm, name)
		if !ok {
			return nil, profileNotFound(name)
		}
		return p, nil
	})
}

func profileNotFound(name string) error {
	return fault.New(fault.NotFound, "there is no profile %q", name)
}

// Profiles returns a page of the realm's profiles, the built-in ones first and
// the others by their names, and where the next page begins, "" at the end.
func (s *Service) Profiles(ctx context.Context, call *key.Call, page kms.Page) ([]*StoredProfile, string, error) {
	type listing struct {
		list []*StoredProfile
		next string
	}
	out, err := guard.Do(ctx, s.r.Guard, call, key.ListProfiles, func(v *guard.Visit) (listing, error) {
		realm := call.Caller.Principal.Realm
		if err := v.Authorize(guard.Target{Action: key.ListProfiles, Resource: key.Resource{Realm: realm, Region: call.Region}}); err != nil {
			return listing{}, err
		}
		all := s.profiles.Load()
		names := slices.Concat(all.order, all.names(realm))
		from := 0
		if page.After != "" {
			if from = slices.Index(names, page.After) + 1; from == 0 { // it is gone since
				builtin := len(all.order)
				at, _ := slices.BinarySearch(names[builtin:], page.After)
				from = builtin + at
			}
		}
		limit, l := hierarchy.Limit(page), listing{}
		for i, name := range names[from:] {
			if len(l.list) == limit {
				l.next = names[from+i-1]
				break
			}
			p, _ := all.find(realm, name)
			l.list = append(l.list, p)
		}
		return l, nil
	})
	return out.list, out.next, err
}

// DeleteProfile removes a stored profile. What was issued under it stays, and
// can still be renewed by who gives it another profile.
func (s *Service) DeleteProfile(ctx context.Context, call *key.Call, name string) error {
	_, err := guard.Do(ctx, s.r.Guard, call, key.DeleteProfile, func(v *guard.Visit) (none struct{}, err error) {
		if err := visitProfile(call, v, key.DeleteProfile, name); err != nil {
			return none, err
		}
		if err := s.checkProfileName(name); err != nil {
			return none, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		id, all := profileID(call.Caller.Principal.Realm, name), s.profiles.Load()
		if _, ok := all.stored[id]; !ok {
			return none, profileNotFound(name)
		}
		if call.DryRun {
			return none, authority.DryRun()
		}
		err = v.Commit(ctx, func() error {
			return s.r.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Profiles, id) })
		})
		if err == nil {
			s.profiles.Store(all.with(id, nil))
		}
		return none, err
	})
	return err
}
