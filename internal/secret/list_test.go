package secret_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

// TestList is the table of filters and orders, and pages them all.
func TestList(t *testing.T) {
	f := newFixture(t)
	for _, r := range []*secret.CreateRequest{
		{Name: "prod/web", Description: "The Shop", Tags: []key.Tag{{Key: "Team", Value: "blue"}}},
		{Name: "prod/db", Description: "the database", Tags: []key.Tag{{Key: "Team", Value: "red"}, {Key: "tier", Value: "1"}}},
		{Name: "test/web", Description: "A trial"},
		{Name: "old"},
	} {
		r.Value = text("x")
		_, err := f.Create(t.Context(), f.admin(), r)
		must(t, err)
		f.pass(time.Minute)
	}
	_, err := f.Delete(t.Context(), f.admin(), &secret.DeleteRequest{Secret: ref("old")})
	must(t, err)
	f.put("prod/web", "y")
	f.pass(48 * time.Hour)
	f.value("test/web", "")
	only := func(field secret.Field, values ...string) []secret.Filter {
		return []secret.Filter{{Field: field, Values: values}}
	}
	for what, row := range map[string]struct {
		list secret.List
		want string
	}{
		"by creation":         {secret.List{}, "prod/web prod/db test/web"},
		"the newest first":    {secret.List{Descending: true}, "test/web prod/db prod/web"},
		"by name":             {secret.List{Order: secret.ByName}, "prod/db prod/web test/web"},
		"by change":           {secret.List{Order: secret.ByChange}, "prod/db test/web prod/web"},
		"by access":           {secret.List{Order: secret.ByAccess}, "prod/db prod/web test/web"},
		"deleted ones, too":   {secret.List{Deleted: true, Order: secret.ByName}, "old prod/db prod/web test/web"},
		"a name's beginning":  {secret.List{Filters: only(secret.Name, "prod/")}, "prod/web prod/db"},
		"a name's case":       {secret.List{Filters: only(secret.Name, "Prod/")}, ""},
		"a description":       {secret.List{Filters: only(secret.Description, "THE")}, "prod/web prod/db"},
		"a tag's key":         {secret.List{Filters: only(secret.TagKey, "T")}, "prod/web prod/db"},
		"a tag's value":       {secret.List{Filters: only(secret.TagValue, "red", "x")}, "prod/db"},
		"none with a value":   {secret.List{Filters: only(secret.TagValue, "!red")}, "prod/web test/web"},
		"words anywhere":      {secret.List{Filters: only(secret.Anywhere, "blue SHOP")}, "prod/web"},
		"of two filters both": {secret.List{Filters: append(only(secret.Name, "prod/"), only(secret.TagKey, "tier")...)}, "prod/db"},
		"of a service":        {secret.List{Filters: only(secret.Owner, "rds")}, ""},
		"of a region":         {secret.List{Filters: only(secret.Home, "us")}, ""},
	} {
		for _, limit := range []int{0, 1, 2} {
			l := row.list
			l.Page = kms.Page{Limit: limit}
			var names []string
			for range 5 {
				page, next, err := f.List(t.Context(), f.admin(), &l)
				must(t, err)
				for _, x := range page {
					names = append(names, x.Name)
				}
				if l.Page.After = next; next == "" {
					break
				}
			}
			if got := strings.Join(names, " "); got != row.want {
				t.Errorf("%s in pages of %d: %q, want %q", what, limit, got, row.want)
			}
		}
	}
}

// TestBatch: each secret has its value, or its own failure.
func TestBatch(t *testing.T) {
	f := newFixture(t)
	f.make("prod/a", "1")
	f.make("prod/b", "2")
	f.make("test/a", "3")
	f.let("reader", `"Allow","Action":["secretsmanager:BatchGetSecretValue","secretsmanager:GetSecretValue","secretsmanager:ListSecrets","kms:Decrypt"],"NotResource":"arn:aws:secretsmanager:*:*:secret:prod/b*"`)
	said := func(list []secret.Item) string {
		var out []string
		for _, item := range list {
			if item.Err != nil {
				out = append(out, item.Name+": "+fault.KindOf(item.Err).String())
			} else {
				out = append(out, item.Name+"="+string(item.Revealed.Value.Reveal()))
			}
		}
		return strings.Join(out, ", ")
	}
	list, _, err := f.Batch(t.Context(), f.as("reader"), &secret.BatchRequest{Secrets: []secret.Ref{ref("prod/a"), ref("prod/b"), ref("none")}})
	must(t, err)
	if got := said(list); got != "prod/a=1, prod/b: permission denied, none: not found" {
		t.Errorf("the batch is %s", got)
	}
	l := &secret.List{Filters: []secret.Filter{{Field: secret.Name, Values: []string{"prod"}}}, Order: secret.ByName, Page: kms.Page{Limit: 1}}
	list, next, err := f.Batch(t.Context(), f.admin(), &secret.BatchRequest{List: l})
	must(t, err)
	l.Page.After = next
	more, end, err := f.Batch(t.Context(), f.admin(), &secret.BatchRequest{List: l})
	must(t, err)
	if got := said(append(list, more...)); got != "prod/a=1, prod/b=2" || end != "" {
		t.Errorf("the pages are %s, and go on at %q", got, end)
	}
	_, _, err = f.Batch(t.Context(), f.as("nobody"), &secret.BatchRequest{Secrets: []secret.Ref{ref("prod/a")}})
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
}

