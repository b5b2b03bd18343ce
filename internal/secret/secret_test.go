package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestLife leads a secret from its making to its end, and holds what is on
// record of it.
func TestLife(t *testing.T) {
	f := newFixture(t)
	made := f.make("prod/db", "hunter2")
	f.put("prod/db", "hunter3")
	for stage, want := range map[secret.Stage]string{"": "hunter3", secret.Current: "hunter3", secret.Previous: "hunter2", "blue": "not found"} {
		if got := f.value("prod/db", stage); got != want {
			t.Errorf("stage %q holds %q, want %q", stage, got, want)
		}
	}
	by, err := f.Get(t.Context(), f.admin(), &secret.Choice{Secret: secret.Ref{Realm: realm, Region: region, Text: made.ID(), ByID: true}, Version: made.Given})
	must(t, err)
	if string(by.Value.Reveal()) != "hunter2" {
		t.Errorf("the first version is %q", by.Value.Reveal())
	}
	_, err = f.Get(t.Context(), f.admin(), &secret.Choice{Secret: ref("prod/db"), Version: made.Given, Stage: secret.Current})
	want(t, err, fault.NotFound, fault.NoSuchVersion)

	gone, err := f.Delete(t.Context(), f.admin(), &secret.DeleteRequest{Secret: ref("prod/db"), Days: 7})
	must(t, err)
	if got := f.value("prod/db", ""); got != "wrong state" || !gone.At.Equal(f.now().AddDate(0, 0, 7)) {
		t.Errorf("a deleted secret is %q, and gone at %v", got, gone.At)
	}
	_, err = f.Create(t.Context(), f.admin(), &secret.CreateRequest{Name: "prod/db", Value: text("x")})
	want(t, err, fault.WrongState, fault.SecretDeleted)
	_, err = f.Put(t.Context(), f.admin(), &secret.PutRequest{Secret: ref("prod/db"), Value: text("x")})
	want(t, err, fault.WrongState, fault.SecretDeleted)
	_, err = f.Delete(t.Context(), f.admin(), &secret.DeleteRequest{Secret: ref("prod/db")})
	want(t, err, fault.WrongState, fault.SecretDeleted)
	_, err = f.Restore(t.Context(), f.admin(), ref("prod/db"))
	must(t, err)
	if got := f.value("prod/db", ""); got != "hunter3" {
		t.Errorf("a restored secret holds %q", got)
	}
	_, err = f.Delete(t.Context(), f.admin(), &secret.DeleteRequest{Secret: ref("prod/db"), Force: true})
	must(t, err)
	again := f.make("prod/db", "other")
	if again.ID() == made.ID() {
		t.Error("a new secret has the id of the one before")
	}
	_, err = f.Describe(t.Context(), f.admin(), secret.Ref{Text: made.ID(), ByID: true})
	want(t, err, fault.NotFound, fault.Unspecified)
	raw, err := json.Marshal(f.log.entries)
	must(t, err)
	if bytes.Contains(raw, []byte("hunter")) {
		t.Error("a value is in the audit log")
	}
}

// TestClock: a secret is destroyed when its window is over, not before, with
// its values, and on record.
func TestClock(t *testing.T) {
	f := newFixture(t)
	f.make("a", "x")
	f.put("a", "y")
	f.make("stays", "z")
	_, err := f.Delete(t.Context(), f.admin(), &secret.DeleteRequest{Secret: ref("a"), Days: 7})
	must(t, err)
	rows := func() (n int) {
		must(t, f.store.View(t.Context(), func(r store.Reader) (err error) {
			n, err = r.Count(store.SecretVersions, store.Query{})
			return err
		}))
		return n
	}
	for _, step := range []struct {
		after time.Duration
		rows  int
		kind  fault.Kind
	}{{7*24*time.Hour - time.Second, 3, fault.WrongState}, {2 * time.Second, 1, fault.NotFound}, {time.Hour, 1, fault.NotFound}} {
		f.pass(step.after)
		before := f.log.count()
		more, err := f.Tick(t.Context())
		must(t, err)
		if got := rows(); more || got != step.rows || f.value("a", "") != step.kind.String() {
			t.Errorf("after %v there are %d values, and the secret is %s", step.after, got, f.value("a", ""))
		}
		if step.rows == 1 && step.after < time.Minute && !strings.HasPrefix(f.log.said(before), "secret:Delete ok") {
			t.Errorf("on record is %s", f.log.said(before))
		}
	}
}

