// Package bucket keeps files for others in buckets: audit reports, and lists
// that are published. Dir is a directory of buckets on this machine, S3 an
// endpoint that speaks the API of Amazon S3; both are an inventory.Sink.
package bucket

import (
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// bucketName is the form of bucket names ("Bucket naming rules", Amazon S3
// User Guide): safe as the name of a directory and of a host.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// namePart is a part of a name: characters that no URL has to escape and no
// file system cares about. A first dot is kept for files under way.
var namePart = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)

// maxName is the longest name of a file in bytes, maxPart that of a part.
const (
	maxName = 900
	maxPart = 200
)

// checkBucket returns an InvalidArgument error for what is no bucket's name.
func checkBucket(bucket string) error {
	if !bucketName.MatchString(bucket) || strings.Contains(bucket, "..") {
		return fault.New(fault.InvalidArgument, "%q is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens", bucket)
	}
	return nil
}

// check returns an InvalidArgument error for what is no bucket's or no file's
// name.
func check(bucket, name string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	if len(name) > maxName {
		return fault.New(fault.InvalidArgument, "the name of a file in a bucket has at most %d bytes", maxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxPart || !namePart.MatchString(part) {
			return fault.New(fault.InvalidArgument, "%q is no name of a file in a bucket: letters, digits and . _ ~ - between slashes", name)
		}
	}
	return nil
}
