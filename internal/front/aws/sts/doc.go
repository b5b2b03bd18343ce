// Package sts serves the AWS STS API (Query, version 2011-06-15): so far
// GetCallerIdentity, which every client and Terraform's provider ask at their
// start. Operations has what is implemented.
package sts
