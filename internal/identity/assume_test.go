package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

func document(statements string) key.Document {
	return key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":[` + statements + `]}`}
}

const (
	trustAlice = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}`
	listKeys   = `{"Effect":"Allow","Action":["kms:ListKeys","sts:AssumeRole","sts:TagSession"],"Resource":"*"}`
)

// role makes a role and a user alice who may do nothing by herself.
func (f *fixture) role(name, trust string) *identity.Role {
	f.t.Helper()
	_, err := f.CreateUser(f.t.Context(), f.as("admin"), "alice")
	if err != nil && fault.KindOf(err) != fault.AlreadyExists {
		f.t.Fatal(err)
	}
	r, err := f.CreateRole(f.t.Context(), f.as("admin"), &identity.NewRole{
		Name: name, Trust: document(trust), Tags: []key.Tag{{Key: "team", Value: "blue"}},
	})
	must(f.t, err)
	must(f.t, f.PutRolePolicy(f.t.Context(), f.as("admin"), name, "use", document(listKeys)))
	return r
}

func ask(role string) *identity.AssumeRequest {
	return &identity.AssumeRequest{Role: key.Principal{Realm: key.DefaultRealm, Kind: key.Role, Name: role}, Session: "ci"}
}

// mayList reports whether the policies of a session let it list keys.
func (f *fixture) mayList(s *identity.NewSession) bool {
	f.t.Helper()
	c, err := f.directory.SessionCredential(s.ID, s.Token)
	must(f.t, err)
	_, err = guard.Do(f.t.Context(), guard.New(f.log, f.directory), &key.Call{Caller: c.Caller, Time: time.Now()}, key.ListKeys,
		func(v *guard.Visit) (none struct{}, err error) {
			return none, v.Authorize(guard.Target{Action: key.ListKeys, Resource: key.Resource{Realm: c.Caller.Principal.Realm}})
		})
	return err == nil
}

func TestRolesAndTheirSessions(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	role := f.role("ops/Deploy", trustAlice)
	r := ask("ops/Deploy")
	r.Tags, r.Transitive, r.SourceIdentity = []key.Tag{{Key: "Team", Value: "red"}, {Key: "cost", Value: "1"}}, []string{"cost"}, "alice"
	s, err := f.AssumeRole(ctx, f.as("alice"), r)
	must(t, err)
	c, err := f.directory.SessionCredential(s.ID, s.Token)
	must(t, err)
	want := key.Caller{
		Principal:  key.Principal{Realm: key.DefaultRealm, Kind: key.Session, Name: "ops/Deploy/ci"},
		Credential: s.ID, UserID: role.ID + ":ci", AuthenticatedAt: c.Caller.AuthenticatedAt,
		Tags:       []key.Tag{{Key: "Team", Value: "red"}, {Key: "cost", Value: "1"}},
		Assumption: &key.Assumption{SourceIdentity: "alice", Transitive: []string{"cost"}, Person: "123456789012:user:alice"},
	}
	if d := cmp.Diff(want, c.Caller); d != "" || !strings.HasPrefix(role.ID, "AROA") || s.Principal != want.Principal || s.UserID != want.UserID {
		t.Errorf("(-want +got)\n%s", d)
	}
	if !f.mayList(&s.NewSession) {
		t.Error("the session may not do what its role may")
	}
	must(t, f.DeleteRolePolicy(ctx, admin, "Deploy", "use"))
	if f.mayList(&s.NewSession) {
		t.Error("the session may do what its role may no more")
	}
	f.open() // the session outlives a restart, and its role
	must(t, f.PutRolePolicy(ctx, admin, "Deploy", "use", document(listKeys)))
	if !f.mayList(&s.NewSession) {
		t.Error("the session may not do what its role may again")
	}
	must(t, f.PutTrustPolicy(ctx, admin, "Deploy", document(strings.ReplaceAll(trustAlice, "alice", "bob"))))
	_, err = f.AssumeRole(ctx, f.as("alice"), ask("ops/Deploy"))
	want2(t, err, fault.NoResourcePolicyAllows)
	must(t, f.DeleteRole(ctx, admin, "ops/Deploy"))
	_, err = f.directory.SessionCredential(s.ID, s.Token)
	want2(t, err, fault.UnknownCredential)
	f.role("ops/Deploy", trustAlice) // another role of that name
	_, err = f.directory.SessionCredential(s.ID, s.Token)
	want2(t, err, fault.UnknownCredential)
}

// want2 wants a reason, whose kind goes with it.
func want2(t *testing.T, err error, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.ReasonOf(err) != reason {
		t.Errorf("got %v (reason %d), want reason %d", err, fault.ReasonOf(err), reason)
	}
}

func TestAssumeRoleIsRefused(t *testing.T) {
	f := newFixture(t)
	f.role("Deploy", trustAlice)
	f.role("Open", `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`)
	f.role("Partner", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}}`)
	f.role("Untagged", strings.ReplaceAll(trustAlice, `"sts:TagSession","sts:SetSourceIdentity"`, `"sts:GetCallerIdentity"`))
	const denied, bad = fault.PermissionDenied, fault.InvalidArgument
	root := f.call(key.Principal{Realm: key.DefaultRealm, Kind: key.Root})
	nobody := f.call(key.Principal{Kind: key.Anonymous})
	for name, c := range map[string]struct {
		role string
		call *key.Call
		edit func(*identity.AssumeRequest)
		kind fault.Kind
		why  fault.Reason
	}{
		"whom it does not trust":         {"Deploy", f.as("admin"), nil, denied, fault.NoResourcePolicyAllows},
		"a role that is not there":       {"Nothing", f.as("alice"), nil, denied, fault.NoResourcePolicyAllows},
		"another realm's":                {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Role.Realm = "999999999999" }, denied, fault.NoResourcePolicyAllows},
		"the root":                       {"Open", root, nil, denied, fault.NoResourcePolicyAllows},
		"nobody":                         {"Open", nobody, nil, denied, fault.NoResourcePolicyAllows},
		"a service":                      {"Open", f.call(key.Principal{Realm: key.DefaultRealm, Kind: key.Service, Name: "ca"}), nil, denied, fault.NoResourcePolicyAllows},
		"tags without the right":         {"Untagged", f.as("alice"), func(r *identity.AssumeRequest) { r.Tags = []key.Tag{{Key: "a", Value: "b"}} }, denied, fault.NoResourcePolicyAllows},
		"a source without the right":     {"Untagged", f.as("alice"), func(r *identity.AssumeRequest) { r.SourceIdentity = "bob" }, denied, fault.NoResourcePolicyAllows},
		"a second factor she has not":    {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Factor, r.Code = "alice", "123456" }, denied, fault.WrongFactor},
		"the partner without its id":     {"Partner", f.call(key.Principal{Realm: "999999999999", Kind: key.User, Name: "eve"}), nil, denied, fault.NoResourcePolicyAllows},
		"the partner's user who may not": {"Partner", f.call(key.Principal{Realm: "999999999999", Kind: key.User, Name: "eve"}), func(r *identity.AssumeRequest) { r.ExternalID = "x-1" }, denied, fault.NoIdentityPolicyAllows},
		"a user's name":                  {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Role.Kind = key.User }, bad, 0},
		"no session name":                {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Session = "" }, bad, 0},
		"a session name with a slash":    {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Session = "a/b" }, bad, 0},
		"a short time":                   {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Length = time.Minute }, bad, 0},
		"longer than the role's":         {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Length = 2 * time.Hour }, bad, 0},
		"longer than any":                {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Length = 13 * time.Hour }, bad, 0},
		"a policy that is none":          {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Policy = key.Document{Dialect: "aws", Text: "{}"} }, bad, fault.MalformedPolicy},
		"a long policy":                  {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Policy.Text = strings.Repeat(" ", 2049) }, fault.LimitExceeded, fault.PolicyTooLong},
		"a transitive tag that is none":  {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Transitive = []string{"x"} }, bad, 0},
		"a tag of AWS's":                 {"Deploy", f.as("alice"), func(r *identity.AssumeRequest) { r.Tags = []key.Tag{{Key: "aws:x", Value: "b"}} }, bad, fault.ReservedTag},
	} {
		r := ask(c.role)
		if c.edit != nil {
			c.edit(r)
		}
		before := len(f.log.entries)
		s, err := f.AssumeRole(t.Context(), c.call, r)
		if s != nil || fault.KindOf(err) != c.kind || fault.ReasonOf(err) != c.why {
			t.Errorf("%s: %v (reason %d)", name, err, fault.ReasonOf(err))
		}
		if len(f.log.entries) != before+1 || f.log.entries[before].Result == "ok" {
			t.Errorf("%s: recorded as %+v", name, f.log.entries[before:])
		}
	}
}

