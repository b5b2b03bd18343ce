// Package native serves Holdfast's own small API under /holdfast/v1/, for the
// command line, the agent and the console.
//
// This package is the protocol: front.go is how a request runs, auth.go who
// asks, errors.go how failures are answered, params.go and shapes.go what many
// operations read and write. The packages under it have the operations, one
// for each sort of resource; their route.go is the table, which drives
// routing, the labels of metrics and the test that docs/openapi.yaml is true.
// The mount in package server puts them together.
//
// Every request is authenticated by HTTP Basic (RFC 7617) with an access key,
// and recorded in the audit log; only the version and the list of profiles,
// which tell nothing of a realm, leave no entry when they succeed.
package native
