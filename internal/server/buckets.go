package server

import (
	"io"

	"github.com/holdfast-kms/holdfast/internal/bucket"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// buckets is where files for others go: audit reports, revocation lists.
type buckets interface {
	inventory.Sink
	io.Closer
}

// openBuckets opens the buckets that the configuration names.
func openBuckets(c *config.Config) (buckets, error) {
	of := c.Buckets
	of.Dir = c.BucketDir()
	return openBucketsOf(&of)
}

// openBucketsOf opens buckets in a directory or behind an endpoint.
func openBucketsOf(c *config.Buckets) (buckets, error) {
	s := &c.S3
	if s.Endpoint == "" {
		return bucket.OpenDir(c.Dir)
	}
	secret, err := s.Secret()
	if err != nil {
		return nil, err
	}
	roots, err := rootsIn("buckets.s3.ca_certificate", s.CACertificate)
	if err != nil {
		return nil, err
	}
	return bucket.NewS3(bucket.S3Config{
		Endpoint: s.Endpoint, Region: s.Region, Roots: roots, Timeout: s.Timeout,
		Credentials: sigv4.Credentials{AccessKeyID: s.AccessKeyID, Secret: secret.Reveal(), Token: s.SessionToken.Reveal()},
	})
}
