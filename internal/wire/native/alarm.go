package native

import "time"

// Alarm is a rule about a metric, and how the metric stands to it.
type Alarm struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Realm       string `json:"realm"`
	Region      string `json:"region"`
	// State is "ok", "alarm" or "insufficient-data", Since when; Reason is a
	// sentence.
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	Metric Metric    `json:"metric"`
	// The rule: of the last Evaluations periods of Period seconds, Datapoints have
	// a Statistic that is greater than (and so on, see Comparison) the Threshold.
	Statistic   string  `json:"statistic"`
	Comparison  string  `json:"comparison"`
	Threshold   float64 `json:"threshold"`
	Period      int     `json:"period"`
	Evaluations int     `json:"evaluations"`
	Datapoints  int     `json:"datapoints"`
	// Missing is what a period without samples is taken for.
	Missing string `json:"missing"`
	// Topics are the names of those on which changes are published, by the state
	// that the alarm comes to, if ActionsEnabled.
	Topics         map[string][]string `json:"topics,omitempty"`
	ActionsEnabled bool                `json:"actions_enabled"`
}

// Metric names figures: of calls, issues, material or expiry (Kind), about a
// thing or all, of an action or all.
type Metric struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	ID     string `json:"id,omitempty"`
	Action string `json:"action,omitempty"`
}

// AlarmList is a page of alarms.
type AlarmList struct {
	Alarms []Alarm `json:"alarms"`
	Next   string  `json:"next,omitempty"`
}
