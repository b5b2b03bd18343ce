// Package native serves Holdfast's own small API under /holdfast/v1/, for the
// command line, the agent and the console.
//
// route.go has the table of operations, which drives routing, the labels of
// metrics and the test that docs/openapi.yaml is true; front.go how a request
// runs; auth.go who asks; errors.go how failures are answered. The other
// files have the handlers, one file for each sort of resource.
//
// Every request is authenticated by HTTP Basic (RFC 7617) with an access key,
// and recorded in the audit log; only the version and the list of profiles,
// which tell nothing of a realm, leave no entry when they succeed.
package native
