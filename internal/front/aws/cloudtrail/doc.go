// Package cloudtrail serves the part of AWS CloudTrail (CloudTrail_20131101,
// version 2013-11-01) that is about trails and the history of events, over
// Holdfast's audit log. route.go is the table; trails.go, status.go,
// selectors.go, tags.go and lookup.go have the operations, with the
// declarations of their requests. docs/aws-cloudtrail.md is the page for
// users, Divergences included.
//
// Not implemented: CloudTrail Lake (event data stores, queries, imports,
// channels, dashboards), Insights and organizations. Requests for them are
// refused by name.
package cloudtrail
