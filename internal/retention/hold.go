package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Hold keeps the audit log of a time, however old it gets. It is a realm's; the
// files that it keeps have the entries of all.
type Hold struct {
	Realm key.RealmID
	Name  string
	// From and Until bound the time: From ≤ time < Until. Zero for no bound.
	From, Until time.Time
	// Reason is why, for people.
	Reason    string
	CreatedAt time.Time
	// CreatedBy is the principal who asked for it.
	CreatedBy string
}

// The limits of holds.
const (
	MaxHolds  = 100 // of a realm
	maxReason = 512 // characters
)

// record is the JSON body of the row "hold/REALM/NAME" of store.Sinks.
type record struct {
	V         int       `json:"v"`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created"`
	CreatedBy string    `json:"by"`
}

const (
	recordVersion = 1
	rowPrefix     = "hold/"
)

func rowID(realm key.RealmID, name string) string { return rowPrefix + string(realm) + "/" + name }

func rowOf(h *Hold) (store.Row, error) {
	body, err := json.Marshal(&record{recordVersion, h.From, h.Until, h.Reason, h.CreatedAt, h.CreatedBy})
	return store.Row{ID: rowID(h.Realm, h.Name), Body: body}, err
}

func readHold(row store.Row) (h Hold, err error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return h, fmt.Errorf("reading %s: %w", row.ID, err)
	}
	realm, name, ok := strings.Cut(strings.TrimPrefix(row.ID, rowPrefix), "/")
	if !ok || r.V != recordVersion {
		return h, fault.New(fault.Unsupported, "%s has format version %d, which this Holdfast does not read", row.ID, r.V)
	}
	return Hold{key.RealmID(realm), name, r.From, r.Until, r.Reason, r.CreatedAt, r.CreatedBy}, nil
}

// all returns the holds of a realm, "" for all realms.
func all(r store.Reader, realm key.RealmID) (list []Hold, err error) {
	from := rowPrefix
	if realm != "" {
		from = rowID(realm, "")
	}
	for row, err := range r.Scan(store.Sinks, store.Query{From: from, To: from[:len(from)-1] + "0"}) { // '0' follows '/'
		if err != nil {
			return nil, err
		}
		h, err := readHold(row)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

// held reports whether a hold is about the time of a file.
func held(holds []Hold, begin, end time.Time) bool {
	return slices.ContainsFunc(holds, func(h Hold) bool {
		return (h.Until.IsZero() || h.Until.After(begin.Add(-slack))) && (h.From.IsZero() || h.From.Before(end.Add(slack)))
	})
}

var holdName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (h *Hold) check() error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case !holdName.MatchString(h.Name):
		return fault.New(fault.InvalidArgument, "the name of a hold is 1 to 63 letters, digits and . _ -, and begins with a letter or digit")
	case strings.TrimSpace(h.Reason) == "" || utf8.RuneCountInString(h.Reason) > maxReason || strings.ContainsFunc(h.Reason, unprintable):
		return fault.New(fault.InvalidArgument, "a hold has a reason of 1 to %d printable characters", maxReason)
	case !h.Until.IsZero() && !h.From.Before(h.Until):
		return fault.New(fault.InvalidArgument, "the time of the hold ends before it begins")
	}
	return nil
}

// Add makes a hold of the caller's realm. Realm, CreatedAt and CreatedBy are
// set.
func (s *Service) Add(ctx context.Context, call *key.Call, h Hold) (*Hold, error) {
	h.Realm, h.CreatedAt, h.CreatedBy = call.Caller.Principal.Realm, s.Now().UTC(), call.Caller.Principal.String()
	h.From, h.Until = h.From.UTC(), h.Until.UTC()
	return guard.Do(ctx, s.Guard, call, key.HoldAudit, func(v *guard.Visit) (*Hold, error) {
		if err := v.Authorize(guard.Target{Action: key.HoldAudit, Resource: resource(h.Realm, h.Name)}); err != nil {
			return nil, err
		}
		if err := h.check(); err != nil {
			return nil, err
		}
		v.Note("change", "add")
		v.Note("from", bound(h.From))
		v.Note("until", bound(h.Until))
		v.Note("reason", h.Reason)
		row, err := rowOf(&h)
		if err != nil {
			return nil, err
		}
		s.changes.Lock()
		defer s.changes.Unlock()
		if err := s.room(ctx, &h); err != nil {
			return nil, err
		}
		return &h, v.Commit(ctx, func() error {
			return s.Store.Update(ctx, func(tx store.Tx) error { return tx.Insert(store.Sinks, row) })
		})
	})
}

func (s *Service) room(ctx context.Context, h *Hold) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		have, err := all(r, h.Realm)
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(have, func(o Hold) bool { return o.Name == h.Name }):
			return &fault.Error{Kind: fault.AlreadyExists, Resource: resource(h.Realm, h.Name).String(), Public: "the hold exists already"}
		case len(have) >= MaxHolds:
			return fault.New(fault.LimitExceeded, "a realm has at most %d holds", MaxHolds)
		}
		return nil
	})
}

// bound is a bound of a hold in the audit log.
func bound(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// Remove ends a hold of the caller's realm.
func (s *Service) Remove(ctx context.Context, call *key.Call, name string) error {
	realm := call.Caller.Principal.Realm
	_, err := guard.Do(ctx, s.Guard, call, key.HoldAudit, func(v *guard.Visit) (struct{}, error) {
		if err := v.Authorize(guard.Target{Action: key.HoldAudit, Resource: resource(realm, name)}); err != nil {
			return struct{}{}, err
		}
		v.Note("change", "remove")
		s.changes.Lock()
		defer s.changes.Unlock()
		err := s.Store.View(ctx, func(r store.Reader) error {
			_, err := r.Get(store.Sinks, rowID(realm, name))
			return err
		})
		if fault.KindOf(err) == fault.NotFound || !holdName.MatchString(name) {
			err = &fault.Error{Kind: fault.NotFound, Resource: resource(realm, name).String(), Public: "there is no such hold"}
		}
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, v.Commit(ctx, func() error {
			return s.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Sinks, rowID(realm, name)) })
		})
	})
	return err
}

// Holds returns the holds of the caller's realm, by name.
func (s *Service) Holds(ctx context.Context, call *key.Call) ([]Hold, error) {
	realm := call.Caller.Principal.Realm
	return guard.Do(ctx, s.Guard, call, key.HoldAudit, func(v *guard.Visit) (list []Hold, err error) {
		if err := v.Authorize(guard.Target{Action: key.HoldAudit, Resource: resource(realm, "")}); err != nil {
			return nil, err
		}
		err = s.Store.View(ctx, func(r store.Reader) error {
			list, err = all(r, realm)
			return err
		})
		return list, err
	})
}
