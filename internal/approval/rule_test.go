package approval

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"key:Sign", "key:Sign", true},
		{"key:Sign", "key:Signs", false},
		{"*", "", true},
		{"*", "key:Sign", true},
		{"key:*", "key:Sign", true},
		{"key:*", "ca:Issue", false},
		{"*:Delete", "ca:Delete", true},
		{"*:Delete", "ca:DeletePolicy", false},
		{"*:Delete*", "ca:DeletePolicy", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-b-c", true},
		{"a*b*c", "acb", false},
		{"ab*ba", "aba", false},
		{"a**b", "ab", true},
		{"", "", true},
		{"", "a", false},
	}
	for _, tt := range tests {
		if got := matches(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q matches %q: %t", tt.pattern, tt.text, got)
		}
	}
}

func TestRuleCheck(t *testing.T) {
	tests := []struct {
		want   string // "" for none
		change func(*Rule)
	}{
		{"", func(*Rule) {}},
		{"", func(r *Rule) { *r = Rule{Name: "m", Actions: []string{"*"}, Require: MFA} }},
		{"has a name", func(r *Rule) { r.Name = "" }},
		{"one or more actions", func(r *Rule) { r.Actions = nil }},
		{`"kms:Sign" matches no action`, func(r *Rule) { r.Actions = []string{"key:*", "kms:Sign"} }},
		{"not the id of a realm", func(r *Rule) { r.Realms = []key.RealmID{"x"} }},
		{"require is mfa or approval", func(r *Rule) { r.Require = "password" }},
		{"go with require: approval", func(r *Rule) { r.Require = MFA; r.Count = 2 }},
		{"count is 1 to 10", func(r *Rule) { r.Count = 0 }},
		{"count is 1 to 10", func(r *Rule) { r.Count = 11 }},
		{"2 of 1 approvers cannot approve", func(r *Rule) { r.Count = 2; r.Approvers = []string{"123456789012:user:bob"} }},
		{"is no user, role or root", func(r *Rule) { r.Approvers = []string{"bob"} }},
		{"is no user, role or root", func(r *Rule) { r.Approvers = []string{"123456789012:service:ca"} }},
		{"expires and valid are", func(r *Rule) { r.Valid = time.Second }},
		{"expires and valid are", func(r *Rule) { r.Expires = 31 * 24 * time.Hour }},
	}
	for _, tt := range tests {
		r := deletions()
		tt.change(&r)
		err := r.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", r, err, tt.want)
		}
		if _, made := NewGate(Config{Key: make([]byte, minKey), Rules: []Rule{r}}); (made == nil) != (err == nil) || made != nil && fault.KindOf(made) != fault.InvalidArgument {
			t.Errorf("a gate with %+v: %v", r, made)
		}
	}
}

func TestCovers(t *testing.T) {
	const other = key.RealmID("999999999999")
	tests := []struct {
		resources []string
		realms    []key.RealmID
		realm     key.RealmID
		resource  string
		want      bool
	}{
		{nil, nil, realm, "123456789012/us-east-1/k", true},
		{nil, nil, realm, "", true},
		{nil, []key.RealmID{other}, realm, "123456789012/us-east-1/k", false},
		{nil, []key.RealmID{other}, other, "999999999999/us-east-1/k", true},
		{[]string{"*/authority/*"}, nil, realm, "123456789012/us-east-1/k", false},
		{[]string{"*/authority/*"}, nil, realm, "123456789012/us-east-1/authority/a", true},
		{[]string{"*/us-east-1/k"}, nil, realm, "123456789012/us-east-1/k", true},
	}
	for _, tt := range tests {
		r := Rule{Resources: tt.resources, Realms: tt.realms}
		if got := r.covers(tt.realm, tt.resource); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

// TestApprovalsAreNotHeldUp: by a rule about everything.
func TestApprovalsAreNotHeldUp(t *testing.T) {
	all := Rule{Actions: []string{"*"}, Require: Others}
	for _, a := range all.actions() {
		if a == key.DecideApproval || a == key.RequestApproval || a == key.CancelApproval || a == key.ListApprovals {
			t.Errorf("%s needs an approval", a)
		}
	}
	all.Require = MFA
	if got, want := len(all.actions()), len(key.Actions()); got != want {
		t.Errorf("a second factor is asked for %d of %d actions", got, want)
	}
}