// TestStages is the table of how stages move. A secret begins with versions a
// (previous), b (current) and c (blue).
func TestStages(t *testing.T) {
	f := newFixture(t)
	for i, row := range []struct {
		stage    secret.Stage
		from, to string // "a", "b", "c"
		want     string // stages of a, b and c, or the reason
		reason   fault.Reason
	}{
		{secret.Current, "b", "a", "current previous blue", 0},
		{secret.Current, "b", "c", " previous blue+current", 0},
		{"blue", "c", "a", "previous+blue current ", 0},
		{"blue", "c", "", "previous current ", 0},
		{"green", "", "a", "previous+green current blue", 0},
		{"blue", "", "c", "previous current blue", 0},
		{secret.Previous, "a", "c", " current blue+previous", 0},
		{secret.Current, "", "a", "", fault.StageAttached},
		{secret.Current, "a", "a", "", fault.StageAttached},
		{"green", "a", "b", "", fault.StageAttached},
		{secret.Current, "b", "", "", fault.StageStays},
		{"blue", "", "", "", fault.Unspecified},
		{"blue", "x", "a", "", fault.NoSuchVersion},
		{"", "b", "a", "", fault.Unspecified},
	} {
		name := fmt.Sprintf("stages/%d", i)
		ids := map[string]string{"": "", "x": strings.Repeat("x", 32)}
		ids["a"], ids["b"], ids["c"] = f.make(name, "1").Given, f.put(name, "2"), f.put(name, "3", "blue")
		x, err := f.MoveStage(t.Context(), f.admin(), &secret.StageRequest{Secret: ref(name), Stage: row.stage, From: ids[row.from], To: ids[row.to]})
		if row.want == "" {
			if err == nil || fault.ReasonOf(err) != row.reason {
				t.Errorf("%s from %q to %q: %v", row.stage, row.from, row.to, err)
			}
			continue
		}
		must(t, err)
		if row.from == "a" && row.to == "a" {
			continue
		}
		if got := stages(x); got != row.want {
			t.Errorf("%s from %q to %q: %q, want %q", row.stage, row.from, row.to, got, row.want)
		}
	}
}

// TestFirstVersion: the first version is current whatever stages it is given.
func TestFirstVersion(t *testing.T) {
	f := newFixture(t)
	r, err := f.Create(t.Context(), f.admin(), &secret.CreateRequest{Name: "a"})
	must(t, err)
	if r.Given != "" || f.value("a", "") != "not found" {
		t.Errorf("an empty secret has version %q and value %q", r.Given, f.value("a", ""))
	}
	f.put("a", "x", "blue")
	if f.value("a", "") != "x" || f.value("a", "blue") != "x" {
		t.Error("the first version is not current")
	}
}

