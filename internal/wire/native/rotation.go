package native

import "time"

// RotationRule says which keys of the realm get new material, and how often.
type RotationRule struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Keys are patterns of ids and aliases: "alias/orders-*". What a rule leaves
	// open, it does not ask for.
	Keys []string `json:"keys,omitempty"`
	// Tags must all be there; the value "*" is any.
	Tags   []Tag    `json:"tags,omitempty"`
	Specs  []string `json:"specs,omitempty"`
	Usages []string `json:"usages,omitempty"`
	// Protections are "software", "hsm" and "external".
	Protections []string `json:"protections,omitempty"`
	// Mode is "automatic" or "notify".
	Mode string `json:"mode"`
	// PeriodDays is absent for the server's defaults.
	PeriodDays  int `json:"period_days,omitempty"`
	OverlapDays int `json:"overlap_days"`
	// After is "disable" or "keep": what becomes of a key when its successor has
	// been there for the overlap. It is absent where the key's usage decides.
	After      string    `json:"after,omitempty"`
	NoticeDays int       `json:"notice_days"`
	Since      time.Time `json:"since"`
}

// PutRotationRuleRequest makes or changes a rule. What it leaves out is the
// server's default.
type PutRotationRuleRequest struct {
	Description string   `json:"description,omitempty"`
	Keys        []string `json:"keys,omitempty"`
	Tags        []Tag    `json:"tags,omitempty"`
	Specs       []string `json:"specs,omitempty"`
	Usages      []string `json:"usages,omitempty"`
	Protections []string `json:"protections,omitempty"`
	// Mode is "automatic" or "notify".
	Mode        string `json:"mode"`
	PeriodDays  int    `json:"period_days,omitempty"`
	OverlapDays *int   `json:"overlap_days,omitempty"`
	After       string `json:"after,omitempty"`
	NoticeDays  *int   `json:"notice_days,omitempty"`
}

// RotationRuleList is all rules of the realm, in the order in which they are
// asked: the first that is about a key counts.
type RotationRuleList struct {
	Rules []RotationRule `json:"rules"`
}

// RotationPlan is a page of what will happen to the keys of the realm.
type RotationPlan struct {
	From time.Time    `json:"from"`
	To   time.Time    `json:"to"`
	Keys []PlannedKey `json:"keys"`
	Next string       `json:"next,omitempty"`
}

// PlannedKey is what will happen to a key.
type PlannedKey struct {
	Key     string   `json:"key"`
	Region  string   `json:"region"`
	Aliases []string `json:"aliases,omitempty"`
	Spec    string   `json:"spec"`
	Usage   string   `json:"usage"`
	// Rule is the rule that the key is under. Own says that rotation is turned on
	// for the key itself, which goes before rules.
	Rule string `json:"rule,omitempty"`
	Own  bool   `json:"own,omitempty"`
	// Action is what happens next: "rotate", "successor", "notify", "disable" or
	// "none". Why says why nothing more does.
	Action string `json:"action"`
	Why    string `json:"why,omitempty"`
	// Rotated is when the present material was made.
	Rotated    time.Time `json:"rotated"`
	PeriodDays int       `json:"period_days,omitempty"`
	// Due is when the action is, Notice when people are told of it.
	Due    time.Time `json:"due,omitzero"`
	Notice time.Time `json:"notice,omitzero"`
	// Steps are all that happens within the time of the plan.
	Steps []PlannedStep `json:"steps,omitempty"`
}

// PlannedStep is one thing that will happen.
type PlannedStep struct {
	Action string    `json:"action"`
	At     time.Time `json:"at"`
	// OverlapEnd is when a key that gets a successor stops verifying and
	// decrypting; absent where it goes on.
	OverlapEnd time.Time `json:"overlap_end,omitzero"`
}
