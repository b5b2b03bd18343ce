// Package roles serves roles, and the issuers of web identities that may assume
// them, over the native API.
package roles

import (
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// front has the handlers.
type front struct {
	identities *identity.Admin
}

// Operations returns the operations on roles and issuers.
func Operations(identities *identity.Admin) []native.Operation {
	f := &front{identities}
	return []native.Operation{
		native.Post("/roles", "CreateRole", key.CreateRole, native.Handle(f.create)).Created(),
		native.Get("/roles", "ListRoles", key.ListRoles, native.Handle(f.list)).Takes(native.Paged()...),
		native.Get("/roles/{role}", "GetRole", key.GetRole, native.Handle(f.role)),
		native.Put("/roles/{role}", "UpdateRole", key.UpdateRole, native.Handle(f.update)),
		native.Delete("/roles/{role}", "DeleteRole", key.DeleteRole, native.Handle(f.remove)),
		native.Put("/roles/{role}/trust", "PutTrustPolicy", key.PutTrustPolicy, native.Handle(f.putTrust)),
		native.Put("/roles/{role}/policies/{policy}", "PutRolePolicy", key.PutRolePolicy, native.Handle(f.putPolicy)),
		native.Delete("/roles/{role}/policies/{policy}", "DeleteRolePolicy", key.DeleteRolePolicy, native.Handle(f.deletePolicy)),
		native.Post("/roles/{role}/sessions", "AssumeRole", key.AssumeRole, native.Handle(f.assume)).Created(),
		native.Post("/issuers", "CreateIssuer", key.CreateIssuer, native.Handle(f.createIssuer)).Created(),
		native.Get("/issuers", "ListIssuers", key.ListIssuers, native.Handle(f.listIssuers)).Takes(native.Paged()...),
		native.Get("/issuers/{issuer}", "GetIssuer", key.GetIssuer, native.Handle(f.issuer)),
		native.Put("/issuers/{issuer}", "UpdateIssuer", key.UpdateIssuer, native.Handle(f.updateIssuer)),
		native.Delete("/issuers/{issuer}", "DeleteIssuer", key.DeleteIssuer, native.Handle(f.deleteIssuer)),
	}
}
