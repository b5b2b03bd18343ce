package cluster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// backups returns the backups of a call's region, the newest first.
func (f *fixture) backups(call *key.Call) []*cluster.Backup {
	f.t.Helper()
	list, _, err := f.Backups(f.t.Context(), call, cluster.ListBackups{})
	must(f.t, err)
	return list
}

// in returns the administrator's call to another region.
func (f *fixture) in(region string) *key.Call {
	call := f.admin()
	call.Region = region
	return call
}

// TestBackup makes a cluster from a backup: it is claimed already, and takes
// the token that has the keys.
func TestBackup(t *testing.T) {
	f := newFixture(t, "one", "two")
	c := f.claimed()
	list := f.backups(f.admin())
	if len(list) != 1 || list[0].Cluster != c.ID || len(list[0].Tokens) != 1 || list[0].Tokens[0].Objects != nil {
		t.Fatalf("after claiming: %+v", list)
	}
	held := []cluster.Object{{Class: "private key", Type: "EC", Label: "ca", ID: "01"}}
	f.pool.tokens["one"].objects = held
	f.clock = f.clock.Add(time.Hour)
	must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, c.HSMs[0].ID))
	list = f.backups(f.admin())
	want := cluster.TokenContent{Token: "one", Serial: "serial of one", Label: "label", Manufacturer: "maker", Model: "model", Objects: held}
	if len(list) != 2 || len(list[0].Tokens) != 1 || !slices.Equal(list[0].Tokens[0].Objects, held) || list[0].Tokens[0].Label != want.Label {
		t.Fatalf("after the last HSM: %+v", list)
	}
	_, err := f.Delete(t.Context(), f.admin(), c.ID)
	must(t, err)
	restored, err := f.Create(t.Context(), f.admin(), &cluster.CreateRequest{Zones: c.Zones, Source: list[0].Resource()})
	must(t, err)
	if restored.State() != cluster.Initialised || restored.SourceBackup != list[0].ID || restored.Lineage != c.ID || restored.Model != "model" ||
		!slices.Equal(restored.Certificate, c.Certificate) {
		t.Errorf("restored: %s %+v", restored.State(), restored)
	}
	f.pool.names = []string{"two", "one"}
	if h := f.hsm(restored.ID); h.Token != "one" {
		t.Errorf("the restored cluster got %s", h.Token)
	}
	if now := f.get(restored.ID); now.State() != cluster.Active {
		t.Errorf("with its token: %s", now.State())
	}
}

// TestBackupLife changes, copies, deletes and restores a backup.
func TestBackupLife(t *testing.T) {
	f := newFixture(t, "one")
	c := f.claimed()
	id := f.backups(f.admin())[0].ID
	thing := cluster.Thing{Kind: key.KindBackup, ID: id}
	must(t, f.Tag(t.Context(), f.admin(), thing, []key.Tag{{Key: "b"}, {Key: "a", Value: "1"}}))
	must(t, f.Untag(t.Context(), f.admin(), thing, []string{"b", "none"}))
	tags, err := f.Tags(t.Context(), f.admin(), thing)
	if err != nil || !slices.Equal(tags, []key.Tag{{Key: "a", Value: "1"}}) {
		t.Errorf("tags %v, %v", tags, err)
	}
	b, err := f.SetNeverExpires(t.Context(), f.admin(), id, true)
	if err != nil || !b.NeverExpires {
		t.Errorf("%+v, %v", b, err)
	}
	dup, err := f.CopyBackup(t.Context(), f.admin(), id, "us-east-1", nil)
	must(t, err)
	if dup.Source != id || dup.SourceRegion != region || dup.Cluster != c.ID || !dup.CreatedAt.Equal(b.CreatedAt) || !slices.Equal(dup.Tags, tags) {
		t.Errorf("the copy is %+v", dup)
	}
	_, err = f.CopyBackup(t.Context(), f.admin(), id, region, nil)
	refused(t, "a copy to where it is", err, fault.InvalidArgument, fault.Unspecified)
	if list := f.backups(f.in("us-east-1")); len(list) != 1 || list[0].ID != dup.ID {
		t.Errorf("in the other region: %v", list)
	}
	_, err = f.RestoreBackup(t.Context(), f.admin(), id)
	refused(t, "one that is not deleted", err, fault.WrongState, fault.Unspecified)
	b, err = f.DeleteBackup(t.Context(), f.admin(), id)
	must(t, err)
	if !b.DeleteAt.Equal(f.clock.Add(cluster.Recovery)) {
		t.Errorf("it ends at %s", b.DeleteAt)
	}
	_, err = f.DeleteBackup(t.Context(), f.admin(), id)
	refused(t, "twice", err, fault.WrongState, fault.Unspecified)
	_, err = f.Create(t.Context(), f.admin(), &cluster.CreateRequest{Zones: c.Zones, Source: b.Resource()})
	refused(t, "a cluster from it", err, fault.WrongState, fault.Unspecified)
	f.clock = f.clock.Add(cluster.Recovery - time.Minute)
	f.tick()
	_, err = f.RestoreBackup(t.Context(), f.admin(), id)
	must(t, err)
	_, err = f.DeleteBackup(t.Context(), f.admin(), id)
	must(t, err)
	f.clock = f.clock.Add(cluster.Recovery + time.Minute)
	f.tick()
	if list := f.backups(f.admin()); len(list) != 0 {
		t.Errorf("left: %v", list)
	}
	if list := f.backups(f.in("us-east-1")); len(list) != 1 {
		t.Errorf("the copy is gone: %v", list)
	}
}

