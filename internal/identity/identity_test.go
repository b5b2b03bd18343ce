package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const everything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// ledger counts entries.
type ledger struct{ entries []audit.Entry }

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

type fixture struct {
	*identity.Admin
	t         *testing.T
	directory *identity.Directory
	root      *seal.Root
	store     *mem.Store
	log       *ledger
	first     *identity.NewAccessKey
	web       webidentity.Fetcher
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, root: root, store: mem.New(), log: &ledger{}}
	f.open()
	f.first, err = f.Bootstrap(t.Context(), f.call(key.Principal{Realm: key.DefaultRealm, Kind: key.Service, Name: "server"}),
		"admin", key.Document{Dialect: "aws", Text: everything}, nil)
	must(t, err)
	return f
}

// open reads the directory from the store, as a restart does.
func (f *fixture) open() {
	f.t.Helper()
	d, err := identity.Open(f.t.Context(), identity.Config{
		Root: f.root, Store: f.store, Compile: compile, CompileTrust: compileTrust, Fetch: f.web, PlainIssuers: true,
	})
	must(f.t, err)
	f.directory, f.Admin = d, identity.NewAdmin(d, guard.New(f.log, d))
}

func compileTrust(d key.Document) (*policy.Policy, error) {
	return policy.Compile([]byte(d.Text), policy.ForTrust, aws.Vocabulary())
}

func compile(d key.Document) (*policy.Policy, error) {
	return policy.Compile([]byte(d.Text), policy.ForIdentity, aws.Vocabulary())
}

func (f *fixture) call(p key.Principal) *key.Call {
	return &key.Call{Caller: key.Caller{Principal: p}, RequestID: "r", API: "test", Operation: "Test", Time: time.Now()}
}

func (f *fixture) as(name string) *key.Call {
	return f.call(key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: name})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("got %v (reason %d), want %q (reason %d)", err, fault.ReasonOf(err), kind, reason)
	}
}

func TestFirstAdministrator(t *testing.T) {
	f := newFixture(t)
	c, err := f.directory.Credential(f.first.ID)
	must(t, err)
	if c.Secret.Reveal() != f.first.Secret || c.Caller.Principal.Name != "admin" || !strings.HasPrefix(f.first.ID, "AKIA") {
		t.Errorf("the credential is %+v", c)
	}
	_, err = f.Bootstrap(t.Context(), f.as("admin"), "again", key.Document{Dialect: "aws", Text: everything}, nil)
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	f.open()
	c, err = f.directory.Credential(f.first.ID)
	if must(t, err); c.Secret.Reveal() != f.first.Secret {
		t.Error("the secret did not survive a restart")
	}
}

func TestUsersAndTheirAccessKeys(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	_, err := f.CreateUser(ctx, admin, "alice")
	must(t, err)
	_, err = f.CreateUser(ctx, admin, "alice")
	want(t, err, fault.AlreadyExists, fault.Unspecified)
	for _, name := range []string{"", "a b", "a/b", "é", strings.Repeat("a", 65)} {
		_, err := f.CreateUser(ctx, admin, name)
		want(t, err, fault.InvalidArgument, fault.Unspecified)
	}
	one, err := f.CreateAccessKey(ctx, admin, "alice")
	must(t, err)
	two, err := f.CreateAccessKey(ctx, admin, "alice")
	must(t, err)
	_, err = f.CreateAccessKey(ctx, admin, "alice")
	want(t, err, fault.LimitExceeded, fault.Unspecified)
	must(t, f.SetAccessKeyActive(ctx, admin, "alice", one.ID, false))
	f.open()
	_, err = f.directory.Credential(one.ID)
	want(t, err, fault.Unauthenticated, fault.DisabledCredential)
	_, err = f.directory.Credential(two.ID)
	must(t, err)
	must(t, f.SetAccessKeyActive(ctx, admin, "alice", one.ID, true))
	c, err := f.directory.Credential(one.ID)
	if must(t, err); c.Secret.Reveal() != one.Secret {
		t.Error("disabling and enabling changed the secret")
	}
	must(t, f.DeleteAccessKey(ctx, admin, "alice", one.ID))
	want(t, f.DeleteAccessKey(ctx, admin, "alice", one.ID), fault.NotFound, fault.Unspecified)
	_, err = f.directory.Credential(one.ID)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
	u, err := f.User(ctx, admin, "alice")
	if must(t, err); len(u.AccessKeys) != 1 || u.AccessKeys[0].ID != two.ID {
		t.Errorf("alice has the access keys %+v", u.AccessKeys)
	}
	must(t, f.DeleteUser(ctx, admin, "alice"))
	_, err = f.directory.Credential(two.ID)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
	f.open()
	_, err = f.User(ctx, admin, "alice")
	want(t, err, fault.NotFound, fault.Unspecified)
}

