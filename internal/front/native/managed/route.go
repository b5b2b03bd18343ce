// Package managed serves managed certificates over the native API.
package managed

import (
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

// front has the handlers.
type front struct {
	managed *managed.Service
}

// Operations returns the operations on managed certificates.
func Operations(m *managed.Service) []native.Operation {
	f := &front{m}
	return []native.Operation{
		native.Post("/managed", "RequestManaged", key.RequestManaged, native.Handle(f.requestManaged)).Created(),
		native.Post("/managed/import", "ImportManaged", key.ImportManaged, native.Handle(f.importManaged)).Created(),
		native.Get("/managed", "ListManaged", key.ListManaged, native.Handle(f.listManaged)).Takes(native.Paged("state")...),
		native.Get("/managed/plan", "PlanManaged", key.ListManaged, native.Handle(f.planManaged)).Takes(native.Paged("until")...),
		native.Get("/managed/{managed}", "DescribeManaged", key.DescribeManaged, native.Handle(f.describeManaged)),
		native.Put("/managed/{managed}/renewal", "UpdateManaged", key.UpdateManaged, native.Handle(f.updateManaged)),
		native.Post("/managed/{managed}/export", "ExportManaged", key.ExportManaged, native.Handle(f.exportManaged)),
		native.Post("/managed/{managed}/renew", "RenewManaged", key.RenewManaged, native.Handle(f.renewManaged)),
		native.Post("/managed/{managed}/revoke", "RevokeManaged", key.RevokeManaged, native.Handle(f.revokeManaged)),
		native.Delete("/managed/{managed}", "DeleteManaged", key.DeleteManaged, native.Handle(f.deleteManaged)),
		native.Post("/managed/{managed}/tags", "TagManaged", key.TagManaged, native.Handle(f.tagManaged)),
		native.Delete("/managed/{managed}/tags", "UntagManaged", key.UntagManaged, native.Handle(f.untagManaged)).Takes("key"),
	}
}