// TestPolicies: what is no policy for a secret is refused, and told by a check
// that changes nothing.
func TestPolicies(t *testing.T) {
	f := newFixture(t)
	f.make("a", "x")
	doc := func(statement string) key.Document {
		return key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":` + statement + `}`}
	}
	allow := `{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`
	for what, row := range map[string]struct {
		doc    key.Document
		reason fault.Reason // with notPublic
		loose  fault.Reason // without
	}{
		"some":              {doc(strings.Replace(allow, `"*"`, `{"AWS":"`+string(foreign)+`"}`, 1)), 0, 0},
		"everybody":         {doc(allow), fault.PublicPolicy, 0},
		"all but one":       {doc(`{"Effect":"Deny","NotPrincipal":{"AWS":"` + string(foreign) + `"},"Action":"secretsmanager:*","Resource":"*"}`), fault.PolicyLockout, fault.PolicyLockout},
		"under a condition": {doc(strings.Replace(allow, `"Resource"`, `"Condition":{"StringEquals":{"aws:PrincipalAccount":"1"}},"Resource"`, 1)), 0, 0},
		"no policy":         {doc(`{}`), fault.MalformedPolicy, fault.MalformedPolicy},
		"too long":          {doc(strings.Repeat(" ", 20480) + allow), fault.PolicyTooLong, fault.PolicyTooLong},
		"a lockout":         {doc(`{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*"}`), fault.PolicyLockout, fault.PolicyLockout},
	} {
		flaws, err := f.ValidatePolicy(t.Context(), f.admin(), ref("a"), row.doc)
		must(t, err)
		if len(flaws) == 0 && row.reason != 0 || len(flaws) > 0 && flaws[0].Reason != row.reason {
			t.Errorf("%s: the flaws are %v", what, flaws)
		}
		for notPublic, reason := range map[bool]fault.Reason{true: row.reason, false: row.loose} {
			if _, err := f.PutPolicy(t.Context(), f.admin(), ref("a"), row.doc, notPublic); fault.ReasonOf(err) != reason || (err == nil) != (reason == 0) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	x, err := f.Policy(t.Context(), f.admin(), ref("a"))
	must(t, err)
	if x.Policy.Text == "" {
		t.Error("the policy is gone")
	}
	x, err = f.DeletePolicy(t.Context(), f.admin(), ref("a"))
	must(t, err)
	if x.Policy.Text != "" {
		t.Error("the policy is there")
	}
	if _, err := f.ValidatePolicy(t.Context(), f.admin(), secret.Ref{}, doc(allow)); err != nil {
		t.Error(err)
	}
}

// TestTags: tags come and go.
func TestTags(t *testing.T) {
	f := newFixture(t)
	f.make("a", "x")
	_, err := f.Tag(t.Context(), f.admin(), ref("a"), []key.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}})
	must(t, err)
	x, err := f.Untag(t.Context(), f.admin(), ref("a"), []string{"b", "none"})
	must(t, err)
	if len(x.Tags) != 1 || x.Tags[0] != (key.Tag{Key: "a", Value: "2"}) {
		t.Errorf("the tags are %v", x.Tags)
	}
	_, err = f.Tag(t.Context(), f.admin(), ref("a"), []key.Tag{{Key: "aws:x"}})
	want(t, err, fault.InvalidArgument, fault.ReservedTag)
}

// TestPassword: passwords have what is asked for, and nothing else.
func TestPassword(t *testing.T) {
	f := newFixture(t)
	all := secret.Lower | secret.Upper | secret.Digits | secret.Punctuation | secret.Space
	seen := map[string]bool{}
	for range 50 {
		for _, r := range []secret.PasswordRequest{
			{Classes: all, Each: true},
			{Length: 5, Classes: all, Each: true},
			{Length: 4096, Classes: secret.Digits},
			{Length: 9, Classes: secret.Lower, Without: "bcdefghijklmnopqrstuvwxyz"},
			{Length: 1, Classes: all},
		} {
			p, err := f.Password(t.Context(), f.admin(), &r)
			must(t, err)
			text := string(p.Reveal())
			length := r.Length
			if length == 0 {
				length = secret.DefaultPassword
			}
			if len(text) != length || strings.ContainsAny(text, r.Without) && r.Without != "" {
				t.Errorf("%+v gives %q", r, text)
			}
			if r.Each {
				for _, set := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " ", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"} {
					if !strings.ContainsAny(text, set) {
						t.Errorf("%q has nothing of %q", text, set)
					}
				}
				seen[text] = true
			}
		}
	}
	if len(seen) != 100 {
		t.Errorf("of 100 passwords %d differ", len(seen))
	}
	for _, r := range []secret.PasswordRequest{{}, {Classes: secret.Digits, Without: "0123456789"}, {Length: 4, Classes: all, Each: true}, {Length: 4097, Classes: all}, {Length: -1, Classes: all}} {
		if _, err := f.Password(t.Context(), f.admin(), &r); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("%+v gives %v", r, err)
		}
	}
}
