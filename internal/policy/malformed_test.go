package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// What is refused, and in which words: they reach the author of the document.

type malformedCase struct{ name, document, want string }

func checkMalformed(t *testing.T, kind policy.Kind, table []malformedCase) {
	t.Helper()
	if len(table) == 0 {
		t.Fatal("the table is empty")
	}
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			p, err := policy.Compile([]byte(c.document), kind, aws.Vocabulary())
			if err == nil {
				t.Fatalf("compiled %s", c.document)
			}
			if p != nil {
				t.Error("a policy came with the error")
			}
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Kind != fault.InvalidArgument || f.Reason != fault.MalformedPolicy {
				t.Fatalf("refused with %v", err)
			}
			if f.Public != c.want {
				t.Errorf("refused with\n\t%s\nwant\n\t%s", f.Public, c.want)
			}
		})
	}
}

func TestMalformedJSON(t *testing.T) {
	checkMalformed(t, policy.ForResource, []malformedCase{
		{"nothing", ``, "the document is not JSON: unexpected end of JSON input at byte 0"},
		{"a word", `policy`, "the document is not JSON: invalid character 'p' looking for beginning of value at byte 1"},
		{"cut short", `{"Version":"2012-10-17"`, "the document is not JSON: unexpected end of JSON input at byte 23"},
		{"a comma too many", `{"Version":"2012-10-17",}`, "the document is not JSON: invalid character '}' looking for beginning of object key string at byte 25"},
		{"a member without a name", `{1:2}`, "the document is not JSON: invalid character '1' looking for beginning of object key string at byte 2"},
		{"an end that does not fit", `{"Statement":[{]}`, "the document is not JSON: invalid character ']' looking for beginning of object key string at byte 16"},
		{"two documents", `{} {}`, "the document is not JSON: invalid character '{' after top-level value at byte 4"},
		{"rubbish behind", `{}x`, "the document is not JSON: invalid character 'x' after top-level value at byte 3"},
		{"not UTF-8", "{\"Id\":\"\xff\"}", "the document is not UTF-8"},
		{"too long", `{"Id":"` + strings.Repeat("x", policy.MaxDocument) + `"}`, "the document has 131081 bytes, more than 131072"},
		{"too deep", strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100), "[0][0][0][0][0][0][0][0]: is nested more than 8 levels deep"},
		{"a member twice", `{"Version":"2012-10-17","Version":"2012-10-17"}`, "Version: the member is there twice"},
		{"a member of a condition twice", `{"Statement":[{},{"Condition":{"Bool":{"a":1,"a":2}}}]}`, "Statement[1].Condition.Bool.a: the member is there twice"},
		{"an array", `[]`, "must be an object, not an array"},
		{"a string", `"{}"`, "must be an object, not a string"},
		{"null", `null`, "must be an object, not null"},
	})
}

