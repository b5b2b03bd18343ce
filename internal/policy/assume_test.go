package policy_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	issuer    = "oidc.example.com/id/E"
	issuerARN = "arn:aws:iam::123456789012:oidc-provider/" + issuer
)

// webIdentity is whom the issuer vouches for, with claims by turns.
func webIdentity(realm key.RealmID, name string, claims ...string) key.Caller {
	return key.Caller{
		Principal:  key.Principal{Realm: realm, Kind: key.Federated, Name: name},
		Assumption: &key.Assumption{Issuer: name, Claims: tags(claims...)},
	}
}

// TestTrust decides who may assume the role Deploy, by its trust policy and by
// the caller's own policies.
func TestTrust(t *testing.T) {
	const (
		own      = `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::123456789012:role/Deploy"}`
		account  = `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}`
		alice    = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"},"Action":"sts:AssumeRole"}`
		stranger = `{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`
		web      = `{"Effect":"Allow","Principal":{"Federated":"` + issuerARN + `"},"Action":"sts:AssumeRoleWithWebIdentity",
			"Condition":{"StringEquals":{"` + issuer + `:sub":"system:serviceaccount:pki:cert-manager"}}}`
		audience = `{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity","Condition":{"ForAllValues:StringNotEquals":{"` + issuer + `:aud":"sts.amazonaws.com"}}}`
	)
	external := &policy.Attributes{Assume: &policy.Assume{ExternalID: "x"}}
	for _, c := range []struct {
		name, trust string
		identity    []string
		caller      key.Caller
		attributes  *policy.Attributes
		want        string
	}{
		{"a user who is named", alice, nil, callers["alice"], nil, "allow: trust policy statement 1"},
		{"another user", alice, []string{own}, callers["bob"], nil, "not allowed by the key: no statement of the key policy allows it"},
		{"the account, and the user's own policy", account, []string{own}, callers["bob"], nil, `allow: identity policy "p" statement 1`},
		{"the account, and no policy of the user's", account, nil, callers["bob"], nil, "not allowed by identity: no identity policy allows it"},
		{"another realm without its external id", stranger, []string{own}, callers["eve"], nil, "not allowed by the key: no statement of the key policy allows it"},
		{"another realm with its external id", stranger, []string{own}, callers["eve"], external, `allow: trust policy statement 1, identity policy "p" statement 1`},
		{"another realm whose user may not", stranger, nil, callers["eve"], external, "not allowed by identity: no identity policy allows it"},
		{"the subject of the issuer", web, nil, webIdentity(home, issuer, "sub", "system:serviceaccount:pki:cert-manager"), nil, "allow: trust policy statement 1"},
		{"another subject", web, nil, webIdentity(home, issuer, "sub", "system:serviceaccount:default:cert-manager"), nil, "not allowed by the key: no statement of the key policy allows it"},
		{"the subject's name from another issuer", web, nil, webIdentity(home, "oidc.example.com/id/F", "sub", "system:serviceaccount:pki:cert-manager"), nil, "not allowed by the key: no statement of the key policy allows it"},
		{"the issuer's name in another realm", web, nil, webIdentity(foreign, issuer, "sub", "system:serviceaccount:pki:cert-manager"), nil, "not allowed by the key: no statement of the key policy allows it"},
		{"an account is no web identity", strings.ReplaceAll(account, "AssumeRole", "*"), nil, webIdentity(home, issuer, "sub", "s"), nil, "not allowed by the key: no statement of the key policy allows it"},
		{"a user is no web identity", web, []string{adminStatement}, callers["alice"], nil, "not allowed by the key: no statement of the key policy allows it"},
		{"the audience that is wanted", web + "," + audience, nil, webIdentity(home, issuer, "sub", "system:serviceaccount:pki:cert-manager", "aud", "sts.amazonaws.com"), nil, "allow: trust policy statement 1"},
		{"another audience", web + "," + audience, nil, webIdentity(home, issuer, "sub", "system:serviceaccount:pki:cert-manager", "aud", "vault"), nil, "denied by the key: trust policy statement 2"},
		{"a service", `{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`, nil, callers["alice"], nil, "not allowed by the key: no statement of the key policy allows it"},
	} {
		r := request(t, "alice")
		r.Call.Caller, r.Attributes = c.caller, c.attributes
		r.Action = key.AssumeRole
		if c.caller.Principal.Kind == key.Federated {
			r.Action = key.AssumeRoleWithWebIdentity
		}
		r.Resource = key.Resource{Kind: key.KindRole, Realm: home, ID: "Deploy"}
		in := policy.Input{Request: r, Resource: compile(t, c.trust, policy.ForTrust)}
		for _, doc := range c.identity {
			in.Identity = append(in.Identity, compile(t, doc, policy.ForIdentity).Named("p"))
		}
		if got := judgement(policy.Decide(in)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestTrustPoliciesHaveNoResource(t *testing.T) {
	for _, statement := range []string{
		`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`,
		`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotResource":"*"}`,
		`{"Effect":"Allow","Action":"sts:AssumeRole"}`,
	} {
		_, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":`+statement+`}`), policy.ForTrust, aws.Vocabulary())
		if fault.ReasonOf(err) != fault.MalformedPolicy {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// TestLimits judges sessions of the role Deploy that were made with a policy.
func TestLimits(t *testing.T) {
	const encrypt = `{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}`
	grant := []key.Grant{{ID: "g", Grantee: key.Principal{Realm: home, Kind: key.Role, Name: "Deploy"}, Actions: []key.Action{key.Encrypt, key.Decrypt}}}
	named := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/Deploy"},"Action":"kms:*","Resource":"*"}`
	for _, c := range []struct {
		name, key, limit string
		action           key.Action
		grants           []key.Grant
		want             string
	}{
		{"what both allow", rootStatement, encrypt, key.Encrypt, nil, `allow: identity policy "p" statement 1`},
		{"what only the role's policy allows", rootStatement, encrypt, key.Decrypt, nil, "not allowed by the session: the session policy does not allow it"},
		{"what only the session policy allows", rootStatement, `{"Effect":"Allow","Action":"sns:*","Resource":"*"}`, key.Publish, nil, "not allowed by identity: no identity policy allows it"},
		{"what the session policy denies", rootStatement, adminStatement + `,{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`, key.Encrypt, nil, "denied by the session: session policy statement 2"},
		{"a key that names the role", named, encrypt, key.Decrypt, nil, "not allowed by the session: the session policy does not allow it"},
		{"a grant to the role", rootStatement, encrypt, key.Decrypt, grant, "not allowed by the session: the session policy does not allow it"},
		{"a grant to the role, within the limit", rootStatement, encrypt, key.Encrypt, grant, "allow: grant g"},
	} {
		r := request(t, "deployer")
		r.Action = c.action
		in := policy.Input{Request: r, Resource: compile(t, c.key, policy.ForResource), Grants: c.grants, Identity: []*policy.Policy{
			compile(t, c.limit, policy.ForIdentity).Limit(), compile(t, `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`, policy.ForIdentity).Named("p"),
		}}
		if c.action == key.Publish {
			in.Resource, in.Request.Resource = nil, key.Resource{Kind: key.KindTopic, Realm: home, ID: "t"}
		}
		if got := judgement(policy.Decide(in)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
