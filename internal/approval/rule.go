package approval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Requirement is what a rule asks for.
type Requirement string

// The requirements.
const (
	MFA    Requirement = "mfa"      // a second factor in the session
	Others Requirement = "approval" // by another person
)

// Rule makes actions critical.
type Rule struct {
	Name string
	// Actions are names such as "key:ScheduleDeletion", in which * stands for any
	// text.
	Actions []string
	// Resources are key.Resource.String with * for any text; none means all.
	Resources []string
	// Realms are those of the resources; none means all.
	Realms  []key.RealmID
	Require Requirement

	// The rest is for Others.

	// Approvers are key.Principal.String of users, of roles whose sessions
	// approve, or of roots; none means whoever may do approval:Decide but roots.
	Approvers []string
	// Count is how many different persons have to approve, at least 1.
	Count int
	// Expires is how long a request can be decided, Valid how long an approval
	// can be used.
	Expires, Valid time.Duration
}

// Bounds of rules.
const (
	maxCount    = 10
	MinDuration = time.Minute
	MaxDuration = 30 * 24 * time.Hour
)

// Check returns what is wrong with a rule.
func (r *Rule) Check() error {
	var wrong []error
	if r.Name == "" {
		wrong = append(wrong, errors.New("a rule has a name"))
	}
	if len(r.Actions) == 0 {
		wrong = append(wrong, errors.New("a rule is of one or more actions"))
	}
	for _, pattern := range r.Actions {
		if !slices.ContainsFunc(key.Actions(), func(a key.Action) bool { return matches(pattern, a.String()) }) {
			wrong = append(wrong, fmt.Errorf("%q matches no action, such as key:ScheduleDeletion", pattern))
		}
	}
	for _, id := range r.Realms {
		if !id.Valid() {
			wrong = append(wrong, fmt.Errorf("%q is not the id of a realm", id))
		}
	}
	switch r.Require {
	case MFA:
		if len(r.Approvers) > 0 || r.Count > 1 {
			wrong = append(wrong, errors.New("approvers and count go with require: approval"))
		}
	case Others:
		wrong = append(wrong, r.checkApproval()...)
	default:
		wrong = append(wrong, fmt.Errorf("require is mfa or approval, not %q", r.Require))
	}
	return errors.Join(wrong...)
}

func (r *Rule) checkApproval() (wrong []error) {
	if r.Count < 1 || r.Count > maxCount {
		wrong = append(wrong, fmt.Errorf("count is 1 to %d", maxCount))
	}
	if n := len(r.Approvers); n > 0 && n < r.Count {
		wrong = append(wrong, fmt.Errorf("%d of %d approvers cannot approve", r.Count, n))
	}
	for _, text := range r.Approvers {
		p, ok := key.ParsePrincipal(text)
		if !ok || !p.Realm.Valid() || p.Kind != key.User && p.Kind != key.Role && p.Kind != key.Root {
			wrong = append(wrong, fmt.Errorf("%q is no user, role or root, such as 123456789012:user:alice", text))
		}
	}
	for _, d := range []time.Duration{r.Expires, r.Valid} {
		if d < MinDuration || d > MaxDuration {
			wrong = append(wrong, fmt.Errorf("expires and valid are %s to %s", MinDuration, MaxDuration))
			break
		}
	}
	return wrong
}

// actions returns those that the rule makes critical. What approvals
// themselves need is never held up by one.
func (r *Rule) actions() (list []key.Action) {
	for _, a := range key.Actions() {
		if r.Require == Others && strings.HasPrefix(a.String(), "approval:") {
			continue
		}
		if slices.ContainsFunc(r.Actions, func(pattern string) bool { return matches(pattern, a.String()) }) {
			list = append(list, a)
		}
	}
	return list
}

// covers reports whether the rule is about a resource of a realm.
func (r *Rule) covers(realm key.RealmID, resource string) bool {
	if len(r.Realms) > 0 && !slices.Contains(r.Realms, realm) {
		return false
	}
	return len(r.Resources) == 0 || slices.ContainsFunc(r.Resources, func(pattern string) bool { return matches(pattern, resource) })
}

// eligible reports whether a principal's approval counts for the rule.
func (r *Rule) eligible(p key.Principal) bool {
	if len(r.Approvers) == 0 {
		return p.Kind == key.User || p.Kind == key.Session
	}
	if p.Kind == key.Session {
		role := p.Name[:max(strings.LastIndexByte(p.Name, '/'), 0)]
		p = key.Principal{Realm: p.Realm, Kind: key.Role, Name: role}
	}
	return slices.Contains(r.Approvers, p.String())
}

// approvals returns how many different persons' approvals count for the rule.
func (r *Rule) approvals(list []Decision) int {
	var persons []string
	for i := range list {
		d := &list[i]
		if d.Approved && r.eligible(d.By) && !slices.Contains(persons, d.Person) {
			persons = append(persons, d.Person)
		}
	}
	return len(persons)
}

// satisfied reports whether decisions are enough for all of the rules.
func satisfied(rules []*Rule, list []Decision) bool {
	return !slices.ContainsFunc(rules, func(r *Rule) bool { return r.approvals(list) < r.Count })
}

// matches compares a text with a pattern in which * stands for any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[last])
}
