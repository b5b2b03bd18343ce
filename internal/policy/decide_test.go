package policy_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// How the key's policy, the caller's policies and grants make one decision.

func TestKeyPolicyDecidesFirst(t *testing.T) {
	list := func(statements ...string) []string { return statements }
	check(t, []specification{
		{name: "the account's statement allows the root", key: rootStatement, who: "root", want: "allow: " + byRoot},
		{
			name: "the account's statement lets identity policies decide", key: rootStatement, who: "alice",
			identity: list(adminStatement), want: "allow: " + byOwn,
		},
		{
			name: "the account's statement alone allows no user", key: rootStatement, who: "alice",
			want: "not allowed by identity: " + noOwn,
		},
		{
			name: "an identity policy for other actions does not help", key: rootStatement, who: "alice",
			identity: list(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`), want: "not allowed by identity: " + noOwn,
		},
		{
			name: "any of several identity policies suffices", key: rootStatement, who: "alice",
			identity: list(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`, adminStatement), want: "allow: " + byOwn,
		},
		{
			name: "without the account's statement identity policies count for nothing", key: aliceStatement, who: "bob",
			identity: list(adminStatement), want: "not allowed by the key: " + nothing,
		},
		{
			name: "nor does being root", key: aliceStatement, who: "root", want: "not allowed by the key: " + nothing,
		},
		{
			name: "a user whom the key's policy names needs no policy", key: aliceStatement, who: "alice",
			want: `allow: key policy statement "Alice"`,
		},
		{
			name: "for the actions named only", key: aliceStatement, who: "alice", action: key.Sign,
			identity: list(adminStatement), want: "not allowed by the key: " + nothing,
		},
		{
			name: "being named goes before being delegated", key: rootStatement + "," + aliceStatement, who: "alice",
			identity: list(adminStatement), want: `allow: key policy statement "Alice"`,
		},
		{
			name: "the account's statement delegates its own actions only", who: "alice", identity: list(adminStatement),
			key:  `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:Describe*","Resource":"*"}`,
			want: "not allowed by the key: " + nothing,
		},
		{
			name: "and under its own conditions only", who: "alice", identity: list(adminStatement),
			key: `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:*","Resource":"*",
				"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
			want: "not allowed by the key: " + nothing,
		},
		{
			name: "a statement without Sid is told by its number", who: "alice",
			key:  `{"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`,
			want: "allow: key policy statement 2",
		},
	})
}

func TestExplicitDenyWins(t *testing.T) {
	deny := func(principal string) string {
		return `{"Sid":"Keep out","Effect":"Deny","Principal":` + principal + `,"Action":"kms:Encrypt","Resource":"*"}`
	}
	const keptOut = `denied by the key: key policy statement "Keep out"`
	admin := []string{adminStatement}
	check(t, []specification{
		{name: "over being named by the key's policy", key: aliceStatement + "," + deny(`"*"`), who: "alice", want: keptOut},
		{name: "in whatever order", key: deny(`"*"`) + "," + aliceStatement, who: "alice", want: keptOut},
		{name: "over the root", key: rootStatement + "," + deny(`"*"`), who: "root", want: keptOut},
		{name: "over identity policies", key: rootStatement + "," + deny(`"*"`), who: "alice", identity: admin, want: keptOut},
		{
			name: "over grants", key: rootStatement + "," + deny(`"*"`), who: "ca", want: keptOut,
			grants: []key.Grant{{ID: "g", Grantee: callers["ca"].Principal, Actions: []key.Action{key.Encrypt}}},
		},
		{
			name: "for its own actions only", key: aliceStatement + "," + deny(`"*"`), who: "alice", action: key.Decrypt,
			want: `allow: key policy statement "Alice"`,
		},
		{
			name: "under its own conditions only", who: "alice",
			key: aliceStatement + `,{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*",
				"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
			want: `allow: key policy statement "Alice"`,
		},
		{
			name: "a denial of the account is one of all its users", who: "alice",
			key: aliceStatement + "," + deny(`{"AWS":"arn:aws:iam::123456789012:root"}`), want: keptOut,
		},
		{
			name: "a denial of another account is not", who: "alice",
			key: aliceStatement + "," + deny(`{"AWS":"999999999999"}`), want: `allow: key policy statement "Alice"`,
		},
		{
			name: "an identity policy's, over its own allow", key: rootStatement, who: "alice",
			identity: []string{adminStatement + "," + denyStatement},
			want:     `denied by identity: identity policy "own" statement "Never"`,
		},
		{
			name: "an identity policy's, over another policy's allow", key: rootStatement, who: "alice",
			identity: []string{adminStatement, denyStatement},
			want:     `denied by identity: identity policy "own" statement "Never"`,
		},
		{
			name: "an identity policy's, over being named by the key", key: aliceStatement, who: "alice",
			identity: []string{denyStatement}, want: `denied by identity: identity policy "own" statement "Never"`,
		},
		{
			name: "the key's denial is told first", key: deny(`"*"`), who: "alice", identity: []string{denyStatement}, want: keptOut,
		},
		{
			name: "of what is not a real action it changes nothing", who: "alice", want: `allow: key policy statement "Alice"`,
			key: aliceStatement + `,{"Effect":"Deny","Principal":"*","Action":["kms:Export*","kms:Import*"],"Resource":"*"}`,
		},
	})
}

func TestOtherAccountsNeedBoth(t *testing.T) {
	admits := func(who string) string {
		return `{"Sid":"Partner","Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"kms:*","Resource":"*"}`
	}
	account, user := admits("999999999999"), admits("arn:aws:iam::999999999999:user/eve")
	everyone := `{"Sid":"Partner","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
	admin := []string{adminStatement}
	const both = `allow: key policy statement "Partner", identity policy "own" statement 1`
	check(t, []specification{
		{name: "the account and an own policy", key: account, who: "eve", identity: admin, want: both},
		{name: "the user's ARN and an own policy", key: user, who: "eve", identity: admin, want: both},
		{name: "everyone and an own policy", key: everyone, who: "eve", identity: admin, want: both},
		{name: "the account alone", key: account, who: "eve", want: "not allowed by identity: " + noOwn},
		{name: "the user's ARN alone", key: user, who: "eve", want: "not allowed by identity: " + noOwn},
		{name: "everyone alone", key: everyone, who: "eve", want: "not allowed by identity: " + noOwn},
		{name: "an own policy alone", key: rootStatement, who: "eve", identity: admin, want: "not allowed by the key: " + nothing},
		{name: "the other account's root needs no own policy", key: account, who: "eve-root", want: `allow: key policy statement "Partner"`},
		{name: "nor where everyone is named", key: everyone, who: "eve-root", want: `allow: key policy statement "Partner"`},
		{name: "but being root of elsewhere is nothing", key: rootStatement, who: "eve-root", want: "not allowed by the key: " + nothing},
		{name: "a session of the other account", key: admits("arn:aws:iam::999999999999:role/Audit"), who: "visitor", identity: admin, want: both},
		{
			name: "a denial in an own policy", key: account, who: "eve", identity: []string{adminStatement, denyStatement},
			want: `denied by identity: identity policy "own" statement "Never"`,
		},
		{
			name: "an own policy for this key's ARN", key: account, who: "eve", want: both,
			identity: []string{`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"` + keyARN + `"}`},
		},
	})
}

func TestWithoutKeyPolicy(t *testing.T) {
	atLarge := func(realm key.RealmID) func(*policy.Request) {
		return func(r *policy.Request) { r.Resource = key.Resource{Realm: realm, Region: "us-east-1"} }
	}
	admin := []string{adminStatement}
	check(t, []specification{
		{name: "the root may do everything in its realm", who: "root", action: key.CreateKey, edit: atLarge(home), want: "allow: the realm's root"},
		{name: "also where the realm is left out", who: "root", action: key.ListKeys, edit: atLarge(""), want: "allow: the realm's root"},
		{name: "a user needs a policy", who: "alice", action: key.CreateKey, edit: atLarge(home), want: "not allowed by identity: " + noOwn},
		{name: "a user with a policy", who: "alice", action: key.CreateKey, edit: atLarge(home), identity: admin, want: "allow: " + byOwn},
		{name: "a session with a policy", who: "deployer", action: key.ListKeys, edit: atLarge(home), identity: admin, want: "allow: " + byOwn},
		{
			name: "a user with a denial", who: "alice", edit: atLarge(home), identity: []string{adminStatement, denyStatement},
			want: `denied by identity: identity policy "own" statement "Never"`,
		},
		{
			name: "another realm's resource is out of reach for its policies", who: "eve", action: key.CreateAlias, edit: atLarge(home), identity: admin,
			want: "not allowed by the key: the resource is another realm's and has no policy",
		},
		{
			name: "and for its root", who: "eve-root", action: key.DeleteUser, edit: atLarge(home),
			want: "not allowed by the key: the resource is another realm's and has no policy",
		},
		{
			name: "the anonymous caller may do nothing", who: "nobody", edit: atLarge(""),
			want: "not allowed by the key: the resource has no policy, and the caller is of no realm",
		},
		{
			name: "a service may do nothing", who: "ca", edit: atLarge(home),
			want: "not allowed by the key: the resource has no policy, and the caller is of no realm",
		},
		{
			name: "a policy for one resource does not allow what has none", who: "alice", action: key.ListKeys, edit: atLarge(home),
			identity: []string{`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:us-east-1:123456789012:key/*"}`},
			want:     "not allowed by identity: " + noOwn,
		},
	})
}

func TestGrants(t *testing.T) {
	grant := func(p key.Principal, actions ...key.Action) []key.Grant {
		return []key.Grant{{ID: "0a1b", Grantee: p, Actions: actions}}
	}
	ca := callers["ca"].Principal
	role := key.Principal{Realm: home, Kind: key.Role, Name: "Deploy"}
	check(t, []specification{
		{name: "allow what they list", key: rootStatement, who: "ca", grants: grant(ca, key.Sign, key.Encrypt), want: "allow: grant 0a1b"},
		{name: "and nothing else", key: rootStatement, who: "ca", grants: grant(ca, key.Sign), want: "not allowed by the key: " + nothing},
		{name: "to the grantee", key: rootStatement, who: "eve-ca", grants: grant(ca, key.Encrypt), want: "not allowed by the key: " + nothing},
		{name: "to sessions of a role", key: aliceStatement, who: "deployer", grants: grant(role, key.Encrypt), want: "allow: grant 0a1b"},
		{name: "also without a key policy", who: "ca", grants: grant(ca, key.Encrypt), want: "allow: grant 0a1b"},
		{
			name: "unless an identity policy denies", key: rootStatement, who: "deployer", grants: grant(role, key.Encrypt),
			identity: []string{denyStatement}, want: `denied by identity: identity policy "own" statement "Never"`,
		},
	})
}

func TestLocksOut(t *testing.T) {
	put := func(principal string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":"kms:PutKeyPolicy","Resource":"*"}`
	}
	for _, c := range []struct {
		name, key, who string
		identity       []string
		want           bool
	}{
		{name: "the default policy", key: rootStatement, who: "root"},
		{name: "the default policy, put by a user who may not put another", key: rootStatement, who: "alice"},
		{name: "a policy for its author", key: put(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "alice"},
		{name: "a policy for another user", key: put(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "bob", want: true},
		{name: "a policy for use only", key: aliceStatement, who: "alice", want: true},
		{name: "a policy for use only, with an admin's own policy", key: aliceStatement, who: "alice", identity: []string{adminStatement}, want: true},
		{name: "a denial of putting policies", key: rootStatement + `,{"Effect":"Deny","Principal":"*","Action":"kms:Put*","Resource":"*"}`, who: "root", want: true},
		{name: "a policy for another account", key: put(`{"AWS":"999999999999"}`), who: "root", want: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := policy.Input{Request: request(t, c.who), Resource: compile(t, c.key, policy.ForResource)}
			in.Request.Action = key.PutKeyPolicy
			for _, statements := range c.identity {
				in.Identity = append(in.Identity, compile(t, statements, policy.ForIdentity))
			}
			if got := policy.LocksOut(in); got != c.want {
				t.Errorf("LocksOut = %v, want %v", got, c.want)
			}
		})
	}
}
