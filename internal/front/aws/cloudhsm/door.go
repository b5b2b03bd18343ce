package cloudhsm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Clusters is what this front end asks of the clusters; *cluster.Service is
// it, and its documentation holds.
type Clusters interface {
	Lives
	HSMs
	Backups
	Tags
	Policies
}

// Lives makes clusters, shows them, and leads them through their life.
type Lives interface {
	Create(ctx context.Context, call *key.Call, req *cluster.CreateRequest) (*cluster.Cluster, error)
	Modify(ctx context.Context, call *key.Call, id string, retentionDays int) (*cluster.Cluster, error)
	Initialise(ctx context.Context, call *key.Call, id string, claim *cluster.Claim) (*cluster.Cluster, error)
	Delete(ctx context.Context, call *key.Call, id string) (*cluster.Cluster, error)
	List(ctx context.Context, call *key.Call, l cluster.List) ([]*cluster.Cluster, string, error)
}

// HSMs are taken and given back.
type HSMs interface {
	CreateHSM(ctx context.Context, call *key.Call, id, zone string) (*cluster.HSM, error)
	DeleteHSM(ctx context.Context, call *key.Call, id, hsm string) error
}

// Backups are what clusters leave behind.
type Backups interface {
	Backups(ctx context.Context, call *key.Call, l cluster.ListBackups) ([]*cluster.Backup, string, error)
	CopyBackup(ctx context.Context, call *key.Call, id, region string, tags []key.Tag) (*cluster.Backup, error)
	SetNeverExpires(ctx context.Context, call *key.Call, id string, never bool) (*cluster.Backup, error)
	DeleteBackup(ctx context.Context, call *key.Call, id string) (*cluster.Backup, error)
	RestoreBackup(ctx context.Context, call *key.Call, id string) (*cluster.Backup, error)
}

// Tags are those of clusters and backups.
type Tags interface {
	Tag(ctx context.Context, call *key.Call, t cluster.Thing, tags []key.Tag) error
	Untag(ctx context.Context, call *key.Call, t cluster.Thing, keys []string) error
	Tags(ctx context.Context, call *key.Call, t cluster.Thing) ([]key.Tag, error)
}

// Policies are those of backups.
type Policies interface {
	PutPolicy(ctx context.Context, call *key.Call, backup string, doc key.Document) (*cluster.Backup, error)
	Policy(ctx context.Context, call *key.Call, backup string) (key.Document, error)
	DeletePolicy(ctx context.Context, call *key.Call, backup string) (key.Document, error)
}

// front is the API over clusters.
type front struct{ clusters Clusters }