func TestPoliciesOfUsers(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	_, err := f.CreateUser(ctx, admin, "alice")
	must(t, err)
	_, err = f.CreateUser(ctx, f.as("alice"), "mallory")
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	doc := key.Document{Dialect: "aws", Text: everything}
	must(t, f.PutUserPolicy(ctx, admin, "alice", "all", doc))
	_, err = f.CreateUser(ctx, f.as("alice"), "bob")
	must(t, err)
	f.open()
	_, err = f.CreateUser(ctx, f.as("alice"), "carol")
	must(t, err)
	must(t, f.DeleteUserPolicy(ctx, admin, "alice", "all"))
	want(t, f.DeleteUserPolicy(ctx, admin, "alice", "all"), fault.NotFound, fault.Unspecified)
	_, err = f.CreateUser(ctx, f.as("alice"), "dave")
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	want(t, f.PutUserPolicy(ctx, admin, "alice", "bad", key.Document{Dialect: "aws", Text: "{}"}), fault.InvalidArgument, fault.MalformedPolicy)
	want(t, f.PutUserPolicy(ctx, admin, "alice", "long", key.Document{Dialect: "aws", Text: strings.Repeat(" ", identity.MaxPolicy+1)}),
		fault.LimitExceeded, fault.PolicyTooLong)
	for i := range identity.MaxPolicies {
		must(t, f.PutUserPolicy(ctx, admin, "alice", fmt.Sprint("p", i), doc))
	}
	want(t, f.PutUserPolicy(ctx, admin, "alice", "more", doc), fault.LimitExceeded, fault.Unspecified)
	users, next, err := f.ListUsers(ctx, admin, identity.Page{Limit: 2})
	if must(t, err); len(users) != 2 || users[0].Name != "admin" || next != "alice" {
		t.Errorf("the first page is %v, next %q", users, next)
	}
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, err := f.CreateSession(t.Context(), f.as("admin"), identity.SessionRequest{Length: time.Minute})
		want(t, err, fault.InvalidArgument, fault.Unspecified)
		admin, err := f.User(t.Context(), f.as("admin"), "admin")
		must(t, err)
		call := f.as("admin")
		call.Caller.UserID = admin.ID
		s, err := f.CreateSession(t.Context(), call, identity.SessionRequest{Length: time.Hour})
		must(t, err)
		c, err := f.directory.SessionCredential(s.ID, s.Token)
		must(t, err)
		if c.Secret.Reveal() != s.Secret || c.Caller.Principal.Name != "admin" || c.Caller.AuthenticatedAt.IsZero() {
			t.Errorf("the session is of %+v", c.Caller)
		}
		again, err := f.directory.SessionCredential(s.ID, s.Token)
		if must(t, err); again != c {
			t.Error("the credential of a session is not a stable pointer")
		}
		_, err = f.CreateSession(t.Context(), &key.Call{Caller: c.Caller, Time: time.Now()}, identity.SessionRequest{Length: time.Hour})
		want(t, err, fault.PermissionDenied, fault.Unspecified)
		for name, pair := range map[string][2]string{
			"another id":    {"ASIAAAAAAAAAAAAAAAAA", s.Token},
			"changed token": {s.ID, s.Token[:len(s.Token)-2] + "AA"},
			"no token":      {s.ID, ""},
			"no base64":     {s.ID, "***"},
			"long token":    {s.ID, strings.Repeat("A", 5000)},
		} {
			_, err := f.directory.SessionCredential(pair[0], pair[1])
			if fault.ReasonOf(err) != fault.UnknownCredential {
				t.Errorf("%s: got %v", name, err)
			}
		}
		time.Sleep(time.Hour)
		_, err = f.directory.SessionCredential(s.ID, s.Token)
		want(t, err, fault.Unauthenticated, fault.ExpiredCredential)
	})
}

