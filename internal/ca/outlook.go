package ca

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// FindProfile returns a profile that a realm has, built in or its own. It asks
// for no decision.
func (s *Service) FindProfile(realm key.RealmID, name string) (*profile.Profile, bool) {
	p, ok := s.profiles.Load().find(realm, name)
	if !ok {
		return nil, false
	}
	return p.Profile, true
}

// Outlook returns a text that is another one whenever something has changed on
// which it depends when certificates are renewed: the states of authorities,
// what their owners changed about them, and profiles.
func (s *Service) Outlook() string {
	h := sha256.New() // which takes everything
	for _, a := range s.r.All() {
		_, _ = fmt.Fprintf(h, "%s %s %s %s %s\n", a.ID, a.State, a.Successor, a.Parent, a.UpdatedAt.UTC().Format(time.RFC3339Nano))
	}
	all := s.profiles.Load()
	for _, id := range slices.Sorted(maps.Keys(all.stored)) {
		_, _ = fmt.Fprintf(h, "%s %s\n", id, all.stored[id].UpdatedAt.UTC().Format(time.RFC3339Nano))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
