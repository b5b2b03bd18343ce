package native

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	documents "github.com/holdfast-kms/holdfast/internal/profile/document"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *Front) listProfiles(ctx context.Context, r *request, _ *wire.None) (*wire.ProfileList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.Authorities.Profiles(ctx, r.call, page)
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

func (f *Front) profile(ctx context.Context, r *request, _ *wire.None) (*wire.Profile, error) {
	p, err := f.Authorities.Profile(ctx, r.call, r.http.PathValue("profile"))
	if err != nil {
		return nil, err
	}
	return profileOut(p), nil
}

// putProfile stores a document, whose name has to be that of the path.
func (f *Front) putProfile(ctx context.Context, r *request, req *wire.ProfileDocument) (*wire.Profile, error) {
	parsed, err := documents.Parse([]byte(req.Document))
	if err != nil {
		return nil, err
	}
	if name := r.http.PathValue("profile"); parsed.Name != name {
		return nil, fault.New(fault.InvalidArgument, "the document is of the profile %q, and not of %q", parsed.Name, name)
	}
	p, err := f.Authorities.PutProfile(ctx, r.call, []byte(req.Document))
	if err != nil {
		return nil, err
	}
	return profileOut(p), nil
}

func (f *Front) deleteProfile(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nil, f.Authorities.DeleteProfile(ctx, r.call, r.http.PathValue("profile"))
}

// profileOut puts a profile into the API's shape.
func profileOut(p *ca.StoredProfile) *wire.Profile {
	return &wire.Profile{
		Name: p.Name, Description: p.Description, Builtin: p.Builtin, Document: string(p.Document),
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}