// TestChains assumes a role from a session of another.
func TestChains(t *testing.T) {
	f := newFixture(t)
	f.role("First", trustAlice)
	f.role("Second", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/First"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}`)
	long := 2 * time.Hour
	_, err := f.UpdateRole(t.Context(), f.as("admin"), "Second", identity.RoleChange{MaxSession: &long})
	must(t, err)
	r := ask("First")
	r.Tags, r.Transitive, r.SourceIdentity = []key.Tag{{Key: "cost", Value: "1"}, {Key: "x", Value: "y"}}, []string{"cost"}, "alice"
	first, err := f.AssumeRole(t.Context(), f.as("alice"), r)
	must(t, err)
	c, err := f.directory.SessionCredential(first.ID, first.Token)
	must(t, err)
	call := func() *key.Call { return &key.Call{Caller: c.Caller, Time: time.Now()} }
	second, err := f.AssumeRole(t.Context(), call(), ask("Second"))
	must(t, err)
	got, err := f.directory.SessionCredential(second.ID, second.Token)
	must(t, err)
	if tags := []key.Tag{{Key: "cost", Value: "1"}, {Key: "team", Value: "blue"}}; !cmp.Equal(got.Caller.Tags, tags) ||
		got.Caller.Assumption.SourceIdentity != "alice" || second.SourceIdentity != "alice" {
		t.Errorf("the second session is %+v", got.Caller)
	}
	for name, edit := range map[string]func(*identity.AssumeRequest){
		"a longer one":             func(r *identity.AssumeRequest) { r.Length = 2 * time.Hour },
		"another source":           func(r *identity.AssumeRequest) { r.SourceIdentity = "bob" },
		"another value of the tag": func(r *identity.AssumeRequest) { r.Tags = []key.Tag{{Key: "Cost", Value: "2"}} },
	} {
		r := ask("Second")
		edit(r)
		if _, err := f.AssumeRole(t.Context(), call(), r); err == nil {
			t.Errorf("%s is made", name)
		}
	}
	_, err = f.CreateSession(t.Context(), call(), identity.SessionRequest{Length: time.Hour})
	want(t, err, fault.PermissionDenied, fault.Unspecified)
}

func TestSessionPolicies(t *testing.T) {
	f := newFixture(t)
	f.role("Deploy", trustAlice)
	for policy, want := range map[string]bool{
		listKeys: true, `{"Effect":"Allow","Action":"kms:Sign","Resource":"*"}`: false,
		`{"Effect":"Deny","Action":"kms:ListKeys","Resource":"*"}`: false,
	} {
		r := ask("Deploy")
		r.Policy = document(policy)
		s, err := f.AssumeRole(t.Context(), f.as("alice"), r)
		must(t, err)
		for range 2 { // the second time it is compiled
			if got := f.mayList(&s.NewSession); got != want {
				t.Errorf("%s: may list: %v", policy, got)
			}
		}
	}
}

func TestRoleChanges(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	f.role("a/Deploy", trustAlice)
	good := document(trustAlice)
	for name, n := range map[string]*identity.NewRole{
		"the short name of another": {Name: "b/deploy", Trust: good},
		"no name":                   {Name: "", Trust: good},
		"a path without end":        {Name: "a//b", Trust: good},
		"a slash in front":          {Name: "/b", Trust: good},
		"a wildcard":                {Name: "b*", Trust: good},
		"no trust policy":           {Name: "b"},
		"an identity's policy":      {Name: "b", Trust: document(listKeys)},
		"a long trust policy":       {Name: "b", Trust: key.Document{Dialect: "aws", Text: good.Text + strings.Repeat(" ", identity.MaxTrust)}},
		"short sessions":            {Name: "b", Trust: good, MaxSession: time.Minute},
		"long sessions":             {Name: "b", Trust: good, MaxSession: 13 * time.Hour},
		"a long description":        {Name: "b", Trust: good, Description: strings.Repeat("ä", 1001)},
		"a tag twice":               {Name: "b", Trust: good, Tags: []key.Tag{{Key: "a"}, {Key: "a"}}},
	} {
		if _, err := f.CreateRole(ctx, admin, n); err == nil {
			t.Errorf("%s is a role", name)
		}
	}
	text := "deploys"
	_, err := f.UpdateRole(ctx, admin, "Deploy", identity.RoleChange{Description: &text})
	must(t, err)
	want(t, f.PutRolePolicy(ctx, admin, "Deploy", "bad", document(trustAlice)), fault.InvalidArgument, fault.MalformedPolicy)
	want(t, f.DeleteRolePolicy(ctx, admin, "Deploy", "bad"), fault.NotFound, fault.Unspecified)
	want(t, f.DeleteRole(ctx, admin, "deploy"), fault.NotFound, fault.Unspecified)
	_, err = f.Role(ctx, f.as("alice"), "Deploy")
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	f.open()
	r, err := f.Role(ctx, admin, "Deploy")
	if must(t, err); r.Name != "a/Deploy" || r.Description != "deploys" || r.MaxSession != time.Hour || len(r.Policies) != 1 || len(r.Tags) != 1 {
		t.Errorf("the role is %+v", r)
	}
	for i := range 3 {
		f.role(fmt.Sprint("more", i), trustAlice)
	}
	list, next, err := f.ListRoles(ctx, admin, identity.Page{After: "a/Deploy", Limit: 2})
	if must(t, err); len(list) != 2 || list[0].Name != "more0" || next != "more1" {
		t.Errorf("the page is %v, next %q", list, next)
	}
}

// issuer vouches for web identities.
type issuer struct {
	t    *testing.T
	key  crypto.Signer
	down error
}

const issuerURL = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &issuer{t: t, key: k}
}

