package authorities

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	documents "github.com/holdfast-kms/holdfast/internal/profile/document"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) listProfiles(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ProfileList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.authorities.Profiles(ctx, r.Call, page)
	if err != nil {
		return nil, err
	}
	list := &wire.ProfileList{Profiles: make([]wire.Profile, len(all)), Next: next}
	for i, p := range all {
		list.Profiles[i] = *profileOut(p)
		list.Profiles[i].Document = ""
	}
	return list, nil
}

func (f *front) profile(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Profile, error) {
	p, err := f.authorities.Profile(ctx, r.Call, r.Path("profile"))
	if err != nil {
		return nil, err
	}
	return profileOut(p), nil
}

// putProfile stores a document, whose name has to be that of the path.
func (f *front) putProfile(ctx context.Context, r *native.Request, req *wire.ProfileDocument) (*wire.Profile, error) {
	parsed, err := documents.Parse([]byte(req.Document))
	if err != nil {
		return nil, err
	}
	if name := r.Path("profile"); parsed.Name != name {
		return nil, fault.New(fault.InvalidArgument, "the document is of the profile %q, and not of %q", parsed.Name, name)
	}
	p, err := f.authorities.PutProfile(ctx, r.Call, []byte(req.Document))
	if err != nil {
		return nil, err
	}
	return profileOut(p), nil
}

func (f *front) deleteProfile(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return nil, f.authorities.DeleteProfile(ctx, r.Call, r.Path("profile"))
}

// profileOut puts a profile into the API's shape.
func profileOut(p *ca.StoredProfile) *wire.Profile {
	return &wire.Profile{
		Name: p.Name, Description: p.Description, Builtin: p.Builtin, Document: string(p.Document),
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}
