package policy_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// conditionCase is a Condition element, the request it is asked about, and
// whether the request meets it. The request is alice's, with the encryption
// context of the case.
type conditionCase struct {
	name      string
	condition string
	context   []key.Tag
	edit      func(*policy.Request)
	want      bool
}

func checkConditions(t *testing.T, table []conditionCase) {
	t.Helper()
	if len(table) == 0 {
		t.Fatal("the table is empty")
	}
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			statement := `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":` + c.condition + `}`
			in := policy.Input{Request: request(t, "alice"), Resource: compile(t, statement, policy.ForResource)}
			in.Request.Attributes.Context = c.context
			if c.edit != nil {
				c.edit(&in.Request)
			}
			if got := policy.Decide(in).Allowed; got != c.want {
				t.Errorf("%s holds: %v, want %v", c.condition, got, c.want)
			}
		})
	}
}

// on makes a condition of an operator on the value of the context's "x".
func on(operator, values string) string {
	return `{"` + operator + `":{"kms:EncryptionContext:x":` + values + `}}`
}

func TestStringOperators(t *testing.T) {
	x := func(value string) []key.Tag { return tags("x", value) }
	checkConditions(t, []conditionCase{
		{name: "equals", condition: on("StringEquals", `"a"`), context: x("a"), want: true},
		{name: "equals is not equal", condition: on("StringEquals", `"a"`), context: x("b")},
		{name: "equals has a case", condition: on("StringEquals", `"a"`), context: x("A")},
		{name: "equals one of a list", condition: on("StringEquals", `["b","a"]`), context: x("a"), want: true},
		{name: "equals none of a list", condition: on("StringEquals", `["b","c"]`), context: x("a")},
		{name: "equals has no wildcards", condition: on("StringEquals", `"a*"`), context: x("ab")},
		{name: "equals a star", condition: on("StringEquals", `"a*"`), context: x("a*"), want: true},
		{name: "equals the empty string", condition: on("StringEquals", `""`), context: x(""), want: true},
		{name: "equals without the key", condition: on("StringEquals", `"a"`)},
		{name: "not equals", condition: on("StringNotEquals", `"a"`), context: x("b"), want: true},
		{name: "not equals is equal", condition: on("StringNotEquals", `"a"`), context: x("a")},
		{name: "not equals any of a list", condition: on("StringNotEquals", `["a","b"]`), context: x("b")},
		{name: "not equals without the key", condition: on("StringNotEquals", `"a"`), want: true},
		{name: "ignoring case", condition: on("StringEqualsIgnoreCase", `"ÄB"`), context: x("äb"), want: true},
		{name: "ignoring case, another", condition: on("StringEqualsIgnoreCase", `"ab"`), context: x("abc")},
		{name: "not, ignoring case", condition: on("StringNotEqualsIgnoreCase", `"AB"`), context: x("ab")},
		{name: "not, ignoring case, another", condition: on("StringNotEqualsIgnoreCase", `"AB"`), context: x("cd"), want: true},
		{name: "like", condition: on("StringLike", `"a*c"`), context: x("abbbc"), want: true},
		{name: "like nothing between", condition: on("StringLike", `"a*c"`), context: x("ac"), want: true},
		{name: "like, tried again later", condition: on("StringLike", `"*ab?d"`), context: x("abababcd"), want: true},
		{name: "like, no more text", condition: on("StringLike", `"a?"`), context: x("a")},
		{name: "like, more text", condition: on("StringLike", `"a?"`), context: x("abc")},
		{name: "like, one character of two bytes", condition: on("StringLike", `"a?c"`), context: x("aéc"), want: true},
		{name: "like, across a newline", condition: on("StringLike", `"a*c"`), context: x("a\nc"), want: true},
		{name: "like has a case", condition: on("StringLike", `"A*"`), context: x("ab")},
		{name: "like everything, which is there", condition: on("StringLike", `"*"`), context: x(""), want: true},
		{name: "like everything, which is not there", condition: on("StringLike", `"*"`)},
		{name: "not like", condition: on("StringNotLike", `["a*","b*"]`), context: x("cd"), want: true},
		{name: "not like, but one", condition: on("StringNotLike", `["a*","c*"]`), context: x("cd")},
		{name: "not like without the key", condition: on("StringNotLike", `"a*"`), want: true},
		{name: "the operator's case does not matter", condition: on("stringequals", `"a"`), context: x("a"), want: true},
		{name: "a boolean counts as its text", condition: on("StringEquals", `true`), context: x("true"), want: true},
		{name: "a number counts as its text", condition: on("StringEquals", `12`), context: x("12"), want: true},
		{name: "a typed value counts as its text", condition: `{"StringEquals":{"aws:SecureTransport":"true","aws:SourceIp":"203.0.113.9"}}`, want: true},
		{name: "a moment counts as its text", condition: `{"StringLike":{"aws:CurrentTime":"2026-11-22T*Z"}}`, want: true},
	})
}

