package pca

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// tag is a Tag of AWS Private CA. Untagging may leave the value out: it then
// does not matter.
type tag struct{ key, value string }

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	m.Text("Key", &t.key, 1, 128).Matching(tagPattern).Required()
	m.Text("Value", &t.value, 0, 256).Matching(tagPattern)
}

// maxTags is how many tags an authority may have.
const maxTags = 50

// declareTags declares a list of tags.
func declareTags(m *aws.Members, to *[]tag) *aws.Member {
	return aws.Structs(m, "Tags", to, maxTags).AtLeast(1)
}

func keyTags(list []tag) []key.Tag {
	out := make([]key.Tag, len(list))
	for i, t := range list {
		out[i] = key.Tag{Key: t.key, Value: t.value}
	}
	return out
}

// tagRequest names an authority and tags of it.
type tagRequest struct {
	authorityRequest
	tags []tag
}

// Members declares TagCertificateAuthority's request, and that of
// UntagCertificateAuthority, which is alike.
func (r *tagRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	declareTags(m, &r.tags).Required()
}

func (f *front) tagAuthority(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.Tag(ctx, &x.Call, id, keyTags(in.tags))
	return err
}

// untagAuthority removes tags. One that is given with a value goes only if
// that is its value, as AWS has it.
func (f *front) untagAuthority(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	var have []key.Tag
	if a, ok := f.authorities.ByID(id); ok {
		have = a.Tags
	}
	var keys []string
	for _, t := range in.tags {
		if t.value == "" || slices.Contains(have, key.Tag{Key: t.key, Value: t.value}) {
			keys = append(keys, t.key)
		}
	}
	_, err = f.authorities.Untag(ctx, &x.Call, id, keys)
	return err
}

func (f *front) listTags(ctx context.Context, x *aws.Exchange, in *authorityPageRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	page, err := in.from(x)
	if err != nil {
		return err
	}
	a, err := f.authorities.ListTags(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	list, next := cut(page, a.Tags, func(t key.Tag) string { return t.Key })
	x.Out.Array("Tags", func() {
		for _, t := range list {
			x.Out.Object("", func() {
				x.Out.Text("Key", t.Key)
				x.Out.Text("Value", t.Value)
			})
		}
	})
	writeNext(x, next)
	return nil
}
