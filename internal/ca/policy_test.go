package ca

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const stranger key.RealmID = "999999999999"

// from returns a call by a principal of any realm.
func (f *fixture) from(p key.Principal) *key.Call {
	call := f.as("")
	call.Caller.Principal = p
	return call
}

func (f *fixture) putPolicy(t testing.TB, call *key.Call, authority string, statements ...string) error {
	t.Helper()
	_, err := f.PutPolicy(t.Context(), call, authority, key.Document{
		Dialect: aws.Dialect, Text: `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`,
	})
	return err
}

// TestPolicyOfAnAuthority: who may do what with a policy in place. Callers of
// the realm keep what their own policies give them; a denial takes it; others
// come in by it alone, to use the authority and not to manage it.
func TestPolicyOfAnAuthority(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	c := f.issue(t, "root", "a.example.com")
	f.grant(t, "reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["acm-pca:Describe*","acm-pca:Get*"],"Resource":"*"}]}`)
	allow := func(who, actions string) string {
		return fmt.Sprintf(`{"Sid":"In","Effect":"Allow","Principal":{"AWS":%q},"Action":%s,"Resource":"*"}`, who, actions)
	}
	foreignRoot := key.Principal{Realm: stranger, Kind: key.Root}
	foreignUser := key.Principal{Realm: stranger, Kind: key.User, Name: "bob"}
	member := key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "nobody"}
	reader := key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "reader"}
	admin := key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "admin"}
	describe := func(call *key.Call) error { _, err := f.Authority(t.Context(), call, root.ID); return err }
	get := func(call *key.Call) error { _, err := f.Certificate(t.Context(), call, root.ID, c.Serial); return err }
	disabled := Active
	update := func(call *key.Call) error {
		_, err := f.UpdateAuthority(t.Context(), call, root.ID, Update{State: &disabled})
		return err
	}
	byName := func(call *key.Call) error { _, err := f.Authority(t.Context(), call, "root"); return err }
	issue := func(call *key.Call) error {
		_, err := f.Issue(t.Context(), call, &IssueRequest{Authority: root.ID, Profile: "tls-server", CSR: newCSR(t, alg.P256, csrFor("b.example.com"))})
		return err
	}
	const no, denied, missing = fault.Kind(0), fault.PermissionDenied, fault.NotFound
	for what, r := range map[string]struct {
		policy []string
		who    key.Principal
		do     func(*key.Call) error
		want   fault.Kind
		why    string
	}{
		"no policy, the realm's admin":          {nil, admin, update, no, "identity policy"},
		"no policy, a member without policy":    {nil, member, describe, denied, "no identity policy"},
		"no policy, another realm":              {nil, foreignRoot, describe, missing, ""},
		"a policy for others, the admin":        {[]string{allow("999999999999", `"acm-pca:IssueCertificate"`)}, admin, update, no, "identity policy"},
		"a policy for others, a reader":         {[]string{allow("999999999999", `"acm-pca:IssueCertificate"`)}, reader, describe, no, "identity policy"},
		"a policy for others, no reader of all": {[]string{allow("999999999999", `"acm-pca:IssueCertificate"`)}, reader, issue, denied, "no identity policy"},
		"a policy for a member":                 {[]string{allow("arn:aws:iam::123456789012:user/nobody", `"acm-pca:Describe*"`)}, member, describe, no, `authority policy statement "In"`},
		"and no more than it says":              {[]string{allow("arn:aws:iam::123456789012:user/nobody", `"acm-pca:Describe*"`)}, member, get, denied, "no identity policy"},
		"a denial":                              {[]string{`{"Effect":"Deny","Principal":"*","Action":"acm-pca:Get*","Resource":"*"}`}, reader, get, denied, "authority policy statement 1"},
		"another realm's root":                  {[]string{allow("999999999999", `["acm-pca:Describe*","acm-pca:Update*"]`)}, foreignRoot, describe, no, `authority policy statement "In"`},
		"who cannot manage it":                  {[]string{allow("999999999999", `"*"`)}, foreignRoot, update, denied, "own realm"},
		"nor find it by its name":               {[]string{allow("999999999999", `"*"`)}, foreignRoot, byName, missing, ""},
		"nor do what it does not say":           {[]string{allow("999999999999", `"acm-pca:Describe*"`)}, foreignRoot, get, denied, "no statement"},
		"another realm's user needs both":       {[]string{allow("999999999999", `"acm-pca:IssueCertificate"`)}, foreignUser, issue, denied, "no identity policy"},
		"a third realm":                         {[]string{allow("999999999999", `"*"`)}, key.Principal{Realm: "111111111111", Kind: key.Root}, describe, missing, ""},
	} {
		t.Run(what, func(t *testing.T) {
			if r.policy != nil {
				if err := f.putPolicy(t, f.as("admin"), "root", r.policy...); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if _, err := f.DeletePolicy(t.Context(), f.as("admin"), "root"); err != nil {
						t.Error(err)
					}
				}()
			}
			err := r.do(f.from(r.who))
			e := f.log.last()
			if (err == nil) != (r.want == no) || err != nil && fault.KindOf(err) != r.want {
				t.Fatalf("%v, want %s", err, r.want)
			}
			if !strings.Contains(e.Why, r.why) {
				t.Errorf("because of %q, want %q", e.Why, r.why)
			}
		})
	}
	f.grant(t, "bob", allowAll)
	if err := f.putPolicy(t, f.as("admin"), "root", allow("999999999999", `"acm-pca:IssueCertificate"`)); err != nil {
		t.Fatal(err)
	}
	f.Service = f.open(t, "")
	if err := issue(f.from(foreignUser)); err != nil {
		t.Errorf("a user whom both realms let in, after a restart: %v", err)
	}
}

