package policy_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Whom the Principal and NotPrincipal elements name.

func TestPrincipal(t *testing.T) {
	allow := func(principal string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":"kms:*","Resource":"*"}`
	}
	aws := func(name string) string { return allow(`{"AWS":"` + name + `"}`) }
	const refused = "not allowed by the key: " + nothing
	check(t, []specification{
		{name: "* is a user", key: allow(`"*"`), who: "alice", want: oneByKey},
		{name: "* is the anonymous caller", key: allow(`"*"`), who: "nobody", want: oneByKey},
		{name: "* is a service of the realm", key: allow(`"*"`), who: "ca", want: oneByKey},
		{name: "* is no service of another realm", key: allow(`"*"`), who: "eve-ca", want: refused},
		{name: "AWS * is everyone too", key: aws("*"), who: "nobody", want: oneByKey},
		{name: "* in a list", key: allow(`{"AWS":["123456789012","*"]}`), who: "nobody", want: oneByKey},

		{name: "an account id is its root", key: aws("123456789012"), who: "root", want: oneByKey},
		{name: "an account's ARN is its root", key: aws("arn:aws:iam::123456789012:root"), who: "root", want: oneByKey},
		{name: "an account is not another's root", key: aws("999999999999"), who: "root", want: refused},
		{name: "an account is not the anonymous caller", key: aws("123456789012"), who: "nobody", want: refused},
		{name: "an account is none of its services", key: aws("123456789012"), who: "ca", want: refused},
		{name: "an account's session with a policy", key: aws("123456789012"), who: "deployer", identity: []string{adminStatement}, want: "allow: " + byOwn},
		{name: "an account's role with a policy", key: aws("123456789012"), who: "role", identity: []string{adminStatement}, want: "allow: " + byOwn},

		{name: "a user", key: aws("arn:aws:iam::123456789012:user/alice"), who: "alice", want: oneByKey},
		{name: "a user is no other user", key: aws("arn:aws:iam::123456789012:user/alice"), who: "bob", want: refused},
		{name: "a user's name has a case", key: aws("arn:aws:iam::123456789012:user/Alice"), who: "alice", want: refused},
		{name: "a user with a path", key: aws("arn:aws:iam::123456789012:user/ops/bob"), who: "bob", want: oneByKey},
		{name: "a user without its path is another", key: aws("arn:aws:iam::123456789012:user/bob"), who: "bob", want: refused},
		{name: "a user of the same name elsewhere", key: aws("arn:aws:iam::999999999999:user/alice"), who: "alice", want: refused},
		{name: "a role is no user of its name", key: aws("arn:aws:iam::123456789012:role/alice"), who: "alice", want: refused},
		{name: "a user is not the root", key: aws("arn:aws:iam::123456789012:user/alice"), who: "root", want: refused},

		{name: "a role is its sessions", key: aws("arn:aws:iam::123456789012:role/Deploy"), who: "deployer", want: oneByKey},
		{name: "a role is itself", key: aws("arn:aws:iam::123456789012:role/Deploy"), who: "role", want: oneByKey},
		{name: "a role with a path is its sessions", key: aws("arn:aws:iam::123456789012:role/ops/Deploy"), who: "pathed", want: oneByKey},
		{name: "a role without its path is another", key: aws("arn:aws:iam::123456789012:role/Deploy"), who: "pathed", want: refused},
		{name: "a session", key: aws("arn:aws:sts::123456789012:assumed-role/Deploy/ci"), who: "deployer", want: oneByKey},
		{name: "a session is no other session", key: aws("arn:aws:sts::123456789012:assumed-role/Deploy/me"), who: "deployer", want: refused},
		{name: "a session is not its role", key: aws("arn:aws:sts::123456789012:assumed-role/Deploy/ci"), who: "role", want: refused},
		{name: "a session's ARN has no path", key: aws("arn:aws:sts::123456789012:assumed-role/Deploy/ci"), who: "pathed", want: oneByKey},

		{name: "a service", key: allow(`{"Service":"acm-pca.amazonaws.com"}`), who: "ca", want: oneByKey},
		{name: "another service", key: allow(`{"Service":"logs.us-east-1.amazonaws.com"}`), who: "ca", want: refused},
		{name: "a service is no user", key: allow(`{"Service":"acm-pca.amazonaws.com"}`), who: "alice", want: refused},
		{name: "a service acts for its own realm only", key: allow(`{"Service":"acm-pca.amazonaws.com"}`), who: "eve-ca", want: refused},
		{name: "a federated principal is nobody here", key: allow(`{"Federated":"cognito-identity.amazonaws.com"}`), who: "deployer", want: refused},

		{name: "one of a list", key: allow(`{"AWS":["arn:aws:iam::123456789012:user/ops/bob","arn:aws:iam::123456789012:user/alice"]}`), who: "alice", want: oneByKey},
		{name: "one of several kinds", key: allow(`{"Service":["acm-pca.amazonaws.com"],"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "alice", want: oneByKey},
		{name: "the other of several kinds", key: allow(`{"Service":["acm-pca.amazonaws.com"],"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "ca", want: oneByKey},
		{name: "none of several kinds", key: allow(`{"Service":["acm-pca.amazonaws.com"],"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "bob", want: refused},
		{name: "the account and a user: the user needs no policy", key: allow(`{"AWS":["123456789012","arn:aws:iam::123456789012:user/alice"]}`), who: "alice", want: oneByKey},
		{
			name: "a session of no role at all", key: aws("arn:aws:iam::123456789012:role/Deploy"), who: "deployer", want: refused,
			edit: func(r *policy.Request) { r.Call.Caller.Principal.Name = "Deploy" },
		},
	})
}

func TestDeniedPrincipal(t *testing.T) {
	deny := func(principal string) string {
		return `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
			{"Sid":"Deny","Effect":"Deny","Principal":` + principal + `,"Action":"kms:*","Resource":"*"}`
	}
	const denied = `denied by the key: key policy statement "Deny"`
	check(t, []specification{
		{name: "a denied user", key: deny(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "alice", want: denied},
		{name: "another user", key: deny(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "bob", want: oneByKey},
		{name: "the root of a denied user", key: deny(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "root", want: oneByKey},
		{name: "a session of a denied role", key: deny(`{"AWS":"arn:aws:iam::123456789012:role/Deploy"}`), who: "deployer", want: denied},
		{name: "a denied session", key: deny(`{"AWS":"arn:aws:sts::123456789012:assumed-role/Deploy/ci"}`), who: "deployer", want: denied},
		{name: "a session of a denied account", key: deny(`{"AWS":"123456789012"}`), who: "deployer", want: denied},
		{name: "the root of a denied account", key: deny(`{"AWS":"123456789012"}`), who: "root", want: denied},
		{name: "a service in a denied account", key: deny(`{"AWS":"123456789012"}`), who: "ca", want: oneByKey},
		{name: "a denied service", key: deny(`{"Service":"acm-pca.amazonaws.com"}`), who: "ca", want: denied},
		{name: "a denied service of another realm", key: deny(`{"Service":"acm-pca.amazonaws.com"}`), who: "eve-ca", want: denied},
		{name: "the anonymous caller, everyone denied", key: deny(`"*"`), who: "nobody", want: denied},
		{name: "the anonymous caller, an account denied", key: deny(`{"AWS":"123456789012"}`), who: "nobody", want: oneByKey},
	})
}

// With NotPrincipal a caller is exempt only when all that it is stands there.
func TestNotPrincipal(t *testing.T) {
	but := func(principals string) string {
		return `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
			{"Sid":"All but","Effect":"Deny","NotPrincipal":` + principals + `,"Action":"kms:*","Resource":"*"}`
	}
	const denied = `denied by the key: key policy statement "All but"`
	const user = `{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:user/alice"]}`
	const session = `{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:role/Deploy","arn:aws:sts::123456789012:assumed-role/Deploy/ci"]}`
	check(t, []specification{
		{name: "the user and its account", key: but(user), who: "alice", want: oneByKey},
		{name: "the account's root", key: but(user), who: "root", want: oneByKey},
		{name: "another user of the account", key: but(user), who: "bob", want: denied},
		{name: "a session of the account", key: but(user), who: "deployer", want: denied},
		{name: "another account", key: but(user), who: "eve-root", want: denied},
		{name: "the anonymous caller", key: but(user), who: "nobody", want: denied},
		{name: "a service", key: but(user), who: "ca", want: denied},
		{name: "the user without its account", key: but(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`), who: "alice", want: denied},
		{name: "the account without the user", key: but(`{"AWS":"123456789012"}`), who: "alice", want: denied},
		{name: "the session, its role and its account", key: but(session), who: "deployer", want: oneByKey},
		{name: "the role and the account without the session", key: but(`{"AWS":["123456789012","arn:aws:iam::123456789012:role/Deploy"]}`), who: "deployer", want: denied},
		{name: "the session and the account without the role", key: but(`{"AWS":["123456789012","arn:aws:sts::123456789012:assumed-role/Deploy/ci"]}`), who: "deployer", want: denied},
		{name: "the role itself and its account", key: but(`{"AWS":["123456789012","arn:aws:iam::123456789012:role/Deploy"]}`), who: "role", want: oneByKey},
		{name: "a service by its name", key: but(`{"Service":"acm-pca.amazonaws.com"}`), who: "ca", want: oneByKey},
		{name: "everyone is nobody to deny", key: but(`"*"`), who: "nobody", want: oneByKey},
		{name: "for other actions nobody", key: but(user), who: "bob", action: key.ReadAudit, want: "not allowed by the key: " + nothing},
	})
}