func TestConditionsTogether(t *testing.T) {
	ab := tags("a", "1", "b", "2")
	checkConditions(t, []conditionCase{
		{name: "no operator", condition: `{}`, want: true},
		{name: "an operator without keys", condition: `{"StringEquals":{}}`, want: true},
		{name: "all keys of an operator", condition: `{"StringEquals":{"kms:EncryptionContext:a":"1","kms:EncryptionContext:b":"2"}}`, context: ab, want: true},
		{name: "all but one key", condition: `{"StringEquals":{"kms:EncryptionContext:a":"1","kms:EncryptionContext:b":"3"}}`, context: ab},
		{name: "all operators", condition: `{"StringEquals":{"kms:EncryptionContext:a":"1"},"StringLike":{"kms:EncryptionContext:b":"?"}}`, context: ab, want: true},
		{name: "all but one operator", condition: `{"StringEquals":{"kms:EncryptionContext:a":"1"},"Null":{"kms:EncryptionContext:b":"true"}}`, context: ab},
	})
}

func TestNumericOperators(t *testing.T) {
	x := func(value string) []key.Tag { return tags("x", value) }
	days := func(n int) func(*policy.Request) {
		return func(r *policy.Request) { r.Attributes.WaitDays = n }
	}
	checkConditions(t, []conditionCase{
		{name: "equals", condition: on("NumericEquals", `"10"`), context: x("10"), want: true},
		{name: "equals as a number", condition: on("NumericEquals", `"10"`), context: x("10.0"), want: true},
		{name: "equals a JSON number", condition: on("NumericEquals", `10`), context: x("1e1"), want: true},
		{name: "equals one of a list", condition: on("NumericEquals", `[9,"10"]`), context: x("10"), want: true},
		{name: "equals no text", condition: on("NumericEquals", `10`), context: x("ten")},
		{name: "equals nothing hexadecimal", condition: on("NumericEquals", `16`), context: x("0x10")},
		{name: "equals without the key", condition: on("NumericEquals", `10`)},
		{name: "not equals", condition: on("NumericNotEquals", `10`), context: x("11"), want: true},
		{name: "not equals is equal", condition: on("NumericNotEquals", `10`), context: x("10")},
		{name: "not equals a text", condition: on("NumericNotEquals", `10`), context: x("ten"), want: true},
		{name: "not equals without the key", condition: on("NumericNotEquals", `10`), want: true},
		{name: "less", condition: on("NumericLessThan", `10`), context: x("9.5"), want: true},
		{name: "less is not equal", condition: on("NumericLessThan", `10`), context: x("10")},
		{name: "less or equal", condition: on("NumericLessThanEquals", `10`), context: x("10"), want: true},
		{name: "less or equal is not more", condition: on("NumericLessThanEquals", `10`), context: x("11")},
		{name: "more", condition: on("NumericGreaterThan", `-1`), context: x("0"), want: true},
		{name: "more is not equal", condition: on("NumericGreaterThan", `10`), context: x("10")},
		{name: "more or equal", condition: on("NumericGreaterThanEquals", `10`), context: x("10"), want: true},
		{name: "more or equal is not less", condition: on("NumericGreaterThanEquals", `10`), context: x("9")},
		{name: "less without the key", condition: on("NumericLessThan", `10`)},
		{name: "a number's key", condition: `{"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"14"}}`, edit: days(14), want: true},
		{name: "a number's key, less", condition: `{"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"14"}}`, edit: days(7)},
		{name: "a moment is its Unix time", condition: `{"NumericGreaterThan":{"aws:EpochTime":"1700000000"}}`, want: true},
		{name: "a truth is no number", condition: `{"NumericEquals":{"aws:SecureTransport":"1"}}`},
	})
}

