// Package lambda serves the part of AWS Lambda (version 2015-03-31) that
// invokes functions, for those that Holdfast brings. Operations has what is
// implemented: route.go is the table, routes.go has the paths of all of AWS's
// operations, invoke.go runs functions and events.go reads what they are given.
// docs/aws-lambda.md is the page for users, Divergences included.
//
// Not implemented: functions of one's own and all that belongs to them, and
// asynchronous invocations. Requests for them are refused by name.
package lambda
