package cloudhsm_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudhsm"
	"github.com/holdfast-kms/holdfast/internal/key"
)

const (
	clusterID = "cluster-igklspoyj5v"
	backupID  = "backup-ro5c4er4aac"
	backupARN = "arn:aws:cloudhsm:us-east-1:123456789012:backup/" + backupID
)

// door is clusters that note what they are asked and know one of each.
type door struct {
	awstest.Door
	cluster *cluster.Cluster
	backup  *cluster.Backup
}

func newDoor() *door {
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	zone := cluster.Zone{Name: "us-east-1a", Network: "subnet-12345678"}
	tags := []key.Tag{{Key: "empty"}, {Key: "team", Value: "pki"}}
	return &door{
		cluster: &cluster.Cluster{
			ID: "igklspoyj5v", Realm: key.DefaultRealm, Region: "us-east-1", Model: "hsm1.medium",
			Zones: []cluster.Zone{zone, {Name: "us-east-1b", Network: "subnet-87654321"}},
			HSMs: []cluster.HSM{
				{ID: "lgoeqhwqnbg", Zone: zone, Token: "one", State: cluster.HSMActive},
				{ID: "aaaaaaaaaaa", Zone: zone, Token: "two", State: cluster.HSMDegraded, Why: "the token is away"},
			},
			Certificate: []byte{1}, Anchor: []byte{2}, SourceBackup: "ro5c4er4aac", RetentionDays: 90, CreatedAt: at, ActivatedAt: at, Tags: tags,
		},
		backup: &cluster.Backup{
			ID: "ro5c4er4aac", Realm: key.DefaultRealm, Region: "us-east-1", Cluster: "igklspoyj5v", Model: "hsm1.medium", CreatedAt: at,
			DeleteAt: at.Add(cluster.Recovery), CopiedAt: at, SourceRegion: "eu-central-1", Source: "aaaaaaaaaaa", Tags: tags,
			Policy: key.Document{Text: "{}"},
		},
	}
}

func (d *door) Create(_ context.Context, c *key.Call, req *cluster.CreateRequest) (*cluster.Cluster, error) {
	return d.cluster, d.NoteJSON(c, "Create", req)
}

func (d *door) Modify(_ context.Context, c *key.Call, id string, days int) (*cluster.Cluster, error) {
	return d.cluster, d.NoteJSON(c, "Modify", id, days)
}

func (d *door) Initialise(_ context.Context, c *key.Call, id string, claim *cluster.Claim) (*cluster.Cluster, error) {
	return d.cluster, d.NoteJSON(c, "Initialise", id, string(claim.Certificate), string(claim.Anchor))
}

func (d *door) Delete(_ context.Context, c *key.Call, id string) (*cluster.Cluster, error) {
	return d.cluster, d.NoteJSON(c, "Delete", id)
}

func (d *door) List(_ context.Context, c *key.Call, l cluster.List) ([]*cluster.Cluster, string, error) {
	return []*cluster.Cluster{d.cluster}, d.Next, d.NoteJSON(c, "List", l)
}

func (d *door) CreateHSM(_ context.Context, c *key.Call, id, zone string) (*cluster.HSM, error) {
	return &d.cluster.HSMs[0], d.NoteJSON(c, "CreateHSM", id, zone)
}

func (d *door) DeleteHSM(_ context.Context, c *key.Call, id, hsm string) error {
	return d.NoteJSON(c, "DeleteHSM", id, hsm)
}

func (d *door) Backups(_ context.Context, c *key.Call, l cluster.ListBackups) ([]*cluster.Backup, string, error) {
	return []*cluster.Backup{d.backup}, d.Next, d.NoteJSON(c, "Backups", l)
}

func (d *door) CopyBackup(_ context.Context, c *key.Call, id, region string, tags []key.Tag) (*cluster.Backup, error) {
	return d.backup, d.NoteJSON(c, "CopyBackup", id, region, tags)
}

func (d *door) SetNeverExpires(_ context.Context, c *key.Call, id string, never bool) (*cluster.Backup, error) {
	return d.backup, d.NoteJSON(c, "SetNeverExpires", id, never)
}

func (d *door) DeleteBackup(_ context.Context, c *key.Call, id string) (*cluster.Backup, error) {
	return d.backup, d.NoteJSON(c, "DeleteBackup", id)
}

func (d *door) RestoreBackup(_ context.Context, c *key.Call, id string) (*cluster.Backup, error) {
	return d.backup, d.NoteJSON(c, "RestoreBackup", id)
}

func (d *door) Tag(_ context.Context, c *key.Call, t cluster.Thing, tags []key.Tag) error {
	return d.NoteJSON(c, "Tag", t, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, t cluster.Thing, keys []string) error {
	return d.NoteJSON(c, "Untag", t, keys)
}

func (d *door) Tags(_ context.Context, c *key.Call, t cluster.Thing) ([]key.Tag, error) {
	return d.cluster.Tags, d.NoteJSON(c, "Tags", t)
}

func (d *door) PutPolicy(_ context.Context, c *key.Call, id string, doc key.Document) (*cluster.Backup, error) {
	return d.backup, d.NoteJSON(c, "PutPolicy", id, doc)
}

func (d *door) Policy(_ context.Context, c *key.Call, id string) (key.Document, error) {
	return d.backup.Policy, d.NoteJSON(c, "Policy", id)
}

func (d *door) DeletePolicy(_ context.Context, c *key.Call, id string) (key.Document, error) {
	return d.backup.Policy, d.NoteJSON(c, "DeletePolicy", id)
}

// fake returns the API over a new door.
func fake(t testing.TB) (front.Service, *awstest.Door) {
	t.Helper()
	d := newDoor()
	return cloudhsm.New(d), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(cloudhsm.New(d), d).Send(t, operation, body)
}
