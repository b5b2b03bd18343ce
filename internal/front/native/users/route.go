// Package users serves users, their access keys, second factors and sessions
// over the native API.
package users

import (
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// front has the handlers.
type front struct {
	identities *identity.Admin
}

// Operations returns the operations on users and sessions.
func Operations(identities *identity.Admin) []native.Operation {
	f := &front{identities}
	return []native.Operation{
		native.Get("/whoami", "WhoAmI", key.GetCallerIdentity, native.Handle(f.whoAmI)),
		native.Post("/sessions", "CreateSession", key.CreateSession, native.Handle(f.createSession)).Created(),
		native.Post("/users", "CreateUser", key.CreateUser, native.Handle(f.createUser)).Created(),
		native.Get("/users", "ListUsers", key.ListUsers, native.Handle(f.listUsers)).Takes(native.Paged()...),
		native.Get("/users/{user}", "GetUser", key.GetUser, native.Handle(f.user)),
		native.Delete("/users/{user}", "DeleteUser", key.DeleteUser, native.Handle(f.deleteUser)),
		native.Put("/users/{user}/policies/{policy}", "PutUserPolicy", key.PutUserPolicy, native.Handle(f.putUserPolicy)),
		native.Delete("/users/{user}/policies/{policy}", "DeleteUserPolicy", key.DeleteUserPolicy, native.Handle(f.deleteUserPolicy)),
		native.Post("/users/{user}/access-keys", "CreateAccessKey", key.CreateAccessKey, native.Handle(f.createAccessKey)).Created(),
		native.Put("/users/{user}/access-keys/{id}", "UpdateAccessKey", key.UpdateAccessKey, native.Handle(f.updateAccessKey)),
		native.Post("/users/{user}/factors", "EnrolFactor", key.EnrolFactor, native.Handle(f.enrolFactor)).Created(),
		native.Get("/users/{user}/factors", "ListFactors", key.ListFactors, native.Handle(f.listFactors)),
		native.Post("/users/{user}/factors/{factor}/confirm", "ConfirmFactor", key.EnrolFactor, native.Handle(f.confirmFactor)),
		native.Delete("/users/{user}/factors/{factor}", "RemoveFactor", key.RemoveFactor, native.Handle(f.removeFactor)),
		native.Delete("/users/{user}/access-keys/{id}", "DeleteAccessKey", key.DeleteAccessKey, native.Handle(f.deleteAccessKey)),
	}
}
