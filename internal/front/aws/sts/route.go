package sts

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Directory is what this front end asks of the directory of identities.
type Directory interface {
	// CallerIdentity returns who the call is from, and records that it asked.
	CallerIdentity(ctx context.Context, call *key.Call) (key.Caller, error)
	CreateSession(ctx context.Context, call *key.Call, r identity.SessionRequest) (*identity.NewSession, error)
	AssumeRole(ctx context.Context, call *key.Call, r *identity.AssumeRequest) (*identity.RoleSession, error)
	AssumeRoleWithWebIdentity(ctx context.Context, call *key.Call, r *identity.WebIdentityRequest) (*identity.RoleSession, error)
	// AccessKeyRealm returns the realm of an access key.
	AccessKeyRealm(ctx context.Context, call *key.Call, id string) (key.RealmID, error)
}

// New returns the AWS STS API over a directory.
func New(directory Directory) aws.Service {
	f := &front{directory}
	return aws.Service{
		API: "aws.sts", Scope: "sts", Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

type front struct{ directory Directory }

// table is the API: name, action, handler.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.Query("GetCallerIdentity", key.GetCallerIdentity, aws.NoParams, f.getCallerIdentity),
		aws.Query("GetSessionToken", key.CreateSession, readSession, f.getSessionToken),
		aws.Query("AssumeRole", key.AssumeRole, readAssumeRole, f.assumeRole),
		aws.Query("AssumeRoleWithWebIdentity", key.AssumeRoleWithWebIdentity, readAssumeWithWeb, f.assumeRoleWithWebIdentity).Unsigned(),
		aws.Query("GetAccessKeyInfo", key.GetAccessKeyInfo, func(p *aws.Params) string { return p.Required("AccessKeyId") }, f.getAccessKeyInfo),
	}
}

// unserved are AWS STS's other operations (AWS SDK for Go v2, sts 1.51.8).
var unserved = []string{
	"AssumeRoleWithSAML", "AssumeRoot", "DecodeAuthorizationMessage", "GetDelegatedAccessToken", "GetFederationToken",
	"GetWebIdentityToken",
}

// Operations returns all operations of AWS STS in the order of their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }

func (f *front) getCallerIdentity(ctx context.Context, x *aws.Exchange, _ struct{}) error {
	caller, err := f.directory.CallerIdentity(ctx, &x.Call)
	if err != nil {
		return err
	}
	x.XML.Text("Arn", wire.PrincipalARN(caller.Principal))
	x.XML.Text("UserId", caller.UserID)
	x.XML.Text("Account", string(caller.Principal.Realm))
	return nil
}
