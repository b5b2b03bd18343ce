package cloudtrail

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/trail"
)

// Trails is what this front end asks of the trails; *trail.Service is it, and
// its documentation holds.
type Trails interface {
	Changes
	Readers
	Switches
	Tags
}

// Changes makes, changes and ends trails.
type Changes interface {
	Create(ctx context.Context, call *key.Call, req *trail.Create) (*trail.Trail, error)
	Update(ctx context.Context, call *key.Call, ref trail.Ref, u *trail.Update) (*trail.Trail, error)
	Delete(ctx context.Context, call *key.Call, ref trail.Ref) error
	PutSelectors(ctx context.Context, call *key.Call, ref trail.Ref, s trail.Selectors) (*trail.Trail, error)
}

// Readers shows them, and events.
type Readers interface {
	Get(ctx context.Context, call *key.Call, action key.Action, ref trail.Ref) (*trail.Trail, error)
	Describe(ctx context.Context, call *key.Call, refs []trail.Ref, others bool) ([]*trail.Trail, error)
	List(ctx context.Context, call *key.Call, page kms.Page) ([]*trail.Trail, string, error)
	Lookup(ctx context.Context, call *key.Call, l *trail.Lookup) ([]trail.Found, trail.Position, error)
}

// Switches starts and stops them.
type Switches interface {
	Start(ctx context.Context, call *key.Call, ref trail.Ref) error
	Stop(ctx context.Context, call *key.Call, ref trail.Ref) error
}

// Tags are their tags.
type Tags interface {
	Tag(ctx context.Context, call *key.Call, ref trail.Ref, tags []key.Tag) error
	Untag(ctx context.Context, call *key.Call, ref trail.Ref, keys []string) error
}

// front is the API over trails.
type front struct{ trails Trails }
