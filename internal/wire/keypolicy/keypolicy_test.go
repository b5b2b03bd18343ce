package keypolicy

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// documents are policies and what is read of them.
var documents = []struct {
	text string
	want []compliance.Statement
}{
	{aws.DefaultKeyPolicy("123456789012").Text, []compliance.Statement{{Label: `"Enable IAM User Permissions"`, All: true}}},
	{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}`,
		[]compliance.Statement{{Label: "1", Everyone: true}},
	},
	{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:root","*"]},"Action":["kms:Sign","KMS:*"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com","aws:PrincipalOrgID":"o-1"},"Bool":{"aws:SecureTransport":"true"}}}]}`,
		[]compliance.Statement{{Label: "2", Everyone: true, All: true, Conditions: []string{"aws:PrincipalOrgID", "aws:SecureTransport", "kms:ViaService"}}},
	},
	{
		`{"Statement":[{"Sid":"x","Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:root"},"NotAction":"kms:ScheduleKeyDeletion","Resource":"*"}]}`,
		[]compliance.Statement{{Label: `"x"`, Everyone: true, All: true}},
	},
	{
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"s3:*","Resource":"*"}]}`,
		[]compliance.Statement{{Label: "1"}},
	},
	{`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}]}`, []compliance.Statement{{Label: "1", Everyone: true, All: true}}},
}

func TestStatements(t *testing.T) {
	for _, d := range documents {
		got, err := Statements(d.text)
		if err != nil {
			t.Errorf("%s: %v", d.text, err)
		}
		if diff := cmp.Diff(d.want, got); diff != "" {
			t.Errorf("%s:\n%s", d.text, diff)
		}
	}
	for _, text := range []string{"", "null x", `{"Statement":3}`, `{"Statement":[{"Effect":1}]}`, `{"Statement":[{"Effect":"Allow","Principal":[]}]}`} {
		if got, err := Statements(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

// FuzzStatements: whatever the enforced reading of a policy takes, this one
// takes, and both say the same of whether it is open to everybody.
func FuzzStatements(f *testing.F) {
	for _, d := range documents {
		f.Add(d.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Statements(text)
		enforced, refused := policy.Compile([]byte(text), policy.ForResource, aws.Vocabulary())
		if refused != nil || len(text) > MaxSize {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		open := slices.ContainsFunc(got, func(s compliance.Statement) bool { return s.Everyone && len(s.Conditions) == 0 })
		if open != enforced.Public() {
			t.Errorf("%s: open is %t", text, open)
		}
	})
}
