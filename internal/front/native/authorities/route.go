// Package authorities serves authorities, their certificates and the profiles of these over the native API.
package authorities

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/status"
)

// front has the handlers.
type front struct {
	authorities *ca.Service
	status      *status.Service
	inventory   *inventory.Service
}

// Operations returns the operations on authorities, certificates and profiles.
func Operations(a *ca.Service, s *status.Service, i *inventory.Service) []native.Operation {
	f := &front{a, s, i}
	return slices.Concat(f.make(), f.change(), f.certificates(), f.profiles())
}

func (f *front) make() []native.Operation {
	return []native.Operation{
		native.Post("/authorities", "CreateAuthority", key.CreateAuthority, native.Handle(f.createAuthority)).Created(),
		native.Get("/authorities", "ListAuthorities", key.ListAuthorities, native.Handle(f.listAuthorities)).Takes(native.Paged()...),
		native.Get("/authorities/{authority}", "GetAuthority", key.DescribeAuthority, native.Handle(f.authority)),
		native.Get("/authorities/{authority}/chain", "GetChain", key.DescribeAuthority, f.chainEndpoint()),
		native.Get("/authorities/{authority}/crl", "GetCRL", key.GetCRL, f.crlEndpoint()).Takes("shard", "delta"),
		native.Get("/authorities/{authority}/csr", "GetAuthorityCSR", key.GetAuthorityCSR, native.Handle(f.authorityCSR)),
		native.Put("/authorities/{authority}/certificate", "ImportAuthorityCertificate", key.ImportAuthorityCertificate, native.Handle(f.importAuthority)),
		native.Post("/authorities/{authority}/renew", "RenewAuthority", key.RenewAuthority, native.Handle(f.renewAuthority)),
		native.Post("/authorities/{authority}/rekey", "RekeyAuthority", key.RekeyAuthority, native.Handle(f.rekeyAuthority)).Created(),
		native.Post("/authorities/{authority}/cross-sign", "CrossSign", key.IssueCertificate, native.Handle(f.crossSign)).Created(),
	}
}

func (f *front) change() []native.Operation {
	return []native.Operation{
		native.Post("/authorities/{authority}/update", "UpdateAuthority", key.UpdateAuthority, native.Handle(f.updateAuthority)),
		native.Post("/authorities/{authority}/schedule-deletion", "DeleteAuthority", key.DeleteAuthority, native.Handle(f.deleteAuthority)),
		native.Post("/authorities/{authority}/restore", "RestoreAuthority", key.RestoreAuthority, native.Handle(f.restoreAuthority)),
		native.Post("/authorities/{authority}/tags", "TagAuthority", key.TagAuthority, native.Handle(f.tagAuthority)),
		native.Delete("/authorities/{authority}/tags", "UntagAuthority", key.UntagAuthority, native.Handle(f.untagAuthority)).Takes("key"),
		native.Get("/authorities/{authority}/policy", "GetAuthorityPolicy", key.GetAuthorityPolicy, native.Handle(f.authorityPolicy)),
		native.Put("/authorities/{authority}/policy", "PutAuthorityPolicy", key.PutAuthorityPolicy, native.Handle(f.putAuthorityPolicy)),
		native.Delete("/authorities/{authority}/policy", "DeleteAuthorityPolicy", key.DeleteAuthorityPolicy, native.Handle(f.deleteAuthorityPolicy)),
		native.Get("/authorities/{authority}/permissions", "ListPermissions", key.ListPermissions, native.Handle(f.listPermissions)),
		native.Post("/authorities/{authority}/permissions", "CreatePermission", key.CreatePermission, native.Handle(f.createPermission)),
		native.Delete("/authorities/{authority}/permissions", "DeletePermission", key.DeletePermission, native.Handle(f.deletePermission)).Takes("principal", "realm"),
	}
}

func (f *front) certificates() []native.Operation {
	return []native.Operation{
		native.Post("/certificates", "IssueCertificate", key.IssueCertificate, native.Handle(f.issue)).Created(),
		native.Get("/certificates", "ListCertificates", key.ListCertificates, native.Handle(f.listCertificates)).Takes(native.Paged("authority", "state", "text", "expires_before")...),
		native.Get("/certificates/{authority}/{serial}", "GetCertificate", key.GetCertificate, native.Handle(f.certificate)),
		native.Post("/certificates/{authority}/{serial}/revoke", "RevokeCertificate", key.RevokeCertificate, native.Handle(f.revoke)),
		native.Post("/certificates/{authority}/{serial}/release", "ReleaseCertificate", key.RevokeCertificate, native.Handle(f.release)),
		native.Post("/certificates/{authority}/{serial}/revoke-with-proof", "RevokeWithProof", key.RevokeCertificate, native.Handle(f.revokeWithProof)),
	}
}

func (f *front) profiles() []native.Operation {
	return []native.Operation{
		native.Get("/profiles", "ListProfiles", key.ListProfiles, native.Handle(f.listProfiles)).Takes(native.Paged()...),
		native.Get("/profiles/{profile}", "GetProfile", key.GetProfile, native.Handle(f.profile)),
		native.Put("/profiles/{profile}", "PutProfile", key.PutProfile, native.Handle(f.putProfile)),
		native.Delete("/profiles/{profile}", "DeleteProfile", key.DeleteProfile, native.Handle(f.deleteProfile)),
	}
}
