// Package providers serves over the native API what the server's providers
// are: the key services in which keys can live, and what is in them.
package providers

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Reader tells callers who may of the server's providers. It authorises
// key.ListProviders, key.ListProviderKeys and key.TestProvider for the call.
type Reader interface {
	// Providers returns all providers, without the kinds of keys that they make.
	Providers(ctx context.Context, call *key.Call) (*wire.ProviderList, error)
	// Provider returns one of them.
	Provider(ctx context.Context, call *key.Call, name string) (*wire.Provider, error)
	// Keys returns a page of what is in a provider. The first page is "".
	Keys(ctx context.Context, call *key.Call, name, page string) (*wire.ProviderKeyList, error)
	// Test tries a provider.
	Test(ctx context.Context, call *key.Call, name string, req *wire.TestProviderRequest) (*wire.ProviderTrial, error)
}

// front has the handlers.
type front struct{ providers Reader }

// Operations returns the operations on providers.
func Operations(r Reader) []native.Operation {
	f := &front{r}
	return []native.Operation{
		native.Get("/providers", "ListProviders", key.ListProviders, native.Handle(f.list)),
		native.Get("/providers/{provider}", "GetProvider", key.ListProviders, native.Handle(f.show)),
		native.Get("/providers/{provider}/keys", "ListProviderKeys", key.ListProviderKeys, native.Handle(f.keys)).Takes("after"),
		native.Post("/providers/{provider}/test", "TestProvider", key.TestProvider, native.Handle(f.test)),
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ProviderList, error) {
	return f.providers.Providers(ctx, r.Call)
}

func (f *front) show(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Provider, error) {
	return f.providers.Provider(ctx, r.Call, r.Path("provider"))
}

func (f *front) keys(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ProviderKeyList, error) {
	return f.providers.Keys(ctx, r.Call, r.Path("provider"), r.HTTP.URL.Query().Get("after"))
}

func (f *front) test(ctx context.Context, r *native.Request, req *wire.TestProviderRequest) (*wire.ProviderTrial, error) {
	return f.providers.Test(ctx, r.Call, r.Path("provider"), req)
}
