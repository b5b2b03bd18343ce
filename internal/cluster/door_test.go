package cluster_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestDoor holds that every operation is refused to who may not, changes
// nothing in a dry run, and is on record once each time.
func TestDoor(t *testing.T) {
	f := newFixture(t, "one", "two")
	c := f.claimed()
	b := f.backups(f.admin())[0].ID
	open := f.create().ID
	f.let("nobody", `"sts:GetCallerIdentity"`)
	thing := cluster.Thing{Kind: key.KindCluster, ID: c.ID}
	doc := key.Document{Dialect: "aws", Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"cloudhsm:DescribeBackups","Resource":"*"}}`}
	type op struct {
		action key.Action
		reads  bool
		do     func(context.Context, *key.Call) error
	}
	drop := func(_ any, err error) error { return err }
	for _, o := range []op{
		{key.CreateCluster, false, func(ctx context.Context, call *key.Call) error {
			return drop(f.Create(ctx, call, &cluster.CreateRequest{Zones: c.Zones}))
		}},
		{key.ModifyCluster, false, func(ctx context.Context, call *key.Call) error { return drop(f.Modify(ctx, call, c.ID, 9)) }},
		{key.DeleteCluster, false, func(ctx context.Context, call *key.Call) error { return drop(f.Delete(ctx, call, open)) }},
		{key.CreateHSM, false, func(ctx context.Context, call *key.Call) error { return drop(f.CreateHSM(ctx, call, c.ID, "a")) }},
		{key.DeleteHSM, false, func(ctx context.Context, call *key.Call) error { return f.DeleteHSM(ctx, call, c.ID, c.HSMs[0].ID) }},
		{key.DescribeClusters, true, func(ctx context.Context, call *key.Call) error {
			_, _, err := f.List(ctx, call, cluster.List{})
			return err
		}},
		{key.DescribeBackups, true, func(ctx context.Context, call *key.Call) error {
			_, _, err := f.Backups(ctx, call, cluster.ListBackups{})
			return err
		}},
		{key.CopyBackup, false, func(ctx context.Context, call *key.Call) error {
			return drop(f.CopyBackup(ctx, call, b, "us-east-1", nil))
		}},
		{key.ModifyBackup, false, func(ctx context.Context, call *key.Call) error { return drop(f.SetNeverExpires(ctx, call, b, true)) }},
		{key.PutClusterPolicy, false, func(ctx context.Context, call *key.Call) error { return drop(f.PutPolicy(ctx, call, b, doc)) }},
		{key.TagCluster, false, func(ctx context.Context, call *key.Call) error { return f.Tag(ctx, call, thing, []key.Tag{{Key: "a"}}) }},
		{key.UntagCluster, false, func(ctx context.Context, call *key.Call) error { return f.Untag(ctx, call, thing, []string{"a"}) }},
		{key.ListClusterTags, true, func(ctx context.Context, call *key.Call) error { return drop(f.Tags(ctx, call, thing)) }},
		{key.DeleteBackup, false, func(ctx context.Context, call *key.Call) error { return drop(f.DeleteBackup(ctx, call, b)) }},
	} {
		t.Run(o.action.String(), func(t *testing.T) {
			before := f.get(c.ID)
			refused(t, "nobody", o.do(t.Context(), f.as("nobody")), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
			f.recorded(t, o.action, "permission denied", audit.Denied)
			if o.reads {
				must(t, o.do(t.Context(), f.admin()))
				f.recorded(t, o.action, "ok", audit.Allowed)
				return
			}
			dry := f.admin()
			dry.DryRun = true
			refused(t, "dry run", o.do(t.Context(), dry), fault.InvalidArgument, fault.DryRun)
			f.recorded(t, o.action, "invalid argument", audit.Allowed)
			if diff := cmp.Diff(before, f.get(c.ID), cmp.AllowUnexported(cluster.Cluster{})); diff != "" {
				t.Errorf("the dry run changed something:\n%s", diff)
			}
			must(t, o.do(t.Context(), f.admin()))
			f.recorded(t, o.action, "ok", audit.Allowed)
		})
	}
}

// recorded holds that the last entry is of an action and its outcome.
func (f *fixture) recorded(t *testing.T, action key.Action, result string, decision audit.Decision) {
	t.Helper()
	list := f.entries(t)
	e := list[len(list)-1]
	if e.Action != action || e.Result != result || e.Decision != decision {
		t.Errorf("recorded %s %s %v, want %s %s %v", e.Action, e.Result, e.Decision, action, result, decision)
	}
}

// entries returns what is recorded.
func (f *fixture) entries(t *testing.T) []*audit.Entry {
	t.Helper()
	var list []*audit.Entry
	for r, err := range f.log.Read(t.Context(), audit.Filter{}) {
		must(t, err)
		list = append(list, &r.Entry)
	}
	return list
}
