package native

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *Front) createAlias(ctx context.Context, r *request, req *wire.CreateAliasRequest) (*wire.None, error) {
	if err := required("key", req.Key); err != nil {
		return nil, err
	}
	return nothing(f.Keys.CreateAlias(ctx, r.call, req.Name, refOf(req.Key)))
}

func (f *Front) updateAlias(ctx context.Context, r *request, req *wire.UpdateAliasRequest) (*wire.None, error) {
	if err := required("key", req.Key); err != nil {
		return nil, err
	}
	return nothing(f.Keys.UpdateAlias(ctx, r.call, r.http.PathValue("alias"), refOf(req.Key)))
}

func (f *Front) deleteAlias(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nothing(f.Keys.DeleteAlias(ctx, r.call, r.http.PathValue("alias")))
}

func (f *Front) listAliases(ctx context.Context, r *request, _ *wire.None) (*wire.AliasList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	var target *kms.Ref
	if name := r.param("key"); name != "" {
		ref := refOf(name)
		target = &ref
	}
	aliases, next, err := f.Keys.ListAliases(ctx, r.call, target, page)
	list := &wire.AliasList{Aliases: make([]wire.Alias, len(aliases)), Next: next}
	for i, a := range aliases {
		list.Aliases[i] = wire.Alias{
			Name: a.Name, KeyID: string(a.Target), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
		}
	}
	return list, err
}