// TestSameTwice: what is repeated with its version is done once, and refused
// with another value.
func TestSameTwice(t *testing.T) {
	f := newFixture(t)
	id := strings.Repeat("0", 32)
	create := func(value string) (*secret.Result, error) {
		return f.Create(t.Context(), f.admin(), &secret.CreateRequest{Name: "a", Value: text(value), Version: id})
	}
	first, err := create("x")
	must(t, err)
	second, err := create("x")
	must(t, err)
	if first.ID() != second.ID() || second.Given != id {
		t.Errorf("the repetition made %s, %s", second.ID(), second.Given)
	}
	_, err = create("y")
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	_, err = f.Create(t.Context(), f.admin(), &secret.CreateRequest{Name: "a"})
	want(t, err, fault.AlreadyExists, fault.Unspecified)

	put := func(v *secret.Value) (*secret.Result, error) {
		return f.Put(t.Context(), f.admin(), &secret.PutRequest{Secret: ref("a"), Value: v, Version: id})
	}
	same, err := put(text("x"))
	must(t, err)
	if same.Revision != first.Revision || len(same.Versions) != 1 {
		t.Errorf("a repeated version changed the secret: %+v", same.Secret)
	}
	_, err = put(text("y"))
	want(t, err, fault.AlreadyExists, fault.VersionTaken)
	_, err = put(secret.NewBytes([]byte("x")))
	want(t, err, fault.AlreadyExists, fault.VersionTaken)
	words := "said"
	updated, err := f.Update(t.Context(), f.admin(), &secret.UpdateRequest{Secret: ref("a"), Value: text("x"), Version: id, Description: &words})
	must(t, err)
	if updated.Description != words || len(updated.Versions) != 1 {
		t.Errorf("the update made %+v", updated.Secret)
	}
}

// TestKeys: a secret is sealed under the provided key or the caller's, whose
// policy decides; a new key seals what has a stage anew.
func TestKeys(t *testing.T) {
	f := newFixture(t)
	f.make("a", "x")
	provided, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: "alias/aws/secretsmanager"})
	must(t, err)
	if !provided.Provided || !provided.Rotation.Enabled {
		t.Errorf("the provided key is %+v", provided)
	}
	_, err = f.keys.ScheduleDeletion(t.Context(), f.admin(), kms.Ref{ID: provided.Name.ID}, 7)
	want(t, err, fault.PermissionDenied, fault.NoResourcePolicyAllows)
	_, err = f.keys.GenerateDataKey(t.Context(), f.admin(), &kms.DataKeyRequest{Key: kms.Ref{ID: provided.Name.ID}, Bytes: 32})
	want(t, err, fault.PermissionDenied, fault.NoResourcePolicyAllows)

	mine := f.newKey("alias/mine")
	f.put("a", "y")
	updated, err := f.Update(t.Context(), f.admin(), &secret.UpdateRequest{Secret: ref("a"), Key: &secret.KeyChoice{Ref: mine, Text: "alias/mine"}})
	must(t, err)
	for _, v := range updated.Versions {
		if v.Key == "" {
			t.Errorf("version %s is sealed under the provided key", v.ID)
		}
	}
	must(t, f.keys.DisableKey(t.Context(), f.admin(), mine))
	_, err = f.Get(t.Context(), f.admin(), &secret.Choice{Secret: ref("a")})
	want(t, err, fault.WrongState, fault.SecretKey)
	_, err = f.Put(t.Context(), f.admin(), &secret.PutRequest{Secret: ref("a"), Value: text("z")})
	want(t, err, fault.WrongState, fault.SecretKey)
	must(t, f.keys.EnableKey(t.Context(), f.admin(), mine))
	if f.value("a", "") != "y" || f.value("a", secret.Previous) != "x" {
		t.Error("the values did not survive the change of keys")
	}
	back, err := f.Update(t.Context(), f.admin(), &secret.UpdateRequest{Secret: ref("a"), Key: &secret.KeyChoice{Ref: kms.Ref{Alias: "alias/aws/secretsmanager"}, Text: "x"}})
	must(t, err)
	if back.Key != (kms.Ref{}) || back.KeyText != "" || f.value("a", "") != "y" {
		t.Errorf("back under the provided key it is %+v", back.Secret)
	}
}

