package acm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

// Certificates is what this front end asks of the managed certificates;
// *managed.Service is it, and its documentation holds.
type Certificates interface {
	Sources
	Readers
	Lives
	Tags
	Accounts
}

// Sources makes managed certificates.
type Sources interface {
	Request(ctx context.Context, call *key.Call, req *managed.Request) (*managed.Certificate, error)
	Import(ctx context.Context, call *key.Call, req *managed.Import) (*managed.Certificate, error)
}

// Readers shows them.
type Readers interface {
	Describe(ctx context.Context, call *key.Call, id string) (*managed.Certificate, error)
	Get(ctx context.Context, call *key.Call, id string) (*managed.Certificate, error)
	Export(ctx context.Context, call *key.Call, id string) (*managed.Exported, error)
	List(ctx context.Context, call *key.Call, l managed.List) ([]*managed.Certificate, string, error)
}

// Lives leads them through their life.
type Lives interface {
	Renew(ctx context.Context, call *key.Call, id string) (*managed.Certificate, error)
	Revoke(ctx context.Context, call *key.Call, id string, reason ca.Reason) (*managed.Certificate, error)
	Delete(ctx context.Context, call *key.Call, id string) error
	SetLogged(ctx context.Context, call *key.Call, id string, logged bool) (*managed.Certificate, error)
}

// Tags are their tags.
type Tags interface {
	Tag(ctx context.Context, call *key.Call, id string, tags []key.Tag) (*managed.Certificate, error)
	Untag(ctx context.Context, call *key.Call, id string, tags []managed.Untag) (*managed.Certificate, error)
	Tags(ctx context.Context, call *key.Call, id string) (*managed.Certificate, error)
}

// Accounts are what a realm has set for all of them.
type Accounts interface {
	Settings(ctx context.Context, call *key.Call) (*managed.Settings, error)
	PutSettings(ctx context.Context, call *key.Call, settings managed.Settings) error
}

// front is the API over managed certificates.
type front struct{ certificates Certificates }
