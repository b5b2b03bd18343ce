package keys

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) createAlias(ctx context.Context, r *native.Request, req *wire.CreateAliasRequest) (*wire.None, error) {
	if err := native.Required("key", req.Key); err != nil {
		return nil, err
	}
	return native.Nothing(f.keys.CreateAlias(ctx, r.Call, req.Name, native.RefOf(req.Key)))
}

func (f *front) updateAlias(ctx context.Context, r *native.Request, req *wire.UpdateAliasRequest) (*wire.None, error) {
	if err := native.Required("key", req.Key); err != nil {
		return nil, err
	}
	return native.Nothing(f.keys.UpdateAlias(ctx, r.Call, r.Path("alias"), native.RefOf(req.Key)))
}

func (f *front) deleteAlias(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.keys.DeleteAlias(ctx, r.Call, r.Path("alias")))
}

func (f *front) listAliases(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AliasList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	var target *kms.Ref
	if name := r.Param("key"); name != "" {
		ref := native.RefOf(name)
		target = &ref
	}
	aliases, next, err := f.keys.ListAliases(ctx, r.Call, target, page)
	list := &wire.AliasList{Aliases: make([]wire.Alias, len(aliases)), Next: next}
	for i, a := range aliases {
		list.Aliases[i] = wire.Alias{
			Name: a.Name, KeyID: string(a.Target), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
		}
	}
	return list, err
}
