package cloudhsm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// backupRequest is the request of operations that take a backup and nothing
// else, and the part of others that names it.
type backupRequest struct{ backup string }

// Members declares the request.
func (r *backupRequest) Members(m *aws.Members) {
	m.Text("BackupId", &r.backup, 0, maxText).Matching(backupPattern).Required()
}

// answer writes the Backup that a call returned.
func answer(x *aws.Exchange, b *cluster.Backup, err error) error {
	if err != nil {
		return err
	}
	x.Out.Object("Backup", func() { writeBackup(&x.Out, b) })
	return nil
}

func (f *front) deleteBackup(ctx context.Context, x *aws.Exchange, in *backupRequest) error {
	b, err := f.clusters.DeleteBackup(ctx, &x.Call, idOf(in.backup))
	return answer(x, b, err)
}

func (f *front) restoreBackup(ctx context.Context, x *aws.Exchange, in *backupRequest) error {
	b, err := f.clusters.RestoreBackup(ctx, &x.Call, idOf(in.backup))
	return answer(x, b, err)
}

type modifyBackupRequest struct {
	backupRequest
	never *bool
}

// Members declares ModifyBackupAttributes's request.
func (r *modifyBackupRequest) Members(m *aws.Members) {
	r.backupRequest.Members(m)
	m.Flag("NeverExpires", &r.never).Required()
}

func (f *front) modifyBackupAttributes(ctx context.Context, x *aws.Exchange, in *modifyBackupRequest) error {
	b, err := f.clusters.SetNeverExpires(ctx, &x.Call, idOf(in.backup), *in.never)
	return answer(x, b, err)
}

type copyBackupRequest struct {
	backupRequest
	region string
	tags   []tag
}

// Members declares CopyBackupToRegion's request.
func (r *copyBackupRequest) Members(m *aws.Members) {
	m.Text("DestinationRegion", &r.region, 0, maxText).Matching(regionPattern).Required()
	r.backupRequest.Members(m)
	declareTags(m, &r.tags)
}

func (f *front) copyBackupToRegion(ctx context.Context, x *aws.Exchange, in *copyBackupRequest) error {
	b, err := f.clusters.CopyBackup(ctx, &x.Call, idOf(in.backup), in.region, keyTags(in.tags))
	if err != nil {
		return err
	}
	x.Out.Object("DestinationBackup", func() {
		x.Out.Time("CreateTimestamp", b.CreatedAt)
		writeSource(&x.Out, b)
	})
	return nil
}

// writeSource adds what tells where a copy is from.
func writeSource(out *wire.Encoder, b *cluster.Backup) {
	out.Text("SourceRegion", b.SourceRegion)
	out.Text("SourceBackup", backupID(b.Source))
	out.Text("SourceCluster", clusterID(b.Cluster))
}

type describeBackupsRequest struct {
	listRequest
	ascending bool
}

// Members declares DescribeBackups's request.
func (r *describeBackupsRequest) Members(m *aws.Members) {
	r.page(m, maxBackups)
	m.Lists("Filters", &r.filters, maxFilters)
	m.Unsupported("Shared")
	m.Bool("SortAscending", &r.ascending)
}

func (f *front) describeBackups(ctx context.Context, x *aws.Exchange, in *describeBackupsRequest) error {
	page, err := x.Page(in.PageRequest, maxBackups, strayToken)
	if err != nil {
		return err
	}
	l, err := backupFilter(in.filters)
	if err != nil {
		return err
	}
	l.Page, l.OldestFirst = page, in.ascending
	list, next, err := f.clusters.Backups(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	x.Out.Array("Backups", func() {
		for _, b := range list {
			x.Out.Object("", func() { writeBackup(&x.Out, b) })
		}
	})
	writeNext(x, next)
	return nil
}

// writeBackup adds the members of a Backup.
func writeBackup(out *wire.Encoder, b *cluster.Backup) {
	out.Text("BackupId", backupID(b.ID))
	out.Text("BackupArn", wire.ResourceARN(b.Resource()))
	out.Text("BackupState", backupStateNames[b.State()])
	out.Text("ClusterId", clusterID(b.Cluster))
	out.Time("CreateTimestamp", b.CreatedAt)
	out.Bool("NeverExpires", b.NeverExpires)
	if b.Source != "" {
		out.Time("CopyTimestamp", b.CopiedAt)
		writeSource(out, b)
	}
	if !b.DeleteAt.IsZero() {
		out.Time("DeleteTimestamp", b.DeleteAt)
	}
	writeTags(out, b.Tags)
	out.Text("HsmType", b.Model)
}

// policyRequest names a resource.
type policyRequest struct{ arn string }

// Members declares the request of GetResourcePolicy and DeleteResourcePolicy.
func (r *policyRequest) Members(m *aws.Members) {
	m.Text("ResourceArn", &r.arn, 0, maxText).Matching(arnPattern)
}

// backup returns the id of the backup that the request names, which has to be
// of this account and region.
func (r *policyRequest) backup(x *aws.Exchange) (string, error) {
	at, ok := wire.ParseResource(r.arn)
	switch {
	case !ok:
		return "", invalid("The ResourceArn of a backup must be specified.")
	case at.Kind != key.KindBackup:
		return "", invalid("The resource " + r.arn + " cannot have a resource policy: only backups can.")
	case at.Realm != x.Call.Caller.Principal.Realm || at.Region != x.Call.Region:
		return "", wire.Invalid(notFoundCode, "The backup "+r.arn+" is not of this account and region.")
	}
	return at.ID, nil
}

func (f *front) getResourcePolicy(ctx context.Context, x *aws.Exchange, in *policyRequest) error {
	id, err := in.backup(x)
	if err != nil {
		return err
	}
	doc, err := f.clusters.Policy(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.Out.Text("Policy", doc.Text)
	return nil
}

func (f *front) deleteResourcePolicy(ctx context.Context, x *aws.Exchange, in *policyRequest) error {
	id, err := in.backup(x)
	if err != nil {
		return err
	}
	doc, err := f.clusters.DeletePolicy(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.Out.Text("ResourceArn", in.arn)
	x.Out.Text("Policy", doc.Text)
	return nil
}

type putPolicyRequest struct {
	policyRequest
	policy string
}

// Members declares PutResourcePolicy's request.
func (r *putPolicyRequest) Members(m *aws.Members) {
	r.policyRequest.Members(m)
	m.Text("Policy", &r.policy, 1, maxPolicy)
}

func (f *front) putResourcePolicy(ctx context.Context, x *aws.Exchange, in *putPolicyRequest) error {
	id, err := in.backup(x)
	if err != nil {
		return err
	}
	if in.policy == "" {
		return invalid("A policy must be specified.")
	}
	b, err := f.clusters.PutPolicy(ctx, &x.Call, id, key.Document{Dialect: wire.Dialect, Text: in.policy})
	if err != nil {
		return err
	}
	x.Out.Text("ResourceArn", in.arn)
	x.Out.Text("Policy", b.Policy.Text)
	return nil
}
