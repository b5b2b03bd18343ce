// Package keypolicy reads what key policies in AWS's language allow, in the
// terms of package compliance. It is more lenient than a policy that is to be
// enforced: of an account in a cloud, it meets actions and conditions that
// Holdfast does not have.
//
// Start with Statements. The package is internal and may change with any
// release.
package keypolicy

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// MaxSize is the longest document in bytes: more than the 32 KiB of a key
// policy.
const MaxSize = 64 << 10

// texts is a string or a list of strings.
type texts []string

// UnmarshalJSON reads both forms.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*t = texts{one}
		return nil
	}
	var list []string
	err := json.Unmarshal(b, &list)
	*t = list
	return err
}

// principal is "*" or principals by their kinds.
type principal map[string]texts

// UnmarshalJSON reads both forms; "*" is that of AWS.
func (p *principal) UnmarshalJSON(b []byte) error {
	var all string
	if err := json.Unmarshal(b, &all); err == nil {
		*p = principal{"AWS": texts{all}}
		return nil
	}
	m := map[string]texts{}
	err := json.Unmarshal(b, &m)
	*p = m
	return err
}

// statement is what is read of a statement (Grammar of the IAM JSON policy
// language, IAM User Guide).
type statement struct {
	Sid          string
	Effect       string
	Principal    principal
	NotPrincipal principal
	Action       texts
	NotAction    texts
	Condition    map[string]map[string]json.RawMessage
}

// statements is one statement or a list.
type statements []statement

// UnmarshalJSON reads both forms.
func (s *statements) UnmarshalJSON(b []byte) error {
	var list []statement
	if err := json.Unmarshal(b, &list); err == nil {
		*s = list
		return nil
	}
	var one statement
	err := json.Unmarshal(b, &one)
	*s = statements{one}
	return err
}

// Statements returns the statements of a policy that allow something.
func Statements(text string) ([]compliance.Statement, error) {
	if len(text) > MaxSize {
		return nil, fault.New(fault.InvalidArgument, "a policy has at most %d bytes", MaxSize)
	}
	var doc struct{ Statement statements }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the policy cannot be read", Err: err}
	}
	list := []compliance.Statement{}
	for i := range doc.Statement {
		if s := &doc.Statement[i]; s.Effect == "Allow" {
			list = append(list, s.facts(i+1))
		}
	}
	return list, nil
}

// facts returns what rules ask about a statement that allows something.
func (s *statement) facts(number int) compliance.Statement {
	facts := compliance.Statement{
		Label: strconv.Itoa(number), All: s.NotAction != nil || slices.ContainsFunc(s.Action, everything),
		Everyone: s.NotPrincipal != nil || slices.Contains(s.Principal["AWS"], "*"),
	}
	if s.Sid != "" {
		facts.Label = strconv.Quote(s.Sid)
	}
	for _, keys := range s.Condition {
		facts.Conditions = append(facts.Conditions, slices.Collect(maps.Keys(keys))...)
	}
	slices.Sort(facts.Conditions)
	facts.Conditions = slices.Compact(facts.Conditions)
	return facts
}

// everything reports whether an action stands for all actions on keys.
func everything(action string) bool {
	if strings.Trim(action, "*") == "" {
		return action != ""
	}
	service, name, _ := strings.Cut(action, ":")
	return strings.EqualFold(service, "kms") && name != "" && strings.Trim(name, "*") == ""
}
