// Package sns serves the Amazon SNS API (Query, version 2010-03-31) over
// topics, and says how their messages look to receivers: Form is what package
// topic asks, Certificates serves what signatures are verified with.
//
// Start with New. Operations has what is implemented.
package sns