func TestSessionEndsWithItsUser(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	u, err := f.CreateUser(ctx, admin, "alice")
	must(t, err)
	call := f.as("alice")
	call.Caller.UserID = u.ID
	s, err := f.CreateSession(ctx, call, identity.SessionRequest{Length: time.Hour})
	must(t, err)
	must(t, f.DeleteUser(ctx, admin, "alice"))
	_, err = f.directory.SessionCredential(s.ID, s.Token)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
	_, err = f.CreateUser(ctx, admin, "alice") // another alice
	must(t, err)
	_, err = f.directory.SessionCredential(s.ID, s.Token)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
}

func TestLostCredentialIsReplaced(t *testing.T) {
	f := newFixture(t)
	k, err := f.Replace(t.Context(), f.as("admin"), "admin")
	must(t, err)
	_, err = f.directory.Credential(f.first.ID)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
	_, err = f.directory.Credential(k.ID)
	must(t, err)
}

func TestChosenCredentialIsOfTheRoot(t *testing.T) {
	f := newFixture(t)
	call := f.call(key.Principal{Realm: "999999999999", Kind: key.Service, Name: "server"})
	must(t, f.ImportAccessKey(t.Context(), call, "test", "test"))
	f.open()
	c, err := f.directory.Credential("test")
	must(t, err)
	if wantRoot := (key.Principal{Realm: "999999999999", Kind: key.Root}); c.Caller.Principal != wantRoot {
		t.Errorf("the credential is of %v, want %v", c.Caller.Principal, wantRoot)
	}
	want(t, f.ImportAccessKey(t.Context(), call, "", "x"), fault.InvalidArgument, fault.Unspecified)
}

func TestSecretsRedactThemselves(t *testing.T) {
	f := newFixture(t)
	c, err := f.directory.Credential(f.first.ID)
	must(t, err)
	text, err := json.Marshal(c)
	must(t, err)
	for _, shown := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", *c), string(text)} {
		if strings.Contains(shown, f.first.Secret) {
			t.Errorf("the secret is shown: %s", shown)
		}
	}
	for _, e := range f.log.entries {
		if strings.Contains(fmt.Sprintf("%+v", e), f.first.Secret) {
			t.Errorf("the secret is in the audit log: %+v", e)
		}
	}
}

// An access key whose user is not in the store must not pass for one of the
// realm's root, whose access keys have no user.
func TestAccessKeyWithoutItsUserIsRefused(t *testing.T) {
	f := newFixture(t)
	must(t, f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.Delete(store.Users, string(key.DefaultRealm)+"/admin")
	}))
	_, err := identity.Open(t.Context(), identity.Config{Root: f.root, Store: f.store, Compile: compile})
	if err == nil || !strings.Contains(err.Error(), f.first.ID) {
		t.Errorf("the directory opens with an access key of nobody: %v", err)
	}
}

// A new root key opens every secret, and the old one none; sessions end.
func TestReseal(t *testing.T) {
	f := newFixture(t)
	session, err := f.CreateSession(t.Context(), f.as("admin"), identity.SessionRequest{Length: time.Hour})
	must(t, err)
	old := f.root
	f.root, err = seal.Ephemeral()
	must(t, err)
	must(t, f.store.Update(t.Context(), func(tx store.Tx) error { return identity.Reseal(tx, old, f.root) }))
	f.open()
	c, err := f.directory.Credential(f.first.ID)
	must(t, err)
	if c.Secret.Reveal() != f.first.Secret {
		t.Error("the secret has changed")
	}
	_, err = f.directory.SessionCredential(session.ID, session.Token)
	want(t, err, fault.Unauthenticated, fault.UnknownCredential)
	if _, err := identity.Open(t.Context(), identity.Config{Root: old, Store: f.store, Compile: compile}); err == nil {
		t.Error("the old root key still opens it")
	}
	if err := f.store.Update(t.Context(), func(tx store.Tx) error { return identity.Reseal(tx, old, f.root) }); err == nil {
		t.Error("it is resealed from a root key that it is not under")
	}
}
