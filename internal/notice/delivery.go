package notice

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// State is how far a delivery is.
type State string

// The states, in the order of listings.
const (
	Failed     State = "failed"     // given up, or refused for good
	Waiting    State = "waiting"    // for its first or next attempt
	Collecting State = "collecting" // a digest whose time has not come
	Delivered  State = "delivered"
)

// States returns every state, in the order of listings.
func States() []State { return []State{Failed, Waiting, Collecting, Delivered} }

// How long deliveries are kept that have ended.
const (
	keepDelivered = 30 * 24 * time.Hour
	keepFailed    = 90 * 24 * time.Hour
)

// Delivery is a message to one receiver. Its id is the message's, whenever it
// is sent.
type Delivery struct {
	ID      string
	Channel string
	Target  string // "" for the channel's only receiver
	Realm   key.RealmID
	State   State
	Events  []*event.Event // one, or a digest's
	Digest  bool
	Created time.Time
	// Attempts were made; Since is when they began to count, or again.
	Attempts int
	Since    time.Time
	// Due is the next attempt; of a delivery that has ended, when it is
	// forgotten.
	Due time.Time
	// Ended is when it was delivered or given up.
	Ended time.Time
	// Error is why the last attempt failed.
	Error string
}

// record is the JSON body of a row of store.Notices, whose id is a UUID of
// version 7. Its columns are "realm/state", the time when it is due, and the
// lane: "channel" of what waits, "channel/realm/receiver" of a digest that
// takes events in, else "".
type record struct {
	V        int            `json:"v"`
	Channel  string         `json:"channel"`
	Target   string         `json:"target,omitempty"`
	Realm    key.RealmID    `json:"realm"`
	State    State          `json:"state"`
	Events   []*event.Event `json:"events"`
	Digest   bool           `json:"digest,omitempty"`
	Created  time.Time      `json:"created"`
	Attempts int            `json:"attempts,omitempty"`
	Since    time.Time      `json:"since"`
	Due      time.Time      `json:"due"`
	Ended    time.Time      `json:"ended,omitzero"`
	Error    string         `json:"error,omitempty"`
}

const recordVersion = 1

// newDelivery returns one that waits, with an id in the order of their making
// (RFC 9562 section 5.7).
func newDelivery(c *Channel, target string, e *event.Event, now time.Time) (*Delivery, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "making an id", Err: err}
	}
	return &Delivery{
		ID: id.String(), Channel: c.Name, Target: target, Realm: e.Realm, State: Waiting, Events: []*event.Event{e},
		Digest: c.Digest != nil, Created: now, Since: now, Due: now,
	}, nil
}

func scopeOf(realm key.RealmID, s State) string { return string(realm) + "/" + string(s) }

// digestLane is the lane of a digest that takes events in.
func digestLane(channel string, realm key.RealmID, target string) string {
	return channel + "/" + string(realm) + "/" + target
}

func (d *Delivery) lane() string {
	switch d.State {
	case Waiting:
		return d.Channel
	case Collecting:
		if len(d.Events) >= MaxDigest {
			return "" // the next event opens another one
		}
		return digestLane(d.Channel, d.Realm, d.Target)
	case Failed, Delivered:
	}
	return ""
}

// row returns the stored form.
func (d *Delivery) row() (store.Row, error) {
	body, err := json.Marshal(record{
		V: recordVersion, Channel: d.Channel, Target: d.Target, Realm: d.Realm, State: d.State, Events: d.Events, Digest: d.Digest,
		Created:  d.Created,
		Attempts: d.Attempts, Since: d.Since, Due: d.Due, Ended: d.Ended, Error: d.Error,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding notice %s: %w", d.ID, err)
	}
	return store.Row{ID: d.ID, Columns: []string{scopeOf(d.Realm, d.State), timeColumn(d.Due), d.lane()}, Body: body}, nil
}

func timeColumn(t time.Time) string { return t.UTC().Format(store.TimeFormat) }

func (d *Delivery) put(tx store.Tx) error {
	row, err := d.row()
	if err != nil {
		return err
	}
	return tx.Put(store.Notices, row)
}

// readDelivery reads what row wrote.
func readDelivery(row store.Row) (*Delivery, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading notice %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fault.New(fault.Unsupported, "notice %s has format version %d, which this Holdfast does not read", row.ID, r.V)
	}
	d := &Delivery{
		ID: row.ID, Channel: r.Channel, Target: r.Target, Realm: r.Realm, State: r.State, Events: r.Events, Digest: r.Digest,
		Created:  r.Created,
		Attempts: r.Attempts, Since: r.Since, Due: r.Due, Ended: r.Ended, Error: r.Error,
	}
	if len(d.Events) == 0 || d.Channel == "" || d.Attempts < 0 || d.State != Failed && d.State != Waiting && d.State != Collecting && d.State != Delivered {
		return nil, fmt.Errorf("reading notice %s: state %q with %d events makes none", row.ID, r.State, len(r.Events))
	}
	for _, e := range d.Events {
		if e == nil {
			return nil, fmt.Errorf("reading notice %s: an event is missing", row.ID)
		}
	}
	return d, nil
}

// end makes the delivery one that has ended.
func (d *Delivery) end(s State, now time.Time) {
	d.State, d.Ended, d.Due = s, now, now.Add(keepDelivered)
	if s == Failed {
		d.Due = now.Add(keepFailed)
	} else {
		d.Error = ""
	}
}
