// Package secrets serves secrets over the native API.
package secrets

import (
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

// front has the handlers.
type front struct{ secrets *secret.Service }

// Operations returns the operations on secrets. The path has a secret's name,
// or its id, percent-encoded.
func Operations(s *secret.Service) []native.Operation {
	f := &front{s}
	return []native.Operation{
		native.Post("/secrets", "CreateSecret", key.CreateSecret, native.Handle(f.create)).Created(),
		native.Get("/secrets", "ListSecrets", key.ListSecrets, native.Handle(f.list)).Takes(native.Paged("name", "deleted")...),
		native.Get("/secrets/{secret}", "DescribeSecret", key.DescribeSecret, native.Handle(f.describe)),
		native.Delete("/secrets/{secret}", "DeleteSecret", key.DeleteSecret, native.Handle(f.remove)).Takes("days", "force"),
		native.Get("/secrets/{secret}/value", "GetSecretValue", key.GetSecretValue, native.Handle(f.value)).Takes("version", "stage"),
		native.Put("/secrets/{secret}/value", "PutSecretValue", key.PutSecretValue, native.Handle(f.put)),
		native.Post("/secrets/{secret}/restore", "RestoreSecret", key.RestoreSecret, native.Handle(f.restore)),
	}
}
