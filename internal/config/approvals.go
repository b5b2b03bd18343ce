package config

import (
	"cmp"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Approvals says which operations are critical ones.
type Approvals struct {
	// Rules are asked after the policies; every one that covers an operation has
	// to be satisfied. Default: none.
	Rules []ApprovalRule `yaml:"rules"`
}

// ApprovalRule makes actions critical.
type ApprovalRule struct {
	// Name is the rule's in refusals and in the audit log.
	Name string `yaml:"name"`
	// Actions are canonical names such as key:ScheduleDeletion, in which * stands
	// for any text.
	Actions []string `yaml:"actions"`
	// Resources are what the actions act on, as the audit log writes it, with *
	// for any text. Default: all.
	Resources []string `yaml:"resources"`
	// Realms are the ids of realms. Default: all.
	Realms []string `yaml:"realms"`
	// Require is mfa (a second factor in the session) or approval (by another
	// person).
	Require string `yaml:"require"`
	// Approvers are users, roles and roots such as 123456789012:user:alice.
	// Default: whoever may do approval:Decide, but no root.
	Approvers []string `yaml:"approvers"`
	// Count is how many different persons have to approve. Default: 1.
	Count int `yaml:"count"`
	// Expires is how long a request waits for decisions. Default: 24h.
	Expires time.Duration `yaml:"expires"`
	// Valid is how long an approval waits for its use. Default: 1h.
	Valid time.Duration `yaml:"valid"`
}

// List returns the rules with their defaults.
func (a *Approvals) List() []approval.Rule {
	list := make([]approval.Rule, len(a.Rules))
	for i := range a.Rules {
		r := &a.Rules[i]
		list[i] = approval.Rule{
			Name: r.Name, Actions: r.Actions, Resources: r.Resources, Require: approval.Requirement(r.Require), Approvers: r.Approvers,
			Count: cmp.Or(r.Count, 1), Expires: cmp.Or(r.Expires, 24*time.Hour), Valid: cmp.Or(r.Valid, time.Hour),
		}
		for _, realm := range r.Realms {
			list[i].Realms = append(list[i].Realms, key.RealmID(realm))
		}
	}
	return list
}

func (a *Approvals) validate(refuse func(name, format string, args ...any)) {
	names := map[string]bool{}
	for i, r := range a.List() {
		field := fmt.Sprintf("approvals.rules[%d]", i)
		if err := r.Check(); err != nil {
			refuse(field, "%v", err)
		}
		if names[r.Name] {
			refuse(field, "there is another rule %q", r.Name)
		}
		names[r.Name] = true
	}
}