// TestPoliciesRefused: what is no policy for an authority.
func TestPoliciesRefused(t *testing.T) {
	for what, c := range map[string]struct {
		statement string
		kind      fault.Kind
		reason    fault.Reason
	}{
		"no policy":       {`"x"`, fault.InvalidArgument, fault.MalformedPolicy},
		"no principal":    {`{"Effect":"Allow","Action":"*","Resource":"*"}`, fault.InvalidArgument, fault.MalformedPolicy},
		"a lockout":       {`{"Effect":"Deny","Principal":"*","Action":"acm-pca:PutPolicy","Resource":"*"}`, fault.InvalidArgument, fault.PolicyLockout},
		"a long one":      {`{"Sid":"` + strings.Repeat("x", 33000) + `"}`, fault.LimitExceeded, fault.PolicyTooLong},
		"a lockout of me": {`{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:user/admin"},"Action":"acm-pca:PutPolicy","Resource":"*"}`, 0, 0},
	} {
		f := newFixture(t, "")
		f.authority(t, "root", alg.P256, "")
		err := f.putPolicy(t, f.as("admin"), "root", c.statement)
		if c.kind == 0 {
			if err != nil {
				t.Errorf("%s: the root can put another one, but: %v", what, err)
			}
			continue
		}
		wantFault(t, err, c.kind, c.reason, "")
	}
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	_, err := f.Policy(t.Context(), f.as("admin"), "root")
	wantFault(t, err, fault.NotFound, 0, "policy")
	_, err = f.DeletePolicy(t.Context(), f.as("admin"), "root")
	wantFault(t, err, fault.NotFound, 0, "policy")
	doc := key.Document{Dialect: aws.Dialect, Text: allowAllFor("arn:aws:iam::123456789012:root")}
	a, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: "with", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}, Policy: &doc,
	})
	if err != nil || a.Policy != doc {
		t.Errorf("%+v, %v", a, err)
	}
	got, err := f.Policy(t.Context(), f.as("admin"), "with")
	if got != doc || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func allowAllFor(who string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"*","Resource":"*"}]}`
}

// TestPermissions: a service with a permission issues, and no other does.
func TestPermissions(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	root := f.authority(t, "root", alg.P256, "")
	const service = "acm.amazonaws.com"
	asService := f.from(key.Principal{Realm: key.DefaultRealm, Kind: key.Service, Name: service})
	issue := func() error {
		_, err := f.Issue(ctx, asService, &IssueRequest{Authority: root.ID, Profile: "tls-server", CSR: newCSR(t, alg.P256, csrFor("a.example.com"))})
		return err
	}
	wantFault(t, issue(), fault.PermissionDenied, 0, "")
	for what, c := range map[string]struct {
		p    Permission
		kind fault.Kind
	}{
		"no service":          {Permission{Actions: PermissionActions()}, fault.InvalidArgument},
		"no action":           {Permission{Principal: service}, fault.InvalidArgument},
		"another action":      {Permission{Principal: service, Actions: []key.Action{key.DeleteAuthority}}, fault.InvalidArgument},
		"a realm that isn't":  {Permission{Principal: service, Realm: "x", Actions: PermissionActions()}, fault.InvalidArgument},
		"a service in spaces": {Permission{Principal: "a b", Actions: PermissionActions()}, fault.InvalidArgument},
	} {
		if _, err := f.CreatePermission(ctx, f.as("admin"), "root", c.p); fault.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := Permission{Principal: service, Actions: []key.Action{key.GetCertificate, key.IssueCertificate, key.IssueCertificate}}
	a, err := f.CreatePermission(ctx, f.as("admin"), "root", p)
	if err != nil {
		t.Fatal(err)
	}
	want := []Permission{{service, key.DefaultRealm, []key.Action{key.IssueCertificate, key.GetCertificate}, f.clock}}
	if d := cmp.Diff(want, a.Permissions); d != "" {
		t.Errorf("permissions (-want +got):\n%s", d)
	}
	_, err = f.CreatePermission(ctx, f.as("admin"), "root", p)
	wantFault(t, err, fault.AlreadyExists, 0, service)
	f.Service = f.open(t, "")
	if err := issue(); err != nil {
		t.Error(err)
	}
	if e := f.log.last(); e.Why != "grant permission of "+service {
		t.Errorf("why %q", e.Why)
	}
	if _, err := f.DeletePermission(ctx, f.as("admin"), "root", service, ""); err != nil {
		t.Fatal(err)
	}
	wantFault(t, issue(), fault.PermissionDenied, 0, "")
	_, err = f.DeletePermission(ctx, f.as("admin"), "root", service, "")
	wantFault(t, err, fault.NotFound, 0, service)
}

// TestTagsOfAnAuthority are those of keys.
func TestTagsOfAnAuthority(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	a, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}, Tags: []key.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tag(ctx, f.as("admin"), a.ID, []key.Tag{{Key: "c", Value: "3"}, {Key: "a", Value: "4"}}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Untag(ctx, f.as("admin"), a.ID, []string{"b", "none"})
	if d := cmp.Diff([]key.Tag{{Key: "a", Value: "4"}, {Key: "c", Value: "3"}}, got.Tags); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	var failures []error
	for _, tags := range [][]key.Tag{{{Key: "", Value: "x"}}, {{Key: "aws:x", Value: "y"}}, {{Key: "d", Value: "1"}, {Key: "d", Value: "2"}}, make([]key.Tag, 51)} {
		_, err := f.Tag(ctx, f.as("admin"), a.ID, tags)
		if err == nil {
			t.Errorf("%v was taken", tags)
		}
		failures = append(failures, err)
	}
	if fault.ReasonOf(failures[3]) != fault.TooManyTags || errors.Join(failures...) == nil {
		t.Error(failures)
	}
	f.grant(t, "founder", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["acm-pca:CreateCertificateAuthority","kms:*"],"Resource":"*"}]}`)
	_, err = f.CreateAuthority(ctx, f.as("founder"), &CreateAuthorityRequest{NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}, Tags: []key.Tag{{Key: "b", Value: "1"}}})
	wantFault(t, err, fault.PermissionDenied, 0, "ca:Tag")
}
