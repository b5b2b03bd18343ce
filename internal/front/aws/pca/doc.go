// Package pca is AWS Private CA (API version 2017-08-22, its operations as of
// the AWS SDK for Go v2, acmpca 1.56.10) over the certificate authorities of
// package ca. All 23 operations are implemented.
//
// Start with New. route.go is the API's table; authorities.go, issue.go and
// their neighbours are its handlers by noun; templates.go has what AWS's
// certificate templates put into certificates; errors.go puts faults into
// AWS's words. docs/aws.md says where the API differs from AWS's.
package pca