func TestMalformedElements(t *testing.T) {
	st := func(members string) string { return `{"Statement":[{` + members + `}]}` }
	const head = `"Effect":"Allow","Principal":"*"`
	checkMalformed(t, policy.ForResource, []malformedCase{
		{"no statement", `{"Version":"2012-10-17"}`, "Statement is missing"},
		{"an empty list of statements", `{"Statement":[]}`, "Statement: is empty"},
		{"a statement that is no object", `{"Statement":["Allow"]}`, "Statement[0]: must be an object, not a string"},
		{"an unknown version", `{"Version":"2012-10-18","Statement":[]}`, `Version: "2012-10-18" is neither 2012-10-17 nor 2008-10-17`},
		{"a version that is a number", `{"Version":2012}`, "Version: must be a string, not a number"},
		{"an id that is a list", `{"Id":[]}`, "Id: must be a string, not an array"},
		{"an unknown element", `{"Statements":[]}`, "Statements: is not an element of a policy; known here are Version, Id, Statement"},
		{"an element in lower case", st(`"effect":"Allow"`), "Statement[0].effect: is not an element of a policy; known here are Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition"},
		{"a Sid that is a number", st(`"Sid":1`), "Statement[0].Sid: must be a string, not a number"},
		{"two of one Sid", `{"Statement":[{"Sid":"a",` + head + `,"Action":"*","Resource":"*"},{"Sid":"a"}]}`, `Statement[1].Sid: "a" is used by another statement`},
		{"no effect", st(`"Action":"*"`), "Statement[0]: Effect is missing"},
		{"another effect", st(`"Effect":"allow"`), `Statement[0].Effect: "allow" is neither Allow nor Deny`},
		{"an effect that is a boolean", st(`"Effect":true`), "Statement[0].Effect: must be a string, not a boolean"},

		{"no principal", st(`"Effect":"Allow","Action":"*","Resource":"*"`), "Statement[0]: Principal is missing"},
		{"both principals", st(head + `,"NotPrincipal":"*"`), "Statement[0]: has both Principal and NotPrincipal"},
		{"all but some allowed", st(`"Effect":"Allow","NotPrincipal":"*"`), "Statement[0].NotPrincipal: goes with Deny only"},
		{"a principal that is a text", st(`"Effect":"Allow","Principal":"123456789012"`), `Statement[0].Principal: "123456789012" must be "*" or an object such as {"AWS": …}`},
		{"a principal that is a list", st(`"Effect":"Allow","Principal":["*"]`), `Statement[0].Principal: must be "*" or an object, not an array`},
		{"an empty principal", st(`"Effect":"Allow","Principal":{}`), "Statement[0].Principal: is empty"},
		{"an empty list of principals", st(`"Effect":"Allow","Principal":{"AWS":[]}`), "Statement[0].Principal.AWS: is empty"},
		{"a principal that is a number", st(`"Effect":"Allow","Principal":{"AWS":123456789012}`), "Statement[0].Principal.AWS: must be a string, not a number"},
		{"an account id too short", st(`"Effect":"Allow","Principal":{"AWS":["*","12345678901"]}`), `Statement[0].Principal.AWS[1]: "12345678901" is not an account id, nor the ARN of an account's root, a user, a role or an assumed role`},
		{"an ARN of a group", st(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:group/g"}`), `Statement[0].Principal.AWS: "arn:aws:iam::123456789012:group/g" is not an account id, nor the ARN of an account's root, a user, a role or an assumed role`},
		{"a role of another service", st(`"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:kms::123456789012:role/r"}`), `Statement[0].NotPrincipal.AWS: "arn:aws:kms::123456789012:role/r" is not an account id, nor the ARN of an account's root, a user, a role or an assumed role`},
		{"another partition", st(`"Effect":"Allow","Principal":{"AWS":"arn:aws-cn:iam::123456789012:root"}`), `Statement[0].Principal.AWS: "arn:aws-cn:iam::123456789012:root" is not an account id, nor the ARN of an account's root, a user, a role or an assumed role`},
		{"a wildcard in a principal", st(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/*"}`), `Statement[0].Principal.AWS: "arn:aws:iam::123456789012:user/*": a wildcard cannot stand for a part of a principal`},
		{"a canonical user", st(`"Effect":"Allow","Principal":{"CanonicalUser":"79a5"}`), "Statement[0].Principal.CanonicalUser: canonical user ids are S3's and name nobody here"},
		{"an unknown class", st(`"Effect":"Allow","Principal":{"aws":"*"}`), "Statement[0].Principal.aws: is not AWS, Service or Federated"},
		{"any service", st(`"Effect":"Allow","Principal":{"Service":"*"}`), `Statement[0].Principal.Service: "*" is not a service such as "acm-pca.amazonaws.com"`},
		{"any provider", st(`"Effect":"Allow","Principal":{"Federated":"*"}`), `Statement[0].Principal.Federated: "*" is not an identity provider`},

		{"no action", st(head + `,"Resource":"*"`), "Statement[0]: Action is missing"},
		{"both actions", st(head + `,"Action":"*","NotAction":"*"`), "Statement[0]: has both Action and NotAction"},
		{"an empty list of actions", st(head + `,"Action":[]`), "Statement[0].Action: is empty"},
		{"an action without a service", st(head + `,"Action":["kms:*","Encrypt"]`), `Statement[0].Action[1]: "Encrypt" is neither "*" nor service:action`},
		{"a service without an action", st(head + `,"NotAction":"kms:"`), `Statement[0].NotAction: "kms:" is neither "*" nor service:action`},
		{"a service with a wildcard", st(head + `,"Action":"k*:Encrypt"`), `Statement[0].Action: "k*:Encrypt" has a service that is no name`},
		{"an action with a space", st(head + `,"Action":"kms:Encrypt "`), `Statement[0].Action: "kms:Encrypt " has an action that is no name`},
		{"an action that is an object", st(head + `,"Action":{}`), "Statement[0].Action: must be a string, not an object"},
		{"a list in a list", st(head + `,"Action":[["kms:*"]]`), "Statement[0].Action[0]: must be a string, not an array"},

		{"no resource", st(head + `,"Action":"*"`), "Statement[0]: Resource is missing"},
		{"both resources", st(head + `,"Action":"*","Resource":"*","NotResource":"*"`), "Statement[0]: has both Resource and NotResource"},
		{"a resource that is no ARN", st(head + `,"Action":"*","Resource":["*","alias/a"]`), `Statement[0].Resource[1]: "alias/a" is neither "*" nor an ARN`},
		{"a resource that is null", st(head + `,"Action":"*","NotResource":null`), "Statement[0].NotResource: must be a string, not null"},
	})
}

func TestMalformedConditions(t *testing.T) {
	with := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":` + condition + `}}`
	}
	checkMalformed(t, policy.ForResource, []malformedCase{
		{"a list", with(`[]`), "Statement.Condition: must be an object, not an array"},
		{"an unknown operator", with(`{"StringIs":{}}`), "Statement.Condition.StringIs: is not a condition operator"},
		{"an unknown quantifier", with(`{"ForSomeValues:StringEquals":{}}`), "Statement.Condition.ForSomeValues:StringEquals: is not a condition operator"},
		{"Null if it exists", with(`{"NullIfExists":{}}`), "Statement.Condition.NullIfExists: is not a condition operator"},
		{"an operator's operand that is a text", with(`{"Bool":"true"}`), "Statement.Condition.Bool: must be an object, not a string"},
		{"a key without a service", with(`{"StringEquals":{"SigningAlgorithm":"a"}}`), `Statement.Condition.StringEquals.SigningAlgorithm: "SigningAlgorithm" is not a condition key: it has no service before a colon`},
		{"a service that does not exist", with(`{"StringEquals":{"ksm:KeySpec":"a"}}`), `Statement.Condition.StringEquals.ksm:KeySpec: "ksm:KeySpec" is not a condition key: there is no service "ksm"`},
		{"an empty list", with(`{"StringEquals":{"kms:KeySpec":[]}}`), "Statement.Condition.StringEquals.kms:KeySpec: is empty"},
		{"null", with(`{"StringEquals":{"kms:KeySpec":null}}`), "Statement.Condition.StringEquals.kms:KeySpec: must be a string, a number or a boolean, not null"},
		{"an object in a list", with(`{"StringEquals":{"kms:KeySpec":["a",{}]}}`), "Statement.Condition.StringEquals.kms:KeySpec[1]: must be a string, a number or a boolean, not an object"},
		{"no number", with(`{"NumericLessThan":{"kms:RotationPeriodInDays":"a year"}}`), `Statement.Condition.NumericLessThan.kms:RotationPeriodInDays: "a year" is not a number`},
		{"infinity", with(`{"NumericLessThan":{"kms:RotationPeriodInDays":"Inf"}}`), `Statement.Condition.NumericLessThan.kms:RotationPeriodInDays: "Inf" is not a number`},
		{"too large a number", with(`{"NumericLessThan":{"kms:RotationPeriodInDays":1e999}}`), `Statement.Condition.NumericLessThan.kms:RotationPeriodInDays: "1e999" is not a number`},
		{"no date", with(`{"DateLessThan":{"aws:CurrentTime":"22.11.2026"}}`), `Statement.Condition.DateLessThan.aws:CurrentTime: "22.11.2026" is neither an ISO 8601 date nor a Unix time`},
		{"a date without a zone", with(`{"DateLessThan":{"aws:CurrentTime":"2026-11-22T12:00:00"}}`), `Statement.Condition.DateLessThan.aws:CurrentTime: "2026-11-22T12:00:00" is neither an ISO 8601 date nor a Unix time`},
		{"no boolean", with(`{"Bool":{"aws:SecureTransport":"yes"}}`), `Statement.Condition.Bool.aws:SecureTransport: "yes" is neither true nor false`},
		{"a variable for a boolean", with(`{"Bool":{"aws:SecureTransport":"${aws:SecureTransport}"}}`), `Statement.Condition.Bool.aws:SecureTransport: "${aws:SecureTransport}" is neither true nor false`},
		{"no truth about null", with(`{"Null":{"aws:TagKeys":"maybe"}}`), `Statement.Condition.Null.aws:TagKeys: "maybe" is neither true nor false`},
		{"no base64", with(`{"BinaryEquals":{"kms:KeySpec":"?"}}`), `Statement.Condition.BinaryEquals.kms:KeySpec: "?" is not base64`},
		{"no address", with(`{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","10.0.0"]}}`), `Statement.Condition.IpAddress.aws:SourceIp[1]: "10.0.0" is neither an IP address nor a CIDR range`},
		{"too long a range", with(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`), `Statement.Condition.IpAddress.aws:SourceIp: "10.0.0.0/33" is neither an IP address nor a CIDR range`},
		{"a range without a length", with(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/"}}`), `Statement.Condition.IpAddress.aws:SourceIp: "10.0.0.0/" is neither an IP address nor a CIDR range`},
		{"an address of one link", with(`{"IpAddress":{"aws:SourceIp":"fe80::1%eth0"}}`), `Statement.Condition.IpAddress.aws:SourceIp: "fe80::1%eth0" is neither an IP address nor a CIDR range`},
		{"no ARN", with(`{"ArnLike":{"aws:PrincipalArn":"*"}}`), `Statement.Condition.ArnLike.aws:PrincipalArn: "*" is not an ARN: it needs six parts with colons between them`},
		{"something else than an ARN", with(`{"ArnLike":{"aws:PrincipalArn":"urn:a:b:c:d:e"}}`), `Statement.Condition.ArnLike.aws:PrincipalArn: "urn:a:b:c:d:e" is not an ARN: it must begin with "arn:"`},
		{"a variable without an end", with(`{"StringLike":{"kms:KeySpec":"a${aws:username"}}`), `Statement.Condition.StringLike.kms:KeySpec: the variable in "${aws:username" has no end`},
		{"a variable without a name", with(`{"StringLike":{"kms:KeySpec":"${}"}}`), `Statement.Condition.StringLike.kms:KeySpec: ${}: "" is not a condition key: it has no service before a colon`},
		{"a variable with several values", with(`{"StringLike":{"kms:KeySpec":"${aws:TagKeys}"}}`), "Statement.Condition.StringLike.kms:KeySpec: ${aws:TagKeys}: a key with several values is no variable"},
		{"a default without quotes", with(`{"StringLike":{"kms:KeySpec":"${aws:username, x}"}}`), "Statement.Condition.StringLike.kms:KeySpec: the default in ${aws:username, x} must be in single quotes"},
		{"a default with half of them", with(`{"StringLike":{"kms:KeySpec":"${aws:username, 'x}"}}`), "Statement.Condition.StringLike.kms:KeySpec: the default in ${aws:username, 'x} must be in single quotes"},
	})
}

func TestMalformedIdentityPolicies(t *testing.T) {
	checkMalformed(t, policy.ForIdentity, []malformedCase{
		{"a principal", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, "Statement: a policy of an identity speaks of its owner: it has no Principal"},
		{"all but a principal", `{"Statement":{"Effect":"Deny","NotPrincipal":"*","Action":"*","Resource":"*"}}`, "Statement: a policy of an identity speaks of its owner: it has no Principal"},
		{"a Sid with a space", `{"Statement":{"Sid":"Allow all"}}`, `Statement.Sid: "Allow all" has more than letters and digits`},
	})
}

// What AWS takes although it looks odd is taken.
func TestWellFormed(t *testing.T) {
	table := []struct{ name, document string }{
		{"a statement that is no list", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`},
		{"space around", " \n{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}}\t\n"},
		{"an Id", `{"Id":"key-consolepolicy-3","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`},
		{"an empty Sid twice", `{"Statement":[{"Sid":"","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Sid":"","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`},
		{"a Sid with spaces", `{"Statement":{"Sid":"Allow – everything","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`},
		{"condition keys of identity providers", `{"Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/E"},"Action":"sts:AssumeRoleWithWebIdentity","Resource":"*","Condition":{"StringEquals":{"oidc.eks.eu-central-1.amazonaws.com/id/E:sub":"system:serviceaccount:pki:cert-manager"}}}}`},
		{"condition keys that no request has", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com","aws:PrincipalOrgID":"o-1","aws:SourceVpce":"vpce-1"}}}}`},
	}
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			if _, err := policy.Compile([]byte(c.document), policy.ForResource, aws.Vocabulary()); err != nil {
				t.Error(err)
			}
		})
	}
}
