package aws

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// TestKeysAboutRoles has the keys of requests to assume a role, of who an
// issuer vouches for, and of the sessions that come of it.
func TestKeysAboutRoles(t *testing.T) {
	asks := &policy.Attributes{Assume: &policy.Assume{
		ExternalID: "x-1", SessionName: "ci", SourceIdentity: "alice", Transitive: []string{"team", "cost"}, Seconds: 900,
	}, ResourceTags: []key.Tag{{Key: "env", Value: "prod"}}}
	claims := &key.Assumption{
		Issuer: "oidc.Example.com/id/E", SourceIdentity: "bob",
		Claims: []key.Tag{{Key: "sub", Value: "system:serviceaccount:pki:signer"}, {Key: "aud", Value: "a"}, {Key: "aud", Value: "b"}},
	}
	user := &policy.Request{Call: &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: "u"}}}, Attributes: asks}
	web := &policy.Request{Call: &key.Call{Caller: key.Caller{
		Principal: key.Principal{Realm: realm, Kind: key.Federated, Name: "oidc.Example.com/id/E"}, Assumption: claims,
	}}}
	for _, c := range []struct{ key, user, web string }{
		{"sts:ExternalId", "x-1", "-"},
		{"sts:RoleSessionName", "ci", "-"},
		{"sts:SourceIdentity", "alice", "-"},
		{"sts:DurationSeconds", "900", "-"},
		{"sts:TransitiveTagKeys", "team|cost", "-"},
		{"iam:ResourceTag/env", "prod", "-"},
		{"aws:ResourceTag/env", "prod", "-"},
		{"aws:SourceIdentity", "-", "bob"},
		{"aws:FederatedProvider", "-", "arn:aws:iam::123456789012:oidc-provider/oidc.Example.com/id/E"},
		{"oidc.example.com/id/E:sub", "-", "system:serviceaccount:pki:signer"},
		{"OIDC.example.com/id/e:SUB", "-", "system:serviceaccount:pki:signer"},
		{"oidc.example.com/id/E:aud", "-", "a|b"},
		{"oidc.example.com/id/E:amr", "-", "-"},
		{"oidc.example.com/id/F:sub", "-", "-"},
		{"oidc.example.com:sub", "-", "-"},
		{"accounts.google.com:aud", "-", "-"},
		{"localhost:8080:sub", "-", "-"},
		{"localhost:8080/a:sub", "-", "-"},
		{"aws:PrincipalArn", "arn:aws:iam::123456789012:user/u", "-"},
		{"aws:PrincipalAccount", "123456789012", "-"},
	} {
		if got := values(t, c.key, user); got != c.user {
			t.Errorf("%s of a user is %q, want %q", c.key, got, c.user)
		}
		if got := values(t, c.key, web); got != c.web {
			t.Errorf("%s of a web identity is %q, want %q", c.key, got, c.web)
		}
	}
}

// TestFederatedPrincipals has whom the member Federated of a Principal names.
func TestFederatedPrincipals(t *testing.T) {
	of := func(realm key.RealmID, name string) policy.Principal {
		return policy.Principal{Principal: key.Principal{Realm: realm, Kind: key.Federated, Name: name}}
	}
	for name, want := range map[string]policy.Principal{
		"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/E": of(realm, "oidc.example.com/id/E"),
		"accounts.google.com":                         of("", "accounts.google.com"),
		"arn:aws:iam::123456789012:saml-provider/Idp": {},
	} {
		if got, err := Vocabulary().Principal("Federated", name); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{
		"", "*", "arn:aws:iam::123456789012:oidc-provider/*", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::1:oidc-provider/x",
	} {
		if got, err := Vocabulary().Principal("Federated", name); err == nil {
			t.Errorf("%q is %+v", name, got)
		}
	}
}
