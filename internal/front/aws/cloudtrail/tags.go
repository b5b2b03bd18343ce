package cloudtrail

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxTags is how many tags a request has at most (AWS's model).
const maxTags = 200

// tag is a Tag of AWS CloudTrail.
type tag struct{ key, value string }

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	m.Text("Key", &t.key, 1, 128).Required()
	m.Text("Value", &t.value, 0, 256)
}

func declareTags(m *aws.Members, to *[]tag) *aws.Member {
	return aws.Structs(m, "TagsList", to, maxTags)
}

func keyTags(list []tag) []key.Tag {
	var out []key.Tag
	for _, t := range list {
		out = append(out, key.Tag{Key: t.key, Value: t.value})
	}
	return out
}

type tagRequest struct {
	arn  string
	tags []tag
}

// Members declares AddTags' request, and RemoveTags', which is alike.
func (r *tagRequest) Members(m *aws.Members) {
	m.Text("ResourceId", &r.arn, 1, maxText).Required()
	declareTags(m, &r.tags).Required()
}

// taggedRef reads the ARN of what has tags: a trail, and nothing else.
func taggedRef(x *aws.Exchange, arn string) (trail.Ref, error) {
	if a, ok := wire.ParseARN(arn); !ok || a.Service != "cloudtrail" {
		return trail.Ref{}, wire.Invalid("CloudTrailARNInvalidException", "The ARN '"+arn+"' is not the ARN of a trail.")
	} else if !strings.HasPrefix(a.Resource, "trail/") {
		return trail.Ref{}, wire.Invalid("ResourceTypeNotSupportedException", "Tags of '"+arn+"' are not supported: only trails have tags.")
	}
	return refOf(x, arn)
}

func (f *front) addTags(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	ref, err := taggedRef(x, in.arn)
	if err != nil {
		return err
	}
	return f.trails.Tag(ctx, &x.Call, ref, keyTags(in.tags))
}

func (f *front) removeTags(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	ref, err := taggedRef(x, in.arn)
	if err != nil {
		return err
	}
	keys := make([]string, len(in.tags))
	for i, t := range in.tags {
		keys[i] = t.key
	}
	return f.trails.Untag(ctx, &x.Call, ref, keys)
}

type listTagsRequest struct {
	arns  []string
	token string
}

// maxTagged is how many resources a request for tags names at most.
const maxTagged = 20

// Members declares ListTags' request. All tags are on one page, so that no
// token is ever right.
func (r *listTagsRequest) Members(m *aws.Members) {
	m.List("ResourceIdList", &r.arns, maxTagged, 1, maxText).AtLeast(1).Required()
	m.Text("NextToken", &r.token, 1, maxText)
}

func (f *front) listTags(ctx context.Context, x *aws.Exchange, in *listTagsRequest) error {
	if in.token != "" {
		return wire.Invalid("InvalidTokenException", "The token is not valid.")
	}
	var list []*trail.Trail
	for _, arn := range in.arns {
		ref, err := taggedRef(x, arn)
		if err != nil {
			return err
		}
		t, err := f.trails.Get(ctx, &x.Call, key.ListTrailTags, ref)
		if err != nil {
			return err
		}
		list = append(list, t)
	}
	x.Out.Array("ResourceTagList", func() {
		for _, t := range list {
			x.Out.Object("", func() {
				x.Out.Text("ResourceId", arnOf(t))
				x.Out.Array("TagsList", func() { writeTags(&x.Out, t.Tags) })
			})
		}
	})
	return nil
}

func writeTags(out *wire.Encoder, tags []key.Tag) {
	for _, t := range tags {
		out.Object("", func() {
			out.Text("Key", t.Key)
			out.Text("Value", t.Value)
		})
	}
}