func (i *issuer) Fetch(_ context.Context, from *webidentity.Registration, url string) ([]byte, error) {
	if i.down != nil {
		return nil, i.down
	}
	if strings.HasSuffix(url, "/keys") {
		return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "1", Key: i.key.Public()}}})
	}
	return json.Marshal(map[string]string{"issuer": from.URL, "jwks_uri": from.URL + "/keys"})
}

func (i *issuer) token(claims map[string]any) string {
	i.t.Helper()
	all := map[string]any{
		"iss": issuerURL, "sub": "system:serviceaccount:pki:cert-manager", "aud": []string{"sts.amazonaws.com"},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	must(i.t, err)
	text, err := json.Marshal(all)
	must(i.t, err)
	signed, err := signer.Sign(text)
	must(i.t, err)
	token, err := signed.CompactSerialize()
	must(i.t, err)
	return token
}

const trustWeb = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"},
	"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE:sub":"system:serviceaccount:pki:cert-manager"}}}`

func (f *fixture) withIssuer() *issuer {
	f.t.Helper()
	i := newIssuer(f.t)
	f.web = i
	f.open()
	_, err := f.CreateIssuer(f.t.Context(), f.as("admin"), webidentity.Registration{URL: issuerURL, Audiences: []string{"sts.amazonaws.com"}})
	must(f.t, err)
	return i
}

func (f *fixture) assumeWeb(role, token string) (*identity.RoleSession, error) {
	call := f.call(key.Principal{Kind: key.Anonymous})
	return f.AssumeRoleWithWebIdentity(f.t.Context(), call, &identity.WebIdentityRequest{Role: ask(role).Role, Session: "ci", Token: token})
}

func TestWebIdentities(t *testing.T) {
	f := newFixture(t)
	i := f.withIssuer()
	role := f.role("PKI", trustWeb)
	f.role("Other", trustAlice)
	s, err := f.assumeWeb("PKI", i.token(map[string]any{"amr": []string{"pwd"}}))
	must(t, err)
	c, err := f.directory.SessionCredential(s.ID, s.Token)
	must(t, err)
	how := &key.Assumption{Person: strings.TrimPrefix(issuerURL, "https://") + ":system:serviceaccount:pki:cert-manager", Issuer: strings.TrimPrefix(issuerURL, "https://"), Claims: []key.Tag{
		{Key: "sub", Value: "system:serviceaccount:pki:cert-manager"}, {Key: "aud", Value: "sts.amazonaws.com"}, {Key: "amr", Value: "pwd"},
	}}
	if d := cmp.Diff(how, c.Caller.Assumption); d != "" || c.Caller.UserID != role.ID+":ci" || c.Caller.MFA || !f.mayList(&s.NewSession) {
		t.Errorf("%+v\n(-want +got)\n%s", c.Caller, d)
	}
	e := f.log.entries[slices.IndexFunc(f.log.entries, func(e auditEntry) bool { return e.Method == "oidc" })]
	if e.Realm != key.DefaultRealm || e.Credential != "system:serviceaccount:pki:cert-manager" || e.Result != "ok" ||
		e.Principal != "123456789012:federated:oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE" {
		t.Errorf("the entry is %+v", e)
	}
	for name, c := range map[string]struct {
		role, token string
		kind        fault.Kind
		why         fault.Reason
	}{
		"another subject":          {"PKI", i.token(map[string]any{"sub": "system:serviceaccount:default:x"}), fault.PermissionDenied, fault.NoResourcePolicyAllows},
		"a role of others":         {"Other", i.token(nil), fault.PermissionDenied, fault.NoResourcePolicyAllows},
		"a role that is not there": {"Nothing", i.token(nil), fault.PermissionDenied, fault.NoResourcePolicyAllows},
		"an unknown issuer":        {"PKI", i.token(map[string]any{"iss": "https://evil.example.com"}), fault.Unauthenticated, fault.InvalidIdentityToken},
		"the issuer without TLS":   {"PKI", i.token(map[string]any{"iss": strings.Replace(issuerURL, "https", "http", 1)}), fault.Unauthenticated, fault.InvalidIdentityToken},
		"another audience":         {"PKI", i.token(map[string]any{"aud": "vault"}), fault.Unauthenticated, fault.InvalidIdentityToken},
		"an expired token":         {"PKI", i.token(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), fault.Unauthenticated, fault.ExpiredIdentityToken},
		"another key":              {"PKI", newIssuer(t).token(nil), fault.Unauthenticated, fault.InvalidIdentityToken},
		"tags without the right":   {"PKI", i.token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}}), fault.PermissionDenied, fault.NoResourcePolicyAllows},
		"nothing":                  {"PKI", "", fault.Unauthenticated, fault.InvalidIdentityToken},
	} {
		s, err := f.assumeWeb(c.role, c.token)
		if s != nil || fault.KindOf(err) != c.kind || fault.ReasonOf(err) != c.why {
			t.Errorf("%s: %v (reason %d)", name, err, fault.ReasonOf(err))
		}
	}
	must(t, f.DeleteIssuer(t.Context(), f.as("admin"), strings.TrimPrefix(issuerURL, "https://")))
	_, err = f.assumeWeb("PKI", i.token(nil))
	want2(t, err, fault.InvalidIdentityToken)
	if !f.mayList(&s.NewSession) {
		t.Error("the session ended with the issuer")
	}
}

func TestIssuers(t *testing.T) {
	f := newFixture(t)
	i := f.withIssuer()
	ctx, admin, name := t.Context(), f.as("admin"), strings.TrimPrefix(issuerURL, "https://")
	_, err := f.CreateIssuer(ctx, admin, webidentity.Registration{URL: issuerURL, Audiences: []string{"x"}})
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	_, err = f.CreateIssuer(ctx, f.as("nobody"), webidentity.Registration{URL: issuerURL, Audiences: []string{"x"}})
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	_, err = f.UpdateIssuer(ctx, admin, name, func(r *webidentity.Registration) { r.Audiences = append(r.Audiences, "app"); r.URL = "x" })
	must(t, err)
	f.open()
	got, err := f.Issuer(ctx, admin, name)
	if must(t, err); got.URL != issuerURL || !cmp.Equal(got.Audiences, []string{"sts.amazonaws.com", "app"}) {
		t.Errorf("the issuer is %+v", got.Registration)
	}
	f.role("PKI", trustWeb)
	_, err = f.assumeWeb("PKI", i.token(map[string]any{"aud": "app"}))
	must(t, err)
	i.down = errors.New("connection refused")
	f.open()
	_, err = f.assumeWeb("PKI", i.token(nil))
	want(t, err, fault.Unavailable, fault.IssuerUnreachable)
	list, _, err := f.ListIssuers(ctx, admin, identity.Page{})
	if must(t, err); len(list) != 1 {
		t.Errorf("the issuers are %v", list)
	}
	want(t, f.DeleteIssuer(ctx, admin, "oidc.example.com"), fault.NotFound, fault.Unspecified)
}

// TestOldSessions reads the tokens of a server before there were roles.
func TestOldSessions(t *testing.T) {
	f := newFixture(t)
	u, err := f.User(t.Context(), f.as("admin"), "admin")
	must(t, err)
	old := func(v int) string {
		return f.seal(fmt.Sprintf(`{"v":%d,"id":"ASIAAAAAAAAAAAAAAAAA","secret":"s","principal":{"Realm":"123456789012","Kind":"user","Name":"admin"},`+
			`"user":%q,"issued":"2026-01-01T00:00:00Z","expires":"2100-01-01T00:00:00Z"}`, v, u.ID))
	}
	c, err := f.directory.SessionCredential("ASIAAAAAAAAAAAAAAAAA", old(1))
	if must(t, err); c.Caller.MFA || c.Caller.Assumption != nil || c.Caller.Principal.Name != "admin" {
		t.Errorf("%+v", c.Caller)
	}
	_, err = f.directory.SessionCredential("ASIAAAAAAAAAAAAAAAAA", old(3))
	want2(t, err, fault.UnknownCredential)
}

func TestResealFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		e := f.enrol("admin", "phone")
		to := ephemeral(t)
		must(t, f.store.Update(t.Context(), func(tx store.Tx) error { return identity.Reseal(tx, f.root, to) }))
		f.root = to
		f.open()
		time.Sleep(time.Minute)
		_, err := f.session("admin", "phone", e.code())
		must(t, err)
	})
}
