// Package clientcerts serves the rules by which certificates of TLS clients
// prove users over the native API.
package clientcerts

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct {
	identities  *identity.Admin
	authorities *ca.Service
}

// Operations returns the operations on client certificates.
func Operations(identities *identity.Admin, authorities *ca.Service) []native.Operation {
	f := &front{identities, authorities}
	return []native.Operation{
		native.Post("/users/{user}/certificates", "PutClientCertificate", key.PutClientCertificate, native.Handle(f.put)).Created(),
		native.Get("/users/{user}/certificates", "ListClientCertificates", key.GetUser, native.Handle(f.list)),
		native.Delete("/users/{user}/certificates/{id}", "DeleteClientCertificate", key.DeleteClientCertificate, native.Handle(f.remove)),
	}
}

// resolve returns the id of the authority that a caller names.
func (f *front) resolve(call *key.Call, name string) (string, error) {
	a, err := f.authorities.Find(call, name)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

func (f *front) put(ctx context.Context, r *native.Request, req *wire.PutClientCertificateRequest) (*wire.ClientCertificate, error) {
	c, err := f.identities.PutClientCertificate(ctx, r.Call, &identity.NewClientCertificate{
		User: r.Path("user"), SHA256: req.SHA256, Authority: req.Authority, Subject: req.Subject, Name: req.Name, Resolve: f.resolve,
	})
	if err != nil {
		return nil, err
	}
	return out(c), nil
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ClientCertificateList, error) {
	all, err := f.identities.ClientCertificates(ctx, r.Call, r.Path("user"))
	if err != nil {
		return nil, err
	}
	list := &wire.ClientCertificateList{Certificates: make([]wire.ClientCertificate, len(all))}
	for i, c := range all {
		list.Certificates[i] = *out(c)
	}
	return list, nil
}

func (f *front) remove(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.identities.DeleteClientCertificate(ctx, r.Call, r.Path("user"), r.Path("id")))
}

func out(c *identity.ClientCertificate) *wire.ClientCertificate {
	return &wire.ClientCertificate{
		ID: c.ID, User: c.User, SHA256: c.SHA256, Authority: c.Authority, Subject: c.Subject, Name: c.Name, CreatedAt: c.CreatedAt,
	}
}
