package cloudhsm

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// resourceRequest names a cluster or a backup.
type resourceRequest struct{ id string }

// Members declares the member.
func (r *resourceRequest) Members(m *aws.Members) {
	m.Text("ResourceId", &r.id, 0, maxText).Matching(resourcePattern).Required()
}

type tagRequest struct {
	resourceRequest
	tags []tag
}

// Members declares TagResource's request.
func (r *tagRequest) Members(m *aws.Members) {
	r.resourceRequest.Members(m)
	declareTags(m, &r.tags).Required()
}

func (f *front) tagResource(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	return f.clusters.Tag(ctx, &x.Call, thing(in.id), keyTags(in.tags))
}

type untagRequest struct {
	resourceRequest
	keys []string
}

// Members declares UntagResource's request.
func (r *untagRequest) Members(m *aws.Members) {
	r.resourceRequest.Members(m)
	m.List("TagKeyList", &r.keys, maxTags, 1, 128).Matching(tagPattern).AtLeast(1).Required()
}

func (f *front) untagResource(ctx context.Context, x *aws.Exchange, in *untagRequest) error {
	return f.clusters.Untag(ctx, &x.Call, thing(in.id), in.keys)
}

type listTagsRequest struct {
	resourceRequest
	listRequest
}

// Members declares ListTags's request.
func (r *listTagsRequest) Members(m *aws.Members) {
	r.resourceRequest.Members(m)
	r.page(m, maxTagPage)
}

func (f *front) listTags(ctx context.Context, x *aws.Exchange, in *listTagsRequest) error {
	page, err := x.Page(in.PageRequest, maxTagPage, strayToken)
	if err != nil {
		return err
	}
	tags, err := f.clusters.Tags(ctx, &x.Call, thing(in.id))
	if err != nil {
		return err
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(t key.Tag) bool { return page.After != "" && t.Key <= page.After })
	next := ""
	if len(tags) > page.Limit {
		tags = tags[:page.Limit]
		next = tags[len(tags)-1].Key
	}
	writeTags(&x.Out, tags)
	writeNext(x, next)
	return nil
}