func TestDateOperators(t *testing.T) {
	now := func(operator, value string) string { return `{"` + operator + `":{"aws:CurrentTime":` + value + `}}` }
	checkConditions(t, []conditionCase{
		{name: "equals", condition: now("DateEquals", `"2026-11-22T12:00:00Z"`), want: true},
		{name: "equals in another zone", condition: now("DateEquals", `"2026-11-22T13:00:00+01:00"`), want: true},
		{name: "equals without seconds", condition: now("DateEquals", `"2026-11-22T12:00Z"`), want: true},
		{name: "equals another second", condition: now("DateEquals", `"2026-11-22T12:00:01Z"`)},
		{name: "not equals", condition: now("DateNotEquals", `"2026-11-22T12:00:00.5Z"`), want: true},
		{name: "before", condition: now("DateLessThan", `"2026-11-23"`), want: true},
		{name: "before is not after", condition: now("DateLessThan", `"2026-11-22"`)},
		{name: "before or at", condition: now("DateLessThanEquals", `"2026-11-22T12:00:00Z"`), want: true},
		{name: "after a month", condition: now("DateGreaterThan", `"2026-11"`), want: true},
		{name: "after a year", condition: now("DateGreaterThan", `"2027"`)},
		{name: "after or at", condition: now("DateGreaterThanEquals", `"2026-11-22T12:00:00Z"`), want: true},
		{name: "after a Unix time", condition: now("DateGreaterThan", `"1700000000"`), want: true},
		{name: "after a Unix time as a number", condition: now("DateGreaterThan", `1800000000`)},
		{name: "epoch time as a date", condition: `{"DateLessThan":{"aws:EpochTime":"2027-01-01T00:00:00Z"}}`, want: true},
		{name: "within an interval", condition: `{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}}`, want: true},
		{name: "without the key", condition: `{"DateLessThan":{"aws:TokenIssueTime":"2027-01-01T00:00:00Z"}}`},
		{name: "not equals without the key", condition: `{"DateNotEquals":{"aws:TokenIssueTime":"2027-01-01T00:00:00Z"}}`, want: true},
		{name: "a text that is a date", condition: on("DateLessThan", `"2027-01-01"`), context: tags("x", "2026-12-31"), want: true},
		{name: "a text that is none", condition: on("DateLessThan", `"2027-01-01"`), context: tags("x", "soon")},
	})
}

func TestBoolAndBinaryAndNull(t *testing.T) {
	checkConditions(t, []conditionCase{
		{name: "bool", condition: `{"Bool":{"aws:SecureTransport":"true"}}`, want: true},
		{name: "bool as JSON", condition: `{"Bool":{"aws:SecureTransport":true}}`, want: true},
		{name: "bool in capitals", condition: `{"Bool":{"aws:SecureTransport":"True"}}`, want: true},
		{name: "bool otherwise", condition: `{"Bool":{"aws:SecureTransport":"false"}}`},
		{name: "bool of either", condition: `{"Bool":{"aws:SecureTransport":["true","false"]}}`, want: true},
		{name: "bool without the key", condition: `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`},
		{name: "bool of a text", condition: on("Bool", `"true"`), context: tags("x", "TRUE"), want: true},
		{name: "bool of another text", condition: on("Bool", `"true"`), context: tags("x", "yes")},

		{name: "binary", condition: on("BinaryEquals", `"QmluYXJ5"`), context: tags("x", "Binary"), want: true},
		{name: "binary, another", condition: on("BinaryEquals", `"QmluYXJ5"`), context: tags("x", "binary")},
		{name: "binary without the key", condition: on("BinaryEquals", `"QmluYXJ5"`)},

		{name: "null of a missing key", condition: on("Null", `"true"`), want: true},
		{name: "null of a key that is there", condition: on("Null", `"true"`), context: tags("x", "")},
		{name: "not null of a key that is there", condition: on("Null", `"false"`), context: tags("x", ""), want: true},
		{name: "not null of a missing key", condition: on("Null", `false`)},
		{name: "null of a list without entries", condition: `{"Null":{"aws:TagKeys":true}}`, want: true},
		{name: "null of a key that no request has", condition: `{"Null":{"aws:PrincipalOrgID":"true"}}`, want: true},
		{name: "null or not", condition: on("Null", `["true","false"]`), want: true},
	})
}

