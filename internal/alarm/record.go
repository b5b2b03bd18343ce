package alarm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of all records of this package.
const recordVersion = 1

// record is the JSON body of a row of store.Alarms.
type record struct {
	V           int                `json:"v"`
	Realm       key.RealmID        `json:"realm"`
	Region      string             `json:"region"`
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	Metric      metricRecord       `json:"metric"`
	Statistic   metric.Statistic   `json:"statistic"`
	Unit        string             `json:"unit,omitempty"`
	Period      int                `json:"period"` // in seconds
	Evaluations int                `json:"evaluations"`
	Datapoints  int                `json:"datapoints,omitempty"`
	Threshold   float64            `json:"threshold"`
	Comparison  Comparison         `json:"comparison"`
	Missing     Missing            `json:"missing"`
	Actions     map[State][]string `json:"actions,omitempty"`
	Enabled     bool               `json:"enabled"`
	Tags        [][2]string        `json:"tags,omitempty"`
	State       State              `json:"state"`
	Reason      string             `json:"reason"`
	Details     string             `json:"details,omitempty"`
	Configured  time.Time          `json:"configured"`
	ReasonAt    time.Time          `json:"reasonAt"`
	Changed     time.Time          `json:"changed"`
	Changes     int                `json:"changes"`
	Pending     []message          `json:"pending,omitempty"`
}

// metricRecord is a metric, with its operation by name.
type metricRecord struct {
	Kind      metric.Kind `json:"kind"`
	ID        string      `json:"id,omitempty"`
	Operation string      `json:"operation,omitempty"`
	Name      metric.Name `json:"name"`
}

// escape keeps the slashes of names out of ids.
var escape = strings.NewReplacer("%", "%25", "/", "%2F")

func scopeOf(realm key.RealmID, region string) string { return string(realm) + "/" + region }

// idOf returns the id of an alarm's row.
func idOf(realm key.RealmID, region, name string) string {
	return scopeOf(realm, region) + "/" + escape.Replace(name)
}

// row returns the stored form of an alarm.
func (a *Alarm) row() (store.Row, error) {
	m, r := &a.Rule.Metric, &a.Rule
	body := record{
		V: recordVersion, Realm: a.Realm, Region: a.Region, Name: a.Name, Description: a.Description,
		Metric: metricRecord{Kind: m.Kind, ID: m.ID, Name: m.Name}, Statistic: r.Statistic, Unit: r.Unit,
		Period: int(r.Period / time.Second), Evaluations: r.Evaluations, Datapoints: r.Datapoints, Threshold: r.Threshold,
		Comparison: r.Comparison, Missing: r.Missing, Actions: a.Actions, Enabled: a.ActionsEnabled,
		State: a.State, Reason: a.Reason, Details: a.Details, Configured: a.ConfiguredAt, ReasonAt: a.ReasonAt,
		Changed: a.ChangedAt, Changes: a.changes, Pending: a.pending,
	}
	if m.Operation != key.NoAction {
		body.Metric.Operation = m.Operation.String()
	}
	for _, t := range a.Tags {
		body.Tags = append(body.Tags, [2]string{t.Key, t.Value})
	}
	text, err := json.Marshal(&body)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding alarm %s: %w", a.Name, err)
	}
	return store.Row{ID: idOf(a.Realm, a.Region, a.Name), Columns: []string{scopeOf(a.Realm, a.Region)}, Body: text}, nil
}

// readAlarm reads what row wrote.
func readAlarm(row store.Row) (*Alarm, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading alarm %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, newer("alarm "+row.ID, r.V)
	}
	a := &Alarm{
		Realm: r.Realm, Region: r.Region, Name: r.Name, Description: r.Description,
		Rule: Rule{
			Metric: metric.Metric{
				Series: metric.Series{Realm: r.Realm, Region: r.Region, Kind: r.Metric.Kind, ID: r.Metric.ID}, Name: r.Metric.Name,
			},
			Statistic: r.Statistic, Unit: r.Unit, Period: time.Duration(r.Period) * time.Second, Evaluations: r.Evaluations,
			Datapoints: r.Datapoints, Threshold: r.Threshold, Comparison: r.Comparison, Missing: r.Missing,
		},
		Actions: r.Actions, ActionsEnabled: r.Enabled, State: r.State, Reason: r.Reason, Details: r.Details,
		ConfiguredAt: r.Configured, ReasonAt: r.ReasonAt, ChangedAt: r.Changed, changes: r.Changes, pending: r.Pending,
	}
	for _, t := range r.Tags {
		a.Tags = append(a.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	if r.Metric.Operation == "" {
		return a, nil
	}
	for _, action := range key.Actions() {
		if action.String() == r.Metric.Operation {
			a.Rule.Metric.Operation = action
			return a, nil
		}
	}
	return nil, fmt.Errorf("reading alarm %s: no action is called %q", row.ID, r.Metric.Operation)
}

func newer(what string, version int) error {
	return fault.New(fault.Unsupported, "%s has format version %d, which this Holdfast does not read", what, version)
}

// Event says what an entry of an alarm's history is about: a closed set.
type Event string

// The events.
const (
	Created       Event = "created"
	Updated       Event = "updated"
	Deleted       Event = "deleted"
	StateChanged  Event = "state"
	Published     Event = "published"
	NotPublished  Event = "not-published"  // and given up
	ActionsTurned Event = "actions-turned" // on or off
)

// Change is an entry of an alarm's history.
type Change struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Event Event     `json:"event"`
	// From, To, their reasons and details are those of a change of state. To is
	// also what a message was about.
	From        State  `json:"from,omitempty"`
	To          State  `json:"to,omitempty"`
	FromReason  string `json:"fromReason,omitempty"`
	ToReason    string `json:"toReason,omitempty"`
	FromDetails string `json:"fromDetails,omitempty"`
	ToDetails   string `json:"toDetails,omitempty"`
	// Topic is where a message went, Failure why it did not.
	Topic   string `json:"topic,omitempty"`
	Failure string `json:"failure,omitempty"`
	// Enabled is what the actions were turned to.
	Enabled bool `json:"enabled,omitempty"`

	id string // in the listing
}

// changeRecord is the JSON body of a row of store.AlarmChanges.
type changeRecord struct {
	V int `json:"v"`
	Change
}

// How long a history reaches back, and how many entries it has at most.
const (
	keepHistory = 30 * 24 * time.Hour
	maxHistory  = 1000
)

// note puts an entry into an alarm's history, whose next one it is. The alarm
// is to be stored afterwards.
func (a *Alarm) note(tx store.Tx, c Change) error {
	a.changes++
	c.Name = a.Name
	body, err := json.Marshal(changeRecord{recordVersion, c})
	if err != nil {
		return err
	}
	row := store.Row{
		ID: a.changeID(a.changes), Columns: []string{c.At.Add(keepHistory).UTC().Format(store.TimeFormat)}, Body: body,
	}
	if err := tx.Put(store.AlarmChanges, row); err != nil {
		return err
	}
	err = tx.Delete(store.AlarmChanges, a.changeID(a.changes-maxHistory))
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	return nil
}

// changeID returns the id of an entry of the history.
func (a *Alarm) changeID(n int) string {
	return fmt.Sprintf("%s/%010d", idOf(a.Realm, a.Region, a.Name), n)
}

// readChange reads what note wrote.
func readChange(row store.Row) (*Change, error) {
	var r changeRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, newer(row.ID, r.V)
	}
	r.id = row.ID
	return &r.Change, nil
}
