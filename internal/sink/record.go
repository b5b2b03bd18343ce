package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// state is what survives a restart: the JSON body of the row "sink/NAME" of
// store.Sinks.
type state struct {
	V int `json:"v"`
	// Log is the id of the log that the positions are of.
	Log string `json:"log"`
	// Position is the last one that the receiver has.
	Position audit.Position `json:"position"`
	// Upto is the last one of a batch that is being delivered and has to be the
	// same whenever it comes; 0 for none.
	Upto        audit.Position `json:"upto,omitempty"`
	DeliveredAt time.Time      `json:"deliveredAt,omitzero"`
	// ToldAt is when people were told that the sink is behind; zero when it is
	// not.
	ToldAt time.Time `json:"toldAt,omitzero"`
}

const stateVersion = 1

func rowID(name string) string { return "sink/" + name }

func parseState(body []byte) (state, error) {
	var s state
	if err := json.Unmarshal(body, &s); err != nil {
		return s, err
	}
	if s.V != stateVersion {
		return s, fault.New(fault.Unsupported, "a sink of format version %d, which this Holdfast does not read", s.V)
	}
	if s.Upto != 0 && s.Upto <= s.Position {
		return s, errors.New("a batch that ends before it begins")
	}
	return s, nil
}

// load reads how far the sink is. One that is new, or whose place the log does
// not have, begins anew where that loses nothing.
func (s *sink) load(ctx context.Context, fromNow bool) error {
	var row store.Row
	err := s.c.Store.View(ctx, func(r store.Reader) (err error) {
		row, err = r.Get(store.Sinks, rowID(s.o.Name))
		return err
	})
	fresh := fault.KindOf(err) == fault.NotFound
	if err != nil && !fresh {
		return err
	}
	if !fresh {
		if s.state, err = parseState(row.Body); err != nil {
			return fmt.Errorf("reading the sink %s: %w", s.o.Name, err)
		}
	}
	last := s.c.Log.Last()
	switch {
	case fresh || s.state.Log != s.c.ID:
		s.state = state{V: stateVersion, Log: s.c.ID}
		if fromNow {
			s.state.Position = last
		}
		if err := s.store(ctx, func(*state) {}); err != nil {
			return err
		}
	case s.state.Position > last:
		s.out.WarnContext(ctx, "the audit log is shorter than what a sink was sent of it: the sink goes on at the log's end",
			slog.Uint64("sent", uint64(s.state.Position)), slog.Uint64("last", uint64(last)))
		s.state.Position, s.state.Upto = last, 0
	}
	return nil
}

// store changes the state, durably, with the events that go with it. It is done
// even when the server stops meanwhile.
func (s *sink) store(ctx context.Context, change func(*state), events ...*event.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	now := s.state
	change(&now)
	body, err := json.Marshal(&now)
	if err != nil {
		return err
	}
	err = s.c.Store.Update(ctx, func(tx store.Tx) error {
		for _, e := range events {
			if err := event.Emit(tx, e); err != nil {
				return err
			}
		}
		return tx.Put(store.Sinks, store.Row{ID: rowID(s.o.Name), Body: body})
	})
	if err != nil {
		return fmt.Errorf("storing how far the sink is: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = now
	return nil
}
