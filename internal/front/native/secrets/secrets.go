package secrets

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// refOf returns the secret that the path names.
func refOf(r *native.Request) secret.Ref { return secret.Ref{Text: r.Path("secret"), ByID: true} }

// valueOf returns the value in a request.
func valueOf(value []byte, binary bool) *secret.Value {
	if binary {
		return secret.NewBytes(value)
	}
	return secret.NewText(value)
}

func (f *front) create(ctx context.Context, r *native.Request, req *wire.CreateSecretRequest) (*wire.Secret, error) {
	defer clear(req.Value)
	ask := &secret.CreateRequest{Name: req.Name, Description: req.Description, Tags: native.TagsIn(req.Tags)}
	if req.Key != "" {
		ask.Key = &secret.KeyChoice{Ref: native.RefOf(req.Key), Text: req.Key}
	}
	if len(req.Value) > 0 {
		ask.Value = valueOf(req.Value, req.Binary)
	}
	made, err := f.secrets.Create(ctx, r.Call, ask)
	if err != nil {
		return nil, err
	}
	return secretOut(made.Secret, nil)
}

func (f *front) put(ctx context.Context, r *native.Request, req *wire.PutSecretRequest) (*wire.Secret, error) {
	defer clear(req.Value)
	made, err := f.secrets.Put(ctx, r.Call, &secret.PutRequest{Secret: refOf(r), Value: valueOf(req.Value, req.Binary)})
	if err != nil {
		return nil, err
	}
	return secretOut(made.Secret, nil)
}

func (f *front) value(ctx context.Context, r *native.Request, _ *wire.None) (*wire.SecretValue, error) {
	got, err := f.secrets.Get(ctx, r.Call, &secret.Choice{
		Secret: refOf(r), Version: r.Param("version"), Stage: secret.Stage(r.Param("stage")),
	})
	if err != nil {
		return nil, err
	}
	return &wire.SecretValue{
		Name: got.Name, Version: got.Version.ID, Value: got.Value.Reveal(), Binary: got.Value.Binary, CreatedAt: got.Version.CreatedAt,
	}, nil
}

func (f *front) describe(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Secret, error) {
	return secretOut(f.secrets.Describe(ctx, r.Call, refOf(r)))
}

// flag reads a parameter that is true or false.
func flag(r *native.Request, name string) (bool, error) {
	switch text := r.Param(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fault.New(fault.InvalidArgument, "the parameter %q is true or false", name)
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.SecretList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	l := &secret.List{Order: secret.ByName, Page: page}
	if l.Deleted, err = flag(r, "deleted"); err != nil {
		return nil, err
	}
	if name := r.Param("name"); name != "" {
		l.Filters = []secret.Filter{{Field: secret.Name, Values: []string{name}}}
	}
	all, next, err := f.secrets.List(ctx, r.Call, l)
	if err != nil {
		return nil, err
	}
	out := &wire.SecretList{Secrets: make([]wire.Secret, len(all)), Next: next}
	for i, x := range all {
		one, err := secretOut(x, nil)
		if err != nil {
			return nil, err
		}
		out.Secrets[i] = *one
	}
	return out, nil
}

func (f *front) remove(ctx context.Context, r *native.Request, _ *wire.None) (*wire.SecretDeletion, error) {
	req := &secret.DeleteRequest{Secret: refOf(r)}
	var err error
	if req.Force, err = flag(r, "force"); err != nil {
		return nil, err
	}
	if req.Days, err = r.Number("days", 0, secret.MaxRecovery); err != nil {
		return nil, err
	}
	gone, err := f.secrets.Delete(ctx, r.Call, req)
	if err != nil {
		return nil, err
	}
	out := &wire.SecretDeletion{Name: r.Path("secret"), GoneAt: gone.At}
	if gone.Secret != nil {
		out.Name = gone.Name
	}
	return out, nil
}

func (f *front) restore(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Secret, error) {
	return secretOut(f.secrets.Restore(ctx, r.Call, refOf(r)))
}

// secretOut puts a secret into the API's shape.
func secretOut(x *secret.Secret, err error) (*wire.Secret, error) {
	if err != nil {
		return nil, err
	}
	out := &wire.Secret{
		Name: x.Name, ID: x.ID(), Realm: string(x.Realm), Region: x.Region, Description: x.Description, Key: x.KeyText,
		Tags: native.TagsOut(x.Tags), CreatedAt: x.CreatedAt, ChangedAt: x.ChangedAt, AccessedAt: x.AccessedAt, DeleteAt: x.DeleteAt,
		Versions: make([]wire.SecretVersion, len(x.Versions)),
	}
	for i, v := range x.Versions {
		out.Versions[i] = wire.SecretVersion{ID: v.ID, CreatedAt: v.CreatedAt, AccessedAt: v.AccessedAt}
		for _, stage := range v.Stages {
			out.Versions[i].Stages = append(out.Versions[i].Stages, string(stage))
		}
	}
	return out, nil
}
