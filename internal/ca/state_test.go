package ca

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// TestLifeOfAnAuthority goes through a life, with a restart after each step.
func TestLifeOfAnAuthority(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	ctx, admin := t.Context(), func() *key.Call { return f.as("admin") }
	root := f.authority(t, "root", alg.P256, "")
	owned, err := f.CreateAuthority(ctx, admin(), &CreateAuthorityRequest{
		Name: "owned", NewKey: alg.P256, Parent: "root", Subject: profile.Subject{CommonName: "Owned"}, Validity: 60 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !owned.KeyOwned || owned.Type != Subordinate || root.Type != Root || root.KeyOwned {
		t.Errorf("owned %+v, root %+v", owned, root)
	}
	issued := f.issue(t, "owned", "a.example.com")
	disabled, active, deleted := Disabled, Active, Deleted
	for _, step := range []struct {
		name string
		do   func() error
		kind fault.Kind // 0 for success
		text string
		want State
	}{
		{"delete an active one", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 7); return err }, fault.WrongState, "disable it", Active},
		{"set it to be deleted", func() error { _, err := f.UpdateAuthority(ctx, admin(), "owned", Update{State: &deleted}); return err }, fault.InvalidArgument, "active or disabled", Active},
		{"restore an active one", func() error { _, err := f.RestoreAuthority(ctx, admin(), "owned"); return err }, fault.WrongState, "not deleted", Active},
		{"disable", func() error { _, err := f.UpdateAuthority(ctx, admin(), "owned", Update{State: &disabled}); return err }, 0, "", Disabled},
		{"disable again", func() error { _, err := f.UpdateAuthority(ctx, admin(), "owned", Update{State: &disabled}); return err }, 0, "", Disabled},
		{"revoke", func() error { _, err := f.Revoke(ctx, admin(), "owned", issued.Serial, Superseded); return err }, 0, "", Disabled},
		{"delete too soon", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 6); return err }, fault.InvalidArgument, "7 to 30", Disabled},
		{"delete too late", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 31); return err }, fault.InvalidArgument, "7 to 30", Disabled},
		{"delete", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 7); return err }, 0, "", Deleted},
		{"delete again", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 7); return err }, fault.WrongState, "deleted", Deleted},
		{"tag a deleted one", func() error { _, err := f.Tag(ctx, admin(), "owned", []key.Tag{{Key: "a", Value: "b"}}); return err }, fault.WrongState, "deleted", Deleted},
		{"its name is still its own", func() error {
			_, err := f.CreateAuthority(ctx, admin(), &CreateAuthorityRequest{Name: "owned", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
			return err
		}, fault.AlreadyExists, "owned", Deleted},
		{"restore", func() error { _, err := f.RestoreAuthority(ctx, admin(), "owned"); return err }, 0, "", Disabled},
		{"enable", func() error { _, err := f.UpdateAuthority(ctx, admin(), "owned", Update{State: &active}); return err }, 0, "", Active},
		{"expire", func() error { f.clock = f.clock.Add(61 * day); return nil }, 0, "", Expired},
		{"enable an expired one", func() error { _, err := f.UpdateAuthority(ctx, admin(), "owned", Update{State: &active}); return err }, fault.WrongState, "expired", Expired},
		{"delete an expired one", func() error { _, err := f.DeleteAuthority(ctx, admin(), "owned", 0); return err }, 0, "", Deleted},
		{"not yet", func() error { f.clock = f.clock.Add(29 * day); _, err := f.Tick(ctx); return err }, 0, "", Deleted},
	} {
		err := step.do()
		if step.kind != 0 {
			wantFault(t, err, step.kind, 0, step.text)
		} else if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		f.Service = f.open(t, "http://pki.example.com")
		a, err := f.Authority(ctx, admin(), "owned")
		if err != nil || a.State != step.want {
			t.Fatalf("%s: %+v, %v, want it to be %s", step.name, a, err, step.want)
		}
	}
	f.clock = f.clock.Add(day)
	if _, err := f.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Service{f.Service, f.open(t, "")} {
		if _, ok := s.ByID(owned.ID); ok {
			t.Error("the authority is still there")
		}
		if _, err := s.Find(admin(), "owned"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("its name: %v", err)
		}
	}
	if d := cmp.Diff([]key.ID{owned.Key}, f.keys.ended); d != "" {
		t.Errorf("keys ended (-want +got):\n%s", d)
	}
	if e := f.log.last(); e.Action != key.DeleteAuthority || !strings.HasSuffix(e.Principal, "service:ca/"+owned.ID) || e.Result != "ok" {
		t.Errorf("entry %+v", e)
	}
}

