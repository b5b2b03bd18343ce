package trail

import (
	"context"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Horizon is how old an event may be that is looked up.
const Horizon = 90 * 24 * time.Hour

// Lookup asks for events.
type Lookup struct {
	// ID is of the one event wanted, or empty.
	ID string
	// Terms are facets that they must have.
	Terms []index.Term
	// Thing is how the name of what they are about ends; empty for any.
	Thing string
	// Since is inclusive and Until exclusive; zero for no bound.
	Since, Until time.Time
	// Before leaves out this position and those behind it; 0 for none.
	Before audit.Position
	// Limit is how many are wanted at most.
	Limit int
}

// Found is an event with its whole record.
type Found struct {
	Event
	Document []byte
	Position audit.Position
}

// Lookup returns the realm's management events that are of the call's region
// or of none, the newest first. Next is Before of the next page, 0 at the end.
func (s *Service) Lookup(ctx context.Context, call *key.Call, l *Lookup) (list []Found, next audit.Position, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.ReadAudit, func(v *guard.Visit) (list []Found, err error) {
		realm := call.Caller.Principal.Realm
		server := key.Resource{Kind: key.KindServer, Realm: realm, ID: "audit"}
		if err := v.Authorize(guard.Target{Action: key.ReadAudit, Resource: server}); err != nil {
			return nil, err
		}
		q, ok := s.query(l, realm)
		if !ok {
			return nil, nil
		}
		for r, err := range s.log.Search(ctx, q) {
			if err != nil {
				return nil, err
			}
			e := s.format.Event(r)
			if e.Data || e.Region != call.Region && !e.Global {
				continue
			}
			if len(list) == l.Limit {
				next = list[len(list)-1].Position
				break
			}
			list = append(list, Found{e, s.format.Document(r), r.Position})
		}
		return list, nil
	})
	return list, next, err
}

// query is what a lookup asks of the log. It is false when nothing can be
// found.
func (s *Service) query(l *Lookup, realm key.RealmID) (*index.Query, bool) {
	q := &index.Query{
		Filter: audit.Filter{Realm: string(realm), From: l.Since, Until: l.Until}, Before: l.Before, Terms: l.Terms, Newest: true,
	}
	if oldest := s.now().Add(-Horizon); q.From.Before(oldest) {
		q.From = oldest
	}
	if l.Thing != "" {
		q.Resource = "*/" + l.Thing
	}
	if l.ID == "" {
		return q, true
	}
	p, ok := s.format.Position(l.ID)
	if !ok || p == 0 || l.Before > 0 && p >= l.Before {
		return nil, false
	}
	q.After, q.Before = p-1, p+1
	return q, true
}

// Position is a place in the audit log, for those who do not see the log.
type Position = audit.Position

// Term is a facet that events must have.
type Term = index.Term

// The facets by which events are found: Event.Facets gives them.
const (
	FacetName      = "name"
	FacetSource    = "source"
	FacetUsername  = "username"
	FacetAccessKey = "access key"
	FacetThingType = "thing type"
	FacetThing     = "thing"
	FacetReadOnly  = "read only"
)

// FacetsVersion names what Facets gives: a change of it is another one.
const FacetsVersion = "events 1"

// Facets gives the event's facets.
func (e *Event) Facets(put func(facet, value string)) {
	put(FacetName, e.Name)
	put(FacetSource, e.Source)
	put(FacetUsername, e.Username)
	put(FacetAccessKey, e.AccessKey)
	put(FacetThingType, e.ThingType)
	put(FacetThing, e.Thing)
	put(FacetReadOnly, strconv.FormatBool(e.ReadOnly))
}