// TestWho is the table of who may do what: by identity policies, by the
// secret's own, through the key's, from another realm.
func TestWho(t *testing.T) {
	f := newFixture(t)
	mine := f.newKey("alias/mine")
	made, err := f.Create(t.Context(), f.admin(), &secret.CreateRequest{
		Name: "prod/db", Value: text("x"), Key: &secret.KeyChoice{Ref: mine, Text: "alias/mine"}, Tags: []key.Tag{{Key: "team", Value: "web"}},
	})
	must(t, err)
	f.make("plain", "x")
	get := func(user, name string) error {
		_, err := f.Get(t.Context(), f.as(user), &secret.Choice{Secret: secret.Ref{Realm: realm, Region: region, Text: name, ByID: true}})
		return err
	}
	both := `"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"`
	for _, row := range []struct {
		user, statement, name string
		kind                  fault.Kind
		reason                fault.Reason
	}{
		{"nobody", `"Allow","Action":"s3:*","Resource":"*"`, "prod/db", fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		{"half", `"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"`, "prod/db", fault.PermissionDenied, fault.SecretKey},
		{"half", `"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"`, "plain", fault.Internal, 0},
		{"whole", both, "prod/db", fault.Internal, 0},
		{"prefix", strings.Replace(both, `"Resource":"*"`, `"Resource":["arn:aws:secretsmanager:*:*:secret:prod/*","arn:aws:kms:*"]`, 1), "prod/db", fault.Internal, 0},
		{"prefix", strings.Replace(both, `"Resource":"*"`, `"Resource":["arn:aws:secretsmanager:*:*:secret:prod/*","arn:aws:kms:*"]`, 1), "plain", fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		{"tagged", both + `,"Condition":{"StringEqualsIfExists":{"secretsmanager:ResourceTag/team":"web"}}`, "prod/db", fault.Internal, 0},
		{"tagged", both + `,"Condition":{"StringEqualsIfExists":{"aws:ResourceTag/team":"db"}}`, "prod/db", fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		{"staged", both + `,"Condition":{"StringEqualsIfExists":{"secretsmanager:VersionStage":"AWSCURRENT"}}`, "prod/db", fault.Internal, 0},
		{"staged", both + `,"Condition":{"StringEqualsIfExists":{"secretsmanager:VersionStage":"AWSPREVIOUS"}}`, "prod/db", fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		{"via", both + `,"Condition":{"StringEqualsIfExists":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}`, "prod/db", fault.Internal, 0},
		{"via", both + `,"Condition":{"StringEqualsIfExists":{"kms:ViaService":"s3.eu-central-1.amazonaws.com"}}`, "prod/db", fault.PermissionDenied, fault.SecretKey},
		{"guesser", `"Allow","Action":"s3:*","Resource":"*"`, "none", fault.PermissionDenied, fault.NoIdentityPolicyAllows},
		{"guesser", both, "none", fault.NotFound, 0},
		{"foreign", both, "prod/db", fault.PermissionDenied, fault.NoResourcePolicyAllows},
	} {
		f.let(row.user, row.statement)
		err := get(row.user, row.name)
		if row.kind == fault.Internal {
			if err != nil {
				t.Errorf("%s, %s of %s: %v", row.user, row.statement, row.name, err)
			}
			continue
		}
		if err == nil || fault.KindOf(err) != row.kind || fault.ReasonOf(err) != row.reason {
			t.Errorf("%s, %s of %s: %v", row.user, row.statement, row.name, err)
		}
	}

	// The secret's policy lets another realm in, its key's as well.
	doc := key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + string(foreign) + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`}
	_, err = f.PutPolicy(t.Context(), f.admin(), ref("prod/db"), doc, true)
	must(t, err)
	want(t, get("foreign", "prod/db"), fault.PermissionDenied, fault.SecretKey)
	must(t, f.keys.PutPolicy(t.Context(), f.admin(), mineID(t, f, mine), key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["` + string(foreign) + `","` + string(realm) + `"]},"Action":"kms:*","Resource":"*"}}`}, false))
	must(t, get("foreign", "prod/db"))
	must(t, get("foreign", made.ID()))
	_, err = f.PutPolicy(t.Context(), f.admin(), ref("plain"), doc, true)
	must(t, err)
	want(t, get("foreign", "plain"), fault.PermissionDenied, fault.SecretKey) // nobody else uses the provided key
	_, err = f.Put(t.Context(), f.as("foreign"), &secret.PutRequest{Secret: secret.Ref{Realm: realm, Region: region, Text: "plain"}, Value: text("y")})
	want(t, err, fault.PermissionDenied, fault.NoResourcePolicyAllows)
}

func mineID(t *testing.T, f *fixture, alias kms.Ref) kms.Ref {
	t.Helper()
	k, err := f.keys.DescribeKey(t.Context(), f.admin(), alias)
	must(t, err)
	return kms.Ref{ID: k.Name.ID}
}

// TestCreation: who may make a secret is decided on its name, tags and key.
func TestCreation(t *testing.T) {
	f := newFixture(t)
	f.let("maker", `"Allow","Action":["secretsmanager:CreateSecret","kms:GenerateDataKey"],"Resource":"*","Condition":{"StringLikeIfExists":{"secretsmanager:Name":"dev/*"}}`)
	try := func(req *secret.CreateRequest) error {
		_, err := f.Create(t.Context(), f.as("maker"), req)
		return err
	}
	must(t, try(&secret.CreateRequest{Name: "dev/a", Value: text("x")}))
	want(t, try(&secret.CreateRequest{Name: "prod/a", Value: text("x")}), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	want(t, try(&secret.CreateRequest{Name: "dev/b", Tags: []key.Tag{{Key: "a", Value: "b"}}}), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	dry := f.admin()
	dry.DryRun = true
	_, err := f.Create(t.Context(), dry, &secret.CreateRequest{Name: "dev/c", Value: text("x")})
	want(t, err, fault.InvalidArgument, fault.DryRun)
	if got := f.value("dev/c", ""); got != "not found" {
		t.Errorf("a dry run made a secret that holds %q", got)
	}
}

// TestBounds is the table of requests that are refused for what they hold.
func TestBounds(t *testing.T) {
	f := newFixture(t)
	f.make("a", "x")
	ctx := t.Context()
	create := func(r *secret.CreateRequest) error { _, err := f.Create(ctx, f.admin(), r); return err }
	put := func(r *secret.PutRequest) error { r.Secret = ref("a"); _, err := f.Put(ctx, f.admin(), r); return err }
	long := strings.Repeat("x", 2049)
	for what, err := range map[string]error{
		"a name of nothing":        create(&secret.CreateRequest{}),
		"a name with a space":      create(&secret.CreateRequest{Name: "a b"}),
		"a name that is too long":  create(&secret.CreateRequest{Name: strings.Repeat("x", 513)}),
		"a description":            create(&secret.CreateRequest{Name: "b", Description: long}),
		"an empty value":           create(&secret.CreateRequest{Name: "b", Value: text("")}),
		"a value that is too long": create(&secret.CreateRequest{Name: "b", Value: text(strings.Repeat("x", 65537))}),
		"a text that is none":      create(&secret.CreateRequest{Name: "b", Value: text("\xff")}),
		"a short version":          create(&secret.CreateRequest{Name: "b", Value: text("x"), Version: "short"}),
		"a version with a quote":   create(&secret.CreateRequest{Name: "b", Value: text("x"), Version: strings.Repeat(`"`, 32)}),
		"no value":                 put(&secret.PutRequest{}),
		"an empty stage":           put(&secret.PutRequest{Value: text("x"), Stages: []secret.Stage{""}}),
		"too many stages":          put(&secret.PutRequest{Value: text("x"), Stages: make([]secret.Stage, 21)}),
		"a batch of nothing":       func() error { _, _, err := f.Batch(ctx, f.admin(), &secret.BatchRequest{}); return err }(),
		"a page of another listing": func() error {
			_, _, err := f.List(ctx, f.admin(), &secret.List{Page: kms.Page{After: "x"}})
			return err
		}(),
		"six days": func() error {
			_, err := f.Delete(ctx, f.admin(), &secret.DeleteRequest{Secret: ref("a"), Days: 6})
			return err
		}(),
		"force with days": func() error {
			_, err := f.Delete(ctx, f.admin(), &secret.DeleteRequest{Secret: ref("a"), Days: 7, Force: true})
			return err
		}(),
	} {
		if kind := fault.KindOf(err); err == nil || kind != fault.InvalidArgument && kind != fault.LimitExceeded {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, create(&secret.CreateRequest{Name: strings.Repeat("x", 512), Value: text(strings.Repeat("x", 65536))}))
	if gone, err := f.Delete(ctx, f.admin(), &secret.DeleteRequest{Secret: ref("none"), Force: true}); err != nil || gone.Secret != nil {
		t.Errorf("ending what is not there gives %v, %v", gone, err)
	}
}

// TestVersionsAreBounded: the oldest version without a stage gives way, once
// it is a day old.
func TestVersionsAreBounded(t *testing.T) {
	f := newFixture(t)
	first := f.make("a", "0").Given
	for n := 1; n < secret.MaxVersions; n++ {
		f.put("a", fmt.Sprint(n))
	}
	_, err := f.Put(t.Context(), f.admin(), &secret.PutRequest{Secret: ref("a"), Value: text("more")})
	want(t, err, fault.LimitExceeded, fault.Unspecified)
	f.pass(25 * time.Hour)
	f.put("a", "more")
	x, err := f.Versions(t.Context(), f.admin(), ref("a"))
	must(t, err)
	if _, ok := x.Version(first); ok || len(x.Versions) != secret.MaxVersions || f.value("a", secret.Previous) != fmt.Sprint(secret.MaxVersions-1) {
		t.Errorf("there are %d versions, the first one still: %v", len(x.Versions), ok)
	}
}

// TestAccessed: the day of reading is kept, once a day, and is no change.
func TestAccessed(t *testing.T) {
	f := newFixture(t)
	made := f.make("a", "x")
	for day := range 3 {
		f.value("a", "")
		f.value("a", "")
		x, err := f.Describe(t.Context(), f.admin(), ref("a"))
		must(t, err)
		wanted := time.Date(2026, 11, 23+day, 0, 0, 0, 0, time.UTC)
		if !x.AccessedAt.Equal(wanted) || !x.Versions[0].AccessedAt.Equal(wanted) || !x.ChangedAt.Equal(made.ChangedAt) || x.Revision != uint64(day+2) {
			t.Errorf("day %d: accessed %v, changed %v, revision %d", day, x.AccessedAt, x.ChangedAt, x.Revision)
		}
		f.pass(24 * time.Hour)
	}
}

// TestAtOnce: callers who write and read one secret at the same time lose
// nothing.
func TestAtOnce(t *testing.T) {
	f := newFixture(t)
	f.make("a", "begin")
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			if _, err := f.Put(t.Context(), f.admin(), &secret.PutRequest{Secret: ref("a"), Value: text(fmt.Sprint(n))}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := f.Get(t.Context(), f.admin(), &secret.Choice{Secret: ref("a")}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	x, err := f.Describe(t.Context(), f.admin(), ref("a"))
	must(t, err)
	if len(x.Versions) != 17 {
		t.Errorf("there are %d versions of 17", len(x.Versions))
	}
}

// TestNameLikeID: a name that ends as ids do is found by it, and by its id.
func TestNameLikeID(t *testing.T) {
	f := newFixture(t)
	f.make("db", "short")
	long := f.make("db-abcdef", "long")
	for text, want := range map[string]string{"db": "short", "db-abcdef": "long", long.ID(): "long"} {
		r, err := f.Get(t.Context(), f.admin(), &secret.Choice{Secret: secret.Ref{Text: text, ByID: true}})
		must(t, err)
		if got := string(r.Value.Reveal()); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
		_, err = f.Tag(t.Context(), f.admin(), secret.Ref{Text: text, ByID: true}, []key.Tag{{Key: "a", Value: want}})
		must(t, err)
	}
	_, err := f.Describe(t.Context(), f.admin(), secret.Ref{Region: "us-east-1", Text: "db"})
	want(t, err, fault.NotFound, fault.Unspecified)
}
