package pca

import (
	"context"

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
	id, err := in.id(x)
	if err != nil {
		return err
	}
	return f.authorities.Tag(ctx, &x.Call, id, keyTags(in.tags))
}

// untagAuthority removes tags. A tag that is given with a value goes only if
// that is its value, as AWS has it.
func (f *front) untagAuthority(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	return f.authorities.Untag(ctx, &x.Call, id, keyTags(in.tags))
}

type listTagsRequest struct {
	authorityRequest
	pageRequest
}

// Members declares ListTags' request.
func (r *listTagsRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	r.page(m)
}

func (f *front) listTags(ctx context.Context, x *aws.Exchange, in *listTagsRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	page, err := in.from(x)
	if err != nil {
		return err
	}
	tags, next, err := f.authorities.ListTags(ctx, &x.Call, id, page)
	if err != nil {
		return err
	}
	x.Out.Array("Tags", func() {
		for _, t := range tags {
			x.Out.Object("", func() {
				x.Out.Text("Key", t.Key)
				x.Out.Text("Value", t.Value)
			})
		}
	})
	writeNext(x, next)
	return nil
}