func TestAddressOperators(t *testing.T) {
	from := func(operator, values string) string { return `{"` + operator + `":{"aws:SourceIp":` + values + `}}` }
	checkConditions(t, []conditionCase{
		{name: "in a range", condition: from("IpAddress", `"203.0.113.0/24"`), want: true},
		{name: "in a range written from inside", condition: from("IpAddress", `"203.0.113.77/24"`), want: true},
		{name: "the very address", condition: from("IpAddress", `"203.0.113.9"`), want: true},
		{name: "another address", condition: from("IpAddress", `"203.0.113.10"`)},
		{name: "one of several ranges", condition: from("IpAddress", `["10.0.0.0/8","203.0.0.0/16"]`), want: true},
		{name: "everywhere", condition: from("IpAddress", `"0.0.0.0/0"`), want: true},
		{name: "everywhere of the other version", condition: from("IpAddress", `"::/0"`)},
		{name: "an IPv4 range in IPv6 form", condition: from("IpAddress", `"::ffff:203.0.113.0/120"`), want: true},
		{name: "outside of a range", condition: from("NotIpAddress", `"10.0.0.0/8"`), want: true},
		{name: "outside of several, one of which it is in", condition: from("NotIpAddress", `["10.0.0.0/8","203.0.113.0/24"]`)},
		{name: "without an address", condition: from("IpAddress", `"0.0.0.0/0"`), edit: noSource},
		{name: "not in a range without an address", condition: from("NotIpAddress", `"0.0.0.0/0"`), edit: noSource, want: true},
		{name: "IPv6", condition: from("IpAddress", `"2001:db8::/32"`), edit: source("2001:db8:1::5"), want: true},
		{name: "IPv6, another range", condition: from("IpAddress", `"2001:db8:2::/48"`), edit: source("2001:db8:1::5")},
		{name: "IPv4 that came as IPv6", condition: from("IpAddress", `"203.0.113.0/24"`), edit: source("::ffff:203.0.113.5"), want: true},
		{name: "a text that is an address", condition: on("IpAddress", `"10.0.0.0/8"`), context: tags("x", "10.1.1.1"), want: true},
		{name: "a text that is none", condition: on("IpAddress", `"10.0.0.0/8"`), context: tags("x", "10")},
	})
}

func TestARNOperators(t *testing.T) {
	who := func(operator, values string) string {
		return `{"` + operator + `":{"aws:PrincipalArn":` + values + `}}`
	}
	checkConditions(t, []conditionCase{
		{name: "equals", condition: who("ArnEquals", `"arn:aws:iam::123456789012:user/alice"`), want: true},
		{name: "equals another", condition: who("ArnEquals", `"arn:aws:iam::123456789012:user/bob"`)},
		{name: "equals takes wildcards too", condition: who("ArnEquals", `"arn:aws:iam::123456789012:user/*"`), want: true},
		{name: "like", condition: who("ArnLike", `"arn:aws:iam::*:user/a?ice"`), want: true},
		{name: "like, in all parts", condition: who("ArnLike", `"arn:*:*:*:*:*"`), want: true},
		{name: "like, with a case", condition: who("ArnLike", `"arn:aws:iam::123456789012:User/*"`)},
		{name: "like one of a list", condition: who("ArnLike", `["arn:aws:iam::1*:role/*","arn:aws:iam::1*:user/*"]`), want: true},
		{name: "no wildcard reaches the next part", condition: who("ArnLike", `"arn:aws:iam:*:user/alice:*"`)},
		{name: "not like", condition: who("ArnNotLike", `"arn:aws:iam::*:role/*"`), want: true},
		{name: "not equals", condition: who("ArnNotEquals", `"arn:aws:iam::123456789012:user/*"`)},
		{name: "the last part has colons of its own", condition: on("ArnLike", `"arn:aws:x:::a:*:c"`), context: tags("x", "arn:aws:x:::a:b:c"), want: true},
		{name: "without the key", condition: `{"ArnLike":{"aws:SourceArn":"arn:aws:*:*:*:*"}}`},
		{name: "not like, without the key", condition: `{"ArnNotLike":{"aws:SourceArn":"arn:aws:*:*:*:*"}}`, want: true},
		{name: "what is no ARN", condition: on("ArnLike", `"arn:*:*:*:*:*"`), context: tags("x", "arn:aws:x")},
		{name: "not like, what is no ARN", condition: on("ArnNotLike", `"arn:*:*:*:*:*"`), context: tags("x", "arn:aws:x"), want: true},
	})
}

