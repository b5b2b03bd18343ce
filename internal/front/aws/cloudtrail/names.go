package cloudtrail

import (
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxText bounds texts for which AWS's model has no bounds, in characters.
const maxText = 1024

// The forms of names ("Naming requirements for CloudTrail resources, S3
// buckets, and KMS keys", AWS CloudTrail User Guide).
var (
	trailName  = regexp.MustCompile(`^[a-zA-Z0-9](?:[._-]?[a-zA-Z0-9])*$`)
	addressy   = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$`)
)

// maxPrefix is the longest prefix in characters.
const maxPrefix = 200

func checkName(name string) error {
	if len(name) < 3 || len(name) > 128 || !trailName.MatchString(name) || addressy.MatchString(name) {
		return wire.Invalid("InvalidTrailNameException", "The trail name '"+name+"' is not valid: it has 3 to 128 letters, digits, periods, "+
			"underscores and hyphens, begins and ends with a letter or digit, has no two of the others beside each other, and is no IP address.")
	}
	return nil
}

func checkBucket(name string) error {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") || addressy.MatchString(name) {
		return wire.Invalid("InvalidS3BucketNameException", "Bucket name '"+name+"' is invalid.")
	}
	return nil
}

func checkPrefix(prefix string) error {
	if prefix != "" && (len(prefix) > maxPrefix || !prefixName.MatchString(prefix)) {
		return wire.Invalid("InvalidS3PrefixException", "The S3 key prefix '"+prefix+"' is invalid: at most 200 letters, digits and . _ ~ - between slashes.")
	}
	return nil
}

// refOf reads the name or the ARN of a trail. A bare name is of the region
// that was called.
func refOf(x *aws.Exchange, name string) (trail.Ref, error) {
	if !strings.HasPrefix(name, "arn:") {
		return trail.Ref{Region: x.Call.Region, Name: name}, checkName(name)
	}
	res, ok := wire.ParseResource(name)
	if !ok || res.Kind != key.KindTrail {
		return trail.Ref{}, wire.Invalid("CloudTrailARNInvalidException", "The ARN '"+name+"' is not the ARN of a trail.")
	}
	if res.Realm != x.Call.Caller.Principal.Realm {
		return trail.Ref{}, &fault.Error{Kind: fault.NotFound, Resource: res.String(), Public: "the trail is of another account"}
	}
	return trail.Ref{Region: res.Region, Name: res.ID}, nil
}

// namedRequest is the request of operations that take a trail and nothing else.
type namedRequest struct{ name string }

// Members declares the request.
func (r *namedRequest) Members(m *aws.Members) { m.Text("Name", &r.name, 1, maxText).Required() }

// arnOf returns the ARN of a trail.
func arnOf(t *trail.Trail) string { return wire.ResourceARN(t.Resource()) }
