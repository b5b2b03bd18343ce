package cloudtrail

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// absent marks a text that was not sent; none that can be sent is the same,
// because it is no UTF-8.
const absent = "\xff"

// settings are what CreateTrail and UpdateTrail set.
type settings struct {
	name, bucket, prefix string
	global, everywhere   *bool
}

func (r *settings) declare(m *aws.Members) {
	r.bucket, r.prefix = absent, absent
	m.Text("Name", &r.name, 1, maxText).Required()
	m.Text("S3KeyPrefix", &r.prefix, 0, maxText)
	m.Flag("IncludeGlobalServiceEvents", &r.global)
	m.Flag("IsMultiRegionTrail", &r.everywhere)
	for _, name := range []string{
		"SnsTopicName", "EnableLogFileValidation", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KmsKeyId", "IsOrganizationTrail",
	} {
		m.Unsupported(name)
	}
}

// check refuses what no trail can be: everywhere and global are as they will be.
func (r *settings) check(everywhere, global bool) error {
	if everywhere && !global {
		return wire.Invalid("InvalidParameterCombinationException", "Multi-Region trail must include global service events.")
	}
	if r.bucket != absent {
		if err := checkBucket(r.bucket); err != nil {
			return err
		}
	}
	if r.prefix == absent {
		return nil
	}
	return checkPrefix(r.prefix)
}

type createTrailRequest struct {
	settings
	tags []tag
}

// Members declares CreateTrail's request.
func (r *createTrailRequest) Members(m *aws.Members) {
	r.declare(m)
	m.Text("S3BucketName", &r.bucket, 0, maxText).Required()
	declareTags(m, &r.tags)
}

func (f *front) createTrail(ctx context.Context, x *aws.Exchange, in *createTrailRequest) error {
	req := &trail.Create{Name: in.name, Bucket: in.bucket, Global: in.global == nil || *in.global, Tags: keyTags(in.tags)}
	req.AllRegions = in.everywhere != nil && *in.everywhere
	if in.prefix != absent {
		req.Prefix = strings.Trim(in.prefix, "/")
	}
	if err := checkName(in.name); err != nil {
		return err
	}
	if err := in.check(req.AllRegions, req.Global); err != nil {
		return err
	}
	t, err := f.trails.Create(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeSettings(&x.Out, t)
	return nil
}

type updateTrailRequest struct{ settings }

// Members declares UpdateTrail's request.
func (r *updateTrailRequest) Members(m *aws.Members) {
	r.declare(m)
	m.Text("S3BucketName", &r.bucket, 0, maxText)
}

func (f *front) updateTrail(ctx context.Context, x *aws.Exchange, in *updateTrailRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	everywhere, global := in.everywhere != nil && *in.everywhere, in.global == nil || *in.global
	if err := in.check(everywhere, global); err != nil {
		return err
	}
	u := &trail.Update{AllRegions: in.everywhere, Global: in.global}
	if in.bucket != absent {
		u.Bucket = &in.bucket
	}
	if in.prefix != absent {
		prefix := strings.Trim(in.prefix, "/")
		u.Prefix = &prefix
	}
	t, err := f.trails.Update(ctx, &x.Call, ref, u)
	if err != nil {
		return err
	}
	writeSettings(&x.Out, t)
	return nil
}

func (f *front) deleteTrail(ctx context.Context, x *aws.Exchange, in *namedRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	return f.trails.Delete(ctx, &x.Call, ref)
}

func (f *front) getTrail(ctx context.Context, x *aws.Exchange, in *namedRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	t, err := f.trails.Get(ctx, &x.Call, key.GetTrail, ref)
	if err != nil {
		return err
	}
	x.Out.Object("Trail", func() { writeTrail(&x.Out, t) })
	return nil
}

type describeTrailsRequest struct {
	names  []string
	shadow *bool
}

// maxTrailNames is how many trails a request names at most.
const maxTrailNames = 100

// Members declares DescribeTrails' request, whose members AWS writes small.
func (r *describeTrailsRequest) Members(m *aws.Members) {
	m.List("trailNameList", &r.names, maxTrailNames, 1, maxText)
	m.Flag("includeShadowTrails", &r.shadow)
}

func (f *front) describeTrails(ctx context.Context, x *aws.Exchange, in *describeTrailsRequest) error {
	var refs []trail.Ref
	for _, name := range in.names {
		ref, err := refOf(x, name)
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	list, err := f.trails.Describe(ctx, &x.Call, refs, in.shadow == nil || *in.shadow)
	if err != nil {
		return err
	}
	x.Out.Array("trailList", func() {
		for _, t := range list {
			x.Out.Object("", func() { writeTrail(&x.Out, t) })
		}
	})
	return nil
}

type listTrailsRequest struct{ token string }

// Members declares ListTrails' request.
func (r *listTrailsRequest) Members(m *aws.Members) { m.Text("NextToken", &r.token, 1, maxText) }

// trailsPage is how many trails a page of ListTrails has.
const trailsPage = 100

func (f *front) listTrails(ctx context.Context, x *aws.Exchange, in *listTrailsRequest) error {
	page, err := x.Page(aws.PageRequest{Marker: in.token}, trailsPage, strayToken)
	if err != nil {
		return err
	}
	list, next, err := f.trails.List(ctx, &x.Call, page)
	if err != nil {
		return err
	}
	x.Out.Array("Trails", func() {
		for _, t := range list {
			x.Out.Object("", func() {
				x.Out.Text("TrailARN", arnOf(t))
				x.Out.Text("Name", t.Name)
				x.Out.Text("HomeRegion", t.Region)
			})
		}
	})
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
	return nil
}

// writeSettings adds what CreateTrail and UpdateTrail answer.
func writeSettings(out *wire.Encoder, t *trail.Trail) {
	out.Text("Name", t.Name)
	out.Text("S3BucketName", t.Bucket)
	if t.Prefix != "" {
		out.Text("S3KeyPrefix", t.Prefix)
	}
	out.Bool("IncludeGlobalServiceEvents", t.Global)
	out.Bool("IsMultiRegionTrail", t.AllRegions)
	out.Text("TrailARN", arnOf(t))
	out.Bool("LogFileValidationEnabled", false)
	out.Bool("IsOrganizationTrail", false)
}

func writeTrail(out *wire.Encoder, t *trail.Trail) {
	writeSettings(out, t)
	out.Text("HomeRegion", t.Region)
	out.Bool("HasCustomEventSelectors", t.Custom())
	out.Bool("HasInsightSelectors", false)
}
