package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/approval"
)

// TestApprovalsOfTheManual: the example of docs/approvals.md is a configuration,
// with the defaults that it says.
func TestApprovalsOfTheManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/approvals.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("docs/approvals.md has no example")
	}
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	rules := c.Approvals.List()
	if len(rules) != 4 || rules[1].Count != 2 || len(rules[1].Approvers) != 3 {
		t.Fatalf("%+v", rules)
	}
	want := rules[0]
	want.Require, want.Count, want.Expires, want.Valid = approval.Others, 1, 24*time.Hour, time.Hour
	if diff := cmp.Diff(want, rules[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := approval.NewGate(approval.Config{Rules: rules, Key: make([]byte, 32)}); err != nil {
		t.Error(err)
	}
}

func TestApprovalsAreChecked(t *testing.T) {
	tests := map[string]string{
		`{name: a, actions: ["kms:Sign"], require: mfa}`:                                   `approvals.rules[0]: "kms:Sign" matches no action`,
		`{name: a, actions: ["key:Sign"]}`:                                                 "require is mfa or approval",
		`{name: a, actions: ["key:Sign"], require: approval, count: 20}`:                   "count is 1 to 10",
		`{name: a, actions: ["key:Sign"], require: approval, valid: 1s}`:                   "expires and valid are 1m0s to 720h0m0s",
		`{name: a, actions: ["*"], require: mfa}, {name: a, actions: ["*"], require: mfa}`: `approvals.rules[1]: there is another rule "a"`,
		`{name: a, action: ["key:Sign"]}`:                                                  "line 2: field action not found",
	}
	for text, want := range tests {
		_, err := Parse([]byte("approvals:\n  rules: [" + text + "]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