func TestIfExists(t *testing.T) {
	checkConditions(t, []conditionCase{
		{name: "with the key, met", condition: on("StringEqualsIfExists", `"a"`), context: tags("x", "a"), want: true},
		{name: "with the key, not met", condition: on("StringEqualsIfExists", `"a"`), context: tags("x", "b")},
		{name: "without the key", condition: on("StringEqualsIfExists", `"a"`), want: true},
		{name: "negated, without the key", condition: on("StringNotEqualsIfExists", `"a"`), want: true},
		{name: "a bool without the key", condition: `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}`, want: true},
		{name: "a number without the key", condition: `{"NumericLessThanIfExists":{"aws:MultiFactorAuthAge":"3600"}}`, want: true},
		{name: "an address without the key", condition: `{"IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/8"}}`, edit: noSource, want: true},
		{name: "an ARN without the key", condition: `{"ArnLikeIfExists":{"aws:SourceArn":"arn:aws:iam::1:x"}}`, want: true},
		{name: "any value, without the key", condition: `{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}}`, want: true},
	})
}

func TestSeveralValues(t *testing.T) {
	keys := func(operator, values string) string {
		return `{"` + operator + `":{"kms:EncryptionContextKeys":` + values + `}}`
	}
	ab := tags("a", "1", "b", "2")
	checkConditions(t, []conditionCase{
		{name: "any: one is in the list", condition: keys("ForAnyValue:StringEquals", `["b","c"]`), context: ab, want: true},
		{name: "any: none is in the list", condition: keys("ForAnyValue:StringEquals", `["c","d"]`), context: ab},
		{name: "any: there is none", condition: keys("ForAnyValue:StringEquals", `["a"]`)},
		{name: "any, negated: one is not in the list", condition: keys("ForAnyValue:StringNotEquals", `["a"]`), context: ab, want: true},
		{name: "any, negated: all are in the list", condition: keys("ForAnyValue:StringNotEquals", `["a","b"]`), context: ab},
		{name: "any, negated: there is none", condition: keys("ForAnyValue:StringNotEquals", `["a"]`)},
		{name: "any, like", condition: keys("ForAnyValue:StringLike", `"B*"`), context: ab},
		{name: "all: they are in the list", condition: keys("ForAllValues:StringEquals", `["a","b","c"]`), context: ab, want: true},
		{name: "all: one is not in the list", condition: keys("ForAllValues:StringEquals", `["a","c"]`), context: ab},
		{name: "all: there is none", condition: keys("ForAllValues:StringEquals", `["a"]`), want: true},
		{name: "all, negated: none is in the list", condition: keys("ForAllValues:StringNotEquals", `["c","d"]`), context: ab, want: true},
		{name: "all, negated: one is in the list", condition: keys("ForAllValues:StringNotEquals", `["b","d"]`), context: ab},
		{name: "all, negated: there is none", condition: keys("ForAllValues:StringNotEquals", `["b"]`), want: true},
		{name: "all and at least one", condition: `{"ForAllValues:StringEquals":{"aws:TagKeys":"a"},"Null":{"aws:TagKeys":"false"}}`},
		{name: "all, in another case", condition: keys("forallvalues:stringequalsignorecase", `["A","B"]`), context: ab, want: true},
		{name: "no prefix: one is in the list", condition: keys("StringEquals", `"b"`), context: ab, want: true},
		{name: "no prefix: none is in the list", condition: keys("StringEquals", `"c"`), context: ab},
		{name: "no prefix, negated: none is in the list", condition: keys("StringNotEquals", `"c"`), context: ab, want: true},
		{name: "no prefix, negated: one is in the list", condition: keys("StringNotEquals", `"b"`), context: ab},
		{name: "any, of a single value", condition: `{"ForAnyValue:StringEquals":{"aws:username":["alice","bob"]}}`, want: true},
		{name: "all, of a single value", condition: `{"ForAllValues:StringLike":{"aws:username":"b*"}}`},
		{name: "all, of a single value that is missing", condition: `{"ForAllValues:StringLike":{"aws:SourceAccount":"1*"}}`, want: true},
	})
}
