// Package cloudwatch serves the API of Amazon CloudWatch (version 2010-08-01)
// over metrics and alarms, in all three of its protocols: Smithy's RPC v2 with
// CBOR, JSON 1.0 and Query. names.go has the metrics under AWS's names,
// message.go what alarms publish. Operations has what is implemented.
package cloudwatch