// TestDisabledIssuesNothing, nor does anything below a deleted key's.
func TestDisabledIssuesNothing(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	f.disable(t, "root")
	req := &IssueRequest{Authority: "root", Profile: "tls-client", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}}
	_, err := f.Issue(t.Context(), f.as("admin"), req)
	wantFault(t, err, fault.WrongState, fault.AuthorityDisabled, "disabled")
	_, err = f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "sub", NewKey: alg.P256, Parent: "root", Subject: profile.Subject{CommonName: "x"}})
	wantFault(t, err, fault.WrongState, fault.AuthorityDisabled, "disabled")
	if f.keys.made != 0 {
		t.Errorf("%d keys were made for nothing", f.keys.made)
	}
}

func (f *fixture) disable(t testing.TB, authority string) {
	t.Helper()
	disabled := Disabled
	if _, err := f.UpdateAuthority(t.Context(), f.as("admin"), authority, Update{State: &disabled}); err != nil {
		t.Fatal(err)
	}
}

// TestLostKey: an authority whose key is gone is Failed, when that is found
// out and after a restart.
func TestLostKey(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	f.keys.mu.Lock()
	delete(f.keys.keys, root.Key)
	f.keys.mu.Unlock()
	if a, _ := f.ByID(root.ID); a.State != Active {
		t.Errorf("before anybody noticed it is %s", a.State)
	}
	_, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: "tls-client", NewKey: alg.P256, Subject: profile.Subject{CommonName: "x"}})
	wantFault(t, err, fault.WrongState, 0, "key does not exist")
	for _, s := range []*Service{f.Service, f.open(t, "")} {
		if a, _ := s.ByID(root.ID); a.State != Failed || a.Publishes() {
			t.Errorf("it is %s", a.State)
		}
	}
	if _, err := f.DeleteAuthority(t.Context(), f.as("admin"), "root", 7); err != nil {
		t.Error(err)
	}
}

// TestVersion1 reads a record of the first version as what it was.
func TestVersion1(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	sub := f.authority(t, "sub", alg.P256, "root")
	for id, kind := range map[string]Type{root.ID: Root, sub.ID: Subordinate} {
		a := f.r.Entries()[id]
		row, err := a.Row()
		if err != nil {
			t.Fatal(err)
		}
		row.Body = []byte(strings.Replace(string(row.Body), `{"v":2`, `{"v":1`, 1))
		for _, member := range []string{`,"type":"` + string(kind) + `"`, `,"mode":"general-purpose"`} {
			row.Body = []byte(strings.Replace(string(row.Body), member, "", 1))
		}
		got, err := authority.ReadEntry(row)
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != kind || got.Mode != GeneralPurpose || got.Revocation != DefaultRevocation() || !got.UpdatedAt.Equal(a.CreatedAt) {
			t.Errorf("%+v", got.Authority)
		}
		row.Body = []byte(strings.Replace(string(row.Body), `{"v":1`, `{"v":3`, 1))
		if _, err := authority.ReadEntry(row); err == nil || !strings.Contains(err.Error(), "version 3") {
			t.Errorf("version 3: %v", err)
		}
	}
}

// TestRecordRoundTrip: what is stored comes back whole.
func TestRecordRoundTrip(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	a := *f.r.Entries()[f.r.Realm(key.DefaultRealm)[0].ID]
	now := time.Now().UTC()
	a.Past, a.Cross, a.CSR = [][]byte{{1}}, [][]byte{{2}}, []byte{3}
	a.Tags, a.Policy = []key.Tag{{Key: "k", Value: "v"}}, key.Document{Dialect: "aws", Text: "{}"}
	a.Permissions = []Permission{{Principal: "acm", Realm: key.DefaultRealm, Actions: PermissionActions(), CreatedAt: now}}
	a.Predecessor, a.Successor, a.DeleteAt, a.Before, a.State = "p", "s", now, Pending, Deleted
	a.Revocation = RevocationConfig{
		CRL: CRLConfig{
			Enabled: true, ValidityDays: 5, Shards: 3, Delta: true, OmitDistributionPoint: true, CustomName: "c", Path: "p", Bucket: "lists", PublicACL: "a",
		},
		OCSP: OCSPConfig{Enabled: true, CustomName: "o"},
	}
	a.KeyOwned, a.Mode = true, ShortLived
	row, err := a.Row()
	if err != nil {
		t.Fatal(err)
	}
	got, err := authority.ReadEntry(row)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Row()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(row.Body), string(again.Body)); d != "" || !slices.Equal(row.Columns, again.Columns) {
		t.Errorf("written again (-want +got):\n%s", d)
	}
	if d := cmp.Diff(a.Permissions, got.Permissions); d != "" || got.Revocation != a.Revocation || got.Before != Pending {
		t.Errorf("%+v\n%s", got.Authority, d)
	}
}
