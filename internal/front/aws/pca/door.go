package pca

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Authorities is what this front end asks of the authorities; *ca.Service is
// it, and its documentation holds.
type Authorities interface {
	Lives
	Certificates
	Sharing
	Tags
	// ByID says, without a decision, what an authority is whose ARN a request
	// names: an id goes with one account and one region.
	ByID(id string) (*ca.Authority, bool)
}

// Lives makes authorities and leads them through their life.
type Lives interface {
	CreateAuthority(ctx context.Context, call *key.Call, req *ca.CreateAuthorityRequest) (*ca.Authority, error)
	Authority(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
	Authorities(ctx context.Context, call *key.Call, page kms.Page) ([]*ca.Authority, string, error)
	UpdateAuthority(ctx context.Context, call *key.Call, id string, u ca.Update) (*ca.Authority, error)
	DeleteAuthority(ctx context.Context, call *key.Call, id string, days int) (*ca.Authority, error)
	RestoreAuthority(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
}

// Certificates gives authorities their certificates, and has them issue and
// revoke others.
type Certificates interface {
	AuthorityCSR(ctx context.Context, call *key.Call, id string) ([]byte, error)
	AuthorityCertificate(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
	ImportAuthorityCertificate(ctx context.Context, call *key.Call, id string, certificate []byte, chain [][]byte) (*ca.Authority, error)
	Issue(ctx context.Context, call *key.Call, req *ca.IssueRequest) (*ca.Issued, error)
	Certificate(ctx context.Context, call *key.Call, authority, serial string) (*ca.Certificate, error)
	Revoke(ctx context.Context, call *key.Call, authority, serial string, reason ca.Reason) (*ca.Certificate, error)
}

// Sharing says who else may use an authority.
type Sharing interface {
	CreatePermission(ctx context.Context, call *key.Call, id string, p ca.Permission) (*ca.Authority, error)
	DeletePermission(ctx context.Context, call *key.Call, id, principal string, realm key.RealmID) (*ca.Authority, error)
	ListPermissions(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
	PutPolicy(ctx context.Context, call *key.Call, id string, doc key.Document) (*ca.Authority, error)
	Policy(ctx context.Context, call *key.Call, id string) (key.Document, error)
	DeletePolicy(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
}

// Tags are an authority's tags.
type Tags interface {
	Tag(ctx context.Context, call *key.Call, id string, tags []key.Tag) (*ca.Authority, error)
	Untag(ctx context.Context, call *key.Call, id string, keys []string) (*ca.Authority, error)
	ListTags(ctx context.Context, call *key.Call, id string) (*ca.Authority, error)
}

// front is the handlers' receiver.
type front struct {
	authorities Authorities
	reports     Reports
	templates   map[string]*profile.Profile
}

// id returns the id of the authority whose ARN the request names. An
// authority of another account may be used by those whom its policy lets; one
// of another region is not here.
func (f *front) id(x *aws.Exchange, r *authorityRequest) (string, error) {
	x.Words.Resource = r.arn
	found, ok := wire.ParseResource(r.arn)
	if !ok || found.Kind != key.KindAuthority {
		return "", invalidARN()
	}
	a, ok := f.authorities.ByID(found.ID)
	if found.Region != x.Call.Region || ok && (a.Realm != found.Realm || a.Region != found.Region) {
		return "", notFound(r.arn)
	}
	return found.ID, nil
}
