package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The tables of this package read as the specification: a key's policy, the
// policies of the caller, who wants to do what, and the decision with its
// reason. Unless a case says otherwise, the caller asks to Encrypt with the key
// below of realm 123456789012, in its own region.

const (
	home    = key.DefaultRealm
	foreign = key.RealmID("999999999999")
	keyID   = "1234abcd-12ab-34cd-56ef-1234567890ab"
	keyARN  = "arn:aws:kms:us-east-1:123456789012:key/" + keyID
)

// noon is when every request of the tables is made.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// callers are the cast.
var callers = map[string]key.Caller{
	"root":     {Principal: key.Principal{Realm: home, Kind: key.Root}},
	"alice":    {Principal: key.Principal{Realm: home, Kind: key.User, Name: "alice"}, UserID: "AIDAALICE", Tags: tags("team", "blue")},
	"bob":      {Principal: key.Principal{Realm: home, Kind: key.User, Name: "ops/bob"}, UserID: "AIDABOB"},
	"deployer": {Principal: key.Principal{Realm: home, Kind: key.Session, Name: "Deploy/ci"}, UserID: "AROADEPLOY:ci", AuthenticatedAt: noon.Add(-time.Hour)},
	"pathed":   {Principal: key.Principal{Realm: home, Kind: key.Session, Name: "ops/Deploy/ci"}, UserID: "AROAOPS:ci", AuthenticatedAt: noon.Add(-time.Hour), MFA: true},
	"role":     {Principal: key.Principal{Realm: home, Kind: key.Role, Name: "Deploy"}},
	"eve":      {Principal: key.Principal{Realm: foreign, Kind: key.User, Name: "eve"}},
	"visitor":  {Principal: key.Principal{Realm: foreign, Kind: key.Session, Name: "Audit/v"}, AuthenticatedAt: noon},
	"eve-root": {Principal: key.Principal{Realm: foreign, Kind: key.Root}},
	"ca":       {Principal: key.Principal{Realm: home, Kind: key.Service, Name: "ca/7c9e6679"}},
	"eve-ca":   {Principal: key.Principal{Realm: foreign, Kind: key.Service, Name: "ca/deadbeef"}},
	"nobody":   {Principal: key.Principal{Kind: key.Anonymous}},
}

// tags makes tags of names and values in turn.
func tags(pairs ...string) []key.Tag {
	var list []key.Tag
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, key.Tag{Key: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// theKey is the key of the tables.
func theKey() *key.Key {
	return &key.Key{
		Name: key.Name{Realm: home, Region: "us-east-1", ID: keyID}, Spec: alg.AES256, Usage: alg.EncryptDecrypt,
		Origin: key.Generated, Protection: key.Software, State: key.Enabled, Tags: tags("env", "prod", "owner", "alice"),
	}
}

// request returns the usual request of a caller.
func request(t testing.TB, who string) policy.Request {
	t.Helper()
	caller, ok := callers[who]
	if !ok {
		t.Fatalf("nobody is called %q", who)
	}
	return policy.Request{
		Call: &key.Call{
			Caller: caller, Region: "us-east-1", Source: netip.MustParseAddr("203.0.113.9"),
			UserAgent: "aws-cli/2.0", Secure: true, Time: noon,
		},
		Action: key.Encrypt, Resource: theKey().Resource(),
		Attributes: &policy.Attributes{Algorithm: alg.AESGCM},
	}
}

// document puts statements into a document of the current version. What has a
// Statement already is one.
func document(statements string) []byte {
	if strings.Contains(statements, `"Statement"`) {
		return []byte(statements)
	}
	return []byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
}

func compile(t testing.TB, statements string, kind policy.Kind) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(document(statements), kind, aws.Vocabulary())
	if err != nil {
		t.Fatalf("compiling %s: %v", statements, err)
	}
	return p
}

// specification is a line of the tables.
type specification struct {
	name     string
	key      string   // statements of the key's policy; none for a resource without one
	identity []string // statements of each policy of the caller
	who      string
	action   key.Action
	edit     func(*policy.Request)
	grants   []key.Grant
	want     string
}

// reasons are the words of the tables for the reasons of a refusal.
var reasons = map[fault.Reason]string{
	fault.DeniedByResourcePolicy: "denied by the key",
	fault.DeniedByIdentityPolicy: "denied by identity",
	fault.NoResourcePolicyAllows: "not allowed by the key",
	fault.NoIdentityPolicyAllows: "not allowed by identity",
	fault.DeniedBySessionPolicy:  "denied by the session",
	fault.NoSessionPolicyAllows:  "not allowed by the session",
}

// judgement puts a decision in the words of the tables.
func judgement(d policy.Decision) string {
	word := "allow"
	if !d.Allowed {
		word = reasons[d.Reason]
	} else if d.Reason != fault.Unspecified {
		word = "allowed for a reason to refuse"
	}
	return word + ": " + d.Why
}

func check(t *testing.T, table []specification) {
	t.Helper()
	if len(table) == 0 {
		t.Fatal("the table is empty")
	}
	seen := map[string]bool{}
	for _, c := range table {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			in := policy.Input{Request: request(t, c.who), Grants: c.grants}
			if c.action != key.NoAction {
				in.Request.Action = c.action
			}
			if c.edit != nil {
				c.edit(&in.Request)
			}
			if c.key != "" {
				in.Resource = compile(t, c.key, policy.ForResource)
			}
			for _, statements := range c.identity {
				in.Identity = append(in.Identity, compile(t, statements, policy.ForIdentity).Named("own"))
			}
			if got := judgement(policy.Decide(in)); got != c.want {
				t.Errorf("decided\n\t%s\nwant\n\t%s", got, c.want)
			}
		})
	}
}

// Statements that many cases share.
const (
	rootStatement  = `{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
	aliceStatement = `{"Sid":"Alice","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"},"Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}`
	adminStatement = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	denyStatement  = `{"Sid":"Never","Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`

	byRoot   = `key policy statement "Enable IAM User Permissions"`
	byOwn    = `identity policy "own" statement 1`
	nothing  = "no statement of the key policy allows it"
	noOwn    = "no identity policy allows it"
	oneByKey = "allow: key policy statement 1"
)