// TestRetention holds that a backup goes when its time is over, unless it is
// the last one of its cluster, or never expires.
func TestRetention(t *testing.T) {
	f := newFixture(t, "one")
	c := f.claimed()
	first := f.backups(f.admin())[0].ID
	f.pool.tokens["one"].objects = []cluster.Object{{Class: "secret key"}}
	_, err := f.Modify(t.Context(), f.admin(), c.ID, 7)
	must(t, err)
	_, err = f.Modify(t.Context(), f.admin(), c.ID, 6)
	refused(t, "six days", err, fault.InvalidArgument, fault.Unspecified)
	f.clock = f.clock.AddDate(0, 0, 8)
	f.tick()
	if list := f.backups(f.admin()); len(list) != 1 {
		t.Fatalf("the last one is gone: %v", list)
	}
	must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, c.HSMs[0].ID))
	f.clock = f.clock.AddDate(0, 0, 2)
	f.tick()
	if list := f.backups(f.admin()); len(list) != 1 || list[0].ID == first {
		t.Errorf("the first one is still there: %v", list)
	}
}

// TestBackupPolicy lets another realm restore.
func TestBackupPolicy(t *testing.T) {
	const stranger key.RealmID = "210987654321"
	f := newFixture(t, "one")
	c := f.claimed()
	b := f.backups(f.admin())[0]
	f.let("guest", `"cloudhsm:*"`)
	guest := f.as("guest")
	guest.Caller.Principal.Realm = stranger
	restore := func() error {
		call := *guest
		_, err := f.Create(t.Context(), &call, &cluster.CreateRequest{Zones: c.Zones, Source: b.Resource()})
		return err
	}
	refused(t, "without a policy", restore(), fault.NotFound, fault.Unspecified)
	_, err := f.Policy(t.Context(), f.admin(), b.ID)
	refused(t, "no policy", err, fault.NotFound, fault.Unspecified)
	doc := key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + string(stranger) + `"},
		"Action":["cloudhsm:CreateCluster","cloudhsm:DescribeBackups"],"Resource":"*"}}`}
	_, err = f.PutPolicy(t.Context(), f.admin(), b.ID, key.Document{Dialect: "aws", Text: "{"})
	refused(t, "no document", err, fault.InvalidArgument, fault.MalformedPolicy)
	_, err = f.PutPolicy(t.Context(), f.admin(), b.ID, doc)
	must(t, err)
	got, err := f.Policy(t.Context(), f.admin(), b.ID)
	if err != nil || got != doc {
		t.Errorf("%v, %v", got, err)
	}
	must(t, restore())
	old, err := f.DeletePolicy(t.Context(), f.admin(), b.ID)
	if err != nil || old != doc {
		t.Errorf("%v, %v", old, err)
	}
	refused(t, "after its end", restore(), fault.NotFound, fault.Unspecified)
}
