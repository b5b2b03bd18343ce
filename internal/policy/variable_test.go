package policy_test

import (
	"net/netip"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

func noSource(r *policy.Request) { r.Call.Source = netip.Addr{} }

func source(address string) func(*policy.Request) {
	return func(r *policy.Request) { r.Call.Source = netip.MustParseAddr(address) }
}

func TestVariables(t *testing.T) {
	x := func(value string) []key.Tag { return tags("x", value) }
	team := func(value string) func(*policy.Request) {
		return func(r *policy.Request) { r.Call.Caller.Tags = tags("team", value) }
	}
	noTags := func(r *policy.Request) { r.Call.Caller.Tags = nil }
	checkConditions(t, []conditionCase{
		{name: "a variable", condition: on("StringEquals", `"${aws:username}"`), context: x("alice"), want: true},
		{name: "another value", condition: on("StringEquals", `"${aws:username}"`), context: x("bob")},
		{name: "in a text", condition: on("StringEquals", `"user-${aws:username}/${aws:PrincipalTag/team}"`), context: x("user-alice/blue"), want: true},
		{name: "in any case", condition: on("StringEquals", `"${AWS:UserName}"`), context: x("alice"), want: true},
		{name: "with wildcards around it", condition: on("StringLike", `"*-${aws:username}-?"`), context: x("a-b-alice-c"), want: true},
		{name: "its wildcards are characters", condition: on("StringLike", `"${aws:PrincipalTag/team}"`), edit: team("*"), context: x("anything")},
		{name: "and match as such", condition: on("StringLike", `"${aws:PrincipalTag/team}"`), edit: team("*"), context: x("*"), want: true},
		{name: "its braces are characters", condition: on("StringEquals", `"${aws:PrincipalTag/team}"`), edit: team("${aws:username}"), context: x("alice")},
		{name: "ignoring case", condition: on("StringEqualsIgnoreCase", `"${aws:username}"`), context: x("ALICE"), want: true},
		{name: "a star", condition: on("StringLike", `"a${*}"`), context: x("a*"), want: true},
		{name: "a star only", condition: on("StringLike", `"a${*}"`), context: x("ab")},
		{name: "a question mark", condition: on("StringLike", `"a${?}"`), context: x("a?"), want: true},
		{name: "a dollar", condition: on("StringEquals", `"${$}{x}"`), context: x("${x}"), want: true},
		{name: "a lone dollar", condition: on("StringEquals", `"$5 {x}"`), context: x("$5 {x}"), want: true},
		{name: "without a value nothing matches", condition: on("StringEquals", `"${aws:PrincipalTag/team}"`), edit: noTags, context: x("")},
		{name: "not even everything", condition: on("StringLike", `"*${aws:PrincipalTag/team}*"`), edit: noTags, context: x("a")},
		{name: "so its negation holds", condition: on("StringNotEquals", `"${aws:PrincipalTag/team}"`), edit: noTags, context: x("a"), want: true},
		{name: "the other values still count", condition: on("StringEquals", `["${aws:PrincipalTag/team}","a"]`), edit: noTags, context: x("a"), want: true},
		{name: "a default", condition: on("StringEquals", `"${aws:PrincipalTag/team, 'everybody'}"`), edit: noTags, context: x("everybody"), want: true},
		{name: "a default without a space", condition: on("StringEquals", `"${aws:PrincipalTag/team,'everybody'}"`), edit: noTags, context: x("everybody"), want: true},
		{name: "an empty default", condition: on("StringEquals", `"a${aws:PrincipalTag/team, ''}"`), edit: noTags, context: x("a"), want: true},
		{name: "a default that is not needed", condition: on("StringEquals", `"${aws:PrincipalTag/team, 'everybody'}"`), context: x("everybody")},
		{name: "a default's wildcards are characters", condition: on("StringLike", `"${aws:PrincipalTag/team, '*'}"`), edit: noTags, context: x("a")},
		{name: "a key that no request has", condition: on("StringEquals", `"${aws:PrincipalOrgID}"`), context: x("")},
		{name: "of a number", condition: on("StringEquals", `"${kms:RotationPeriodInDays}"`), context: x("90"), edit: func(r *policy.Request) { r.Attributes.PeriodDays = 90 }, want: true},
		{name: "in an ARN", condition: `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}"}}`, want: true},
		{name: "in an ARN, no value reaches the next part", condition: on("ArnEquals", `"arn:aws:kms:${aws:PrincipalTag/team}:1:key/a"`), edit: team("us-east-1:1"), context: x("arn:aws:kms:us-east-1:1:1:key/a")},
		{name: "both sides of a tag", condition: `{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}`, want: true},
	})
}

func TestVariablesInResources(t *testing.T) {
	const yes, no = "allow: " + byOwn, "not allowed by identity: " + noOwn
	resource := func(name, element, want string) specification {
		return specification{
			name: name, key: rootStatement, who: "alice", want: want,
			identity: []string{`{"Effect":"Allow","Action":"kms:*",` + element + `}`},
		}
	}
	check(t, []specification{
		resource("a variable", `"Resource":"arn:aws:kms:${aws:RequestedRegion}:123456789012:key/*"`, yes),
		resource("with another value", `"Resource":"arn:aws:kms:us-east-1:123456789012:key/${aws:username}"`, no),
		resource("without a value", `"Resource":"arn:aws:kms:us-east-1:123456789012:key/*${aws:SourceAccount}"`, no),
		resource("without a value, negated", `"NotResource":"arn:aws:kms:us-east-1:123456789012:key/*${aws:SourceAccount}"`, yes),
	})
}

// Only the newer version of the language has variables.
func TestVersions(t *testing.T) {
	versioned := func(version string) string {
		return `{` + version + `"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",
			"Condition":{"StringEquals":{"kms:EncryptionContext:x":"${aws:username}"}}}}`
	}
	with := func(value string) func(*policy.Request) {
		return func(r *policy.Request) { r.Attributes.Context = tags("x", value) }
	}
	const refused = "not allowed by the key: " + nothing
	check(t, []specification{
		{name: "2012-10-17", key: versioned(`"Version":"2012-10-17",`), who: "alice", edit: with("alice"), want: oneByKey},
		{name: "2008-10-17", key: versioned(`"Version":"2008-10-17",`), who: "alice", edit: with("alice"), want: refused},
		{name: "none", key: versioned(""), who: "alice", edit: with("alice"), want: refused},
		{name: "2008-10-17 takes it as a text", key: versioned(`"Version":"2008-10-17",`), who: "alice", edit: with("${aws:username}"), want: oneByKey},
		{name: "none takes it as a text", key: versioned(""), who: "alice", edit: with("${aws:username}"), want: oneByKey},
	})
}
