package secretsmanager

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

// Secrets is what this front end asks of the secrets; *secret.Service is it,
// and its documentation holds.
type Secrets interface {
	Values
	Records
	Lives
	Policies
	Password(ctx context.Context, call *key.Call, req *secret.PasswordRequest) (key.Secret, error)
}

// Values gives secrets values, and reveals them.
type Values interface {
	Create(ctx context.Context, call *key.Call, req *secret.CreateRequest) (*secret.Result, error)
	Put(ctx context.Context, call *key.Call, req *secret.PutRequest) (*secret.Result, error)
	Update(ctx context.Context, call *key.Call, req *secret.UpdateRequest) (*secret.Result, error)
	MoveStage(ctx context.Context, call *key.Call, req *secret.StageRequest) (*secret.Secret, error)
	Get(ctx context.Context, call *key.Call, c *secret.Choice) (*secret.Revealed, error)
	Batch(ctx context.Context, call *key.Call, req *secret.BatchRequest) ([]secret.Item, string, error)
}

// Records shows secrets without their values.
type Records interface {
	Describe(ctx context.Context, call *key.Call, ref secret.Ref) (*secret.Secret, error)
	Versions(ctx context.Context, call *key.Call, ref secret.Ref) (*secret.Secret, error)
	List(ctx context.Context, call *key.Call, l *secret.List) ([]*secret.Secret, string, error)
}

// Lives ends secrets, and tags them.
type Lives interface {
	Delete(ctx context.Context, call *key.Call, req *secret.DeleteRequest) (*secret.Deleted, error)
	Restore(ctx context.Context, call *key.Call, ref secret.Ref) (*secret.Secret, error)
	Tag(ctx context.Context, call *key.Call, ref secret.Ref, tags []key.Tag) (*secret.Secret, error)
	Untag(ctx context.Context, call *key.Call, ref secret.Ref, names []string) (*secret.Secret, error)
}

// Policies are the policies of secrets.
type Policies interface {
	PutPolicy(ctx context.Context, call *key.Call, ref secret.Ref, doc key.Document, notPublic bool) (*secret.Secret, error)
	Policy(ctx context.Context, call *key.Call, ref secret.Ref) (*secret.Secret, error)
	DeletePolicy(ctx context.Context, call *key.Call, ref secret.Ref) (*secret.Secret, error)
	ValidatePolicy(ctx context.Context, call *key.Call, ref secret.Ref, doc key.Document) ([]*fault.Error, error)
}

// front is the API over secrets.
type front struct{ secrets Secrets }
